"""An institution's own verifier: decides where the rules say so, and never in the own cause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applications_desk import Desk

from yunhe.compute import service as compute
from yunhe.compute.applications.domain import Application
from yunhe.identity import service as identity
from yunhe.kernel.errors import NotAllowed

FACTS = {
    "kind": "researcher",
    "identity_documents": ["orcid"],
    "device_hours": 100,
    "subsidy_percent": 40,
    "foundation_model_chosen": False,
    "window_months": None,
}


def person(desk: Desk, key: str, place: str, *roles: str, project: str = "") -> str:
    with desk.storage.database.begin() as tx:
        at_us = desk.clock.now_us()
        member = identity.add_member(tx, key=key, organisation=place, name=key, at_us=at_us).id
        for role in roles:
            identity.grant_role(tx, member=member, role=role, project=project, at_us=at_us)
        return member


def place(desk: Desk, key: str, kind: str) -> str:
    with desk.storage.database.begin() as tx:
        at_us = desk.clock.now_us()
        return identity.add_organisation(tx, key=key, name=key, kind=kind, at_us=at_us).id


@pytest.fixture
def campus(desk: Desk) -> Desk:
    """A university applies; its scholar is the applicant."""
    school = place(desk, "school", "university")
    return replace(desk, firm=school, applicant=person(desk, "scholar", school, "trainer"))


def ask(desk: Desk, key: str = "key", **changed: object) -> Application:
    return desk.apply(key=key, programme="indiaai", **{**FACTS, **changed})


def refused(desk: Desk, made: Application, by: str) -> tuple[str, list[str]]:
    with pytest.raises(NotAllowed) as caught:
        desk.decide(made, "award", by=by)
    assert desk.see(made).state == made.state
    return caught.value.code, [each.code for each in caught.value.findings]


def test_the_universitys_verifier_awards_what_the_rules_leave_to_a_verifier(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = ask(campus)
    assert made.state == "verifying"
    done = campus.decide(made, "award", by=verifier)
    assert (done.state, done.decided_by, done.granted_ms) == ("awarded", verifier, 360_000_000)
    assert campus.steps(made)[-1].actor == verifier
    assert campus.decide(made, "award", by=verifier) == done
    campus.assert_sound()


@pytest.mark.parametrize("verdict", ["return", "refer", "refuse"])
def test_it_may_also_send_back_hand_on_and_refuse(campus: Desk, verdict: str):
    verifier = person(campus, "v", campus.firm, "verifier")
    found = campus.decide(ask(campus), verdict, by=verifier)
    assert found.state == {"return": "returned", "refer": "voting", "refuse": "refused"}[verdict]


def test_the_programmes_verifier_may_decide_as_before(campus: Desk):
    assert campus.decide(ask(campus), "award").state == "awarded"


def test_above_the_threshold_the_committee_decides_whoever_verifies(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = ask(campus, device_hours=5_001)
    assert made.state == "voting"
    with pytest.raises(NotAllowed) as caught:
        campus.vote(made, "award", by=verifier)
    assert caught.value.code == "compute.not_a_decider"


def test_a_verifier_of_another_university_or_of_a_firm_decides_nothing(campus: Desk):
    other = person(campus, "v1", place(campus, "other", "university"), "verifier")
    assert refused(campus, ask(campus), other)[0] == "compute.not_a_decider"
    firm = place(campus, "startup", "company")
    scholar, verifier = person(campus, "s", firm, "trainer"), person(campus, "v2", firm, "verifier")
    made = ask(
        replace(campus, firm=firm, applicant=scholar),
        "firm",
        kind="startup",
        identity_documents=["dpiit"],
    )
    assert refused(campus, made, verifier)[0] == "compute.not_a_decider"


def test_under_rules_without_own_verifiers_the_role_decides_nothing(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = campus.apply(kind="university", device_hours=2_000)
    assert made.state == "verifying"
    assert refused(campus, made, verifier)[0] == "compute.not_a_decider"


def test_who_had_a_hand_in_the_proposal_never_decides_it(campus: Desk):
    scholar = campus.applicant
    made = ask(campus, identity_documents=None)
    assert made.state == "returned"
    colleague = person(campus, "colleague", campus.firm, "trainer")
    compute.applications.amend(
        campus.storage,
        made.id,
        reason="补充",
        by=colleague,
        facts={"identity_documents": ["orcid"]},
    )
    made = campus.see(made)
    with campus.storage.database.begin() as tx:  # both change sides afterwards
        for member in (scholar, colleague):
            identity.revoke_role(tx, member=member, role="trainer")
            identity.grant_role(tx, member=member, role="verifier", at_us=campus.clock.now_us())
    for member in (scholar, colleague):
        code, findings = refused(campus, made, member)
        assert (code, findings) == ("compute.duties_apart", ["compute.apart_applicant"])


def test_a_declared_interest_and_an_end_bind_the_own_verifier_too(campus: Desk):
    named = person(campus, "v", campus.firm, "verifier")
    made = ask(campus, "c", conflicts=(named,))
    assert made.state == "voting"
    plain = ask(campus)
    with campus.storage.database.begin() as tx:
        identity.end_member(tx, named, at_us=campus.clock.now_us())
    assert refused(campus, plain, named)[0] == "compute.not_a_decider"


def test_the_own_verifier_neither_closes_reports_nor_pays(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = campus.decide(ask(campus), "award", by=verifier)
    campus.report(made)
    with pytest.raises(NotAllowed) as caught:
        compute.applications.close(
            campus.storage, made.id, accept="yes", reason="看过", by=verifier
        )
    assert caught.value.code == "compute.not_a_decider"


def test_a_verifier_of_one_project_decides_only_about_that_project(campus: Desk):
    with campus.storage.database.begin() as tx:
        at_us = campus.clock.now_us()
        lab = identity.add_project(
            tx, key="lab", organisation=campus.firm, name="lab", at_us=at_us
        ).id
    verifier = person(campus, "v", campus.firm, "verifier", project=lab)
    assert refused(campus, ask(campus), verifier)[0] == "compute.not_a_decider"


def test_the_own_verifiers_are_told_what_waits_and_no_longer_once_decided(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = ask(campus)
    told = [(each.kind, each.subject) for each in campus.feed(verifier)]
    assert told == [("application_due", made.id)]
    campus.decide(made, "award")
    assert ("application_due", made.id) not in [(n.kind, n.subject) for n in campus.feed(verifier)]


def test_an_own_verifier_is_reminded_before_it_is_late(campus: Desk):
    verifier = person(campus, "v", campus.firm, "verifier")
    made = ask(campus)
    assert made.due_at_us is not None
    left_seconds = (made.due_at_us - campus.clock.now_us()) // 1_000_000
    campus.clock.advance(seconds=left_seconds - 3_600)
    compute.applications.tick(campus.storage)
    assert [each.subject for each in campus.feed(verifier)] == [made.id, made.id]
