"""Whose turn it is after something was freed, broken, repaired, paid or taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_engine import Plain

from yunhe.compute.scheduling.budgets import Budgets
from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Tick, Withdrawn
from yunhe.compute.scheduling.policies import FIFO, FIRST_FIT, SHORTEST, YUNHE, Policy, preset
from yunhe.compute.scheduling.state import AwardView, NodeView, PoolView, Request

SECOND_US = 10**6
HOUR_US = 3_600 * SECOND_US
FOREVER_US = 10**18
ONE_NODE = (PoolView("p", "npu", 8, 0, 0, "CNY", "p", (NodeView(8, 0, 1),)),)
TWO_NODES = (PoolView("p", "npu", 16, 0, 0, "CNY", "p", (NodeView(8, 0, 2),)),)
TWO_CHIPS = (
    PoolView("p", "npu", 4, 0, 0, "CNY", "p", (NodeView(4, 0, 1),)),
    PoolView("q", "gpu", 4, 0, 0, "CNY", "q", (NodeView(4, 0, 1),)),
)
STRICT = (
    FIFO,
    SHORTEST,
    preset("fifo", shared=True, half_life_us=HOUR_US),
    preset("fifo", ageing_us=HOUR_US),
)
strict = pytest.mark.parametrize("policy", STRICT, ids=["fifo", "shortest", "shared", "aged"])


def ask(number: int, devices: int = 1, *, chip: str = "npu", at_us: int = 0, **over) -> Request:
    organisation, wall = over.pop("organisation", "north"), over.pop("wall", 0)
    return Request(f"r{number}", number, organisation, chip, devices, wall, at_us, **over)


def told(engine: Engine, *requests: Request, now_us: int = 0) -> list[str]:
    """Names of what starts once all of them are known."""
    for request in requests:
        engine.note(Arrived(request), now_us=now_us)
    return [one.request.id for one in engine.decide(now_us=now_us)]


def on(engine: Engine, event: object, *, now_us: int = 0) -> list[str]:
    return [one.request.id for one in engine.on(event, now_us=now_us)]


@strict
def test_nothing_passes_a_strict_head_though_it_would_fit(policy) -> None:
    engine = Engine(ONE_NODE, policy)
    assert told(engine, ask(1, 5), ask(2, 8), ask(3, 1)) == ["r1"]
    assert on(engine, Tick(), now_us=2 * HOUR_US) == []
    assert on(engine, Ended("r1"), now_us=2 * HOUR_US) == ["r2"]
    assert on(engine, Ended("r2"), now_us=3 * HOUR_US) == ["r3"]


@strict
def test_those_behind_a_strict_head_follow_it_in_the_pass_that_serves_it(policy) -> None:
    engine = Engine(ONE_NODE, policy)
    assert told(engine, ask(1, 8), ask(2, 2), ask(3, 3), ask(4, 4)) == ["r1"]
    assert on(engine, Ended("r1"), now_us=SECOND_US) == ["r2", "r3"]
    assert on(engine, Ended("r2"), now_us=SECOND_US) == ["r4"]


@strict
def test_a_strict_head_that_is_taken_back_lets_the_next_one_go(policy) -> None:
    engine = Engine(ONE_NODE, policy)
    assert told(engine, ask(1, 5), ask(2, 8), ask(3, 3)) == ["r1"]
    assert on(engine, Withdrawn("r2"), now_us=SECOND_US) == ["r3"]


def test_a_strict_head_waits_on_though_what_is_freed_is_of_no_use_to_it() -> None:
    engine = Engine(TWO_CHIPS, FIFO)
    assert told(engine, ask(1, 4), ask(2, 4, chip="gpu"), ask(3, 4)) == ["r1", "r2"]
    assert told(engine, ask(4, 4, chip="gpu")) == []
    assert on(engine, Ended("r2")) == []
    assert on(engine, Ended("r1")) == ["r3", "r4"]


def test_the_head_that_follows_one_that_was_served_stops_a_strict_queue_as_well() -> None:
    engine = Engine(TWO_CHIPS, FIFO)
    assert told(engine, ask(1, 4), ask(2, 4), ask(3, 4), ask(4, 1, chip="gpu")) == ["r1"]
    assert on(engine, Ended("r1")) == ["r2"]  # r3 is as large, and r4 comes after it
    assert on(engine, Ended("r2")) == ["r3", "r4"]


def test_a_strict_head_of_a_higher_class_is_asked_before_the_old_head() -> None:
    engine = Engine(ONE_NODE, FIFO)
    assert told(engine, ask(1, 5), ask(2, 8)) == ["r1"]
    assert told(engine, ask(3, 3, priority=1)) == ["r3"]
    assert told(engine, ask(4, 3)) == []


def test_a_strict_queue_goes_on_when_a_node_comes_back() -> None:
    engine = Engine(TWO_NODES, FIFO)
    engine.note(NodeDown("p", 1), now_us=0)
    assert told(engine, ask(1, 8), ask(2, 8), ask(3, 1)) == ["r1"]
    assert on(engine, NodeUp("p", 1)) == ["r2"]
    assert on(engine, Ended("r1")) == ["r3"]


def test_who_can_pay_nothing_does_not_stop_a_strict_queue() -> None:
    awards = (AwardView("1", "south", "npu", 10**9, FOREVER_US),)
    engine = Engine(ONE_NODE, FIFO, budgets=Budgets(awards, (), {}))
    queue = ask(1, 8, wall=60), ask(2, 8, wall=60, organisation="south")
    assert told(engine, *queue) == ["r2"]
    assert set(engine.aside) == {"r1"}


def test_a_broken_node_takes_the_reservation_with_it_and_another_is_made() -> None:
    engine = Engine(TWO_NODES, Policy("p", patience_us=0, limits_trusted=False))
    assert told(engine, ask(1, 8), ask(2, 4), ask(3, 8)) == ["r1", "r2"]
    assert engine.reservations.all["r3"].nodes == 0b10  # half of that node is free
    assert on(engine, NodeDown("p", 1)) == []
    assert engine.reservations.all["r3"].nodes == 0b01
    assert told(engine, ask(4, 1)) == []  # or r3 would never find a whole node
    assert on(engine, Ended("r2")) == []  # that node is still broken
    assert on(engine, Ended("r1")) == ["r3"]


def test_whoever_lost_its_nodes_before_it_could_run_has_others_kept_free() -> None:
    pools = (PoolView("p", "npu", 24, 0, 0, "CNY", "p", (NodeView(8, 0, 3),)),)
    engine = Engine(pools, Policy("p", patience_us=0, limits_trusted=False))
    assert told(engine, ask(1, 8), ask(2, 8), ask(3, 8), ask(4, 16)) == ["r1", "r2", "r3"]
    for number in (0, 1):
        engine.on(NodeDown("p", number), now_us=SECOND_US)
    assert not engine.reservations.all  # two nodes are not there any more
    assert on(engine, Ended("r3"), now_us=SECOND_US) == []
    assert told(engine, ask(5, 8, at_us=SECOND_US), now_us=SECOND_US) == ["r5"]
    for number in (0, 1):
        engine.note(Ended(f"r{number + 1}"), now_us=2 * SECOND_US)
        engine.note(NodeUp("p", number), now_us=2 * SECOND_US)
    assert [one.request.id for one in engine.decide(now_us=2 * SECOND_US)] == ["r4"]


def test_a_node_that_comes_back_serves_who_was_overtaken_before_the_newer_ones() -> None:
    engine = Engine(TWO_NODES, Policy("p", patience_us=HOUR_US, limits_trusted=False))
    engine.note(NodeDown("p", 0), now_us=0)
    assert told(engine, ask(1, 4), ask(2, 8)) == ["r1"]
    assert told(engine, ask(3, 4, at_us=SECOND_US), now_us=SECOND_US) == ["r3"]
    later = ask(4, 8, at_us=2 * HOUR_US)
    assert told(engine, later, now_us=2 * HOUR_US) == []
    assert on(engine, NodeUp("p", 0), now_us=2 * HOUR_US) == ["r2"]


def test_nodes_are_not_kept_for_ever_for_who_can_no_longer_pay() -> None:
    need_ms = 8 * 100 * 1_000
    awards = (AwardView("1", "north", "npu", need_ms, FOREVER_US),
              AwardView("2", "south", "npu", 10**12, FOREVER_US))  # fmt: skip
    engine = Engine(
        ONE_NODE,
        Policy("p", patience_us=0, limits_trusted=False),
        budgets=Budgets(awards, (), {}),
    )
    first = ask(1, 4, wall=100, organisation="south")
    assert told(engine, first, ask(2, 8, wall=100)) == ["r1"]
    assert set(engine.reservations.all) == {"r2"}
    assert told(engine, ask(3, 4, wall=100, organisation="south")) == []
    engine.budgets.spend(  # as if it had been spent elsewhere
        ask(9, 8, wall=100),
        engine.shapes.tiers(engine.shape(ask(2, 8, wall=100)), ask(2, 8, wall=100))[0],
        engine.budgets.bill(
            ask(9, 8, wall=100),
            engine.shapes.tiers(engine.shape(ask(2, 8, wall=100)), ask(2, 8, wall=100))[0],
            wall_seconds=100,
            now_us=0,
        ),
    )
    assert on(engine, Ended("r1")) == ["r3"]
    assert set(engine.aside) == {"r2"}
    assert not engine.reservations.all


def test_who_cannot_pay_leaves_the_line_open_to_all_others_in_it() -> None:
    awards = tuple(
        AwardView(f"{name}-{chip}", name, chip, 10**9, FOREVER_US)
        for name, chip in (("north", "npu"), ("south", "npu"), ("south", "gpu"))
    )
    engine = Engine(TWO_CHIPS, YUNHE, budgets=Budgets(awards, (), {}))
    both = {"npu": 1_000, "gpu": 1_000}
    full = ask(1, 4, wall=60, organisation="south")
    some = [
        ask(number, 4, wall=60, organisation=name, substitutes=both)
        for number, name in enumerate(["north", "north", "south", "north"], 2)
    ]
    assert told(engine, full, *some) == ["r1", "r4"]
    assert on(engine, Ended("r1"), now_us=SECOND_US) == ["r2"]


requests = st.builds(
    Request,
    id=st.just(""),
    number=st.just(0),
    organisation=st.sampled_from(["x", "y", "z"]),
    project=st.sampled_from(["", "p"]),
    chip=st.sampled_from(["npu", "gpu"]),
    devices=st.sampled_from([1, 2, 3, 4, 8]),
    wall_seconds_max=st.sampled_from([60, 600, 6_000]),
    since_us=st.just(0),
    substitutes=st.sampled_from([{}, {"gpu": 2_000}, {"npu": 500}]),
    priority=st.sampled_from([0, 0, 0, 1]),
    expected_us=st.sampled_from([10**6, 10**7, 10**8]),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), requests),
        st.tuples(st.sampled_from(["end", "end", "withdraw", "down", "up"]), st.integers(0, 40)),
    ),
    max_size=40,
)
POOLS = (
    PoolView("a", "npu", 8, 0, 100, "CNY", "north", (NodeView(4, 0, 2),)),
    PoolView("b", "gpu", 8, 0, 200, "CNY", "south", (NodeView(4, 1, 2),)),
)


def both(steps, quick: Engine, plain: Plain) -> None:
    """Let both live through the same, and compare what they decide."""
    now_us = 0
    for number, (kind, what) in enumerate(steps):
        now_us += 300 * SECOND_US
        if kind == "arrive":
            name = f"r{number}"
            event = Arrived(replace(what, id=name, number=number, since_us=now_us))
        elif kind in ("down", "up"):
            event = {"down": NodeDown, "up": NodeUp}[kind]("ab"[what % 2], what // 2 % 2)
        elif kind == "end":
            names = sorted(quick.floor.all) or ["nobody"]
            event = Ended(names[what % len(names)])
        else:
            event = Withdrawn(f"r{what}")
        assert quick.on(event, now_us=now_us) == plain.on(event, now_us=now_us)
        assert set(quick.aside) == set(plain.aside)
        assert set(quick.reservations.all) == set(plain.reservations.all)


@given(st.sampled_from(STRICT), steps)
@settings(max_examples=80, deadline=None)
def test_strict_orders_are_kept_through_every_wake(policy, steps) -> None:
    both(steps, Engine(POOLS, policy), Plain(POOLS, policy))


@given(st.sampled_from((YUNHE, FIRST_FIT, FIFO, preset("yunhe", patience_us=0))), steps,
       st.lists(st.integers(0, 40), min_size=6, max_size=6))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_whoever_runs_out_of_budget_closes_the_line_to_nobody_else(policy, steps, hours) -> None:
    owners = [(name, chip) for name in "xyz" for chip in ("npu", "gpu")]
    awards = tuple(
        AwardView(f"{name}{chip}", name, chip, hour * 3_600_000, FOREVER_US)
        for (name, chip), hour in zip(owners, hours, strict=True)
    )
    cash = {(name, "CNY"): 10**9 for name in "xyz"}
    quick = Engine(POOLS, policy, budgets=Budgets(awards, (), cash))
    both(steps, quick, Plain(POOLS, policy, budgets=Budgets(awards, (), cash)))
