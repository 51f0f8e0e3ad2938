"""The sequencer: order, checkpoints, clocks, company and sudden death."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from yunhe.custody import merkle, sequencer, store, verifier
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Unavailable, YunheError
from yunhe.storage.database import Database
from yunhe.storage.service import Storage


class Shelf:
    """A publisher in memory; can be told to fail, and says when something came."""

    def __init__(self, *, interval_us: int = 0) -> None:
        self.interval_us = interval_us
        self.notes: list[str] = []
        self.broken = False
        self.came = threading.Event()

    def publish(self, note: str) -> None:
        if self.broken:
            raise Unavailable("custody.publish_failed", where="shelf", why="test")
        if not self.notes or self.notes[-1] != note:
            self.notes.append(note)
        self.came.set()

    def read(self) -> str:
        return "\n".join(self.notes)


def subjects(log) -> list[str]:
    query = select(store.leaf.c.subject).where(store.leaf.c.leaf_index.is_not(None))
    with log.storage.database.read() as tx:
        return list(tx.execute(query.order_by(store.leaf.c.leaf_index)).scalars())


def test_an_empty_log_has_nothing_to_sign(log):
    assert log.sequencer.run_once() is None
    assert custody.audit(log.storage, log.trust()).ok


def test_leaves_are_taken_in_once_in_order_of_arrival(log):
    names = [f"s{n}" for n in range(20)]
    log.append_plain(*names[:7])
    first = log.sequencer.run_once()
    log.append_plain(*names[7:])
    second = log.sequencer.run_once()
    assert subjects(log) == names
    assert (first.number, first.size, second.number, second.size) == (1, 7, 2, 20)
    assert log.sequencer.run_once() is None


def test_the_root_is_the_one_of_the_leaf_hashes(log):
    references = log.append_plain(*(f"s{n}" for n in range(13)))
    frontier = merkle.Frontier()
    for reference in references:
        frontier.append(bytes.fromhex(reference))
    assert log.sequencer.run_once().root == frontier.root()


def test_a_checkpoint_is_a_signed_note_of_name_size_root_and_time(log):
    log.append_plain("a")
    made = log.sequencer.run_once()
    body, _, signature = made.note.partition("\n\n")
    root = base64.b64encode(made.root).decode()
    assert body.split("\n") == [log.signer.load().name, "1", root, f"time_us {made.at_us}"]
    dash, name, encoded = signature.split(" ")
    assert (dash, name) == ("—", "yunhe.test/log")
    assert len(base64.b64decode(encoded)) == 4 + 64
    keys = verifier.read_trust(log.trust())
    assert verifier.read_note(made.note, keys) == (made.key, (1, made.root), made.at_us)


def test_a_backlog_is_taken_in_by_bounded_batches(log, monkeypatch):
    monkeypatch.setattr(sequencer, "BATCH_LEAVES_MAX", 10)
    log.append_plain(*(f"s{n}" for n in range(35)))
    assert log.sequencer.run_once().size == 35
    with log.storage.database.read() as tx:
        assert [made.size for made in store.checkpoints(tx)] == [10, 20, 30, 35]


def test_sequencers_that_run_at_once_do_not_fork_the_log(log):
    url = log.storage.database.url
    rounds = 12
    databases = [Database(url) for _ in range(3)]
    others = [
        custody.Sequencer(Storage(each, log.storage.blobs, log.clock), log.signer)
        for each in databases
    ]

    def write(worker: int) -> None:
        storage = Storage(databases[worker], log.storage.blobs, log.clock)
        for number in range(rounds):
            record = custody.Record("data.source", f"{worker}/{number}", 1, {}, {})
            with storage.database.begin() as tx:
                custody.append(tx, record)
            others[worker].run_once()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    for database in databases:
        database.close()
    found = subjects(log)
    assert sorted(found) == sorted(f"{w}/{n}" for w in range(3) for n in range(rounds))
    audit = custody.audit(log.storage, log.trust())
    assert audit.ok
    assert (audit.leaves, audit.pending) == (3 * rounds, 0)


CHILD = """
import sys
from pathlib import Path
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.clock import SystemClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

folder, name = Path(sys.argv[1]), sys.argv[2]
storage = Storage(Database(sys.argv[3]), LocalBlobs(folder / "blobs"), SystemClock())
sequencer = custody.Sequencer(storage, custody.open_signer(folder / "home"))
for number in range(100_000):
    with storage.database.begin() as tx:
        reference = custody.append(tx, Record("data.source", f"{name}/{number}", 1, {}, {}))
    print("written", reference, flush=True)
    made = sequencer.run_once()
    if made:
        print("signed", made.size, made.root.hex(), flush=True)
"""


def test_killed_sequencers_lose_and_repeat_nothing(log, tmp_path):
    written: list[str] = []
    signed: set[tuple[int, str]] = set()
    for round_ in range(5):
        url = log.storage.database.url
        arguments = [sys.executable, "-c", CHILD, str(tmp_path), str(round_), url]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            lines = [child.stdout.readline().split() for _ in range(5 + 7 * round_)]
            os.kill(child.pid, signal.SIGKILL)
            lines += [line.split() for line in child.stdout if line.endswith("\n")]
        written += [line[1] for line in lines if line[0] == "written"]
        signed |= {(int(line[1]), line[2]) for line in lines if line[0] == "signed"}
    last = Storage(log.storage.database, log.storage.blobs, custody_clock(log))
    custody.Sequencer(last, log.signer).run_once()
    audit = custody.audit(log.storage, log.trust())
    assert audit.ok
    assert audit.pending == 0
    with log.storage.database.read() as tx:
        entries = store.by_references(tx, written)
        indices = [entries[reference].index for reference in written]
        for size, root in signed:
            assert merkle.root(store.NodeRows(tx), size).hex() == root
    assert None not in indices
    assert len(set(indices)) == len(written) >= 20
    assert len(signed) >= 5


def custody_clock(log):
    """The children signed by the machine's clock; stand no earlier."""
    with log.storage.database.read() as tx:
        at_us = store.latest(tx).at_us
    log.clock.advance(seconds=(at_us - log.clock.now_us()) / 1_000_000 + 1)
    return log.clock


def test_time_never_goes_back_between_checkpoints(log):
    log.append_plain("a")
    first = log.sequencer.run_once()
    log.clock.advance(seconds=-60)
    log.append_plain("b")
    second = log.sequencer.run_once()
    log.clock.advance(seconds=100)
    log.append_plain("c")
    third = log.sequencer.run_once()
    assert second.at_us == first.at_us
    assert third.at_us == first.at_us + 40_000_000


def test_a_clock_set_back_by_more_than_a_minute_stops_signing_and_says_by_how_much(log):
    log.append_plain("a")
    log.sequencer.run_once()
    log.clock.advance(seconds=-61)
    log.append_plain("b")
    with pytest.raises(Unavailable) as caught:
        log.sequencer.run_once()
    assert caught.value.code == "custody.clock_back"
    assert "61 s" in caught.value.message("en")
    assert "61 秒" in caught.value.message("zh")
    assert subjects(log) == ["a"]
    log.clock.advance(seconds=61)
    log.sequencer.run_once()
    assert subjects(log) == ["a", "b"]


def test_the_key_of_another_log_may_not_sign(log, tmp_path):
    log.append_plain("a")
    log.sequencer.run_once()
    log.append_plain("b")
    other = custody.create_log(tmp_path / "other", "elsewhere.test/log")
    with pytest.raises(Conflict) as caught:
        custody.Sequencer(log.storage, other).run_once()
    assert caught.value.code == "custody.other_log"


def test_another_key_of_the_same_name_may_not_sign(log, tmp_path):
    log.append_plain("a")
    log.sequencer.run_once()
    impostor = custody.create_log(tmp_path / "other", "yunhe.test/log")
    with pytest.raises(Conflict) as caught:
        custody.Sequencer(log.storage, impostor).run_once()
    assert caught.value.code == "custody.key_not_current"


@pytest.mark.parametrize("damage", ["change", "delete"])
def test_nothing_is_signed_on_top_of_a_tree_that_was_changed(log, damage):
    log.append_plain("a", "b", "c")
    log.sequencer.run_once()
    edge = store.node.c.number == 1  # the node over a and b
    with log.storage.database.begin() as tx:
        if damage == "change":
            tx.execute(update(store.node).where(edge).values(hash=bytes(32)))
        else:
            tx.execute(store.node.delete().where(edge))
    log.append_plain("d")
    with pytest.raises(Unavailable) as caught:
        log.sequencer.run_once()
    assert caught.value.code == "custody.log_damaged"
    assert subjects(log) == ["a", "b", "c"]


def test_each_new_checkpoint_is_published_once(log):
    shelf = Shelf()
    worker = custody.Sequencer(log.storage, log.signer, [shelf])
    log.append_plain("a")
    first = worker.run_once()
    worker.run_once()
    log.append_plain("b")
    second = worker.run_once()
    assert shelf.notes == [first.note, second.note]


def test_a_place_that_fails_is_reported_after_the_others_and_served_the_next_time(log):
    broken, good = Shelf(), Shelf()
    broken.broken = True
    worker = custody.Sequencer(log.storage, log.signer, [broken, good])
    log.append_plain("a")
    with pytest.raises(YunheError) as caught:
        worker.run_once()
    assert caught.value.code == "custody.publish_failed"
    assert subjects(log) == ["a"]
    assert len(good.notes) == 1
    broken.broken = False
    assert worker.run_once() is None
    assert broken.notes == good.notes


def test_the_background_thread_signs_and_publishes_without_being_asked(log):
    shelf = Shelf()
    worker = custody.Sequencer(log.storage, log.signer, [shelf])
    worker.start()
    worker.start()  # a second start is the same thread
    log.append_plain("a")
    assert shelf.came.wait(timeout=20)
    worker.stop()
    assert worker.failure is None
    assert subjects(log) == ["a"]


def test_stopping_takes_in_and_publishes_what_still_waits(log):
    shelf = Shelf(interval_us=10**15)
    worker = custody.Sequencer(log.storage, log.signer, [shelf])
    worker.start()
    log.append_plain("a", "b")
    worker.stop()
    worker.stop()
    assert subjects(log) == ["a", "b"]
    assert shelf.notes[-1].splitlines()[1] == "2"


def test_the_background_thread_survives_a_failure_and_tells_of_it(log, monkeypatch):
    monkeypatch.setattr(sequencer, "INTERVAL_SECONDS", 0.01)
    shelf = Shelf()
    worker = custody.Sequencer(log.storage, log.signer, [shelf])
    key = log.home / "keys" / "log.pem"
    key.chmod(0o644)
    log.append_plain("a")
    tried = threading.Event()
    monkeypatch.setattr(sequencer._logger, "error", lambda *_: tried.set())
    worker.start()
    assert tried.wait(timeout=20)
    assert worker.failure.code == "custody.key_permissions"
    key.chmod(0o600)
    assert shelf.came.wait(timeout=20)
    worker.stop()
    assert worker.failure is None


def test_a_slow_place_is_given_checkpoints_no_more_often_than_it_asks(log):
    slow = Shelf(interval_us=60_000_000)
    worker = custody.Sequencer(log.storage, log.signer, [slow])
    for number in range(4):
        log.append_plain(f"s{number}")
        worker._grow()
        worker._publish(due_only=True)
        log.clock.advance(seconds=25)
    assert [note.splitlines()[1] for note in slow.notes] == ["1", "4"]


def test_signing_needs_the_key_file_every_time(log):
    log.append_plain("a")
    log.sequencer.run_once()
    Path(log.home / "keys" / "log.pem").unlink()
    log.append_plain("b")
    with pytest.raises(Unavailable) as caught:
        log.sequencer.run_once()
    assert caught.value.code == "custody.keys_missing"
