"""What a service needs and what is done about it, worked out by hand; and that it comes to rest."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_scaling_keeping import need, replica, service

from yunhe.compute.scaling.deciding import budget_ms, wanted_replicas
from yunhe.compute.scaling.domain import Policy, Replica, Sample
from yunhe.compute.scaling.keeping import RETRY_SECONDS_MAX, Steps, serves, steps
from yunhe.kernel.clock import SECOND_US

NOW = 1_800_000_000 * SECOND_US
NOW_SECOND = Policy(floor=0, ceiling=900, load_milli=1_000, startup_seconds=60, cooldown_seconds=0)


def said(begin: float, end: float, requests: int, **over) -> Sample:
    """A report about a stretch, in seconds before now."""
    at = round(NOW - begin * SECOND_US), round(NOW - end * SECOND_US)
    return Sample(f"{begin}-{end}", over.pop("source", ""), *at, requests, **over)


@pytest.mark.parametrize(
    ("history", "rate_milli"),
    [
        ([said(120, 0, 1_200)], 10_000),
        ([said(120, 30, 0), said(30, 0, 300)], 10_000),  # the burst counts, not its mean
        ([said(120, 30, 900), said(30, 0, 0)], 7_500),  # the long mean counts, not the lull
        ([said(240, 0, 480)], 2_000),  # of a longer report only the part within
        ([said(3, 0, 30)], 3_000),  # a history that has just begun: ten seconds at least
        ([said(20, 0, 40)], 2_000),
        ([said(120, 0, 120), said(120, 0, 240, source="b")], 3_000),
    ],
    ids=["even", "burst", "lull", "long", "three-seconds", "young", "two-sources"],
)
def test_the_rate_is_the_greater_of_the_means_over_two_windows(history, rate_milli) -> None:
    need = wanted_replicas(history, NOW_SECOND, NOW)
    assert need.rate_milli == rate_milli
    assert need.needed == need.wanted == -(-rate_milli // 1_000)


def test_who_waits_counts_as_if_it_came_within_one_start_up() -> None:
    history = [said(120, 0, 1_200, queue=90)]
    assert wanted_replicas(history, NOW_SECOND, NOW).needed == 12  # 10 + 90 / 60
    quick = replace(NOW_SECOND, startup_seconds=5)
    assert wanted_replicas(history, quick, NOW).needed == 13  # 10 + 90 / 30: no shorter than that


def test_stretches_of_no_length_or_turned_around_say_nothing() -> None:
    sound = [said(120, 0, 120)]
    odd = [said(10, 10, 10**6), said(0, 50, 10**6)]
    assert wanted_replicas(sound + odd, NOW_SECOND, NOW) == wanted_replicas(sound, NOW_SECOND, NOW)


def test_slow_answers_count_for_twice_the_load_at_most() -> None:
    policy = replace(NOW_SECOND, latency_ms=100, slots=1_000, service_ms=1)

    def seen(latency_ms: int) -> int:
        history = [said(at + 10, at, 100, queue=1, latency_ms=latency_ms)
                   for at in range(0, 400, 10)]  # fmt: skip
        return wanted_replicas(history, policy, NOW).needed

    assert seen(100) == 11  # ten a second, and one who waits
    assert seen(150) == 16
    assert seen(200) == seen(10**9) == 21


def test_a_target_below_what_an_idle_service_takes_leaves_a_millisecond() -> None:
    assert budget_ms(Policy(0, 1, latency_ms=900, unloaded_ms=400)) == 500
    assert budget_ms(Policy(0, 1, latency_ms=400, unloaded_ms=400)) == 1


REPORTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 300), st.integers(0, 40), st.sampled_from("ab")),
    max_size=25,
    unique_by=lambda row: (row[0], row[3]),
)


@settings(max_examples=60, deadline=None)
@given(REPORTS, st.integers(1, 10_000))
def test_the_hour_at_which_all_this_happens_changes_nothing(rows, later) -> None:
    policy = replace(NOW_SECOND, cooldown_seconds=150)
    history = [said(10 * at + 10, 10 * at, some, queue=queue, source=source)
               for at, some, queue, source in rows]  # fmt: skip
    shift = later * 10 * SECOND_US
    moved = [replace(each, from_us=each.from_us + shift, until_us=each.until_us + shift)
             for each in history]  # fmt: skip
    assert wanted_replicas(moved, policy, NOW + shift) == wanted_replicas(history, policy, NOW)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=12))
def test_a_report_in_two_halves_says_the_same_as_a_whole_one(loads) -> None:
    whole = [said(10 * at + 10, 10 * at, 2 * some) for at, some in enumerate(loads)]
    halves = [said(10 * at + begin, 10 * at + begin - 5, some)
              for at, some in enumerate(loads) for begin in (10, 5)]  # fmt: skip
    assert wanted_replicas(halves, NOW_SECOND, NOW) == wanted_replicas(whole, NOW_SECOND, NOW)


# What is done about it


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 2), (1, 4), (2, 8), (7, 256), (8, RETRY_SECONDS_MAX), (90, 300)]
)
def test_each_failure_doubles_the_pause_up_to_five_minutes(failures, pause) -> None:
    there = service(replica(1, "failed"), failures=failures, next_number=99)
    planned = steps(there, need(1), NOW)
    assert (planned.failures, planned.retry_at_us) == (failures + 1, NOW + pause * SECOND_US)
    assert planned.start == ()
    waited = replace(there, replicas=(), failures=failures + 1, retry_at_us=planned.retry_at_us)
    assert steps(waited, need(1), planned.retry_at_us - 1).start == ()
    assert steps(waited, need(1), planned.retry_at_us).start == (None,)


@pytest.mark.parametrize(
    ("ended", "failures"),
    [
        (replica(5, "cancelled"), 3),
        (replica(5, "failed", state="leaving"), 3),
        (replica(5, "failed", running_since_us=NOW - 10 * SECOND_US), 0),
        (replica(5, "failed", running_since_us=NOW - 9 * SECOND_US), 4),
        (replica(5, "settled"), 4),
    ],
    ids=["cancelled", "was to leave", "had served", "had not served yet", "ended by itself"],
)
def test_only_what_ended_before_it_served_and_was_wanted_is_a_failure(ended, failures) -> None:
    assert steps(service(ended, failures=3, next_number=9), need(1), NOW).failures == failures


def test_one_that_came_after_the_failures_and_serves_ends_them_and_an_older_one_does_not() -> None:
    said = {"failures": 2, "next_number": 8, "retry_at_us": NOW + 1}
    older, newer = service(replica(5), **said), service(replica(6), **said)
    assert steps(older, need(2), NOW).failures == 2
    found = steps(newer, need(2), NOW)
    assert (found.failures, found.retry_at_us, found.start) == (0, 0, (None,))


@pytest.mark.parametrize(
    ("wall", "startup", "age"), [(600, 10, 525), (600, 100, 390), (100, 60, 50), (4, 1, 2)]
)
def test_a_successor_is_asked_for_in_time_but_not_in_the_first_half(wall, startup, age) -> None:
    def at(seconds: int) -> Steps:
        one = service(replica(1, age=seconds))
        spec = replace(one.spec, wall_seconds_max=wall)
        policy = replace(one.policy, startup_seconds=startup)
        return steps(replace(one, spec=spec, policy=policy), need(1), NOW)

    assert at(age - 1).start == ()
    assert at(age).start == (1,)


def test_what_occupies_nothing_goes_first_then_what_was_placed_then_the_newest() -> None:
    mixed = [replica(1), replica(2, "placed"), replica(3), replica(4, "waiting"), replica(5, None)]
    order = [steps(service(*mixed), need(wanted), NOW).stop for wanted in range(5, -1, -1)]
    found = [set(later) - set(sooner) for sooner, later in pairwise(order)]
    assert found == [{5}, {4}, {2}, {3}, {1}]


STATES = st.lists(st.sampled_from(["waiting", "placed", "running", "failed", None]), max_size=12)


@settings(max_examples=100, deadline=None)
@given(STATES, st.integers(0, 12))
def test_carried_out_over_and_over_it_comes_to_rest_at_what_is_wanted(states, wanted) -> None:
    there = service(*(replica(number, state) for number, state in enumerate(states, 1)))
    now, number, quiet = NOW, 100, 0
    for _ in range(RETRY_SECONDS_MAX // 15 + 4):  # after many failures the next is tried so late
        planned = steps(there, need(wanted), now)
        quiet = 0 if planned.stop or planned.start or planned.gone else quiet + 1
        out = {*planned.stop, *planned.gone}
        kept = [each for each in there.replicas if each.number not in out]
        for _ in planned.start:
            number += 1
            kept.append(Replica(number, f"w{number}", "wanted", workload_state="waiting"))
        kept = [each if each.running_since_us is not None else
                replace(each, workload_state="running", running_since_us=now)
                for each in kept]  # fmt: skip
        there = replace(there, replicas=tuple(kept), failures=planned.failures,
                        retry_at_us=planned.retry_at_us, next_number=number + 1)  # fmt: skip
        now += 15 * SECOND_US
    assert quiet >= 3
    assert len(there.replicas) == wanted
    assert all(serves(each, there.policy, now) for each in there.replicas)
