"""Writers of one file come in one after the other, without waiting longer and longer between."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from yunhe.kernel.errors import Conflict, Unavailable, YunheError
from yunhe.storage import database as databases
from yunhe.storage import dialect, door
from yunhe.storage.database import Database
from yunhe.storage.door import GAP_SECONDS, LOOK_SECONDS, Door
from yunhe.storage.grouping import GroupCommit


@pytest.fixture
def slept(monkeypatch):
    """How long each look waits for the next; nobody really sleeps."""
    found: list[float] = []
    monkeypatch.setattr(door.time, "sleep", found.append)
    return found


def test_one_that_waits_looks_as_often_however_long_it_takes(slept):
    looks = iter([False] * 50 + [True])
    assert Door().enter(lambda: next(looks), patience_seconds=600)
    assert slept == [LOOK_SECONDS] * 50


def test_one_that_waited_long_enough_gives_up(slept):
    assert not Door().enter(lambda: False, patience_seconds=0)
    assert slept == []


def test_what_a_look_raises_reaches_whoever_waits_and_leaves_the_door_free():
    entry = Door()

    def broken() -> bool:
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        entry.enter(broken, patience_seconds=1)
    assert entry.enter(lambda: True, patience_seconds=0)


def test_one_of_a_process_looks_at_a_time_and_nobody_before_who_came_first():
    entry, first_looks, may = Door(), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> bool:
        first_looks.set()
        return may.is_set()

    def second() -> bool:
        order.append("second looks")
        return True

    threads = [
        threading.Thread(target=lambda: entry.enter(first, patience_seconds=60)),
        threading.Thread(target=lambda: entry.enter(second, patience_seconds=60)),
    ]
    threads[0].start()
    assert first_looks.wait(60)
    threads[1].start()
    assert order == []
    order.append("first may")
    may.set()
    for thread in threads:
        thread.join(60)
    assert order == ["first may", "second looks"]


def test_a_writer_begins_when_another_process_ends_its_transaction(tmp_path, monkeypatch):
    ours = Database.at(tmp_path / "one.db")
    with ours.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE seen (n INTEGER)")
    theirs = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    theirs.execute("BEGIN IMMEDIATE")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            theirs.execute("COMMIT")

    monkeypatch.setattr(door.time, "sleep", sleep)
    with ours.begin() as tx:
        tx.exec_driver_sql("INSERT INTO seen VALUES (1)")
        patience = tx.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    assert looks == [LOOK_SECONDS] * 3
    assert patience == dialect.BUSY_TIMEOUT_MS  # for all other statements, as before
    theirs.close()
    ours.close()


def test_a_writer_that_waited_too_long_is_told_so_and_the_next_one_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(dialect, "BUSY_TIMEOUT_MS", 20)
    ours = Database.at(tmp_path / "one.db")
    with ours.begin() as tx:
        tx.exec_driver_sql("CREATE TABLE seen (n INTEGER)")
    theirs = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    theirs.execute("BEGIN IMMEDIATE")
    with pytest.raises(Conflict) as told, ours.begin():
        pass
    assert told.value.code == "storage.busy"
    theirs.execute("ROLLBACK")
    theirs.close()
    with ours.begin() as tx:
        tx.exec_driver_sql("INSERT INTO seen VALUES (1)")
    ours.close()


def test_a_file_that_is_no_database_is_told_as_such_and_not_waited_for(tmp_path, slept):
    (tmp_path / "one.db").write_bytes(b"nothing of a database " * 200)
    ours = Database.at(tmp_path / "one.db")
    with pytest.raises(YunheError) as told, ours.begin():
        pass
    assert isinstance(told.value, Unavailable)
    assert slept == []
    ours.close()


def test_whoever_writes_group_after_group_lets_others_in_between(tmp_path, monkeypatch):
    ours, gaps = Database.at(tmp_path / "one.db", durable=False), list[float]()
    monkeypatch.setattr(databases.time, "sleep", gaps.append)
    writer = GroupCommit(ours, group_max=1)
    going_on = threading.Event()
    writer.start()
    first = writer.run(lambda _: going_on.wait(60))
    rest = [writer.run(lambda _: None) for _ in range(3)]
    going_on.set()
    assert first.result(60)
    for each in rest:
        each.result(60)
    writer.stop()
    assert gaps == [GAP_SECONDS] * len(gaps)
    assert 3 <= len(gaps) <= 4  # the word to stop may wait behind the last
    assert GAP_SECONDS > LOOK_SECONDS
    ours.close()


def test_a_server_gives_out_turns_itself(monkeypatch):
    gaps = list[float]()
    monkeypatch.setattr(databases.time, "sleep", gaps.append)
    monkeypatch.setattr(Database, "embedded", False)
    database = Database("sqlite://")
    database.let_in()
    assert gaps == []
    database.close()
