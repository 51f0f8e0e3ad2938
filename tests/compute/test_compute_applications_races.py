"""Two at once, or the same twice: one document, one payment; one decision, one award."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from applications_desk import Desk
from test_compute_applications_evidence import awarded, shown
from test_compute_applications_verifiers import FACTS, person, place

from yunhe.compute import service as compute
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict, NotAllowed, YunheError

CROWD = 6


def at_once(*works: Callable[[], object]) -> list[object]:
    """What came of each, an error as what it is."""

    def run(work: Callable[[], object]) -> object:
        try:
            return work()
        except YunheError as error:
            return error.code

    with ThreadPoolExecutor(len(works)) as crowd:
        return list(crowd.map(run, works))


def test_of_claims_that_show_one_document_at_once_one_gets_it(desk: Desk):
    made = [awarded(desk, key=f"c{number}") for number in range(CROWD)]
    proof = desk.blob("one proof")
    invoices = [desk.blob(f"invoice {number}") for number in range(CROWD)]
    found = at_once(
        *(
            lambda one=one, invoice=invoice: desk.redeem(one, invoice=invoice, delivery_proof=proof)
            for one, invoice in zip(made, invoices, strict=True)
        )
    )
    assert found.count("compute.evidence_reused") == CROWD - 1
    assert sorted(desk.payments(one)[0].state for one in made) == ["asked"] + ["open"] * (CROWD - 1)
    desk.assert_sound()


def test_one_claim_that_comes_many_times_at_once_is_asked_for_once(desk: Desk):
    made, evidence = awarded(desk), shown(desk)
    found = at_once(*[lambda: desk.redeem(made, **evidence)] * CROWD)
    assert [each == desk.payments(made)[0] for each in found] == [True] * CROWD
    assert [step.action for step in desk.steps(made)].count("payment_asked") == 1


def test_evidence_that_was_sent_back_is_free_until_it_is_shown_again(desk: Desk):
    one, other = (awarded(desk, key=key) for key in "12")
    first = shown(desk)
    desk.redeem(one, **first)
    desk.pay(one, verdict="return")
    assert desk.redeem(other, **first).state == "asked"
    with pytest.raises(Conflict) as reused:
        desk.redeem(one, **first)
    assert reused.value.code == "compute.evidence_reused"
    assert desk.redeem(one, **shown(desk, "2")).state == "asked"


def test_two_verifiers_at_once_make_one_decision(desk: Desk):
    made = waiting(desk)
    first = person(desk, "v1", made.proposal.organisation, "verifier")
    second = person(desk, "v2", made.proposal.organisation, "verifier")
    found = at_once(
        lambda: desk.decide(made, "award", by=first), lambda: desk.decide(made, "refuse", by=second)
    )
    assert found.count("compute.step_impossible") == 1
    assert [s.action for s in desk.steps(made) if s.action in ("awarded", "refused")] == [
        desk.see(made).state
    ]
    desk.assert_sound()


def waiting(desk: Desk):
    """An application of a university that waits for a verifier."""
    school = place(desk, "school", "university")
    scholar = person(desk, "scholar", school, "trainer")
    made = desk.apply(organisation=school, by=scholar, programme="indiaai", **FACTS)
    assert made.state == "verifying"
    return made


def test_who_leaves_the_role_between_return_and_decision_decides_nothing_more(desk: Desk):
    made = waiting(desk)
    verifier = person(desk, "v", made.proposal.organisation, "verifier")
    desk.decide(made, "return", by=verifier)
    compute.applications.amend(desk.storage, made.id, reason="r", by=made.applied_by)
    with desk.storage.database.begin() as tx:
        identity.revoke_role(tx, member=verifier, role="verifier")
    with pytest.raises(NotAllowed) as refused:
        desk.decide(made, "award", by=verifier)
    assert refused.value.code == "compute.not_a_decider"
    assert desk.decide(made, "award").state == "awarded"


def test_another_part_is_another_decision_and_comes_too_late(desk: Desk):
    made = waiting(desk)
    verifier = person(desk, "v", made.proposal.organisation, "verifier")

    def part(hours: int):
        return compute.applications.decide(
            desk.storage, made.id, verdict="award", reason="r", by=verifier, hours=hours
        )

    assert part(10) == part(10)
    with pytest.raises(Conflict) as late:
        part(20)
    assert late.value.code == "compute.step_impossible"
    assert desk.see(made).granted_ms == 36_000_000


def test_a_report_that_was_taken_tells_a_stranger_nothing(desk: Desk):
    made = waiting(desk)
    done = desk.decide(made, "award")
    compute.applications.report(
        desk.storage, done.id, document=desk.blob("r"), reason="r", by=made.applied_by
    )
    assert desk.close(done, "yes").state == "closed"
    assert desk.close(done, "yes").state == "closed"
    with pytest.raises(NotAllowed):
        compute.applications.close(
            desk.storage, done.id, accept="yes", reason="r", by=made.applied_by
        )
