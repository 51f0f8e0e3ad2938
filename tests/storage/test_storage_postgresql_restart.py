"""A PostgreSQL that is cut off under load, again and again: nothing lost, nothing doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import postgresql_worker as worker
import pytest
from sqlalchemy import text

from postgresql_server import OwnServer, own_server
from yunhe.custody import service as custody
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.ledger import service as ledger
from yunhe.storage import leases
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage
from yunhe.storage.upgrade import upgrade

ITEMS, WORKERS, RESTARTS = 240, 4, 3
TOLD = {"storage.server_away", "storage.server_lost", "storage.busy"}


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as running:
        yield running


@pytest.fixture
def storage(server: OwnServer, tmp_path: Path) -> Iterator[Storage]:
    """A platform with a payer, a log, and a queue of items; on a server that may be stopped."""
    database = Database(server.address("postgres"))
    upgrade(database)
    yield Storage(database, LocalBlobs(tmp_path / "blobs"), SystemClock())
    database.close()


def ask(storage: Storage, items: int) -> None:
    with storage.database.begin() as tx:
        for owner in ("payer", "payee"):
            ledger.open_account(tx, owner=owner, unit="CNY", purpose="cash")
        enough = items * worker.PRICE
        ledger.grant(tx, key="grant", account=worker.PAYER, amount=enough, at_us=0)
        for n in range(items):
            leases.enqueue(tx, kind="job", key=f"item-{n:04}", payload={}, at_us=n)


def start(storage: Storage, home: Path, *, together: int = 0) -> list[subprocess.Popen[str]]:
    command = [sys.executable, worker.__file__, storage.database.url, str(home), str(together)]
    return [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(WORKERS)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> tuple[list[int], set[str]]:
    """How many items each did, and every code that one of them was told."""
    counts, told = [], set()
    for process in processes:
        said, failed = process.communicate(timeout=120)
        assert process.returncode == 0, failed
        *codes, last = said.split("\n")[:-1]
        counts.append(int(last.removeprefix("done ")))
        told.update(codes)
    return counts, told


def assert_sound(storage: Storage, home: Path, items: int) -> None:
    """Every item happened exactly once, in the ledger and in the log."""
    custody.Sequencer(storage, custody.open_signer(home)).run_once()
    with storage.database.read() as tx:
        replay = ledger.replay(tx)
        assert replay.ok, [problem.message("en") for problem in replay.problems]
        assert replay.transfers == items + 1
        balances = {line.account: line.available for line in ledger.balances(tx)}
    assert (balances[worker.PAYER], balances[worker.PAYEE]) == (0, items * worker.PRICE)
    audit = custody.audit(storage, custody.trust(home))
    assert audit.ok, [problem.message("en") for problem in audit.problems]
    assert (audit.leaves, audit.pending) == (items, 0)


def wait_until(condition: Callable[[], bool], *, seconds: int = 60) -> None:
    pause = threading.Event()
    for _ in range(seconds * 50):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not come about")


@pytest.mark.slow
def test_restarts_under_load_lose_and_double_nothing(
    server: OwnServer, storage: Storage, tmp_path: Path
) -> None:
    custody.create_log(tmp_path, "yunhe.test/log")
    ask(storage, ITEMS)
    processes = start(storage, tmp_path)
    for turn in range(1, RESTARTS + 1):
        most_left = ITEMS - turn * ITEMS // (RESTARTS + 1)
        wait_until(lambda most=most_left: worker.left(storage) <= most)
        server.restart("immediate")
    counts, told = ended(processes)
    assert sum(counts) >= ITEMS  # who was cut off at the commit did it, and found it done
    assert told
    assert told <= TOLD
    assert_sound(storage, tmp_path, ITEMS)


@pytest.mark.slow
def test_many_processes_share_the_work_and_sign_one_log(storage: Storage, tmp_path: Path) -> None:
    custody.create_log(tmp_path, "yunhe.test/log")
    ask(storage, ITEMS)
    counts, told = ended(start(storage, tmp_path, together=WORKERS))
    assert sum(counts) == ITEMS
    assert min(counts) > 0
    assert told == set()
    assert_sound(storage, tmp_path, ITEMS)


def test_connections_that_a_restart_left_dead_are_replaced_without_an_error(
    server: OwnServer, storage: Storage
) -> None:
    with storage.database.read(), storage.database.read(), storage.database.read():
        pass  # three lie idle from now on
    server.restart("immediate")
    for use in (storage.database.read, storage.database.begin, storage.database.begin_shared):
        with use() as tx:
            assert tx.execute(text("SELECT 1")).scalar_one() == 1
    server.restart("fast")
    with storage.database.begin() as tx:
        assert tx.execute(text("SELECT 1")).scalar_one() == 1


def test_a_transaction_that_is_cut_off_is_undone_and_told_apart_from_one_that_never_began(
    server: OwnServer, storage: Storage
) -> None:
    with pytest.raises(YunheError) as caught, storage.database.begin() as tx:
        leases.enqueue(tx, kind="job", key="lost", payload={}, at_us=0)
        server.stop()
        leases.enqueue(tx, kind="job", key="never", payload={}, at_us=0)
    assert (caught.value.code, caught.value.retryable) == ("storage.server_lost", True)
    for use in (storage.database.read, storage.database.begin):
        with pytest.raises(Unavailable) as caught, use():
            pass
        assert (caught.value.code, caught.value.retryable) == ("storage.server_away", True)
        for language, hint in (("en", "try again"), ("zh", "重试")):
            assert hint in caught.value.message(language)
    server.start()
    assert leases.claim(storage, ["job"]) is None


def test_a_commit_that_is_cut_off_says_that_its_end_is_in_doubt(
    server: OwnServer, storage: Storage
) -> None:
    with pytest.raises(Unavailable) as caught, storage.database.begin() as tx:
        leases.enqueue(tx, kind="job", key="doubt", payload={}, at_us=0)
        server.stop()
    assert caught.value.code == "storage.server_lost"
    server.start()
    with storage.database.begin() as tx:  # the same again finds out
        leases.enqueue(tx, kind="job", key="doubt", payload={}, at_us=0)
    assert leases.claim(storage, ["job"]).key == "doubt"
    assert leases.claim(storage, ["job"]) is None
