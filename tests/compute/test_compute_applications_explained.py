"""What the platform says beforehand is what it says when somebody applies; and what may be done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applications_desk import Desk
from gold_cases import Case, every_case, said_of_facts, said_of_supposing

from yunhe.compute import service as compute
from yunhe.compute.applications.domain import Milestone, Proposal
from yunhe.compute.applications.reading import shipped
from yunhe.kernel.errors import Conflict, Invalid, NotFound

STATED = [case for case in every_case() if case.history is None]


def test_every_labelled_case_is_explained_as_its_facts_are_judged(desk: Desk):
    assert len(STATED) >= 200
    whole = [case for case in STATED if not found_here(case)]
    assert len(whole) >= 200
    told = {case.id: said_of_supposing(case, desk) for case in whole}
    assert [case.id for case in whole if told[case.id].outcome != case.outcome] == []
    assert [case.id for case in whole if told[case.id].fired != said_of_facts(case).fired] == []


def found_here(case: Case) -> set[str]:
    """Facts the case leaves open that the platform would find."""
    asked = {name for ask in shipped(case.programme).asks for name in ask.facts}
    found = {name for name, fact in shipped(case.programme).vocabulary.items() if fact.by_platform}
    return asked & found - {name for name, value in case.facts.items() if value != "unknown"}


def proposal(desk: Desk, **over) -> Proposal:
    facts = {
        "applicant_kind": "sme",
        "conflict_declared": False,
        "devices": 1,
        "window_months": 3,
        "device_hours": 100,
    }
    stated = Proposal("", "yunhe", desk.firm, "", {**facts, **over.pop("facts", {})})
    return replace(stated, **over)


def explained(desk: Desk, **over):
    with desk.storage.database.read() as tx:
        return compute.applications.explain(tx, proposal(desk, **over), now_us=desk.clock.now_us())


def test_hours_that_are_in_force_already_count_as_they_do_when_applying(desk: Desk):
    before = explained(desk)
    assert before.outcome == "approve"
    hours = 0
    while explained(desk).outcome == "approve":
        desk.apply(key=f"first-{hours}", device_hours=100)
        hours += 100
        assert hours < 100_000
    assert desk.apply(key="last", device_hours=100).outcome == explained(desk).outcome


def test_a_fact_that_the_platform_finds_is_taken_as_said_where_it_is_supposed(desk: Desk):
    assert explained(desk, facts={"registered": False}).outcome != "approve"


def test_an_applicant_that_is_not_what_it_says_is_refused_as_when_applying(desk: Desk):
    with pytest.raises(Invalid) as caught:
        explained(desk, facts={"applicant_kind": "university"})
    assert caught.value.findings[0].code == "compute.applicant_differs"
    with desk.storage.database.read() as tx:
        supposed = compute.applications.explain(
            tx,
            proposal(desk, facts={"applicant_kind": "university"}),
            now_us=desk.clock.now_us(),
            own="supposed",
        )
    assert supposed.outcome


def test_an_extension_is_explained_by_the_award_it_is_about_and_only_by_ones_own(desk: Desk):
    made = desk.apply(device_hours=100)
    more = {"kind": "extension", "concerns": made.id, "facts": {}, "add_hours": 50}
    asked = replace(proposal(desk), **more)
    with desk.storage.database.read() as tx:
        before = compute.applications.explain(tx, asked, now_us=desk.clock.now_us())
    assert desk.ask(made, add_hours=50).outcome == before.outcome
    with desk.storage.database.read() as tx, pytest.raises(NotFound):
        stranger = replace(asked, organisation=desk.provider)
        compute.applications.explain(tx, stranger, now_us=desk.clock.now_us(), own="supposed")


def steps(desk: Desk, made, **looked) -> list[str]:
    now_us = desk.clock.now_us()
    return compute.applications.steps_of(desk.see(made), now_us=now_us, **looked)


def test_nothing_is_redeemed_of_device_time_and_what_is_over_is_only_reported_on(desk: Desk):
    made = desk.apply(device_hours=100)
    assert steps(desk, made) == ["extend", "change", "report"]
    child = desk.ask(made, add_hours=5)
    assert child.state == "awarded"
    assert steps(desk, child) == []
    desk.clock.advance(seconds=400 * 86_400)
    assert steps(desk, made) == ["report"]
    with pytest.raises(Conflict) as caught:
        desk.ask(made, key="late", add_hours=5)
    assert caught.value.code == "compute.award_over"


def test_of_a_voucher_only_the_step_that_is_next_is_offered(desk: Desk):
    desk.fund(10**10)
    made = desk.decide(desk.claim(), "award")
    states = [each.state for each in desk.payments(made)]
    assert steps(desk, made) == ["report", "redeem", "confirm", "pay"]
    assert steps(desk, made, payments=states) == ["redeem", "confirm"]
    assert steps(desk, made, payments=["asked"]) == ["confirm", "pay"]
    assert steps(desk, made, payments=["paid"]) == ["report"]


def test_a_grant_is_neither_extended_nor_changed(desk: Desk):
    desk.fund(10**10, "yunhe_grants", key="more")
    made = desk.grant(100_000, 200_000)
    assert isinstance(made.proposal.milestones[0], Milestone)
    assert not {"extend", "change"} & {*steps(desk, made)}
