"""What the clock does: deadlines, reminders once each, jumps, months of every length, reports."""

from __future__ import annotations

import calendar
import datetime
import itertools
from dataclasses import replace

import pytest
from applications_desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications import programmes, reading, timers
from yunhe.compute.applications.rules import due_at_us, due_on
from yunhe.compute.applications.windows.spans import carry, end_us, months_later, spread
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import NotFound, YunheError

HOUR_MS = 3_600_000
DAY_S = 86_400
YUNHE = reading.shipped("yunhe")
INDIA = reading.shipped("indiaai")


def tick(desk: Desk, *, days: float = 0, times: int = 1) -> int:
    desk.clock.advance(seconds=days * DAY_S)
    return sum(compute.applications.tick(desk.storage) for _ in range(times))


def kinds(desk: Desk, member: str) -> list[str]:
    return [notice.kind for notice in desk.feed(member)]


# --- due days ---


@pytest.mark.parametrize(
    ("since", "due"),
    [
        ("2026-01-25", "2026-02-10"),
        ("2026-01-26", "2026-03-10"),
        ("2026-01-31", "2026-03-10"),
        ("2026-12-25", "2027-01-10"),
        ("2026-12-26", "2027-02-10"),
        ("2028-02-29", "2028-04-10"),
    ],
)
def test_the_calendar_of_collating_days_turns_the_year(since: str, due: str):
    assert str(due_on(INDIA, "committee", datetime.date.fromisoformat(since))) == due


@given(day=st.dates(datetime.date(2020, 1, 1), datetime.date(2100, 1, 1)))
def test_a_result_is_due_after_it_came_in_and_a_later_one_never_earlier(day: datetime.date):
    next_day = day + datetime.timedelta(days=1)
    for rules, name in itertools.product((INDIA, YUNHE), ("verifier", "committee", "applicant")):
        due = due_on(rules, name, day)
        assert due > day
        assert due_on(rules, name, next_day) >= due


@given(seconds=st.integers(0, 40 * 366 * DAY_S), zone=st.integers(-720, 840))
def test_a_day_lasts_from_its_midnight_to_the_next(seconds: int, zone: int):
    rules = replace(YUNHE, zone_minutes=zone)
    at_us = seconds * 1_000_000 + 999_999
    day = rules.day(at_us)
    assert rules.midnight_us(day) <= at_us < rules.midnight_us(day) + DAY_US
    assert rules.day(rules.midnight_us(day)) == day
    assert rules.day(rules.midnight_us(day) - 1) == day - datetime.timedelta(days=1)


def test_the_whole_last_day_is_in_time_in_the_programmes_own_zone():
    since = datetime.datetime(2026, 3, 1, 15, 59, tzinfo=datetime.UTC).timestamp()
    due = due_at_us(YUNHE, "verifier", since_us=int(since) * 1_000_000)
    assert iso(due) == "2026-03-04T16:00:00.000000Z"
    a_minute_later = due_at_us(YUNHE, "verifier", since_us=int(since + 60) * 1_000_000)
    assert a_minute_later == due + DAY_US


# --- months and windows ---


@given(
    day=st.dates(datetime.date(2000, 1, 1), datetime.date(2150, 1, 1)), months=st.integers(0, 120)
)
def test_so_many_months_later_is_in_that_month_and_its_last_day_at_most(day, months: int):
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == min(day.day, calendar.monthrange(later.year, later.month)[1])


@pytest.mark.parametrize(
    ("start", "ends"),
    [
        ("2028-01-31", ["2028-02-29", "2028-03-31", "2028-04-30"]),
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2026-11-30", ["2026-12-30", "2027-01-30", "2027-02-28"]),
        ("2028-02-29", ["2028-03-29", "2028-04-29", "2028-05-29"]),
    ],
)
def test_windows_end_where_a_month_does_and_start_again_from_the_first_day(start, ends):
    rules = replace(YUNHE, terms=replace(YUNHE.terms, window_months=1))
    start_us = rules.midnight_us(datetime.date.fromisoformat(start))
    spans = spread(rules, starts_at_us=start_us, months=3, device_ms=300)
    assert [str(rules.day(span.ends_at_us)) for span in spans] == ends
    assert [span.device_ms for span in spans] == [100, 100, 100]


@pytest.mark.parametrize(
    ("months", "each", "device_ms", "amounts"),
    [
        (12, 5, 1_200, [500, 500, 200]),
        (3, 0, 100, [100]),
        (3, 1, 100, [34, 33, 33]),
        (3, 1, 2, [1, 1, 0]),
        (1, 3, 7, [7]),
        (4, 3, 1, [1, 0]),
    ],
)
def test_device_time_is_spread_by_months_to_the_millisecond(months, each, device_ms, amounts):
    rules = replace(YUNHE, terms=replace(YUNHE.terms, window_months=each))
    spans = spread(rules, starts_at_us=0, months=months, device_ms=device_ms)
    assert [span.device_ms for span in spans] == amounts


@pytest.mark.parametrize(
    ("unused", "carried", "most", "percent", "decay", "gets"),
    [
        (100, 0, 1, 50, 10, 50),
        (101, 0, 1, 50, 10, 50),
        (100, 1, 1, 50, 10, 0),
        (100, 1, 2, 50, 10, 90),
        (99, 1, 2, 50, 10, 89),
        (100, 2, 2, 50, 10, 0),
        (100, 0, 0, 50, 10, 0),
        (100, 0, 1, 100, 0, 100),
        (100, 1, 9, 100, 100, 0),
        (1, 0, 1, 99, 0, 0),
        (0, 0, 1, 100, 0, 0),
    ],
)
def test_what_is_carried_is_rounded_down_and_ends(unused, carried, most, percent, decay, gets):
    terms = replace(
        YUNHE.terms, carry_over_percent=percent, decay_percent=decay, carry_windows_max=most
    )
    assert carry(terms, unused_ms=unused, carried=carried) == gets


@given(start=st.integers(0, 10**15), first=st.integers(0, 60), more=st.integers(0, 60))
def test_a_longer_award_never_ends_earlier(start: int, first: int, more: int):
    assert end_us(YUNHE, start, first) <= end_us(YUNHE, start, first + more)
    assert end_us(YUNHE, start, 0) == start


@pytest.fixture
def carrying(monkeypatch: pytest.MonkeyPatch):
    """The own programme with monthly windows, all of what is left carried on twice at most."""
    terms = replace(
        YUNHE.terms, window_months=1, carry_over_percent=100, decay_percent=50, carry_windows_max=2
    )
    changed = replace(YUNHE, terms=terms)
    monkeypatch.setattr(programmes, "shipped", {"yunhe": changed}.get)
    return changed


def test_what_was_carried_is_not_carried_in_full_again(desk: Desk, carrying):
    made = desk.apply(device_hours=300, window_months=3)
    tick(desk, days=31, times=2)
    tick(desk, days=28, times=2)
    by_carry: dict[int, int] = {}
    for window in desk.windows(made):
        by_carry[window.carried] = by_carry.get(window.carried, 0) + window.device_ms // HOUR_MS
    assert by_carry == {0: 300, 1: 200, 2: 50}
    tick(desk, days=40, times=3)
    assert all(window.closed for window in desk.windows(made))
    assert desk.balance(desk.firm, "award", "device:cpu").available == 0
    desk.assert_sound()


def test_a_platform_that_slept_for_a_month_gives_no_more_than_one_that_did_not(
    desk: Desk, carrying
):
    made = desk.apply(device_hours=300, window_months=3)
    tick(desk, days=60, times=4)
    left = sum(each.left_ms for each in desk.awards()) // HOUR_MS
    assert 100 <= left <= 300
    assert sum(w.device_ms for w in desk.windows(made) if w.carried == 0) == 300 * HOUR_MS
    tick(desk, days=40, times=4)
    assert sum(each.left_ms for each in desk.awards()) == 0
    desk.assert_sound()


def test_turning_twice_opens_and_carries_nothing_twice(desk: Desk, carrying):
    made = desk.apply(device_hours=300, window_months=3)
    tick(desk, days=31, times=2)
    before = desk.windows(made), desk.awards()
    assert tick(desk, times=3) == 0
    assert (desk.windows(made), desk.awards()) == before


def test_an_extension_at_the_last_moment_reaches_the_award(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    assert made.ends_at_us is not None
    desk.clock.advance(seconds=(made.ends_at_us - desk.clock.now_us() - 1) / 1e6)
    assert desk.ask(made, add_months=1).state == "awarded"
    tick(desk, days=1, times=2)
    assert sum(each.left_ms for each in desk.awards()) == 100 * HOUR_MS
    desk.assert_sound()


def test_an_award_that_ends_while_its_extension_waits_is_not_brought_back(desk: Desk):
    made = desk.apply(device_hours=400, window_months=1)
    more = desk.ask(made, add_hours=400, add_months=1)
    assert more.state == "verifying"
    tick(desk, days=32, times=2)
    with pytest.raises(YunheError) as over:
        desk.decide(more, "award")
    assert over.value.code == "compute.award_over"
    assert desk.see(more).state == "verifying"
    assert desk.decide(more, "refuse").state == "refused"
    assert sum(each.left_ms for each in desk.awards()) == 0
    desk.assert_sound()


def test_a_reported_award_is_not_extended_by_what_was_asked_before(desk: Desk):
    made = desk.apply(device_hours=400)
    more = desk.ask(made, add_hours=400)
    desk.report(made)
    with pytest.raises(YunheError) as over:
        desk.decide(more, "award")
    assert over.value.code == "compute.step_impossible"
    assert desk.see(made).granted_ms == 400 * HOUR_MS


# --- reminders ---


def test_however_much_lies_late_the_rest_has_its_turn(desk: Desk, monkeypatch):
    monkeypatch.setattr(timers, "TURN_MAX", 1)
    late = [desk.apply(key=str(n), device_hours=2_000) for n in range(3)]
    tick(desk, days=30, times=3)
    assert kinds(desk, desk.chiefs[0]).count("application_overdue") == 3
    fresh = desk.apply(key="fresh", device_hours=2_000)
    assert tick(desk, days=3) == 1
    assert [step.action for step in desk.steps(fresh)][-1] == "reminded"
    assert {desk.see(each).state for each in late} == {"verifying"}


def test_a_jump_over_both_days_escalates_at_once_and_reminds_nobody(desk: Desk):
    made = desk.apply(device_hours=2_000)
    assert tick(desk, days=60, times=3) == 1
    assert [step.action for step in desk.steps(made)] == ["applied", "ruled", "escalated"]


def test_nothing_is_told_twice_however_often_the_clock_comes_by(desk: Desk):
    desk.apply(device_hours=2_000)
    for _ in range(20):
        tick(desk, days=0.5)
    told = kinds(desk, desk.chiefs[0])
    assert told.count("application_overdue") == 1
    assert told.count("application_due") <= 2


def test_every_round_has_its_own_deadline_and_its_own_notice(desk: Desk):
    made = desk.apply(device_hours=2_000)
    tick(desk, days=10)
    desk.decide(made, "return")
    assert "application_overdue" not in kinds(desk, desk.chiefs[0])
    assert "application_due" in kinds(desk, desk.applicant)
    desk.amend(made, device_hours=1_000)
    assert "application_due" not in kinds(desk, desk.applicant)
    assert "application_due" in kinds(desk, desk.chiefs[0])
    tick(desk, days=10)
    assert kinds(desk, desk.chiefs[0]).count("application_overdue") == 1


def test_a_week_of_weekends_is_seven_days(desk: Desk):
    """Deadlines are days of the calendar; nothing here knows a public holiday."""
    made = desk.apply(device_hours=2_000)
    assert made.due_at_us is not None
    day = YUNHE.day(made.applied_at_us) + datetime.timedelta(days=3)
    assert made.due_at_us == YUNHE.midnight_us(day) + DAY_US


def test_the_applicants_deadline_starts_anew_each_time_it_is_sent_back(desk: Desk):
    made = desk.apply(device_hours=None, devices=None)
    first = made.due_at_us
    tick(desk, days=20)
    again = desk.amend(made, devices=1)
    assert again.state == "returned"
    assert again.due_at_us == first + 20 * DAY_US
    tick(desk, days=29)
    assert desk.see(made).state == "returned"
    tick(desk, days=3)
    assert desk.see(made).state == "lapsed"
    assert "application_ended" in kinds(desk, desk.applicant)
    assert "application_due" not in kinds(desk, desk.applicant)


# --- reports ---


def test_a_report_that_is_refused_is_asked_for_again(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    tick(desk, days=32)
    assert kinds(desk, desk.applicant).count("report_due") == 1
    desk.report(made)
    assert "application_due" in kinds(desk, desk.chiefs[1])
    desk.close(made, "no")
    assert kinds(desk, desk.applicant).count("report_due") == 2
    assert "application_due" not in kinds(desk, desk.chiefs[1])
    tick(desk, times=2)
    assert kinds(desk, desk.applicant).count("report_due") == 2
    desk.report(made, document=desk.blob("second"))
    assert "application_due" in kinds(desk, desk.chiefs[1])
    assert desk.close(made, "yes").state == "closed"
    assert desk.close(made, "yes").state == "closed"


def test_a_report_that_waits_too_long_is_escalated(desk: Desk):
    made = desk.apply(device_hours=100)
    desk.report(made)
    tick(desk, days=30)
    assert "application_overdue" in kinds(desk, desk.chiefs[0])
    desk.close(made, "yes")
    assert "application_overdue" not in kinds(desk, desk.chiefs[0])


def test_an_extension_is_reported_on_with_its_award(desk: Desk):
    made = desk.apply(device_hours=100)
    more = desk.ask(made, add_hours=10)
    with pytest.raises(YunheError) as alone:
        desk.report(more)
    assert [f.code for f in alone.value.findings] == ["compute.concerns_wrong"]
    tick(desk, days=120)
    assert kinds(desk, desk.applicant).count("report_due") == 1


# --- programmes that are gone ---


@pytest.fixture
def gone(tmp_path, desk: Desk):
    """A programme under which things wait and are awarded, whose rule file was taken away."""
    text = reading._shipped("yunhe").replace("id: yunhe\n", "id: city_hours\n")
    (tmp_path / "city.yaml").write_text(text, "utf-8")
    programmes.take(desk.storage.database, tmp_path)
    made = {
        "awarded": desk.apply(key="1", programme="city_hours", device_hours=100, window_months=1),
        "verifying": desk.apply(key="2", programme="city_hours", device_hours=2_000),
        "returned": desk.apply(key="3", programme="city_hours", device_hours=None),
    }
    programmes.take(desk.storage.database, None)
    return made


def test_a_programme_that_is_gone_stops_no_clock(desk: Desk, gone):
    other = desk.apply(key="other", device_hours=2_000)
    tick(desk, days=40, times=2)
    assert [step.action for step in desk.steps(other)][-1] == "escalated"
    assert {name: desk.see(made).state for name, made in gone.items()} == {
        "awarded": "awarded",
        "verifying": "verifying",
        "returned": "returned",
    }
    assert [step.action for step in desk.steps(gone["verifying"])][-1] == "escalated"
    assert all(window.closed for window in desk.windows(gone["awarded"]))
    assert tick(desk) == 0
    desk.assert_sound()


def test_nobody_decides_under_rules_that_are_not_there(desk: Desk, gone):
    with pytest.raises(NotFound) as unknown:
        desk.decide(gone["verifying"], "award")
    assert unknown.value.code == "compute.programme_unknown"
    with desk.storage.database.read() as tx:
        assert compute.applications.in_use(tx) == {"city_hours"}
        assert len(compute.applications.applications(tx)) == 3


@settings(max_examples=30, deadline=None)
@given(months=st.integers(1, 120), window=st.integers(0, 30), start=st.integers(0, 4 * 10**15))
def test_no_window_is_empty_of_time(months: int, window: int, start: int):
    rules = replace(YUNHE, terms=replace(YUNHE.terms, window_months=window))
    spans = spread(rules, starts_at_us=start, months=months, device_ms=months * HOUR_MS)
    assert all(span.ends_at_us - span.starts_at_us >= 27 * DAY_US for span in spans)
    whole = sum((each.device_ms for each in spans[:-1]), spans[-1].device_ms)
    assert whole == months * HOUR_MS
    if window:
        assert all(span.device_ms == window * HOUR_MS for span in spans[:-1])
