"""The dispatcher's own promises: a question changes nothing, time has no origin, all comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Tick, Withdrawn
from yunhe.compute.scheduling.policies import FAIR, FIFO, FIRST_FIT, LAS, YUNHE, Policy
from yunhe.compute.scheduling.state import NodeView, Placement, PoolView, Preemption, Request

SECOND_US = 10**6
NOW_US = 10**13
POOLS = (
    PoolView("a", "npu", 8, 0, 10, "CNY", nodes=(NodeView(4, 0, 2),)),
    PoolView("b", "gpu", 4, 0, 5, "CNY", nodes=(NodeView(2, 1, 2),)),
)
POLICIES = [FIRST_FIT, FIFO, replace(FAIR, half_life_us=0, ageing_us=0), LAS]
IDS = [policy.name for policy in POLICIES]
ASKS = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from("xy"),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([1, 1, 2, 4, 8]),
    wall_seconds_max=st.sampled_from([0, 900]),
    since_us=st.just(0),
    substitutes=st.sampled_from([{}, {"gpu": 500}]),
    preemptible=st.booleans(),
    priority=st.sampled_from([0, 0, 1]),
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 400, 4_000]),
        st.one_of(
            ASKS,
            ASKS,
            st.builds(Ended, st.integers(0, 15).map("w{}".format)),
            st.builds(Withdrawn, st.integers(0, 15).map("w{}".format)),
            st.builds(NodeDown, st.sampled_from("ab"), st.integers(0, 2)),
            st.builds(NodeUp, st.sampled_from("ab"), st.integers(0, 2)),
        ),
    ),
    max_size=16,
)


def events(steps, *, begin_us: int = NOW_US):
    now_us = begin_us
    for number, (seconds, what) in enumerate(steps):
        now_us += seconds * SECOND_US
        if isinstance(what, Request):
            yield now_us, Arrived(replace(what, id=f"w{number}", number=number, since_us=now_us))
        else:
            yield now_us, what


def told(decisions) -> list[tuple[object, ...]]:
    """Decisions without the times that requests carry."""
    return [
        (type(one).__name__, one.request.id, one.pool, getattr(one, "nodes", one))
        if isinstance(one, Placement)
        else (type(one).__name__, one.request.id, one.pool, one.beneficiary)
        for one in decisions
        if isinstance(one, Placement | Preemption)
    ]


def replay(policy: Policy, steps, **over) -> tuple[Engine, list[list[tuple[object, ...]]]]:
    engine = Engine(POOLS, policy)
    return engine, [
        told(engine.on(event, now_us=now_us)) for now_us, event in events(steps, **over)
    ]


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
@settings(max_examples=30, deadline=None)
@given(STEPS, st.integers(1, 10**9))
def test_the_hour_at_which_all_this_happens_decides_nothing(policy, steps, later) -> None:
    assert replay(policy, steps)[1] == replay(policy, steps, begin_us=NOW_US + later)[1]


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
@settings(max_examples=30, deadline=None)
@given(STEPS, ASKS)
def test_to_ask_whether_something_would_run_changes_nothing_and_is_answered_truly(
    policy, steps, asked
) -> None:
    plain, asking = Engine(POOLS, policy), Engine(POOLS, policy)
    one = replace(asked, id="new", number=99, since_us=NOW_US)
    now_us = NOW_US
    for now_us, event in events(steps):
        before = plain.on(event, now_us=now_us)
        assert told(asking.on(event, now_us=now_us)) == told(before)
        asking.would_place(one, now_us=now_us)
    alone = Engine(POOLS, policy)
    would = alone.would_place(one, now_us=now_us)
    assert bool(alone.on(Arrived(one), now_us=now_us)) == would
    if policy is FIRST_FIT:  # nobody's turn keeps it from what is free
        would = asking.would_place(one, now_us=now_us)
        found = asking.on(Arrived(one), now_us=now_us)
        assert ("new" in {each.request.id for each in found}) == would


@pytest.mark.parametrize("policy", [*POLICIES, YUNHE], ids=[*IDS, "yunhe"])
@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_when_all_have_left_everything_is_free_and_nobody_is_remembered(policy, steps) -> None:
    engine, _ = replay(policy, steps)
    now_us = NOW_US + 10**6 * SECOND_US
    for number in range(16):
        engine.on(Withdrawn(f"w{number}"), now_us=now_us)
    for pool in POOLS:
        for node in range(2):
            engine.on(NodeUp(pool.id, node), now_us=now_us)
    assert not engine.queue.waiting
    assert not engine.floor.all
    assert not engine.aside
    assert not engine.reservations.all
    for group in engine.estate.groups:
        assert group.free == [group.size, group.size]
        assert group.by_free == {group.size: 0b11}
        assert (group.closed, group.free_all) == (0, 2 * group.size)


@pytest.mark.parametrize("policy", POLICIES, ids=IDS)
@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_what_is_reported_twice_and_ticks_at_one_instant_say_nothing_new(policy, steps) -> None:
    once, twice = Engine(POOLS, policy), Engine(POOLS, policy)
    for now_us, event in events(steps):
        assert told(once.on(event, now_us=now_us)) == told(twice.on(event, now_us=now_us))
        repeated = event
        if isinstance(event, Arrived) and event.request.id in twice.aside:
            repeated = Tick()
        assert twice.on(repeated, now_us=now_us) == []
        assert twice.on(Tick(), now_us=now_us) == []


def test_what_never_fits_is_set_aside_and_holds_up_nobody_even_in_a_strict_queue() -> None:
    engine = Engine(POOLS, FIFO)
    large = Request("w1", 1, "x", "npu", 9, 0, NOW_US)
    small = replace(large, id="w2", number=2, devices=1)
    assert engine.on(Arrived(large), now_us=NOW_US) == []
    assert set(engine.aside) == {"w1"}
    assert [one.request.id for one in engine.on(Arrived(small), now_us=NOW_US)] == ["w2"]
    engine.on(Withdrawn("w1"), now_us=NOW_US)
    assert not engine.aside


def test_a_pool_that_lost_all_its_devices_takes_nothing_and_breaks_nothing() -> None:
    empty = PoolView("z", "npu", 0, 0, 0, "CNY")
    engine = Engine((empty, *POOLS), YUNHE)
    for devices, fabric in ((1, "any"), (8, "any"), (2, "node")):
        one = Request(f"w{devices}", devices, "x", "npu", devices, 0, NOW_US, fabric=fabric)
        engine.on(Arrived(one), now_us=NOW_US)
    assert {one.spot[0] for one in engine.floor.all.values()} <= set(engine.estate.of_pool("a"))
    assert "w1" in engine.floor.all


def test_several_arrivals_of_one_instant_are_decided_together_by_rank_and_not_by_hearsay() -> None:
    low = Request("w1", 1, "x", "npu", 8, 0, NOW_US)
    high = replace(low, id="w2", number=2, priority=1)
    for order in ((low, high), (high, low)):
        engine = Engine(POOLS, YUNHE)
        for one in order:
            engine.note(Arrived(one), now_us=NOW_US)
        assert [one.request.id for one in engine.decide(now_us=NOW_US)] == ["w2"]


def test_nodes_kept_free_for_somebody_who_is_withdrawn_are_everybodys_again() -> None:
    engine = Engine(POOLS[:1], YUNHE)
    first = Request("w1", 1, "x", "npu", 4, 900, NOW_US)
    engine.on(Arrived(first), now_us=NOW_US)
    large = replace(first, id="w2", number=2, devices=8)
    engine.on(Arrived(large), now_us=NOW_US)
    long = replace(first, id="w3", number=3, wall_seconds_max=90_000)
    assert engine.on(Arrived(long), now_us=NOW_US) == []
    assert set(engine.reservations.all) == {"w2"}
    found = engine.on(Withdrawn("w2"), now_us=NOW_US)
    assert [one.request.id for one in found] == ["w3"]
    assert not engine.reservations.all
