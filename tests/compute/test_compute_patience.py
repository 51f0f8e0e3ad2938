"""Nothing starves: not what is of a low class, and not where much more comes than can run."""

from __future__ import annotations

import heapq
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended
from yunhe.compute.scheduling.patience import Patience
from yunhe.compute.scheduling.policies import EVEN, NIMBLE, STEADY, YUNHE, Policy
from yunhe.compute.scheduling.state import NodeView, Placement, PoolView, Request
from yunhe.kernel.clock import DAY_US, SECOND_US

HOUR_US = 3_600 * SECOND_US
LONGEST_US = 12 * HOUR_US
BASE = Request("w", 0, "a", "npu", 1, 0, 0)


def asked(number: int, devices: int, *, at_us: int, priority: int, **over) -> Request:
    said = {"id": f"w{number:06}", "number": number, "since_us": at_us, "priority": priority}
    return replace(BASE, devices=devices, **said, **over)


def started_us(low: Request, policy: Policy, sizes: list[int], *, until_us: int) -> int | None:
    """When it starts beside work of a higher class of which more always waits than can run."""
    engine = Engine([PoolView("p", "npu", 16, 0, 0, "CNY", nodes=(NodeView(8, 0, 2),))], policy)
    ends: list[tuple[int, str]] = []
    lasts_us = [LONGEST_US // divisor for divisor in (1, 2, 5, 3)]
    now_us, number, waiting = 0, 1, 0
    while now_us <= until_us:
        while waiting < 40:
            other = asked(number, sizes[number % len(sizes)], at_us=now_us, priority=1)
            engine.note(Arrived(replace(other, organisation=f"o{number % 3}")), now_us=now_us)
            number, waiting = number + 1, waiting + 1
        for one in engine.decide(now_us=now_us):
            if isinstance(one, Placement):
                if one.request.id == low.id:
                    return now_us
                waiting -= 1
                heapq.heappush(ends, (now_us + lasts_us[one.request.number % 4], one.request.id))
        if not now_us:
            engine.note(Arrived(low), now_us=0)  # all that is there is taken already
        now_us, name = heapq.heappop(ends)
        engine.note(Ended(name), now_us=now_us)
        waiting = sum(1 for each in engine.queue.waiting if each != low.id)
    return None


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from([1, 1, 2, 4, 8, 16]), min_size=1, max_size=6),
    st.sampled_from([(1, 1), (2, 1), (8, 1), (16, 1), (4, 2)]),
    st.sampled_from([-1, 0]),
)
def test_under_steady_a_lower_class_starts_a_week_and_two_runs_later_at_most(
    sizes, wanted, priority
) -> None:
    devices, replicas = wanted
    low = asked(0, devices, at_us=0, priority=priority, replicas=replicas, organisation="low")
    bound_us = STEADY.outclassed_us + 2 * LONGEST_US
    assert started_us(low, STEADY, sizes, until_us=bound_us) is not None


def test_without_that_rule_it_would_starve() -> None:
    low = asked(0, 1, at_us=0, priority=-1)
    without = replace(STEADY, outclassed_us=0)
    assert started_us(low, without, [1], until_us=30 * DAY_US) is None
    assert started_us(low, STEADY, [1], until_us=30 * DAY_US) is not None


@pytest.mark.parametrize("policy", [YUNHE, NIMBLE, EVEN], ids=["yunhe", "nimble", "even"])
def test_under_policies_with_ageing_it_starts_after_that_and_two_runs(policy) -> None:
    low = asked(0, 4, at_us=0, priority=-1, organisation="low")
    bound_us = policy.ageing_us + 2 * LONGEST_US
    assert started_us(low, policy, [1, 2, 8], until_us=bound_us) is not None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, 400)), min_size=1, max_size=20))
def test_where_all_are_of_one_class_it_changes_nothing(rows) -> None:
    plain = Patience(replace(STEADY, outclassed_us=0), capacity=64)
    ruled = Patience(STEADY, capacity=64)
    waiting = {}
    for number, (devices, hours) in enumerate(rows):
        one = asked(number, devices, at_us=hours * HOUR_US, priority=0)
        waiting[one.id] = one
        plain.add(one)
        ruled.add(one)
    for day in (0, 1, 3, 9, 30, 3_000):
        now_us = day * DAY_US
        assert ruled.first(waiting, (), now_us=now_us) == plain.first(waiting, (), now_us=now_us)
        for one in waiting.values():
            assert ruled.over(one, now_us=now_us) == plain.over(one, now_us=now_us)
