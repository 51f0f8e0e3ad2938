"""Group commit: nobody hears of success before it is durable, and a failure stays alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select
from sqlalchemy.exc import OperationalError

from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.storage.database import Database, Transaction
from yunhe.storage.grouping import GroupCommit
from yunhe.storage.idempotency import remembered

SECONDS = 30


def note(key: str) -> Callable[[Transaction], int]:
    """A command that writes one row and gives how many there were before it."""

    def work(tx: Transaction) -> int:
        count = tx.execute(select(func.count()).select_from(remembered)).scalar_one()
        row = {"tenant": "t", "key": key, "request_digest": "d", "answer": "a", "at_us": 1}
        tx.execute(remembered.insert().values(row))
        return count

    return work


def failing(key: str, error: Exception) -> Callable[[Transaction], int]:
    """A command that writes its row and then fails."""

    def work(tx: Transaction) -> int:
        note(key)(tx)
        raise error

    return work


def kept(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(remembered.c.key).order_by(remembered.c.key)).scalars())


class Held:
    """A writer whose first command waits, so that what comes meanwhile is one group."""

    def __init__(self, writer: GroupCommit) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

        def wait(_: Transaction) -> None:
            self.begun.set()
            assert self.go.wait(SECONDS)

        self.first = writer.run(wait)
        assert self.begun.wait(SECONDS)


@pytest.fixture
def writer(storage):
    made = GroupCommit(storage.database)
    made.start()
    yield made
    made.stop()


def test_commands_that_wait_share_one_transaction_in_the_order_they_came(storage, writer):
    groups = []
    begin = storage.database.begin
    storage.database.begin = lambda: groups.append(1) or begin()
    held = Held(writer)
    futures = [writer.run(note(f"{i:03}")) for i in range(50)]
    held.go.set()
    assert [future.result(SECONDS) for future in futures] == list(range(50))
    assert len(groups) == 2
    assert kept(storage.database) == [f"{i:03}" for i in range(50)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fails=st.lists(st.sampled_from(["", "ours", "bug", "rows", "taken"]), max_size=12))
def test_members_that_fail_are_undone_alone_and_the_others_are_kept(storage, fails):
    with storage.database.begin() as tx:
        tx.execute(delete(remembered))
    writer = GroupCommit(storage.database)
    writer.start()
    held = Held(writer)
    works = {
        "": note,
        "ours": lambda key: failing(key, Conflict("storage.busy", where="x")),
        "bug": lambda key: failing(key, ZeroDivisionError()),
        "rows": lambda key: lambda tx: (note(key)(tx), note(key)(tx)),
        "taken": lambda key: lambda tx: (note(key)(tx), note("000")(tx), note("000")(tx)),
    }
    futures = [writer.run(works[kind](f"{i:03}x")) for i, kind in enumerate(fails)]
    held.go.set()
    for future, kind in zip(futures, fails, strict=True):
        assert (future.exception(SECONDS) is None) == (kind == "")
    writer.stop()
    assert kept(storage.database) == [f"{i:03}x" for i, kind in enumerate(fails) if not kind]


def test_a_commit_that_fails_fails_every_member_and_keeps_nothing(storage, writer, monkeypatch):
    held = Held(writer)
    futures = [writer.run(note(str(i))) for i in range(5)]
    own = writer.run(failing("own", Conflict("storage.busy", where="x")))
    begin = storage.database.begin

    class Breaking:
        def __enter__(self):
            self.inner = begin()
            return self.inner.__enter__()

        def __exit__(self, *error):
            lost = OperationalError("COMMIT", None, Exception("disk is full"))
            self.inner.__exit__(type(lost), lost, None)
            raise Unavailable("storage.disk_full", where="x", free_bytes=0)

    monkeypatch.setattr(storage.database, "begin", Breaking)
    held.go.set()
    assert {future.exception(SECONDS).code for future in futures} == {"storage.disk_full"}
    assert own.exception(SECONDS).code == "storage.busy"
    monkeypatch.undo()
    assert kept(storage.database) == []
    assert writer.run(note("after")).result(SECONDS) == 0


def alone(key: str) -> Callable[[Transaction], int]:
    """A command that writes one row unless any is there."""

    def work(tx: Transaction) -> int:
        if note(key)(tx):
            raise Conflict("storage.key_reused", key=key)
        return 0

    return work


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
def test_what_was_refused_for_something_that_was_not_kept_is_judged_again(
    storage, writer, monkeypatch, lasting
):
    held = Held(writer)
    first, second = writer.run(note("first")), writer.run(alone("second"))
    third = writer.run(alone("third"))
    begin, begun = storage.database.begin, []

    @contextmanager
    def breaking():
        begun.append(1)
        with begin() as tx:
            yield tx
            if lasting or len(begun) == 1:
                raise Unavailable("storage.disk_full", where="x", free_bytes=0)

    monkeypatch.setattr(storage.database, "begin", breaking)
    held.go.set()
    assert first.exception(SECONDS).code == "storage.disk_full"
    if lasting:
        codes = [each.exception(SECONDS).code for each in (second, third)]
        assert codes == ["storage.disk_full"] * 2
        assert len(begun) == 2  # nobody waits for the disk once for each
        return
    assert second.result(SECONDS) == 0
    assert third.exception(SECONDS).code == "storage.key_reused"
    assert kept(storage.database) == ["second"]


def test_more_than_may_wait_are_turned_away_and_told_to_try_again(storage):
    writer = GroupCommit(storage.database, waiting_max=3)
    writer.start()
    held = Held(writer)
    futures = [writer.run(note(str(i))) for i in range(3)]
    with pytest.raises(Unavailable) as caught:
        writer.run(note("4"))
    assert (caught.value.code, caught.value.retryable) == ("storage.writers_waiting", True)
    held.go.set()
    assert [future.result(SECONDS) for future in futures] == [0, 1, 2]
    writer.stop()


def test_stopping_commits_what_waits_and_refuses_what_comes_later(storage):
    writer = GroupCommit(storage.database)
    writer.start()
    held = Held(writer)
    futures = [writer.run(note(str(i))) for i in range(3)]
    held.go.set()
    writer.stop()
    assert [future.result(0) for future in futures] == [0, 1, 2]
    with pytest.raises(Unavailable) as caught:
        writer.run(note("late"))
    assert caught.value.code == "storage.writer_stopped"
    writer.start()
    assert writer.run(note("again")).result(SECONDS) == 3
    writer.stop()


def test_a_caller_that_left_before_its_group_began_withdraws(storage, writer):
    held = Held(writer)
    left, stays = writer.run(note("left")), writer.run(note("stays"))
    assert left.cancel()
    held.go.set()
    stays.result(SECONDS)
    assert kept(storage.database) == ["stays"]


def test_groups_have_a_bound(storage):
    writer = GroupCommit(storage.database, group_max=4)
    writer.start()
    sizes, begin = [], storage.database.begin
    held = Held(writer)
    storage.database.begin = lambda: sizes.append(1) or begin()
    futures = [writer.run(note(str(i))) for i in range(10)]
    held.go.set()
    for future in futures:
        future.result(SECONDS)
    assert len(sizes) == 3
    writer.stop()


def many(tx: Transaction, items: list[str]) -> list[object]:
    """Writes all at once; refuses those that begin with no, breaks down over a boom."""
    if "boom" in items:
        raise ZeroDivisionError
    fine = [item for item in items if not item.startswith("no")]
    for item in fine:
        note(item)(tx)
    return [len(items) if item in fine else Conflict("storage.busy", where=item) for item in items]


def test_like_items_of_a_group_run_together_and_are_refused_alone(storage, writer):
    held = Held(writer)
    futures = [writer.join(many, item) for item in ("a", "no", "b")]
    between = writer.run(note("c"))
    held.go.set()
    assert [futures[0].result(SECONDS), futures[2].result(SECONDS)] == [3, 3]
    assert futures[1].exception(SECONDS).params == {"where": "no"}
    assert between.result(SECONDS) == 2
    assert kept(storage.database) == ["a", "b", "c"]


def test_items_whose_run_breaks_down_are_tried_one_by_one(storage, writer):
    held = Held(writer)
    futures = [writer.join(many, item) for item in ("a", "boom", "b")]
    held.go.set()
    assert [futures[0].result(SECONDS), futures[2].result(SECONDS)] == [1, 1]
    assert isinstance(futures[1].exception(SECONDS), ZeroDivisionError)
    assert kept(storage.database) == ["a", "b"]


KILLED = """
import os, sys
from yunhe.storage.database import Database
from yunhe.storage.grouping import GroupCommit
sys.path.insert(0, {here!r})
from test_storage_grouping import note
writer = GroupCommit(Database({url!r}))
writer.start()
for number in range(1_000_000):
    writer.run(note(f"{{number:07}}")).add_done_callback(
        lambda done, number=number: os.write(1, b"%07d\\n" % number)
    )
    if number % 50 == 49:
        writer.run(note(f"{{number:07}}x")).result()
"""


def test_what_was_told_to_be_kept_is_there_after_the_process_was_killed(storage):
    url = storage.database.url
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(here=here, url=url)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    told = [process.stdout.readline().decode().strip() for _ in range(120)]
    process.kill()
    rest = process.stdout.read().decode().split()
    process.wait()
    process.stdout.close()
    told += [each for each in rest if len(each) == 7]
    assert len(set(told)) >= 120
    assert set(told) <= set(kept(storage.database))
