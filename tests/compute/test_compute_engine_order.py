"""The engine's short cuts change nothing: a plain one that sorts everything decides the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from plain_engine import Plain

from yunhe.compute.scheduling.engine import Engine, decide
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Withdrawn
from yunhe.compute.scheduling.policies import FIFO, FIRST_FIT, YUNHE, preset
from yunhe.compute.scheduling.shares import ONE_CITY, Cities, Shares
from yunhe.compute.scheduling.state import (
    AwardView,
    NodeView,
    Picture,
    Placement,
    PoolView,
    Request,
    Wait,
)

SECOND_US = 10**6
POOLS = (
    PoolView("a", "npu", 8, 0, 100, "CNY", "north", (NodeView(4, 0, 2),)),
    PoolView("b", "npu", 12, 0, 100, "CNY", "south", (NodeView(4, 1, 1), NodeView(4, 2, 2))),
    PoolView("c", "gpu", 6, 0, 200, "CNY", "south", (NodeView(2, 3, 3),)),
)
NODES = {"a": 2, "b": 3, "c": 3}
POLICIES = (
    YUNHE,
    preset("yunhe", ageing_us=4_000 * SECOND_US, half_life_us=1_800 * SECOND_US),
    preset("yunhe", limits_trusted=False, patience_us=2_000 * SECOND_US),
    preset("fair", order="tilted", tilt_us=600 * SECOND_US, half_life_us=0),
    preset("first_fit", shared=True, half_life_us=600 * SECOND_US),
    FIRST_FIT,
    FIFO,
)
ROOTS = (ONE_CITY, Cities({"x": "north", "y": "south"}, {"south": 2, "": 3}))
"""One city, and three of which ``z`` is of the platform's own."""
requests = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from(["x", "y", "z"]),
    kind=st.sampled_from(["school", "firm"]),
    project=st.sampled_from(["", "p"]),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([1, 1, 2, 3, 4, 4, 8, 12]),
    wall_seconds_max=st.sampled_from([60, 600, 6_000]),  # each a class of its own
    since_us=st.just(0),
    substitutes=st.sampled_from([{}, {}, {"gpu": 2_000}, {"npu": 500}]),
    replicas=st.sampled_from([1, 1, 1, 2]),
    fabric=st.sampled_from(["any", "domain"]),
    home=st.sampled_from(["", "south"]),
    priority=st.sampled_from([0, 0, 0, 1, -1]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), requests),
        st.tuples(st.just("arrive"), requests),
        st.tuples(st.sampled_from(["end", "end", "withdraw", "down", "up"]), st.integers(0, 60)),
    ),
    max_size=60,
)


def event_of(step, number, now_us, running):
    kind, what = step
    if kind == "arrive":
        return Arrived(replace(what, id=f"r{number}", number=number, since_us=now_us))
    if kind == "end":
        names = sorted(running) or ["nobody"]
        return Ended(names[what % len(names)])
    if kind == "withdraw":
        return Withdrawn(f"r{what}")
    pool = sorted(NODES)[what % len(NODES)]
    kinds = {"down": NodeDown, "up": NodeUp}
    return kinds[kind](pool, what % NODES[pool])


@given(st.sampled_from(POLICIES), st.sampled_from(ROOTS), steps)
@settings(max_examples=200, deadline=None)
def test_a_plain_engine_that_sorts_everything_decides_the_same(policy, cities, steps) -> None:
    weights = {("firm", "x"): 3, ("school",): 2}
    quick = Engine(POOLS, policy, weights=weights, cities=cities)
    plain = Plain(POOLS, policy, weights=weights, cities=cities)
    now_us = 0
    for number, step in enumerate(steps):
        now_us += 400 * SECOND_US
        event = event_of(step, number, now_us, quick.floor.all)
        decided = quick.on(event, now_us=now_us)
        assert decided == plain.on(event, now_us=now_us)
        ranked = [request.id for request in quick.queue.ranked(now_us=now_us)]
        waiting = sorted(
            plain.queue.waiting.values(),
            key=lambda one: plain.rank(one, now_us),
        )
        assert ranked == [request.id for request in waiting]


@given(st.sampled_from(POLICIES), steps)
@settings(max_examples=60, deadline=None)
def test_a_city_that_everybody_is_of_changes_no_decision_of_the_plain_engine(policy, steps) -> None:
    weights = {("firm", "x"): 3, ("school",): 2}
    one = Cities(dict.fromkeys("xyz", "north"), {"north": 7})
    four = Engine(POOLS, policy, weights=weights, cities=one)
    three = Plain(POOLS, policy, weights=weights)
    now_us = 0
    for number, step in enumerate(steps):
        now_us += 400 * SECOND_US
        event = event_of(step, number, now_us, four.floor.all)
        assert four.on(event, now_us=now_us) == three.on(event, now_us=now_us)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-4, 8), st.booleans()), max_size=40))
def test_a_share_follows_from_what_was_occupied_and_not_from_who_looked(rows) -> None:
    asked = Request("a", 1, "x", "npu", 1, 60, 0, kind="firm")
    looked, unseen = Shares(1_800 * SECOND_US), Shares(1_800 * SECOND_US)
    now_us = 0
    for minutes, devices, look in rows:
        now_us += minutes * 60 * SECOND_US
        if look:
            looked.rank(asked, now_us=now_us)
        else:
            looked.occupy(asked, devices * 1_000, now_us=now_us)
            unseen.occupy(asked, devices * 1_000, now_us=now_us)
    assert looked.rank(asked, now_us=now_us) == unseen.rank(asked, now_us=now_us)


def test_among_equal_shares_the_organisation_that_waited_longest_goes_first() -> None:
    engine = Engine((PoolView("d", "npu", 1, 0, 0, "CNY"),), YUNHE)
    for number, name in enumerate(["x", "y", "x", "y"]):
        engine.note(Arrived(Request(f"r{number}", number, name, "npu", 1, 0, 0)), now_us=0)
    found = []
    for _ in range(4):
        found += [one.request.id for one in engine.decide(now_us=0)]
        engine.note(Ended(found[-1]), now_us=0)
    assert found == ["r0", "r1", "r2", "r3"]


def test_who_cannot_pay_for_a_free_chip_does_not_keep_others_from_it() -> None:
    pools = (PoolView("d", "npu", 1, 1, 0, "CNY"), PoolView("e", "gpu", 1, 0, 0, "CNY"))
    awards = (
        AwardView("1", "x", "npu", 10**9, 10**18),
        AwardView("2", "y", "npu", 10**9, 10**18),
        AwardView("3", "y", "gpu", 10**9, 10**18),
    )
    queue = tuple(
        Request(f"r{number}", number, name, "npu", 1, 60, 0, substitutes={"gpu": 1_000})
        for number, name in enumerate("xy")
    )
    placed, wait = decide(Picture(pools, awards, (), {}, queue), now_us=0)
    assert isinstance(placed, Placement)
    assert isinstance(wait, Wait)
    assert (placed.request.id, placed.chip, wait.request.id) == ("r1", "gpu", "r0")
