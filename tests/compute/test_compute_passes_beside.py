"""What a pass works out, it works out while others may write; it writes only what comes of that."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
from dispatch_trial import found_town, queue_up

from yunhe.compute import service as compute
from yunhe.compute.passes import journal, pushing, whole
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import LEASE_SECONDS, SMALL_MAX
from yunhe.compute.scheduling.state import Preemption
from yunhe.compute.yielding import store as yielding


@pytest.fixture
def writing(new_city):
    """A town with a queue, and how many transactions that write are open now."""
    storage = new_city().storage
    named = found_town(storage, organisations=2, pools=2, devices=10)
    queue_up(storage, named, each=SMALL_MAX)
    opened = [0]

    @contextmanager
    def watched(turn: str):
        opened[0] += turn != "read"
        try:
            yield
        finally:
            opened[0] -= turn != "read"

    storage.database.watch(watched)
    return storage, opened


@pytest.mark.parametrize("where", ["decided", "pushed", "told"])
def test_nobody_waits_while_a_pass_decides_or_is_told(writing, monkeypatch, where):
    storage, opened = writing
    at, name = {
        "decided": (whole, "decide"),
        "pushed": (pushing, "wanted"),
        "told": (journal, "told"),
    }[where]
    before, seen = getattr(at, name), list[int]()

    def watched(*given, **named):
        seen.append(opened[0])
        return before(*given, **named)

    monkeypatch.setattr(at, name, watched)
    journal.keep(storage, 5)
    assert whole.run(storage).placed > 0
    assert seen == [0]
    with storage.database.read() as tx:
        assert len(list(passes.journal(tx))) == 1


def test_a_journal_that_is_full_by_then_keeps_no_more(writing, monkeypatch):
    storage, _ = writing
    journal.keep(storage, 1)
    before = journal.told

    def told(*given, **named):
        with storage.database.begin() as tx:  # somebody else kept the last one meanwhile
            passes.add_journal(tx, "{}", left=0, at_us=0)
        return before(*given, **named)

    monkeypatch.setattr(journal, "told", told)
    whole.run(storage)
    with storage.database.read() as tx:
        assert list(passes.journal(tx)) == ["{}"]


def test_nobody_is_asked_for_whom_a_command_had_others_make_room_meanwhile(writing, monkeypatch):
    storage, _ = writing
    whole.run(storage)
    with storage.database.read() as tx:
        waiting = [one for one in compute.workloads(tx) if one.state == "waiting"]
        placed = [one for one in compute.workloads(tx) if one.state == "placed"]
        request = whole.picture_of(tx, passes.rows(tx, [placed[0].id]), now_us=0).queue[0]
    first, second = waiting[0].id, waiting[1].id
    asked = [
        Preemption(replace(request, id=placed[0].id), "pool-0", first),
        Preemption(replace(request, id=placed[1].id), "pool-0", second),
    ]
    told: list[list[str]] = []
    monkeypatch.setattr(yielding, "pending", lambda _: {first, "old"})
    monkeypatch.setattr(
        yielding, "ask", lambda _, asked, now_us: told.append([one.beneficiary for one in asked])
    )
    monkeypatch.setattr(pushing, "wanted", lambda *_, **__: asked)
    monkeypatch.setattr(pushing, "served_in", lambda *_: frozenset({"old"}))
    whole.run(storage)
    assert told == [[second]]


def test_a_pass_lets_others_begin_before_each_of_its_transactions(writing, monkeypatch):
    storage, _ = writing
    let_in, parts = list[str](), list[str]()
    database = type(storage.database)
    monkeypatch.setattr(whole, "BATCH_MAX", 5)
    monkeypatch.setattr(database, "let_in", lambda _: let_in.append("in"))
    before = whole._keep

    def keep(*given, **named):
        parts.append("part")
        before(*given, **named)

    monkeypatch.setattr(whole, "_keep", keep)
    passed = whole.run(storage)
    assert passed.placed > 5
    assert len(let_in) == len(parts) > passed.placed // 5


def test_a_second_look_at_who_makes_room_has_the_lease_for_as_long_as_the_first(
    writing, monkeypatch
):
    storage, _ = writing
    decide, wanted, others = whole.decide, pushing.wanted, []

    def slow(*given, **named):
        storage.clock.advance(seconds=LEASE_SECONDS * 2 // 3)
        others.append(whole.run(storage))
        return decide(*given, **named)

    def slow_too(*given, **named):
        storage.clock.advance(seconds=LEASE_SECONDS * 2 // 3)
        others.append(whole.run(storage))
        return wanted(*given, **named)

    monkeypatch.setattr(whole, "decide", slow)
    monkeypatch.setattr(pushing, "wanted", slow_too)
    monkeypatch.setattr(pushing, "any_may", lambda _: True)
    assert whole.run(storage).placed > 0
    assert others == [None, None]
