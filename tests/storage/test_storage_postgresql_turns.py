"""Who may write beside whom on PostgreSQL, and what many writers at once must never bring about."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from postgresql_server import Server
from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.custody import store as log_rows
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.ledger import service as ledger
from yunhe.storage import leases
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import HEAD, upgrade


@pytest.fixture
def address(postgresql: Server, migrated: str) -> Iterator[str]:
    name = postgresql.create(migrated)
    yield postgresql.address(name)
    postgresql.drop(name)


@pytest.fixture
def storage(address: str, tmp_path: Path) -> Iterator[Storage]:
    database = Database(address, connections=20)
    yield Storage(database, LocalBlobs(tmp_path / "blobs"), ManualClock())
    database.close()


def waiting(storage: Storage) -> int:
    """How many transactions wait for a lock of this database."""
    name = "SELECT oid FROM pg_database WHERE datname = current_database()"
    query = f"SELECT count(*) FROM pg_locks WHERE NOT granted AND database = ({name})"
    with storage.database.read() as tx:
        return tx.execute(text(query)).scalar_one()


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1_500):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


def record(subject: str) -> Record:
    return Record("data.source", subject, 1, {"name": subject}, {})


def test_shared_writers_write_at_once_and_who_writes_alone_waits_for_all_of_them(storage) -> None:
    with ThreadPoolExecutor(2) as pool:
        with storage.database.begin_shared() as first, storage.database.begin_shared() as second:
            first.execute(text("SELECT 1"))
            second.execute(text("SELECT 1"))
            alone: Future[None] = pool.submit(write_alone, storage)
            wait_until(lambda: waiting(storage) == 1)
            assert not alone.done()
        alone.result(timeout=90)
        with storage.database.begin():
            for begin in (storage.database.begin, storage.database.begin_shared):
                late = pool.submit(write_alone, storage, begin)
                wait_until(lambda: waiting(storage) > 0)
                assert not late.done()
                with storage.database.read() as tx:  # readers wait for nobody
                    tx.execute(text("SELECT 1"))


def write_alone(storage: Storage, begin: Callable | None = None) -> None:
    with (begin or storage.database.begin)() as tx:
        tx.execute(text("SELECT 1"))


def test_what_is_seen_in_a_turn_is_what_the_writer_before_left(storage: Storage) -> None:
    """The look-up comes after the wait, not before: nobody decides on a state that is gone."""
    with storage.database.begin() as tx:
        tx.execute(text("CREATE TABLE counter (n BIGINT)"))
        tx.execute(text("INSERT INTO counter VALUES (0)"))

    def add(_: int) -> None:
        with storage.database.begin() as tx:
            n = tx.execute(text("SELECT n FROM counter")).scalar_one()
            tx.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(add, range(240)))
    with storage.database.read() as tx:
        assert tx.execute(text("SELECT n FROM counter")).scalar_one() == 240


def test_records_that_commit_out_of_order_are_all_signed_and_none_is_passed_over(
    storage: Storage, tmp_path: Path
) -> None:
    signer = custody.create_log(tmp_path / "home", "yunhe.test/log")
    sequencer = custody.Sequencer(storage, signer)
    with ThreadPoolExecutor(1) as pool:
        with storage.database.begin_shared() as slow:
            custody.append_new(slow, [record("first")])  # takes the lower number …
            with storage.database.begin_shared() as quick:
                custody.append_new(quick, [record("second")])  # … and commits later
            signing = pool.submit(sequencer.run_once)
            wait_until(lambda: waiting(storage) == 1)  # nothing is signed past the open one
            assert not signing.done()
        assert signing.result(timeout=90).size == 2
    with storage.database.read() as tx:
        rows = log_rows.leaf_rows(tx, start=0, count=10)
        assert [row.subject for row in rows] == ["first", "second"]
    audit = custody.audit(storage, custody.trust(tmp_path / "home"))
    assert audit.ok
    assert (audit.leaves, audit.pending) == (2, 0)


def test_workers_that_ask_at_once_get_different_items_without_waiting(storage: Storage) -> None:
    with storage.database.begin() as tx:
        for n in range(3):
            leases.enqueue(tx, kind="job", key=f"k{n}", payload={}, at_us=n)
    with storage.database.begin_shared() as tx:
        # Another worker is about to take the oldest.
        tx.execute(text("SELECT * FROM storage_work WHERE key = 'k0' FOR UPDATE"))
        assert leases.claim(storage, ["job"]).key == "k1"
        assert leases.claim(storage, ["job"]).key == "k2"
        assert leases.claim(storage, ["job"]) is None
    assert leases.claim(storage, ["job"]).key == "k0"


def test_many_threads_claim_every_item_once(storage: Storage) -> None:
    with storage.database.begin() as tx:
        for n in range(300):
            leases.enqueue(tx, kind="job", key=f"k{n:03}", payload={}, at_us=n)

    def drain(_: int) -> list[str]:
        taken = []
        while (held := leases.claim(storage, ["job"])) is not None:
            leases.heartbeat(storage, held)
            taken.append(held.key)
        return taken

    with ThreadPoolExecutor(12) as pool:
        taken = [key for part in pool.map(drain, range(12)) for key in part]
    assert sorted(taken) == [f"k{n:03}" for n in range(300)]


CITY = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from yunhe.compute import service as compute
    from yunhe.compute.domain import WorkloadSpec
    from yunhe.kernel.clock import ManualClock
    from yunhe.storage.blobs import LocalBlobs
    from yunhe.storage.database import Database
    from yunhe.storage.service import Storage
    url, folder, organisation, name = sys.argv[1:]
    storage = Storage(Database(url), LocalBlobs(Path(folder) / "blobs"), ManualClock())
    sys.stdin.readline()
    for number in range(12):
        # Every process asks for the same twelve as well: each is one workload.
        for key in (f"{name}-{number}", f"all-{number}"):
            asked = compute.submit(storage, WorkloadSpec(
                key=key, organisation=organisation, entry_point="program", chip="cpu",
                arguments={}, inputs={}, devices=1, wall_seconds_max=60, cpu_seconds_max=60,
            ))
            if number % 3 == 0:
                compute.cancel(storage, asked.id)
    """
)


def test_processes_that_place_workloads_at_once_never_exceed_pool_or_award(
    storage: Storage, tmp_path: Path
) -> None:
    devices, seconds = 5, 400
    with storage.database.begin() as tx:
        operator, provider, university = (
            identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=0).id
            for kind in ("operator", "provider", "university")
        )
        member = identity.add_member(tx, key="op", organisation=operator, name="值班", at_us=0).id
        identity.grant_role(tx, member=member, role="operator", at_us=0)
    compute.register_pool(
        storage,
        key="pool",
        provider=provider,
        site="here",
        adapter="local",
        chip="cpu",
        devices=devices,
        price_minor_per_device_hour=0,
        currency="CNY",
    )
    compute.award(
        storage,
        key="award",
        organisation=university,
        chip="cpu",
        device_ms=seconds * 1_000,
        expires_at_us=storage.clock.now_us() + 365 * DAY_US,
        awarded_by=member,
    )
    url = storage.database.url
    command = [sys.executable, "-c", CITY, url, str(tmp_path), university]
    processes = [
        subprocess.Popen([*command, f"p{n}"], stdin=subprocess.PIPE, text=True) for n in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    while any(process.poll() is None for process in processes):
        with storage.database.read() as tx:  # at every moment, as anybody may look
            for pool in compute.pools(tx):
                assert pool.devices_busy <= devices
            for award in compute.awards(tx):
                assert award.left_ms >= 0
    assert [process.wait() for process in processes] == [0] * 4
    with storage.database.read() as tx:
        workloads = compute.workloads(tx)
        assert len(workloads) == 4 * 12 + 12
        placed = [w for w in workloads if w.state == "placed"]
        held = sum(w.held_device_ms for w in placed)
        assert len(placed) == devices
        assert held == sum(award.held_ms for award in compute.awards(tx)) == devices * 60_000
        assert len(ledger.holds_open(tx)) == devices
        assert ledger.replay(tx).ok


UPGRADE = textwrap.dedent(
    """
    import os, signal, sys
    from sqlalchemy import event
    from yunhe.storage.database import Database
    from yunhe.storage.upgrade import upgrade
    database, tables = Database(sys.argv[1]), int(sys.argv[2])
    seen = []
    @event.listens_for(database._engine, "before_cursor_execute")
    def _(connection, cursor, statement, *rest):
        seen.append("CREATE TABLE" in statement)
        if sum(seen) == tables:
            os.kill(os.getpid(), signal.SIGKILL)
    upgrade(database)
    """
)


def test_an_upgrade_killed_half_way_is_done_once_by_those_who_start_together(
    postgresql: Server,
) -> None:
    name = postgresql.create()
    database = Database(postgresql.address(name))
    upgrade(database, to="0001")
    with database.read() as tx:
        before = sorted(inspect(tx).get_table_names())

    def start(tables: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", UPGRADE, database.url, str(tables)])

    assert start(tables=9).wait(60) == -signal.SIGKILL
    with database.read() as tx:
        assert sorted(inspect(tx).get_table_names()) == before
    assert [process.wait(60) for process in [start(tables=10**6) for _ in range(3)]] == [0, 0, 0]
    with database.read() as tx:
        found = text("SELECT version_num FROM alembic_version")
        assert tx.execute(found).scalar_one() == HEAD
    database.close()
    postgresql.drop(name)
