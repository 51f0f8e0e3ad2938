"""Whole passes that are broken off between any two statements, and rows that the ledger refuses."""

from __future__ import annotations

from collections import Counter

import pytest
from dispatch_trial import found_town, queue_up
from sqlalchemy import event
from sqlalchemy.engine import Engine
from test_compute_passes import MANY, books_are_right, meanwhile, states

from yunhe.compute import service as compute
from yunhe.compute.passes import journal, whole
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import LEASE_SECONDS
from yunhe.kernel.errors import Conflict
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import account_id

WRITES = ("INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """As good as the end of the process: nothing else is done."""


class Killer:
    """Kills before the statement of that number that writes, and before every one after it."""

    def __init__(self) -> None:
        self.left = -1
        self.dead = False

    def look(self, connection, cursor, statement, parameters, context, executemany):
        writes = statement.lstrip().startswith(WRITES)
        self.left -= writes
        if self.dead or (writes and self.left == 0):
            self.dead = True
            raise Killed


@pytest.fixture
def killer():
    one = Killer()
    event.listen(Engine, "before_cursor_execute", one.look)
    yield one
    event.remove(Engine, "before_cursor_execute", one.look)


def test_a_pass_broken_off_before_any_statement_leaves_whole_parts(new_city, killer, monkeypatch):
    monkeypatch.setattr(whole, "BATCH_MAX", 12)
    city = new_city()
    storage = city.storage
    named = found_town(storage, organisations=2)
    broken = 0
    while True:
        queue_up(storage, named, each=12, seed=broken)
        killer.left, killer.dead = broken + 1, False
        try:
            whole.run(storage)
        except Killed:
            broken += 1
        else:
            break
        killer.left, killer.dead = -1, False
        assert sum(states(storage).values()) == 24 * broken
        assert states(storage).get("placed", 0) % 12 == 0
        city.clock.advance(seconds=LEASE_SECONDS + 1)
        assert whole.run(storage).overtaken == 0
        assert states(storage) == {"placed": 24 * broken}
    assert broken > 20  # the lease, two parts of eight statements or more, and letting go
    books_are_right(storage)


def spent(storage, organisation: str) -> None:
    """The account of its award is empty, and nothing but the ledger knows."""
    with storage.database.begin() as tx:
        account = account_id(owner=organisation, unit="device:cpu", purpose="award")
        tx.exec_driver_sql(f"UPDATE ledger_account SET debits = credits WHERE id = '{account}'")


def test_rows_that_the_ledger_refuses_keep_nobody_else_waiting(new_city, monkeypatch):
    city = new_city()
    storage = city.storage
    poor, *others = found_town(storage, organisations=4)
    queue_up(storage, [poor, *others], each=MANY)
    begun = []
    real = passes.states

    def states_of(tx, names):  # behind the check of the part, before the ledger's own
        begun.append(len(names))
        return real(tx, names)

    monkeypatch.setattr(passes, "states", states_of)
    monkeypatch.setattr(whole._Check, "holds", lambda *_: True)
    meanwhile(monkeypatch, lambda _: spent(storage, poor))
    passed = whole.run(storage)
    assert (passed.placed, passed.overtaken) == (3 * MANY, 0)
    assert begun[0] == 4 * MANY
    assert begun.count(1) >= MANY
    with storage.database.read() as tx:
        found = Counter((one.spec.organisation, one.state) for one in compute.workloads(tx))
    assert found == {(poor, "waiting"): MANY} | {(name, "placed"): MANY for name in others}
    assert not whole.due(storage)  # it is looked at again with the next pass, not at once
    city.clock.advance(seconds=5)
    assert whole.due(storage)


def test_a_scheduler_that_lost_its_lease_between_two_parts_keeps_only_the_first(
    new_city, monkeypatch
):
    monkeypatch.setattr(whole, "BATCH_MAX", MANY)
    city = new_city()
    storage = city.storage
    queue_up(storage, found_town(storage, organisations=2), each=MANY)
    real, parts = whole.place_many, []

    def placing(tx, placements, **given):
        real(tx, placements, **given)
        parts.append(len(placements))
        if len(parts) == 1:
            tx.exec_driver_sql("UPDATE compute_pass SET token = 'another'")

    monkeypatch.setattr(whole, "place_many", placing)
    with pytest.raises(Conflict) as caught:
        whole.run(storage)
    assert caught.value.code == "storage.claim_lost"
    assert states(storage) == {"placed": MANY, "waiting": MANY}
    with storage.database.read() as tx:
        assert ledger.replay(tx).ok
    books_are_right(storage)


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_clock_that_jumps_keeps_no_scheduler_out_for_longer_than_a_lease(new_city, seconds):
    city = new_city()
    storage = city.storage
    queue_up(storage, found_town(storage, organisations=1), each=MANY)
    with storage.database.begin() as tx:
        assert passes.take(tx, now_us=storage.clock.now_us()) is not None
        # Of a process that nobody here can ask after.
        tx.exec_driver_sql("UPDATE compute_pass SET owner = 'elsewhere/1/1'")
    assert whole.run(storage) is None
    now_us = storage.clock.now_us() + seconds * 1_000_000
    with storage.database.begin() as tx:
        assert passes.is_due(tx, now_us=now_us, every_seconds=5)
        assert passes.take(tx, now_us=now_us) is not None


def test_fewer_than_no_passes_are_none(new_city):
    storage = new_city().storage
    journal.keep(storage, -5)
    with storage.database.read() as tx:
        assert passes.journal_left(tx) == 0
