"""From a proposal to an award: who may do what, in which order, and what is kept of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from applications_desk import Desk

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound

HOUR_MS = 3_600_000


def test_a_small_request_is_awarded_at_once_and_can_be_used(desk: Desk):
    made = desk.apply(device_hours=100, devices=2)
    assert (made.state, made.outcome, made.decided_by) == ("awarded", "approve", "rules")
    assert [hit.rule for hit in made.fired] == ["Y-SMALL"]
    assert made.granted_ms == 100 * HOUR_MS
    [award] = desk.awards()
    assert made.awards == (award.award.id,)
    assert award.left_ms == 100 * HOUR_MS
    with desk.storage.database.read() as tx:
        record = custody.record(tx, award.award.reference)
        decision = custody.record(tx, record.links["decision"])
    assert decision.kind == "compute.decision"
    assert decision.subject == made.id
    assert decision.body["rules"] == ["Y-SMALL"]
    assert decision.body["decided_by"] == "rules"
    assert decision.body["proposal_digest"] == made.proposal_digest
    desk.assert_sound()


def test_applying_twice_with_one_key_is_applying_once(desk: Desk):
    first = desk.apply(key="k", device_hours=100)
    assert desk.apply(key="k", device_hours=100) == first
    assert len(desk.awards()) == 1
    with pytest.raises(Conflict) as other:
        desk.apply(key="k", device_hours=101)
    assert other.value.code == "compute.application_differs"


def test_splitting_a_request_does_not_evade_the_verifier(desk: Desk):
    assert desk.apply(key="1", device_hours=300).state == "awarded"
    assert desk.apply(key="2", device_hours=200).state == "awarded"
    assert desk.apply(key="3", device_hours=1).state == "verifying"


def test_a_verifier_decides_with_a_reason_and_may_award_a_part(desk: Desk):
    made = desk.apply(device_hours=2_000)
    assert made.state == "verifying"
    assert made.due_at_us is not None
    done = desk.decide(made, "award", hours=1_500)
    assert (done.state, done.decided_by) == ("awarded", desk.chiefs[0])
    assert done.granted_ms == 1_500 * HOUR_MS
    assert sum(each.left_ms for each in desk.awards()) == 1_500 * HOUR_MS
    steps = desk.steps(made)
    assert [step.action for step in steps] == ["applied", "ruled", "awarded"]
    assert steps[0].actor == desk.applicant
    assert steps[-1].reason == "因为合适"
    assert all(step.at_us > 0 and step.reason for step in steps)
    desk.assert_sound()


@pytest.mark.parametrize("hours", [-1, 2_001])
def test_nobody_awards_more_than_was_asked_for(desk: Desk, hours: int):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(Invalid):
        desk.decide(made, "award", hours=hours)
    assert desk.see(made).state == "verifying"


def test_a_decision_without_a_reason_is_refused(desk: Desk):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(Invalid) as refused:
        desk.decide(made, "award", reason=" ")
    assert [finding.code for finding in refused.value.findings] == ["compute.reason_invalid"]


def test_whoever_applied_does_not_decide(desk: Desk):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(NotAllowed) as refused:
        desk.decide(made, "award", by=desk.applicant)
    assert refused.value.code == "compute.not_a_decider"


def test_an_operator_does_not_decide_about_its_own_organisation(desk: Desk):
    made = desk.apply(
        device_hours=2_000, organisation=desk.operator, by=desk.chiefs[1], kind="public_body"
    )
    with pytest.raises(NotAllowed) as refused:
        desk.decide(made, "award", by=desk.chiefs[0])
    codes = [finding.code for finding in refused.value.findings]
    assert codes == ["compute.apart_organisation"]


def test_declared_conflicts_bar_members_and_organisations(desk: Desk):
    made = desk.apply(device_hours=2_000, conflicts=(desk.chiefs[0],))
    assert made.state == "voting"
    with pytest.raises(NotAllowed) as refused:
        desk.vote(made, "award", by=desk.chiefs[0])
    assert [f.code for f in refused.value.findings] == ["compute.apart_declared"]


def test_affiliation_with_the_applicant_bars_a_decider(desk: Desk):
    made = desk.apply(device_hours=2_000)
    compute.applications.affiliate(
        desk.storage,
        first=desk.operator,
        second=desk.firm,
        basis="母公司",
        by=desk.chiefs[0],
    )
    with pytest.raises(NotAllowed) as refused:
        desk.decide(made, "award")
    assert [f.code for f in refused.value.findings] == ["compute.apart_affiliated"]


def test_a_committee_decides_by_quorum_and_majority(desk: Desk):
    made = desk.apply(device_hours=6_000)
    assert made.state == "voting"
    assert desk.vote(made, "award", by=desk.chiefs[0]).state == "voting"
    assert desk.vote(made, "refuse", by=desk.chiefs[1]).state == "voting"
    done = desk.vote(made, "award", by=desk.chiefs[2], hours=5_500)
    assert (done.state, done.decided_by) == ("awarded", "committee")
    assert done.granted_ms == 5_500 * HOUR_MS
    desk.assert_sound()


def test_a_tie_waits_for_another_vote_and_abstentions_count_for_the_quorum(desk: Desk):
    made = desk.apply(device_hours=6_000)
    desk.vote(made, "award", by=desk.chiefs[0])
    desk.vote(made, "refuse", by=desk.chiefs[1])
    assert desk.vote(made, "abstain", by=desk.chiefs[2]).state == "voting"
    assert desk.vote(made, "refuse", by=desk.chiefs[3]).state == "refused"


def test_a_vote_is_given_once(desk: Desk):
    made = desk.apply(device_hours=6_000)
    desk.vote(made, "award", by=desk.chiefs[0])
    assert desk.vote(made, "award", by=desk.chiefs[0]).state == "voting"
    with pytest.raises(Conflict) as refused:
        desk.vote(made, "refuse", by=desk.chiefs[0])
    assert refused.value.code == "compute.voted_already"
    assert len(desk.ballots(made)) == 1


def test_a_recused_member_counts_for_nothing_and_stays_out(desk: Desk):
    made = desk.apply(device_hours=6_000)
    for chief in desk.chiefs[:2]:
        desk.vote(made, "award", by=chief)
    assert desk.vote(made, "recuse", by=desk.chiefs[2]).state == "voting"
    assert desk.vote(made, "award", by=desk.chiefs[3]).state == "awarded"


def test_a_verifier_may_hand_on_to_the_committee(desk: Desk):
    made = desk.apply(device_hours=2_000)
    assert desk.decide(made, "refer").state == "voting"
    with pytest.raises(Conflict) as refused:
        desk.decide(made, "award")
    assert refused.value.code == "compute.step_impossible"
    assert "vote" in str(refused.value.params["possible"])


def test_what_is_missing_sends_it_back_and_amending_asks_the_rules_again(desk: Desk):
    made = desk.apply(device_hours=None, devices=2)
    assert (made.state, made.missing) == ("returned", ("device_hours",))
    done = desk.amend(made, device_hours=100)
    assert done.state == "awarded"
    assert [step.action for step in desk.steps(made)] == ["applied", "ruled", "amended", "awarded"]


def test_a_decider_may_send_it_back_and_votes_begin_anew(desk: Desk):
    made = desk.apply(device_hours=2_000)
    back = desk.decide(made, "return", reason="请补充用途说明")
    assert (back.state, back.round) == ("returned", 1)
    assert desk.amend(made, device_hours=6_000).state == "voting"


def test_over_a_limit_the_rules_refuse_and_say_which(desk: Desk):
    made = desk.apply(device_hours=10, window_months=13)
    assert (made.state, made.decided_by) == ("refused", "rules")
    assert made.fired[0].rule == "Y-WINDOW"
    assert desk.awards() == []
    with pytest.raises(Conflict) as refused:
        desk.amend(made, window_months=3)
    assert refused.value.params["possible"] == "-"


def test_withdrawing_ends_it_and_withdrawing_again_changes_nothing(desk: Desk):
    made = desk.apply(device_hours=2_000)
    gone = desk.withdraw(made)
    assert gone.state == "withdrawn"
    assert desk.withdraw(made) == gone
    with pytest.raises(Conflict):
        desk.decide(made, "award")
    assert desk.awards() == []


def test_others_neither_amend_nor_withdraw(desk: Desk):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(NotAllowed) as refused:
        desk.withdraw(made, by=desk.chiefs[0])
    assert refused.value.code == "compute.not_yours"


def test_the_second_of_two_deciders_finds_it_decided(desk: Desk):
    made = desk.apply(device_hours=2_000)
    desk.decide(made, "award", by=desk.chiefs[0])
    with pytest.raises(Conflict) as late:
        desk.decide(made, "refuse", by=desk.chiefs[1])
    assert late.value.params["state"] == "awarded"
    again = desk.decide(made, "award", by=desk.chiefs[0])
    assert again.state == "awarded"
    assert len(desk.awards()) == 1


def test_every_fault_of_a_proposal_is_told_at_once(desk: Desk):
    with pytest.raises(Invalid) as refused:
        desk.apply(device_hours=0, devices="many", colour="red", registered=True)
    assert {(f.where, f.code) for f in refused.value.findings} == {
        ("facts.device_hours", "compute.fact_count"),
        ("facts.devices", "compute.fact_count"),
        ("facts.colour", "compute.fact_unknown"),
        ("facts.registered", "compute.fact_of_platform"),
    }


def test_an_applicant_that_is_not_what_it_says_is_refused(desk: Desk):
    with pytest.raises(Invalid) as refused:
        desk.apply(device_hours=10, kind="student")
    assert [f.code for f in refused.value.findings] == ["compute.applicant_differs"]
    with pytest.raises(NotFound):
        desk.apply(programme="nowhere", device_hours=10)


def test_deadlines_remind_then_escalate_once_each(desk: Desk):
    made = desk.apply(device_hours=2_000)
    assert compute.applications.tick(desk.storage) == 0
    desk.clock.advance(seconds=3 * 86_400)
    assert compute.applications.tick(desk.storage) == 1
    assert compute.applications.tick(desk.storage) == 0
    desk.clock.advance(seconds=86_400)
    assert compute.applications.tick(desk.storage) == 1
    assert compute.applications.tick(desk.storage) == 0
    assert [step.action for step in desk.steps(made)][2:] == ["reminded", "escalated"]
    kinds = [notice.kind for notice in desk.feed(desk.chiefs[0])]
    assert kinds.count("application_overdue") == 1
    desk.decide(made, "award")
    assert "application_overdue" not in [n.kind for n in desk.feed(desk.chiefs[0])]
    assert "application_ended" in [n.kind for n in desk.feed(desk.applicant)]


def test_what_the_applicant_leaves_lying_lapses(desk: Desk):
    made = desk.apply(device_hours=None)
    desk.clock.advance(seconds=32 * 86_400)
    compute.applications.tick(desk.storage)
    assert desk.see(made).state == "lapsed"


def test_a_final_report_is_due_handed_in_and_taken(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    desk.clock.advance(seconds=32 * 86_400)
    compute.applications.tick(desk.storage)
    assert "report_due" in [notice.kind for notice in desk.feed(desk.applicant)]
    assert desk.awards()[0].left_ms == 0
    with pytest.raises(Invalid):
        desk.report(made, document="sha256:" + "0" * 64)
    assert desk.report(made).state == "reported"
    assert desk.close(made, "no").state == "awarded"
    assert desk.report(made).state == "reported"
    assert desk.close(made, "yes").state == "closed"
    assert made.ends_at_us is not None
    assert made.ends_at_us - made.applied_at_us >= 28 * DAY_US


def test_many_deciders_at_once_and_one_wins(desk: Desk):
    made = desk.apply(device_hours=2_000)

    def decide(number: int) -> str:
        verdict = "award" if number % 2 else "refuse"
        try:
            return desk.decide(made, verdict, by=desk.chiefs[number]).state
        except Conflict as late:
            return late.code

    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(decide, range(4)))
    assert said.count("compute.step_impossible") == 3
    assert len(desk.awards()) == (1 if "awarded" in said else 0)
    assert [step.action for step in desk.steps(made)][2:] in (["awarded"], ["refused"])
    desk.assert_sound()


def test_applying_many_times_at_once_is_applying_once(desk: Desk):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: desk.apply(device_hours=100), range(6)))
    assert len({each.id for each in made}) == 1
    assert len(desk.awards()) == 1
    desk.assert_sound()
