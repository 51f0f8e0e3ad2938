"""What everybody may count on: nobody starves, promised starts are kept, order of telling is none.

Work here runs for exactly as long as it was drawn to; the engine is told of it at that instant.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, NodeDown, NodeUp, Withdrawn
from yunhe.compute.scheduling.policies import (
    FIFO,
    FIRST_FIT,
    STEADY,
    YUNHE,
    Policy,
    preset,
)
from yunhe.compute.scheduling.state import NodeView, PoolView, Request

SECOND_US = 10**6
MINUTE_US = 60 * SECOND_US
PATIENCE_US = 30 * MINUTE_US
POOL = PoolView("p", "npu", 16, 0, 0, "CNY", "p", (NodeView(8, 0, 2),))
POOLS = (
    PoolView("a", "npu", 16, 0, 90, "CNY", "north", (NodeView(8, 0, 2),)),
    PoolView("b", "npu", 8, 0, 100, "CNY", "south", (NodeView(4, 1, 2),)),
    PoolView("c", "gpu", 8, 0, 200, "CNY", "south", (NodeView(4, 2, 2),)),
)


@dataclass
class Day:
    """Lives through arrivals, runs what is placed for as long as it takes, and keeps times."""

    engine: Engine
    runs_us: dict[str, int]
    now_us: int = 0
    started: dict[str, int] = field(default_factory=dict)
    promised: dict[str, list[int]] = field(default_factory=dict)
    ends: list[tuple[int, str]] = field(default_factory=list)

    def until(self, at_us: int) -> None:
        """Everything that ends until then, one instant after the other."""
        while self.ends and self.ends[0][0] <= at_us:
            self.now_us = self.ends[0][0]
            while self.ends and self.ends[0][0] == self.now_us:
                self.engine.note(Ended(heapq.heappop(self.ends)[1]), now_us=self.now_us)
            self.decide()
        self.now_us = at_us

    def arrive(self, request: Request) -> None:
        self.until(request.since_us)
        self.engine.note(Arrived(request), now_us=self.now_us)
        self.decide()

    def decide(self) -> None:
        for one in self.engine.decide(now_us=self.now_us):
            name = one.request.id
            assert name not in self.started
            self.started[name] = self.now_us
            heapq.heappush(self.ends, (self.now_us + self.runs_us[name], name))
        for name, kept in self.engine.reservations.all.items():
            if kept.ready_us is not None:
                self.promised.setdefault(name, []).append(kept.ready_us)


def ask(number: int, devices: int, *, at_us: int, organisation: str = "north", **over) -> Request:
    chip, wall = over.pop("chip", "npu"), over.pop("wall", 0)
    return Request(f"r{number:03}", number, organisation, chip, devices, wall, at_us, **over)


small = st.tuples(
    st.sampled_from([1, 2, 3, 4, 5, 8]),  # devices
    st.integers(1, 60),  # minutes it runs
    st.sampled_from(["north", "south", "west"]),
)
PATIENT = (
    Policy("plain", patience_us=PATIENCE_US, limits_trusted=False),
    preset("yunhe", patience_us=PATIENCE_US, limits_trusted=False),
    preset("yunhe", patience_us=PATIENCE_US),
    preset("steady", patience_us=PATIENCE_US, patience_devices=16),
)


@given(st.sampled_from(PATIENT), st.lists(small, min_size=30, max_size=90), st.integers(0, 5))
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_a_gang_waits_for_its_patience_and_what_runs_then_and_no_longer(
    policy, smalls, before
) -> None:
    runs_us = {f"r{n:03}": minutes * MINUTE_US for n, (_, minutes, _) in enumerate(smalls)}
    runs_us["r999"] = MINUTE_US
    day = Day(Engine((POOL,), policy), runs_us)
    gang_us = before * 2 * MINUTE_US
    for number, (devices, _, organisation) in enumerate(smalls):
        at_us = number * 2 * MINUTE_US  # faster than two nodes can work it off
        if number == before:
            day.arrive(ask(999, 16, at_us=gang_us, organisation="gang"))
        wall = runs_us[f"r{number:03}"] // SECOND_US
        day.arrive(ask(number, devices, at_us=at_us, organisation=organisation, wall=wall))
    day.until(10**12)
    # One of those who came before may have nodes kept free when the gang's patience ends, and gets
    # them first; never two, since the gang then goes before whoever needs less.
    older_us = min(before, 1) * 60 * MINUTE_US
    assert day.started["r999"] <= gang_us + PATIENCE_US + older_us + 62 * MINUTE_US
    assert len(day.started) == len(smalls) + 1  # and nobody else was left over


@given(st.sampled_from(PATIENT), st.lists(small, min_size=20, max_size=60),
       st.integers(2, 4))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_several_gangs_follow_one_another_and_none_is_overtaken_for_ever(
    policy, smalls, gangs
) -> None:
    runs_us = {f"r{n:03}": minutes * MINUTE_US for n, (_, minutes, _) in enumerate(smalls)}
    day = Day(Engine((POOL,), policy), runs_us)
    for number in range(gangs):
        runs_us[f"r{900 + number}"] = 5 * MINUTE_US
        day.arrive(ask(900 + number, 16, at_us=0, organisation=f"gang{number}", wall=300))
    for number, (devices, _, organisation) in enumerate(smalls):
        at_us = (1 + number * 2) * MINUTE_US
        wall = runs_us[f"r{number:03}"] // SECOND_US
        day.arrive(ask(number, devices, at_us=at_us, organisation=organisation, wall=wall))
    day.until(10**12)
    bound_us = PATIENCE_US + gangs * (60 + 5 + 2) * MINUTE_US
    assert max(day.started[f"r{900 + number}"] for number in range(gangs)) <= bound_us
    assert len(day.started) == len(smalls) + gangs


def test_without_patience_a_gang_is_overtaken_for_as_long_as_small_work_comes() -> None:
    runs_us = {f"r{n:03}": 3 * MINUTE_US for n in range(400)} | {"r999": MINUTE_US}
    for policy, starves in ((FIRST_FIT, True), (PATIENT[0], False)):
        day = Day(Engine((POOL,), policy), runs_us)
        for number in range(400):
            if number == 10:
                day.arrive(ask(999, 16, at_us=number * MINUTE_US))
            day.arrive(ask(number, 6, at_us=number * MINUTE_US))
        assert ("r999" not in day.started) == starves


@given(st.lists(small, min_size=20, max_size=60))
@settings(max_examples=40, deadline=None)
def test_in_a_strict_queue_work_starts_in_the_order_in_which_it_was_submitted(smalls) -> None:
    runs_us = {f"r{n:03}": minutes * MINUTE_US for n, (_, minutes, _) in enumerate(smalls)}
    day = Day(Engine((POOL,), FIFO), runs_us)
    for number, (devices, _, organisation) in enumerate(smalls):
        day.arrive(ask(number, devices, at_us=number * MINUTE_US, organisation=organisation))
    day.until(10**12)
    assert list(day.started) == sorted(runs_us)
    times = list(day.started.values())
    assert times == sorted(times)


walled = st.tuples(
    st.sampled_from([1, 2, 4, 5, 8, 16]),
    st.sampled_from([33, 40, 50, 63, 64, 100, 127, 600, 1_000, 5_000]),  # some of one class
    st.integers(0, 4),  # minutes since the one before
    st.integers(1, 100),  # percent of its wall limit that it runs
)


@given(st.lists(walled, min_size=10, max_size=60))
@settings(max_examples=120, deadline=None)
def test_no_start_that_wall_limits_promise_is_missed_whoever_runs_meanwhile(rows) -> None:
    runs_us = {
        f"r{n:03}": max(wall * SECOND_US * percent // 100, 1)
        for n, (_, wall, _, percent) in enumerate(rows)
    }
    day = Day(Engine((POOL,), Policy("easy", patience_us=PATIENCE_US)), runs_us)
    at_us = 0
    for number, (devices, wall, minutes, _) in enumerate(rows):
        at_us += minutes * MINUTE_US
        day.arrive(ask(number, devices, at_us=at_us, wall=wall))
    day.until(10**13)
    assert len(day.started) == len(rows)
    for name, ready in day.promised.items():
        assert day.started[name] <= min(ready)


def test_the_shorter_of_one_class_of_limits_still_runs_on_what_is_kept_free() -> None:
    engine = Engine((POOL,), Policy("easy"))
    first = [ask(1, 8, at_us=0, wall=1_000), ask(2, 4, at_us=0, wall=60), ask(3, 16, at_us=0)]
    for one in first:
        engine.on(Arrived(one), now_us=0)
    assert set(engine.reservations.all) == {"r003"}
    long = ask(4, 8, at_us=0, wall=1_010)
    assert engine.on(Arrived(long), now_us=0) == []
    (ended,) = engine.on(Arrived(ask(5, 4, at_us=0, wall=990)), now_us=0)
    assert ended.request.id == "r005"


events = st.lists(
    st.one_of(
        st.builds(
            Request,
            id=st.just(""),
            number=st.just(0),
            organisation=st.sampled_from(["x", "y", "z"]),
            kind=st.sampled_from(["school", "firm"]),
            chip=st.sampled_from(["npu", "gpu"]),
            devices=st.sampled_from([1, 2, 3, 4, 8, 12]),
            wall_seconds_max=st.sampled_from([60, 90, 600, 6_000]),
            since_us=st.just(0),
            substitutes=st.sampled_from([{}, {"gpu": 2_000}]),
            home=st.sampled_from(["", "south"]),
            priority=st.sampled_from([0, 0, 1]),
        ),
        st.tuples(st.sampled_from(["end", "withdraw", "down", "up"]), st.integers(0, 40)),
    ),
    min_size=1,
    max_size=8,
)
POLICIES = (YUNHE, STEADY, FIRST_FIT, FIFO, preset("fair", half_life_us=0), preset("nimble"))


@given(st.sampled_from(POLICIES), st.lists(events, min_size=1, max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_in_which_order_one_hears_of_an_instant_decides_nothing(policy, instants, draw) -> None:
    one, other = Engine(POOLS, policy), Engine(POOLS, policy)
    number, now_us = 0, 0
    for instant in instants:
        now_us += 7 * MINUTE_US
        heard: list[object] = []
        for step in instant:
            number += 1
            if isinstance(step, Request):
                heard.append(
                    Arrived(replace(step, id=f"r{number}", number=number, since_us=now_us))
                )
                continue
            kind, what = step
            names = sorted(one.floor.all) or ["nobody"]
            if kind == "end":
                heard.append(Ended(names[what % len(names)]))
            elif kind == "withdraw":
                heard.append(Withdrawn(f"r{what}"))
            else:
                node = "abc"[what % 3], what // 3 % 2
                heard.append(NodeDown(*node) if kind == "down" else NodeUp(*node))
        heard = _without_contradictions(heard)
        for event in heard:
            one.note(event, now_us=now_us)
        for event in draw.sample(heard, len(heard)):
            other.note(event, now_us=now_us)
        assert one.decide(now_us=now_us) == other.decide(now_us=now_us)
        assert _ranked(one, now_us) == _ranked(other, now_us)


def _without_contradictions(heard: list[object]) -> list[object]:
    """Of a node that is said to break and to come back in one instant, only the first."""
    seen, kept = set(), []
    arriving = {event.request.id for event in heard if isinstance(event, Arrived)}
    for event in heard:
        if isinstance(event, Withdrawn) and event.request in arriving:
            continue
        if isinstance(event, NodeDown | NodeUp):
            if (event.pool, event.node) in seen:
                continue
            seen.add((event.pool, event.node))
        kept.append(event)
    return kept


def _ranked(engine: Engine, now_us: int) -> list[str]:
    return [request.id for request in engine.queue.ranked(now_us=now_us)]
