"""The judge of usage, second by second: what a provider may say, and what never counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.providers.remote import Report, UsageEvent
from yunhe.compute.remote import metering
from yunhe.compute.remote.metering import (
    CLOCK_UNKNOWN_US,
    TOLERANCE_US,
    Judged,
    Skew,
    Window,
    charged_ms,
    judge,
)
from yunhe.kernel.clock import SECOND_US

HOUR_US = 3_600 * SECOND_US
NOW_US = 1_800_000_000 * SECOND_US
WINDOW = Window(NOW_US, NOW_US + HOUR_US, Skew(0, SECOND_US), 2, 10**9)
SLACK_US = SECOND_US + TOLERANCE_US
COUNTED = ("", "compute.usage_capped", "compute.usage_clock")


def event(start: int = 0, end: int = 10, **over) -> UsageEvent:
    """Seconds after the hand-over."""
    plain = UsageEvent("e", "j", NOW_US + start * SECOND_US, NOW_US + end * SECOND_US, 2)
    return replace(plain, **over)


def finding(one: UsageEvent, window: Window = WINDOW) -> str:
    (judged,) = judge([one], [], window)
    assert judged.counts == (judged.finding in COUNTED)
    return judged.finding.removeprefix("compute.usage_")


@pytest.mark.parametrize(
    ("start_us", "end_us", "expected"),
    [
        (0, HOUR_US, ""),
        (0, 0, ""),
        (1, 0, "negative"),
        (0, HOUR_US + TOLERANCE_US, ""),
        (0, HOUR_US + TOLERANCE_US + 1, "clock"),
        (0, HOUR_US + SLACK_US, "clock"),
        (0, HOUR_US + SLACK_US + 1, "future"),
        (-SLACK_US, 0, ""),
        (-SLACK_US - 1, 0, "early"),
    ],
)
def test_the_bounds_are_those_of_the_clocks_to_the_microsecond(start_us, end_us, expected) -> None:
    assert finding(event(start_us=NOW_US + start_us, end_us=NOW_US + end_us)) == expected


@pytest.mark.parametrize("ahead_us", [-9 * HOUR_US, -1, 0, 1, 30 * 86_400 * SECOND_US])
@pytest.mark.parametrize(
    ("start_us", "end_us", "expected"),
    [(0, HOUR_US, ""), (-SLACK_US - 1, 0, "early"), (0, HOUR_US + SLACK_US + 1, "future")],
)
def test_a_clock_that_is_known_to_be_wrong_moves_the_bounds_with_it(
    ahead_us, start_us, end_us, expected
) -> None:
    window = replace(WINDOW, skew=Skew(ahead_us, SECOND_US))
    shifted = event(start_us=NOW_US + start_us + ahead_us, end_us=NOW_US + end_us + ahead_us)
    assert finding(shifted, window) == expected


def test_a_clock_nobody_could_look_at_may_be_five_minutes_off_and_no_more() -> None:
    window = replace(WINDOW, skew=Skew())
    assert finding(event(-300, 0), window) == ""
    assert finding(event(-306, 0), window) == "early"
    assert Skew().error_us == CLOCK_UNKNOWN_US == 300 * SECOND_US


@pytest.mark.parametrize(
    ("devices", "expected"), [(1, ""), (2, ""), (3, "devices"), (0, "negative"), (-1, "negative")]
)
def test_no_more_devices_than_were_asked_for_and_at_least_one(devices, expected) -> None:
    assert finding(event(devices=devices)) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(9, ""), (10, ""), (11, "capped")])
def test_what_was_held_is_what_may_be_charged(seconds, expected) -> None:
    window = replace(WINDOW, device_ms_max=20_000)
    assert finding(event(0, seconds), window) == expected


def test_the_bound_is_of_all_stretches_of_a_run_together() -> None:
    window = replace(WINDOW, device_ms_max=20_000)
    parts = [event(n * 4, n * 4 + 4, id=f"e{n}") for n in range(3)]
    judged = judge(parts, [], window)
    assert [one.finding for one in judged] == ["", "", "compute.usage_capped"]
    known = judge(parts[:2], [], window)
    assert [one.finding for one in judge(parts[2:], known, window)] == ["compute.usage_capped"]


def test_a_run_that_was_broken_off_leaves_the_next_its_whole_allowance() -> None:
    window = replace(WINDOW, device_ms_max=20_000)
    judged = judge([event(0, 9, id="0"), event(9, 18, id="1", run=1)], [], window)
    assert [one.finding for one in judged] == ["", ""]
    assert [charged_ms(judged, run=run) for run in (0, 1, 2)] == [18_000, 18_000, 0]


@pytest.mark.parametrize(
    ("spans", "findings"),
    [
        ([(0, 10), (10, 20)], ["", ""]),
        ([(0, 10), (9, 20)], ["", "overlapping"]),
        ([(0, 10), (2, 3)], ["", "overlapping"]),
        ([(0, 10), (0, 10)], ["", "overlapping"]),
        ([(0, 10), (5, 5)], ["", "overlapping"]),
        ([(0, 10), (10, 10)], ["", ""]),
        ([(0, 0), (0, 0)], ["", ""]),
    ],
)
def test_stretches_may_touch_but_not_overlap(spans, findings) -> None:
    said = [event(*span, id=f"e{place}") for place, span in enumerate(spans)]
    judged = judge(said, [], WINDOW)
    assert [one.finding.removeprefix("compute.usage_") for one in judged] == findings


def test_the_same_event_again_is_nothing_and_another_under_its_id_is_a_change() -> None:
    known = judge([event()], [], WINDOW)
    assert judge([event(), event()], known, WINDOW) == ()
    (changed,) = judge([event(0, 11)], known, WINDOW)
    assert (changed.counts, changed.finding) == (False, "compute.usage_changed")
    assert judge([event(0, 11)], (*known, changed), WINDOW) == ()


def test_a_refused_event_frees_its_time_for_an_honest_one() -> None:
    judged = judge([event(devices=400), event(id="honest")], [], WINDOW)
    assert {one.event.id: one.counts for one in judged} == {"e": False, "honest": True}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3)), max_size=8))
def test_in_whatever_order_one_answer_comes_it_is_judged_alike(rows) -> None:
    said = [
        event(start, end, id=f"e{place}", devices=devices)
        for place, (start, end, devices) in enumerate(rows)
    ]
    assert judge(said, [], WINDOW) == judge(said[::-1], [], WINDOW)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(1, 2),
                  st.integers(0, 2)),
        max_size=10,
    ),
    st.integers(0, 10**6),
)  # fmt: skip
def test_what_is_charged_is_never_more_than_the_devices_could_do(rows, held) -> None:
    window = replace(WINDOW, device_ms_max=held)
    said = [
        event(start, end, id=f"e{place}", devices=devices, run=run)
        for place, (start, end, devices, run) in enumerate(rows)
    ]
    judged = judge(said, [], window)
    whole = sum(charged_ms(judged, run=run) for run in range(3))
    assert 0 <= whole <= 3_600_000 * 2
    for run in range(3):
        uncapped = [
            one for one in judged if one.counts and not one.finding and one.event.run == run
        ]
        assert charged_ms(uncapped, run=run) <= held


@pytest.mark.parametrize(
    ("span_us", "devices", "expected"),
    [(0, 5, 0), (1, 1, 1), (1_000, 1, 1), (1_001, 1, 2), (1_001, 2, 3), (500, 2, 1), (-1, 1, 0)],
)
def test_device_time_is_rounded_up_once_and_not_for_each_device(span_us, devices, expected) -> None:
    assert UsageEvent("e", "j", 5, 5 + span_us, devices).device_ms == expected


@pytest.mark.parametrize(
    ("clock_us", "asked_us", "answered_us", "ahead_us", "error_us"),
    [
        (10 * SECOND_US, 10 * SECOND_US, 10 * SECOND_US, 500_000, 500_000),
        (10 * SECOND_US, 10 * SECOND_US, 12 * SECOND_US, -500_000, 1_500_000),
        (10 * SECOND_US, 12 * SECOND_US, 10 * SECOND_US, -500_000, 1_500_000),
        (0, 10 * SECOND_US, 10 * SECOND_US, -9_500_000, 500_000),
    ],
)
def test_a_clock_was_read_some_time_between_question_and_answer(
    clock_us, asked_us, answered_us, ahead_us, error_us
) -> None:
    found = metering.skew(clock_us=clock_us, asked_us=asked_us, answered_us=answered_us)
    assert found == Skew(ahead_us, error_us)


@settings(deadline=None)
@given(
    st.integers(-(10**13), 10**13),
    st.integers(0, 30 * SECOND_US),
    st.integers(0, 30 * SECOND_US),
    st.booleans(),
)
def test_the_true_difference_is_within_the_error_whenever_the_clock_was_read(
    ahead_us, before_us, after_us, whole
) -> None:
    read_us = NOW_US + before_us
    clock_us = read_us + ahead_us
    if whole:
        clock_us = clock_us // SECOND_US * SECOND_US
    found = metering.skew(clock_us=clock_us, asked_us=NOW_US, answered_us=read_us + after_us)
    assert abs(found.ahead_us - ahead_us) <= found.error_us + 1


def test_without_a_clock_nothing_is_known_of_it() -> None:
    assert metering.skew(clock_us=None, asked_us=1, answered_us=2) == Skew()


def test_an_end_follows_everything_of_its_run_and_a_new_run_every_end() -> None:
    told = [
        Report("j", phase, run=run)
        for run in (0, 1)
        for phase in ("queued", "running", "succeeded")
    ]
    assert [one.order for one in told] == sorted(one.order for one in told)
    assert len({one.order for one in told}) == 6
    ends = {Report("j", phase).order for phase in ("succeeded", "failed", "stopped", "lost")}
    assert len(ends) == 1


def test_what_does_not_count_is_not_charged() -> None:
    judged = [Judged(event(id="a"), counts=True), Judged(event(id="b"), counts=False, finding="x")]
    assert charged_ms(judged, run=0) == 20_000
