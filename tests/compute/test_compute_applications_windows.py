"""Device time over windows: what is given when, carried over, reissued; the sums always agree."""

from __future__ import annotations

import datetime
import itertools
from contextlib import suppress
from dataclasses import replace

import pytest
from applications_desk import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications import reading
from yunhe.compute.applications.rules import Terms
from yunhe.compute.applications.windows import giving
from yunhe.compute.applications.windows.spans import carry, end_us, months_later, spread
from yunhe.compute.windows import service as guarantees
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotFound

HOUR_MS = 3_600_000
YUNHE = reading.shipped("yunhe")


def terms(**over: int) -> Terms:
    return replace(YUNHE.terms, **over)


@pytest.fixture
def monthly(monkeypatch: pytest.MonkeyPatch):
    """The own programme with monthly windows; half is carried, once more less a tenth."""
    changed = replace(
        YUNHE,
        terms=terms(window_months=1, carry_over_percent=50, decay_percent=10, carry_windows_max=2),
    )

    def shipped(_: object, name: str):
        return changed if name == "yunhe" else reading.shipped(name)

    monkeypatch.setattr(giving, "known", shipped)
    monkeypatch.setattr("yunhe.compute.applications.deciding.rules_of", shipped)
    monkeypatch.setattr("yunhe.compute.applications.applying.rules_of", shipped)
    return changed


def left(desk: Desk) -> list[int]:
    return sorted(each.left_ms // HOUR_MS for each in desk.awards() if each.left_ms)


def later(desk: Desk, days: float) -> None:
    desk.clock.advance(seconds=days * 86_400)
    compute.applications.tick(desk.storage)
    compute.applications.tick(desk.storage)


def test_each_window_begins_with_its_own_award(desk: Desk, monthly):
    made = desk.apply(device_hours=300, window_months=3)
    assert len(desk.windows(made)) == 3
    assert left(desk) == [100]
    later(desk, 31)
    assert len(desk.awards()) == 3
    assert left(desk) == [50, 100]
    desk.assert_sound()


def test_what_is_carried_decays_and_ends(desk: Desk, monthly):
    made = desk.apply(device_hours=300, window_months=3)
    later(desk, 31)
    later(desk, 28)
    carried = {window.carried: window.device_ms // HOUR_MS for window in desk.windows(made)}
    assert carried[2] == 45
    assert left(desk) == [45, 50, 100]
    later(desk, 31)
    assert left(desk) == []
    assert all(window.closed for window in desk.windows(made))
    balance = desk.balance(desk.firm, "award", "device:cpu")
    assert balance is not None
    assert balance.available == 0
    desk.assert_sound()


def test_without_carry_over_what_is_left_is_gone(desk: Desk):
    desk.apply(device_hours=100, window_months=1)
    later(desk, 32)
    assert left(desk) == []


def test_an_award_that_begins_later_is_no_award_before(desk: Desk):
    made = desk.apply(
        programme="uk_airr",
        track="gateway",
        device_hours=1_000,
        devices=None,
        starts_on="2026-02-01",
        subsidy_declaration=True,
    )
    desk.decide(made, "award")
    assert desk.awards() == []
    later(desk, 32)
    assert left(desk) == [1_000]
    desk.assert_sound()


def test_an_extension_moves_what_is_left_and_adds_to_it(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    more = desk.ask(made, add_hours=50, add_months=2)
    assert more.state == "awarded"
    now = desk.see(made)
    assert now.granted_ms == 150 * HOUR_MS
    assert made.ends_at_us is not None
    assert now.ends_at_us is not None
    assert now.ends_at_us > made.ends_at_us + 50 * DAY_US
    assert sum(left(desk)) == 100  # the fifty hours begin when the first month is over
    later(desk, 40)
    assert sum(left(desk)) == 150
    desk.assert_sound()


def test_an_extension_is_judged_by_the_whole_award(desk: Desk):
    made = desk.apply(device_hours=400)
    assert desk.ask(made, add_hours=200).state == "verifying"
    with pytest.raises(Conflict) as twice:
        desk.ask(made, key="other", add_hours=1)
    assert twice.value.code == "compute.another_asked"


def test_a_change_of_chip_reissues_what_is_left(desk: Desk):
    made = desk.apply(device_hours=100)
    assert desk.ask(made, chip="ascend910b").state == "awarded"
    kinds = {each.award.chip: each.left_ms // HOUR_MS for each in desk.awards() if each.left_ms}
    assert kinds == {"ascend910b": 100}
    old = desk.balance(desk.firm, "award", "device:cpu")
    assert old is not None
    assert old.available == 0
    desk.assert_sound()


def test_an_award_that_is_over_is_not_extended(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    later(desk, 40)
    with pytest.raises(Conflict) as over:
        desk.ask(made, add_months=1)
    assert over.value.code == "compute.award_over"
    assert desk.see(made).granted_ms == 100 * HOUR_MS


def test_nobody_extends_the_award_of_another(desk: Desk):
    made = desk.apply(device_hours=100)
    with pytest.raises(NotFound):
        compute.applications.apply(
            desk.storage,
            replace(
                made.proposal,
                key="x",
                organisation=desk.operator,
                kind="extension",
                concerns=made.id,
                chip="",
                facts={},
                add_hours=1,
            ),
            by=desk.chiefs[0],
        )


def test_months_end_on_the_last_day_of_a_shorter_month():
    assert months_later(datetime.date(2026, 1, 31), 1) == datetime.date(2026, 2, 28)
    assert months_later(datetime.date(2026, 11, 30), 3) == datetime.date(2027, 2, 28)


@given(
    months=st.integers(1, 60),
    window=st.integers(0, 24),
    hours=st.integers(0, 10**9),
    day=st.integers(0, 3_000),
)
def test_windows_are_gapless_and_add_up_to_the_award(months, window, hours, day):
    rules = replace(YUNHE, terms=terms(window_months=window))
    start = day * DAY_US + 12_345
    spans = spread(rules, starts_at_us=start, months=months, device_ms=hours * HOUR_MS)
    assert sum(span.device_ms for span in spans) == hours * HOUR_MS
    assert spans[0].starts_at_us == start
    assert spans[-1].ends_at_us == end_us(rules, start, months)
    for before, after in itertools.pairwise(spans):
        assert before.starts_at_us < before.ends_at_us == after.starts_at_us


@given(
    unused=st.integers(0, 10**15),
    percent=st.integers(0, 100),
    decay=st.integers(0, 100),
    most=st.integers(0, 5),
    carried=st.integers(0, 6),
)
def test_never_more_is_carried_than_was_left(unused, percent, decay, most, carried):
    kept = terms(carry_over_percent=percent, decay_percent=decay, carry_windows_max=most)
    found = carry(kept, unused_ms=unused, carried=carried)
    assert 0 <= found <= unused
    assert found == 0 or carried < most


@pytest.mark.sqlite_only("the arithmetic is the same; a fresh database for each example")
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_whatever_happens_device_time_rests_on_decisions_and_sums_agree(new_desk, data):
    desk = new_desk()
    made: list = []
    for number in range(data.draw(st.integers(2, 7))):
        match data.draw(st.sampled_from(["apply", "decide", "refuse", "extend", "change", "wait"])):
            case "apply":
                hours = data.draw(st.integers(1, 4_000))
                months = data.draw(st.integers(1, 14))
                made.append(desk.apply(key=str(number), device_hours=hours, window_months=months))
            case "decide" | "refuse" as verdict if made:
                about = desk.see(data.draw(st.sampled_from(made)))
                if about.state == "verifying":
                    desk.decide(about, "award" if verdict == "decide" else "refuse")
            case "extend" | "change" as kind if made:
                about = desk.see(data.draw(st.sampled_from(made)))
                if about.state == "awarded" and (about.ends_at_us or 0) > desk.clock.now_us():
                    more = {"add_hours": 3, "add_months": 1}
                    change = {"chip": data.draw(st.sampled_from(["cpu", "gpu"]))}
                    with suppress(Conflict):  # another one waits, or it is over by then
                        desk.ask(about, key=str(number), **(more if kind == "extend" else change))
            case "wait":
                later(desk, data.draw(st.integers(1, 200)))
        desk.assert_sound()


def test_devices_are_not_guaranteed_before_the_award_begins(desk: Desk):
    compute.register_pool(
        desk.storage,
        key="pool",
        provider=desk.provider,
        site="east",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=1,
        currency="CNY",
    )
    stated = {"track": "gateway", "subsidy_declaration": True, "starts_on": "2026-01-15"}
    made = desk.apply(programme="uk_airr", device_hours=100, **stated)
    desk.decide(made, "award")
    (window,) = desk.windows(made)
    begins_us = window.starts_at_us
    assert not window.award

    def guarantee(key: str, from_us: int | None):
        return guarantees.give(
            desk.storage,
            key=key,
            award=made.id,
            devices=1,
            from_us=from_us,
            until_us=begins_us + DAY_US,
            reason="model run",
            given_by=desk.chiefs[0],
        )

    for early in (None, begins_us - 1):
        with pytest.raises(Invalid) as refused:
            guarantee("early", early)
        (said,) = refused.value.findings
        assert (said.where, said.code) == ("from", "compute.window_before_award")
    assert guarantee("kept", begins_us).from_us == begins_us
