"""How many replicas a load needs: bounds, growth, no flapping, and waits as promised."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scaling.deciding import wanted_replicas
from yunhe.compute.scaling.domain import Policy, Sample
from yunhe.compute.scaling.erlang import slots_needed, wait_probability
from yunhe.kernel.clock import SECOND_US

NOW = 1_800_000_000 * SECOND_US
LATENCY = Policy(floor=1, ceiling=40, slots=2, service_ms=900, latency_ms=3_000, unloaded_ms=2_000)
LOAD = Policy(floor=0, ceiling=30, load_milli=1_500, startup_seconds=30)
POLICIES = st.sampled_from([LATENCY, LOAD, replace(LATENCY, load_milli=2_000)])


def sample(end: int, requests: int, *, seconds: int = 10, source: str = "", **over) -> Sample:
    """A report whose stretch ends so many seconds before now."""
    until_us = NOW - end * SECOND_US
    name = f"{source}{end}"
    return Sample(name, source, until_us - seconds * SECOND_US, until_us, requests, **over)


def steady(per_second: float, *, since: int = 600, until: int = 0, **over) -> list[Sample]:
    return [sample(end, round(10 * per_second), **over) for end in range(until, since, 10)]


def wanted(history, policy, *, after: int = 0) -> int:
    return wanted_replicas(history, policy, NOW + after * SECOND_US).wanted


HISTORIES = st.lists(
    st.builds(
        lambda slot, requests, queue, latency: sample(
            slot * 10, requests, queue=queue, latency_ms=latency
        ),
        st.integers(0, 90),
        st.integers(0, 400),
        st.integers(0, 200),
        st.none() | st.integers(0, 20_000),
    ),
    max_size=40,
    unique_by=lambda each: each.until_us,
)
ODD_HISTORIES = st.lists(
    st.builds(
        lambda end, seconds, requests, source: sample(
            end, requests, seconds=seconds, source=source
        ),
        st.integers(0, 900),
        st.integers(1, 300),
        st.integers(0, 400),
        st.sampled_from("abc"),
    ),
    max_size=30,
    unique_by=lambda each: (each.until_us, each.source),
)


@given(HISTORIES, POLICIES)
@settings(max_examples=150, deadline=None)
def test_what_is_wanted_lies_between_floor_and_ceiling(history, policy):
    need = wanted_replicas(history, policy, NOW)
    assert policy.floor <= need.wanted <= policy.ceiling
    assert need.wanted == min(need.needed, policy.ceiling)


@given(HISTORIES, POLICIES, st.data())
@settings(max_examples=150, deadline=None)
def test_more_load_never_gives_fewer_replicas(history, policy, data):
    before = wanted_replicas(history, policy, NOW)
    more = [
        replace(
            each,
            requests=each.requests + data.draw(st.integers(0, 100)),
            queue=each.queue + data.draw(st.integers(0, 50)),
        )
        for each in history
    ]
    assert wanted_replicas(more, policy, NOW).needed >= before.needed


@given(ODD_HISTORIES, POLICIES, st.data())
@settings(max_examples=100, deadline=None)
def test_nor_does_it_with_reports_of_any_length_by_several_sources(history, policy, data):
    before = wanted_replicas(history, policy, NOW)
    more = [replace(each, requests=each.requests + data.draw(st.integers(0, 99)))
            for each in history]  # fmt: skip
    assert wanted_replicas(more, policy, NOW).needed >= before.needed


@given(HISTORIES, POLICIES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_reports_came_does_not_matter(history, policy, order):
    shuffled = list(history)
    order.shuffle(shuffled)
    assert wanted_replicas(shuffled, policy, NOW) == wanted_replicas(history, policy, NOW)


@given(st.lists(st.integers(0, 300), min_size=60, max_size=120), POLICIES)
@settings(max_examples=40, deadline=None)
def test_nothing_is_given_up_that_was_needed_within_the_cool_down(loads, policy):
    policy = replace(policy, cooldown_seconds=200)
    history = [sample(10 * (len(loads) - place), load) for place, load in enumerate(loads)]
    seen: list[int] = []
    for end in range(len(loads) * 10, 0, -10):
        known = [each for each in history if each.until_us <= NOW - end * SECOND_US]
        needs = wanted_replicas(known, replace(policy, cooldown_seconds=0), NOW - end * SECOND_US)
        seen.append(needs.needed)
        now = wanted_replicas(known, policy, NOW - end * SECOND_US)
        assert now.needed == max(seen[-20:])  # 200 s are 20 looks; so it can't go down and up again


def test_it_grows_at_once_and_shrinks_after_the_cool_down():
    calm = steady(1, since=600, until=10)
    assert wanted(calm, LATENCY) < wanted([*calm, sample(0, 300)], LATENCY)
    peak = [*calm, sample(0, 300)]
    after = [sample(-end, 10) for end in range(10, 500, 10)]
    high = wanted(peak, LATENCY)
    assert wanted([*peak, *after], LATENCY, after=290) == high
    assert wanted([*peak, *after], LATENCY, after=480) > wanted(calm, LATENCY)
    after += [sample(-end, 10) for end in range(500, 1_000, 10)]
    assert wanted([*peak, *after], LATENCY, after=880) > wanted(calm, LATENCY)
    assert wanted([*peak, *after], LATENCY, after=890) == wanted(calm, LATENCY)
    aims_at_load = replace(LATENCY, latency_ms=0, load_milli=1_000)
    assert wanted([*peak, *after], aims_at_load, after=480) == wanted(calm, aims_at_load)


BURSTS = [(end, 100 if end % 300 == 0 else 4) for end in range(0, 1_500, 10)]
"""Ten seconds in five minutes that bring nearly half of the requests."""


def test_bursts_ask_for_more_than_as_many_requests_that_come_evenly():
    def needed(loads) -> int:
        history = [sample(end, load) for end, load in loads]
        return wanted_replicas(history, replace(LATENCY, cooldown_seconds=0), NOW).needed

    calm = [(end, 4) for end, _ in BURSTS[:13]]
    even = [(end, 8) for end, _ in BURSTS]
    assert sum(load for _, load in even) > sum(load for _, load in BURSTS)
    quiet = needed([*calm, *((end + 130, load) for end, load in BURSTS)])
    assert quiet * LATENCY.slots >= 100 * 0.9 / 10  # what the ten seconds keep busy on average
    assert quiet > 2 * needed(even) >= 2 * needed(calm)


@pytest.mark.parametrize(
    ("waits_ms", "slots"), [(1, 9), (10_000, 9), (30_000, 5), (119_000, 3), (900_000, 3)]
)
def test_a_burst_may_be_served_as_slowly_as_its_requests_may_wait(waits_ms, slots):
    """100 requests of 0.9 s in 10 s, then and before 20 in 10 s, long ago."""
    loads = [100 if end == 300 else 20 for end in range(0, 900, 10)]
    history = [sample(10 * place, load) for place, load in enumerate(loads)]
    policy = replace(LATENCY, slots=1, cooldown_seconds=0, latency_ms=2_000 + waits_ms)
    evenly = replace(policy, latency_ms=0, load_milli=1)
    assert wanted_replicas(history, evenly, NOW).rate_milli == 2_000
    at_300 = [replace(each, requests=100 if each.id == "300" else 20) for each in history]
    found = wanted_replicas(at_300, policy, NOW).needed
    alone = wanted_replicas([each for each in history if each.id != "300"], policy, NOW).needed
    assert found == max(slots, alone)


def test_bursts_of_two_sources_at_the_same_time_add_up_and_at_other_times_do_not():
    def needed(other: int) -> int:
        history = [sample(end, 200 if end == 300 else 0, source="a") for end in range(0, 900, 10)]
        history += [sample(end, 200 if end == other else 0, source="b")
                    for end in range(0, 900, 10)]  # fmt: skip
        return wanted_replicas(history, replace(LATENCY, cooldown_seconds=0), NOW).needed

    assert needed(300) == 18  # 2 × 200 × 0.9 s in 10 s, two slots each
    assert needed(400) == needed(310) == 9


def test_numbers_as_hostile_as_reports_may_hold_give_a_number_that_can_be_kept():
    worst = {"queue": 10**9, "service_ms": 3_600_000, "latency_ms": 3_600_000, "seconds": 1}
    history = [sample(end, 10**9, **worst) for end in range(400)]
    policy = replace(LATENCY, slots=1, latency_ms=1, unloaded_ms=0, variability_percent=2_000)
    assert wanted_replicas(history, policy, NOW).needed == 1_000_000
    assert wanted(history, policy) == policy.ceiling


def test_loads_of_several_sources_add_up():
    one = steady(3, source="a")
    assert wanted([*one, *steady(3, source="b")], LATENCY) == wanted(steady(6), LATENCY)


def test_a_source_that_went_away_does_not_count_while_another_reports():
    gone = steady(9, since=1_400, until=850, source="a")
    there = steady(1, since=900, source="b")
    assert wanted([*gone, *there], replace(LATENCY, cooldown_seconds=60)) == wanted(
        steady(1, since=900), replace(LATENCY, cooldown_seconds=60)
    )


def test_when_all_fall_silent_replicas_stay_for_a_quarter_of_an_hour_then_only_the_floor():
    history = steady(5)
    high = wanted(history, LATENCY)
    assert not wanted_replicas(history, LATENCY, NOW + 60 * SECOND_US).silent
    later = wanted_replicas(history, LATENCY, NOW + 890 * SECOND_US)
    assert (later.wanted, later.silent) == (high, True)
    assert wanted(history, LATENCY, after=900 + 301) == LATENCY.floor
    assert wanted([], LOAD) == 0


def test_reports_about_the_future_do_not_count_yet():
    assert wanted([sample(-60, 10_000)], LOAD) == 0


def test_a_load_per_replica_counts_requests_or_tokens():
    history = steady(6, tokens=4_000)
    assert wanted(history, replace(LOAD, load_milli=2_000)) == 3
    assert wanted(history, replace(LOAD, load_milli=100_000, unit="tokens")) == 4


def test_who_waits_already_is_served_within_a_start_up():
    calm = steady(2, until=10)
    alone = wanted([*calm, sample(0, 20)], LATENCY)
    assert wanted([*calm, sample(0, 20, queue=120)], LATENCY) > alone


def test_latency_beyond_the_target_for_longer_than_a_start_takes_asks_for_more():
    def seen(since: int) -> int:
        slow = {"latency_ms": 9_000, "queue": 1}
        history = [sample(end, 30, **(slow if end < since else {})) for end in range(0, 600, 10)]
        return wanted(history, replace(LATENCY, cooldown_seconds=0))

    assert seen(100) == seen(0)
    assert seen(400) > seen(100)


def test_measured_service_times_replace_the_stated_one():
    assert wanted(steady(5, service_ms=1_800), LATENCY) > wanted(steady(5), LATENCY)
    assert wanted(steady(5, service_ms=100), LATENCY) < wanted(steady(5), LATENCY)


@pytest.mark.parametrize(
    ("slots", "offered", "expected"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.409180), (5, 6.0, 1.0), (3, 0.0, 0.0)],
)
def test_the_chance_to_wait_is_erlangs(slots, offered, expected):
    assert wait_probability(slots, offered) == pytest.approx(expected, abs=1e-5)


def test_the_limit_for_many_servers_meets_the_formula():
    offered = 3_999.0
    exact = wait_probability(4_100, offered)
    scaled = wait_probability(round(4_001 + 101 * math.sqrt(4_001 / 3_999)), 4_001.0)
    assert scaled == pytest.approx(exact, abs=0.01)


@given(
    st.integers(1, 9_000_000), st.integers(1, 2_000_000), st.integers(1, 60_000), st.integers(1, 64)
)
@settings(max_examples=60, deadline=None)
def test_more_offered_load_never_needs_fewer_slots(offered, more, budget_ms, step):
    def needed(milli: int) -> int:
        return slots_needed(
            offered_milli=milli,
            service_ms=1_000,
            budget_ms=budget_ms,
            late_ppm=5_000,
            variability_percent=100,
            step=step,
        )

    low, high = sorted((min(offered, 600_000), min(offered, 600_000) + min(more, 100_000)))
    assert needed(low) <= needed(high)
    assert needed(high) % step == 0
    assert needed(high) * 1_000 > high


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("rate", [2.0, 15.0])
def test_a_queue_of_that_many_servers_meets_its_target(rate, seed):
    """Simulated arrivals and exponential service times, first come first served."""
    policy = replace(LATENCY, ceiling=200, unloaded_ms=0, latency_ms=1_000)
    slots = wanted(steady(rate), policy) * policy.slots
    chance = random.Random(f"{rate}:{seed}")
    free, at, late, count = [0.0] * slots, 0.0, 0, 20_000
    for _ in range(count):
        at += chance.expovariate(rate)
        begins = max(at, heapq.heappop(free))
        late += begins - at > 1.0
        heapq.heappush(free, begins + chance.expovariate(1 / 0.9))
    assert late / count <= 0.02  # 5 % may miss it in all; by waiting, a tenth of them is aimed at
    assert slots * 0.9 <= 4 * rate * 0.9 + 8  # and it is not bought with slots without number
