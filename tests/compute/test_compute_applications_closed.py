"""A closed award holds nothing more that can be spent, and nothing about it is left undecided."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applications_desk import Desk

from yunhe.compute import service as compute
from yunhe.compute.applications import programmes, reading
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger

HOUR_MS = 3_600_000
DAY = 86_400


def ready(desk: Desk) -> None:
    """Two devices, an approved program, and money for what no award pays."""
    now_us = desk.clock.now_us()
    compute.register_pool(
        desk.storage,
        key="pool",
        provider=desk.provider,
        site="机房一",
        chip="cpu",
        devices=2,
        price_minor_per_device_hour=3_600,
        currency="CNY",
    )
    compute.approve_entry_point(
        desk.storage,
        name=TRIAL,
        module=TRIAL_ENTRY_POINT.module,
        digest=find_program(TRIAL, TRIAL_ENTRY_POINT).digest,
        approved_by=desk.chiefs[0],
    )
    with desk.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=desk.firm, unit="CNY", purpose="cash")
        ledger.grant(tx, key="cash", account=account, amount=10**9, at_us=now_us)


def spent(desk: Desk) -> tuple[int, int, int]:
    """What is left, held and given back of all awards together."""
    found = desk.awards()
    return (
        sum(each.left_ms for each in found),
        sum(each.held_ms for each in found),
        sum(each.lapsed_ms for each in found),
    )


def submit(desk: Desk, key: str, *, wall: int = 3_600):
    spec = WorkloadSpec(
        key=key,
        organisation=desk.firm,
        entry_point=TRIAL,
        arguments={},
        inputs={},
        chip="cpu",
        devices=1,
        wall_seconds_max=wall,
        cpu_seconds_max=wall,
    )
    return compute.submit(desk.storage, spec)


def test_what_is_left_of_a_closed_award_goes_back_by_entries_of_the_ledger(desk: Desk):
    made = desk.apply(device_hours=400)
    desk.report(made)
    assert spent(desk) == (400 * HOUR_MS, 0, 0)  # a report alone changes nothing
    assert desk.close(made, "yes").state == "closed"
    assert spent(desk) == (0, 0, 400 * HOUR_MS)
    assert desk.balance(desk.firm, "award", "device:cpu").available == 0
    assert desk.steps(made)[-1].detail == {"given_back_ms": 400 * HOUR_MS}
    assert all(window.closed for window in desk.windows(made))
    assert desk.close(made, "yes").state == "closed"  # again changes nothing
    assert spent(desk) == (0, 0, 400 * HOUR_MS)
    desk.clock.advance(seconds=400 * DAY)
    compute.applications.tick(desk.storage)
    assert spent(desk) == (0, 0, 400 * HOUR_MS)
    desk.assert_sound()


def test_a_report_that_is_refused_gives_nothing_back(desk: Desk):
    made = desk.apply(device_hours=400)
    desk.report(made)
    assert desk.close(made, "no").state == "awarded"
    assert spent(desk) == (400 * HOUR_MS, 0, 0)


def test_what_is_held_for_work_is_honoured_and_what_it_leaves_lapses(desk: Desk):
    ready(desk)
    made = desk.apply(device_hours=400)
    job = submit(desk, "runs")
    assert job.state == "placed"
    desk.report(made)
    desk.close(made, "yes")
    assert spent(desk) == (0, HOUR_MS, 399 * HOUR_MS)
    with desk.storage.database.read() as tx:
        assert compute.workload(tx, job.id).state == "placed"
    late = submit(desk, "late")
    assert (late.state, late.why.code) == ("waiting", "compute.waiting_award_expired")
    compute.cancel(desk.storage, job.id)
    compute.applications.tick(desk.storage)
    assert spent(desk) == (0, 0, 400 * HOUR_MS)
    assert all(window.closed for window in desk.windows(made))
    with desk.storage.database.read() as tx:
        assert compute.workload(tx, late.id).state == "waiting"
    desk.assert_sound()


def test_windows_that_have_not_begun_never_do_once_the_award_is_closed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    own = reading.shipped("yunhe")
    terms = replace(own.terms, window_months=1, carry_over_percent=100, carry_windows_max=2)
    monkeypatch.setattr(programmes, "shipped", {"yunhe": replace(own, terms=terms)}.get)
    made = desk.apply(device_hours=300, window_months=3)
    assert [window.award != "" for window in desk.windows(made)] == [True, False, False]
    desk.report(made)
    desk.close(made, "yes")
    for _ in range(5):
        desk.clock.advance(seconds=40 * DAY)
        compute.applications.tick(desk.storage)
    assert [window.award != "" for window in desk.windows(made)] == [True, False, False]
    assert all(window.closed for window in desk.windows(made))
    assert spent(desk) == (0, 0, 100 * HOUR_MS)
    desk.assert_sound()


@pytest.mark.parametrize(
    "asked",
    [{"add_hours": 4_000}, {"chip": "cpu", "facts": {"devices": 64}}],
    ids=["extension", "change"],
)
def test_what_is_still_asked_for_about_a_closed_award_ends_with_a_reason_and_a_notice(
    desk: Desk, asked
):
    made = desk.apply(device_hours=400)
    more = desk.ask(made, **asked)
    assert more.state in ("verifying", "voting")
    waits = sum(len(desk.feed(chief)) for chief in desk.chiefs)
    desk.report(made)
    desk.close(made, "yes")
    ended = desk.see(more)
    assert ended.state == "lapsed"
    last = desk.steps(more)[-1]
    assert (last.action, last.actor, last.reason) == ("lapsed", "rules", "award_closed")
    told = [notice.subject for notice in desk.feed(desk.applicant)]
    assert {more.id, made.id} <= set(told)
    assert sum(len(desk.feed(chief)) for chief in desk.chiefs) < waits
    with pytest.raises(YunheError) as over:
        desk.decide(more, "award")
    assert over.value.code == "compute.step_impossible"
    desk.assert_sound()
