"""Who is told that a payment or a vote waits, when it is late, and what comes back."""

from __future__ import annotations

import pytest
from applications_desk import VOUCHER, Desk

from yunhe.compute import service as compute
from yunhe.compute.applications import reading
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict

DAY_S = 86_400
RULES = reading.shipped(VOUCHER)
DAYS = RULES.deadlines["verifier"].days


@pytest.fixture
def asked(desk: Desk):
    """A voucher whose payment is asked for."""
    desk.fund(10**9)
    made = desk.claim()
    desk.decide(made, "award")
    desk.confirm(made)
    desk.redeem(made, invoice=desk.blob("invoice"), delivery_proof=desk.blob("proof"))
    return made


def tick(desk: Desk, *, days: float) -> None:
    desk.clock.advance(seconds=days * DAY_S)
    for _ in range(3):
        compute.applications.tick(desk.storage)


def told(desk: Desk, member: str, kind: str) -> list[str]:
    return [str(n.params.get("state")) for n in desk.feed(member) if n.kind == kind]


def steps(desk: Desk, made) -> list[str]:
    return [s.action for s in desk.steps(made) if s.action.startswith("payment_")]


def test_a_payment_that_nobody_decides_is_reminded_of_and_escalated(desk: Desk, asked):
    (first,) = [n for n in desk.feed(desk.chiefs[1]) if n.params.get("state") == "payment"]
    assert str(first.params["due"]).startswith("20")
    tick(desk, days=DAYS)
    assert steps(desk, asked) == ["payment_asked", "payment_reminded"]
    assert told(desk, desk.chiefs[1], "application_due") == ["payment", "payment"]
    tick(desk, days=2)
    assert steps(desk, asked) == ["payment_asked", "payment_reminded", "payment_escalated"]
    assert told(desk, desk.chiefs[1], "application_overdue") == ["payment"]
    last = desk.steps(asked)[-1]
    assert (last.actor, last.reason, last.detail["payment"]) == ("rules", "deadline", 1)
    desk.pay(asked)
    assert told(desk, desk.chiefs[1], "application_overdue") == []
    tick(desk, days=30)
    assert steps(desk, asked)[-1] == "payment_escalated"
    desk.assert_sound()


def test_a_payment_asked_for_again_is_told_again_with_its_own_deadline(desk: Desk, asked):
    tick(desk, days=DAYS + 2)
    desk.pay(asked, verdict="return")
    assert told(desk, desk.chiefs[1], "application_due") == []
    assert told(desk, desk.applicant, "application_due") == ["payment_returned"]
    proof = desk.blob("the right proof")
    desk.redeem(asked, invoice=desk.blob("invoice"), delivery_proof=proof)
    assert told(desk, desk.applicant, "application_due") == []
    assert told(desk, desk.chiefs[1], "application_due") == ["payment"]
    assert told(desk, desk.chiefs[1], "application_overdue") == []
    tick(desk, days=DAYS + 2)
    assert told(desk, desk.chiefs[1], "application_overdue") == ["payment"]


def test_each_milestone_has_its_own_deadline(desk: Desk):
    desk.fund(10**9, "yunhe_grants")
    made = desk.grant(10_000, 20_000)
    desk.decide(made, "award")
    desk.redeem(made, 1, milestone_evidence=desk.blob("one"))
    tick(desk, days=5)
    desk.redeem(made, 2, milestone_evidence=desk.blob("two"))
    tick(desk, days=7)
    late = [s.detail["payment"] for s in desk.steps(made) if s.action == "payment_escalated"]
    assert late == [1]


def test_regulators_who_vote_are_told_that_an_application_waits(desk: Desk):
    with desk.storage.database.begin() as tx:
        at_us = desk.clock.now_us()
        place = identity.add_organisation(
            tx, key="bureau", name="bureau", kind="regulator", at_us=at_us
        )
        people = []
        for role in ("risk_officer", "administrator"):
            who = identity.add_member(
                tx, key=role, organisation=place.id, name=role, at_us=at_us
            ).id
            identity.grant_role(tx, member=who, role=role, at_us=at_us)
            people.append(who)
    officer, administrator = people
    desk.apply(key="small", device_hours=2_000)
    made = desk.apply(key="large", device_hours=6_000)
    assert [n.subject for n in desk.feed(officer)] == [made.id]
    assert desk.feed(administrator) == []
    tick(desk, days=10)
    assert told(desk, officer, "application_due") == ["voting", "voting"]
    for chief in desk.chiefs[:2]:
        desk.vote(made, "award", by=chief)
    desk.vote(made, "award", by=officer)
    assert desk.see(made).state == "awarded"
    assert desk.feed(officer) == []


def test_an_impossible_step_names_those_that_this_very_award_may_take(desk: Desk, asked):
    timed = desk.apply(key="time", device_hours=100)
    for made, steps in ((timed, "extend, change, report"), (asked, "report, redeem, confirm, pay")):
        with pytest.raises(Conflict) as refused:
            desk.close(made, "yes")
        assert refused.value.params["possible"] == steps
