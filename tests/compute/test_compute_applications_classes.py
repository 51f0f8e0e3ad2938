"""Applying for device time of several chips: pinned when decided, whatever is published later."""

from __future__ import annotations

import pytest
from applications_desk import Desk
from test_compute_applications_windows import HOUR_MS, later, monthly

from yunhe.compute import service as compute
from yunhe.compute.applications.domain import Application, Proposal
from yunhe.compute.service import supply
from yunhe.compute.supply.domain import Rate
from yunhe.custody import service as custody
from yunhe.kernel.errors import Invalid

assert monthly  # a fixture
CLASS = "class:training-large"
RATES = (Rate("ascend910b", "training", 1_000), Rate("h100", "training", 2_500))


def publish(desk: Desk, *rates: Rate, key: str = "card") -> None:
    supply.publish(
        desk.storage,
        key=key,
        reference="ascend910b",
        rates=rates or RATES,
        provenance="a trial",
        by=desk.chiefs[0],
    )


def apply(desk: Desk, chip: str = CLASS, *, key: str = "key", hours: int = 300) -> Application:
    stated = Proposal(
        key,
        "yunhe",
        desk.firm,
        "训练",
        {
            "applicant_kind": "sme",
            "conflict_declared": False,
            "devices": 1,
            "window_months": 3,
            "device_hours": hours,
        },
        chip=chip,
    )
    return compute.applications.apply(desk.storage, stated, by=desk.applicant)


def test_a_class_is_applied_for_like_a_chip_and_its_rates_are_in_the_award(desk: Desk):
    publish(desk)
    made = apply(desk, hours=100)
    assert (made.state, made.proposal.chip) == ("awarded", CLASS)
    (window,) = desk.windows(made)
    (status,) = desk.awards()
    assert window.accepts == status.award.accepts
    assert status.award.accepts.rates == (
        ("ascend910b", "training", 1_000),
        ("h100", "training", 2_500),
    )
    assert apply(desk, hours=100) == desk.see(made)
    with desk.storage.database.read() as tx:
        record = custody.record(tx, status.award.reference)
    assert record.body["accepts"]["version"] == 1
    desk.assert_sound()


def test_a_list_is_kept_in_one_order_so_that_asking_again_is_the_same(desk: Desk):
    publish(desk)
    made = apply(desk, "h100+ascend910b")
    assert made.proposal.chip == "ascend910b+h100"
    assert apply(desk, "ascend910b+h100") == desk.see(made)


@pytest.mark.parametrize(
    ("chip", "code"),
    [
        ("class:nothing", "compute.class_unknown"),
        ("class:inference", "compute.class_unrated"),
        ("a+", "compute.word_invalid"),
    ],
)
def test_what_could_never_be_spent_is_refused_before_anything_is_kept(desk: Desk, chip, code):
    publish(desk)
    with pytest.raises(Invalid) as caught:
        apply(desk, chip)
    assert [each.code for each in caught.value.findings] == [code]
    with desk.storage.database.read() as tx:
        assert compute.applications.applications(tx) == []


def test_every_window_has_the_rates_of_the_decision_and_so_has_what_is_carried(desk, monthly):
    publish(desk)
    made = apply(desk)
    desk.clock.advance(seconds=1)
    publish(desk, Rate("h100", "training", 9_000), key="dearer")
    later(desk, 31)
    versions = {each.award.accepts.version for each in desk.awards()}
    assert len(desk.awards()) == 3  # two windows, and what the first left
    assert versions == {1}
    assert {each.accepts.version for each in desk.windows(made)} == {1}
    desk.assert_sound()


def test_an_extension_keeps_the_rates_and_a_change_takes_those_of_its_own_day(desk: Desk):
    publish(desk)
    made = apply(desk, hours=100)
    desk.clock.advance(seconds=1)
    publish(desk, Rate("h100", "training", 9_000), key="dearer")
    assert desk.ask(made, add_hours=50).state == "awarded"
    assert {each.accepts.version for each in desk.windows(made)} == {1}
    changed = desk.ask(made, key="again", chip=CLASS)
    assert changed.state in ("awarded", "verifying"), changed.fired
    if changed.state == "verifying":
        changed = desk.decide(changed, "award")
    left = [each for each in desk.awards() if each.left_ms]
    assert {each.award.accepts.version for each in left} == {2}
    assert sum(each.left_ms for each in left) == 150 * HOUR_MS
    desk.assert_sound()


def test_an_award_for_one_chip_may_be_changed_to_several_and_back(desk: Desk):
    publish(desk)
    made = apply(desk, "h100", hours=100)
    for number, chip in enumerate((CLASS, "h100+ascend910b", "h100")):
        child = desk.ask(made, key=f"change-{number}", chip=chip)
        if child.state == "verifying":
            child = desk.decide(child, "award")
        (status,) = [each for each in desk.awards() if each.left_ms]
        assert status.award.chip == compute.classes.canonical(chip)
        assert (status.award.accepts is None) == (chip == "h100")
        assert status.left_ms == 100 * HOUR_MS
    desk.assert_sound()
