from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from yunhe.kernel.errors import Conflict
from yunhe.storage import leases
from yunhe.storage.leases import LEASE_SECONDS
from yunhe.storage.owner import is_gone, this_process


def ask(storage, *keys):
    with storage.database.begin() as tx:
        for key in keys:
            leases.enqueue(tx, kind="job", key=key, payload={"n": 1}, at_us=storage.clock.now_us())


def test_work_asked_for_twice_is_done_once(storage):
    ask(storage, "a", "a")
    first = leases.claim(storage, ["job"])
    assert first is not None
    assert (first.key, first.attempt, first.payload) == ("a", 1, {"n": 1})
    assert leases.claim(storage, ["job"]) is None


def test_the_oldest_item_of_the_wanted_kinds_comes_first(storage):
    ask(storage, "old")
    storage.clock.advance(seconds=1)
    ask(storage, "new")
    assert leases.claim(storage, ["other"]) is None
    assert leases.claim(storage, ["other", "job"]).key == "old"
    assert leases.claim(storage, ["job"], key="new").key == "new"


def test_a_finished_item_keeps_its_result_and_is_never_claimed_again(storage):
    ask(storage, "a")
    held = leases.claim(storage, ["job"])
    with storage.database.begin() as tx:
        leases.finish(tx, held, result={"made": 3})
    storage.clock.advance(seconds=LEASE_SECONDS * 10)
    assert leases.claim(storage, ["job"]) is None
    with storage.database.read() as tx:
        assert leases.result_of(tx, kind="job", key="a") == {"made": 3}
        assert leases.result_of(tx, kind="job", key="b") is None


def test_when_the_lease_runs_out_another_takes_over_and_the_late_one_is_refused(storage):
    ask(storage, "a")
    slow = leases.claim(storage, ["job"])
    storage.clock.advance(seconds=LEASE_SECONDS + 1)
    quick = leases.claim(storage, ["job"])
    assert (quick.id, quick.attempt) == (slow.id, 2)
    for late in (lambda: leases.heartbeat(storage, slow), lambda: finish(storage, slow)):
        with pytest.raises(Conflict) as caught:
            late()
        assert caught.value.code == "storage.claim_lost"
    finish(storage, quick)


def finish(storage, held):
    with storage.database.begin() as tx:
        leases.finish(tx, held, result={})


def test_heartbeats_keep_a_lease_alive(storage):
    ask(storage, "a")
    held = leases.claim(storage, ["job"])
    for _ in range(5):
        storage.clock.advance(seconds=LEASE_SECONDS - 1)
        leases.heartbeat(storage, held)
        assert leases.claim(storage, ["job"]) is None
    finish(storage, held)


def test_an_item_handed_back_is_free_at_once(storage):
    ask(storage, "a")
    held = leases.claim(storage, ["job"])
    with storage.database.begin() as tx:
        assert leases.holder_of(tx, kind="job", key="a") == this_process()
        leases.hand_back(tx, held)
        assert leases.holder_of(tx, kind="job", key="a") is None
    assert leases.claim(storage, ["job"]).attempt == 2


def test_many_workers_claim_every_item_exactly_once(storage):
    ask(storage, *[f"item-{n:03}" for n in range(120)])

    def drain(_):
        taken = []
        while (held := leases.claim(storage, ["job"])) is not None:
            taken.append(held.key)
            finish(storage, held)
        return taken

    with ThreadPoolExecutor(4) as workers:
        taken = [key for part in workers.map(drain, range(4)) for key in part]
    assert sorted(taken) == [f"item-{n:03}" for n in range(120)]


WORKER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from sqlalchemy import text
    from yunhe.kernel.clock import SystemClock
    from yunhe.storage import leases
    from yunhe.storage.blobs import LocalBlobs
    from yunhe.storage.database import Database
    from yunhe.storage.service import Storage
    folder = Path(sys.argv[1])
    storage = Storage(Database(sys.argv[2]), LocalBlobs(folder / "b"), SystemClock())
    stops_at = int(sys.argv[3])
    while (held := leases.claim(storage, ["job"])) is not None:
        print(held.key, flush=True)
        stops_at -= 1
        if stops_at == 0:
            sys.stdin.read()
        with storage.database.begin() as tx:
            tx.execute(text("INSERT INTO effect VALUES (:key)"), {"key": held.key})
            leases.finish(tx, held, result={})
    """
)


def test_two_workers_and_a_killed_one_lose_and_repeat_nothing(storage, tmp_path):
    total = 300
    ask(storage, *[f"item-{n:03}" for n in range(total)])
    with storage.database.begin() as tx:
        tx.execute(text("CREATE TABLE effect (key TEXT)"))

    def start(stops_at):
        command = [sys.executable, "-c", WORKER, str(tmp_path), storage.database.url, str(stops_at)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    doomed = start(20)
    for _ in range(20):
        assert doomed.stdout.readline()  # it is in the middle of its work …
    survivor = start(0)
    assert survivor.stdout.readline()
    os.kill(doomed.pid, signal.SIGKILL)  # … and dies there
    doomed.wait()
    survivor.communicate(timeout=60)
    assert survivor.returncode == 0
    # What the dead worker held is free at once, without waiting for its lease.
    late = start(0)
    late.communicate(timeout=60)
    with storage.database.read() as tx:
        done = [key for (key,) in tx.execute(text("SELECT key FROM effect ORDER BY key"))]
    assert done == [f"item-{n:03}" for n in range(total)]


def test_a_dead_process_is_known_to_be_gone_and_a_live_or_foreign_one_is_not():
    assert not is_gone(this_process())
    machine, _, started = this_process().rsplit("/", 2)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_gone(f"{machine}/{child.pid}/1")
    assert is_gone(f"{machine}/{os.getpid()}/{int(started) + 1}")  # a recycled process number
    assert not is_gone(f"elsewhere/boot/{child.pid}/1")


def test_looking_for_work_says_what_claiming_would_find(storage):
    def anything():
        with storage.database.read() as tx:
            return leases.anything(tx, ["job"], now_us=storage.clock.now_us())

    assert not anything()
    ask(storage, "a")
    assert anything()
    leases.claim(storage, ["job"])
    assert not anything()
    storage.clock.advance(seconds=LEASE_SECONDS + 1)
    assert anything()


def held_elsewhere(storage):
    """The item, as if a worker of another machine held it; whether that lives can't be known."""
    held = leases.claim(storage, ["job"])
    with storage.database.begin() as tx:
        tx.execute(text("UPDATE storage_work SET owner = 'elsewhere/boot/1/1'"))
    return held


def test_a_lease_that_a_clock_set_back_would_stretch_for_hours_counts_as_run_out(storage):
    ask(storage, "a")
    held_elsewhere(storage)
    storage.clock.advance(seconds=-leases.CLOCKS_APART_SECONDS_MAX)
    assert leases.claim(storage, ["job"]) is None  # machines may differ by so much
    storage.clock.advance(seconds=-3600)
    assert leases.claim(storage, ["job"]).attempt == 2


def test_a_live_worker_of_this_machine_keeps_its_claim_when_the_clock_goes_back(storage):
    ask(storage, "a")
    held = leases.claim(storage, ["job"])
    storage.clock.advance(seconds=-7200)
    assert leases.claim(storage, ["job"]) is None
    leases.heartbeat(storage, held)
    storage.clock.advance(seconds=LEASE_SECONDS + 1)
    assert leases.claim(storage, ["job"]).attempt == 2
