"""Who decides and who must not: interests, affiliation, votes in any order, people who left."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import pytest
from applications_desk import Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications import deciding
from yunhe.compute.applications.domain import Contract
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError


def person(desk: Desk, key: str, place: str, *roles: str) -> str:
    with desk.storage.database.begin() as tx:
        at_us = desk.clock.now_us()
        member = identity.add_member(tx, key=key, organisation=place, name=key, at_us=at_us).id
        for role in roles:
            identity.grant_role(tx, member=member, role=role, at_us=at_us)
        return member


def place(desk: Desk, key: str, kind: str) -> str:
    with desk.storage.database.begin() as tx:
        at_us = desk.clock.now_us()
        return identity.add_organisation(tx, key=key, name=key, kind=kind, at_us=at_us).id


def affiliate(desk: Desk, first: str, second: str, basis: str = "股权"):
    return compute.applications.affiliate(
        desk.storage, first=first, second=second, basis=basis, by=desk.chiefs[0]
    )


def why(desk: Desk, made, *, by: str) -> list[str]:
    """What stands between this member and the application."""
    step = desk.vote if made.state == "voting" else desk.decide
    with pytest.raises(NotAllowed) as refused:
        step(made, "award", by=by)
    if refused.value.code != "compute.duties_apart":
        return [refused.value.code]
    return [finding.code for finding in refused.value.findings]


# --- interests ---


def test_an_interest_in_an_award_is_one_in_its_extension(desk: Desk):
    made = desk.apply(device_hours=100, conflicts=(desk.chiefs[0],))
    assert made.state == "voting"
    for chief in desk.chiefs[1:]:
        desk.vote(made, "award", by=chief)
    more = desk.ask(made, add_hours=6_000)
    assert more.state == "voting"
    assert more.proposal.conflicts == ()
    assert why(desk, more, by=desk.chiefs[0]) == ["compute.apart_declared"]


def test_who_recused_themselves_from_an_award_stays_out_of_its_changes(desk: Desk):
    made = desk.apply(device_hours=6_000)
    desk.vote(made, "recuse", by=desk.chiefs[0])
    for chief in desk.chiefs[1:]:
        desk.vote(made, "award", by=chief)
    change = desk.ask(made, chip="gpu")
    assert change.state == "voting"
    assert why(desk, change, by=desk.chiefs[0]) == ["compute.apart_declared"]
    assert desk.vote(change, "award", by=desk.chiefs[1]).state == "voting"


def test_recusing_lasts_through_every_round(desk: Desk):
    made = desk.apply(device_hours=2_000)
    desk.decide(made, "refer", by=desk.chiefs[1])
    desk.vote(made, "recuse", by=desk.chiefs[0])
    with pytest.raises(Conflict) as twice:
        desk.vote(made, "award", by=desk.chiefs[0])
    assert twice.value.code == "compute.voted_already"
    assert [ballot.vote for ballot in desk.ballots(made)] == ["recuse"]


def test_a_declared_organisation_bars_all_its_members(desk: Desk):
    made = desk.apply(device_hours=2_000, conflicts=(desk.operator,))
    for chief in desk.chiefs:
        assert why(desk, made, by=chief) == ["compute.apart_declared"]


def test_declaring_while_amending_counts_from_then_on(desk: Desk):
    made = desk.apply(device_hours=None)
    compute.applications.amend(
        desk.storage,
        made.id,
        reason="补充",
        by=desk.applicant,
        facts={"device_hours": 50},
        conflicts=(desk.chiefs[2],),
    )
    now = desk.see(made)
    assert (now.state, now.facts["conflict_declared"]) == ("voting", True)
    assert why(desk, now, by=desk.chiefs[2]) == ["compute.apart_declared"]


def test_more_interests_than_anybody_has_are_refused(desk: Desk):
    with pytest.raises(Invalid) as refused:
        desk.apply(device_hours=10, conflicts=tuple(f"mem_{n}" for n in range(51)))
    assert [f.where for f in refused.value.findings] == ["conflicts"]


# --- affiliation ---


def test_affiliation_reaches_through_others_however_it_was_entered(desk: Desk):
    chain = [desk.firm, *(place(desk, f"h{n}", "company") for n in range(3)), desk.provider]
    for one, other in pairwise(chain):
        affiliate(desk, other, one)
    made = desk.claim(provider_affiliated=False)
    assert made.fired[0].rule == "BJ-AFFILIATED"
    assert made.facts["provider_affiliated"] is True


def test_who_is_affiliated_with_the_provider_does_not_decide(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    affiliate(desk, desk.operator, desk.provider)
    assert why(desk, made, by=desk.chiefs[0]) == ["compute.apart_provider"]


def test_an_operator_that_is_the_provider_itself_does_not_decide(desk: Desk):
    made = desk.claim(key="1", number="1")
    own = replace(made.proposal, key="2", contract=Contract("2", desk.operator))
    found = compute.applications.apply(desk.storage, own, by=desk.applicant)
    assert found.state == "verifying"
    assert why(desk, found, by=desk.chiefs[0]) == ["compute.apart_provider"]


def test_the_register_keeps_what_it_was_told_first(desk: Desk):
    first = affiliate(desk, desk.firm, desk.provider, "股权")
    desk.clock.advance(seconds=60)
    again = affiliate(desk, desk.provider, desk.firm, "别的")
    assert again == first
    with desk.storage.database.read() as tx:
        assert compute.applications.affiliations(tx) == [first]


@pytest.mark.parametrize("basis", ["", " ", "a\nb", "x" * 201])
def test_an_entry_needs_a_basis_and_two_organisations(desk: Desk, basis: str):
    with pytest.raises(Invalid):
        affiliate(desk, desk.firm, desk.provider, basis)
    with pytest.raises(Invalid):
        affiliate(desk, desk.firm, desk.firm)
    with pytest.raises(NotFound):
        affiliate(desk, desk.firm, "org_nobody")


def test_the_register_is_paged_without_gaps(desk: Desk):
    places = [place(desk, f"g{n}", "company") for n in range(5)]
    pairs = {tuple(sorted((a, b))) for a, b in permutations(places, 2)}
    for one, other in pairs:
        affiliate(desk, one, other)
    seen: list[tuple[str, str]] = []
    with desk.storage.database.read() as tx:
        while page := compute.applications.affiliations(
            tx, after=seen[-1] if seen else ("", ""), limit=3
        ):
            seen += [(each.first, each.second) for each in page]
    assert seen == sorted(pairs)


# --- people ---


def test_somebody_who_left_neither_decides_nor_acts(desk: Desk):
    made = desk.apply(device_hours=2_000)
    with desk.storage.database.begin() as tx:
        for member in (desk.chiefs[0], desk.applicant):
            identity.end_member(tx, member, at_us=desk.clock.now_us())
    assert why(desk, made, by=desk.chiefs[0]) == ["compute.not_a_decider"]
    with pytest.raises(NotAllowed) as gone:
        desk.withdraw(made)
    assert gone.value.code == "identity.member_ended"
    with pytest.raises(NotAllowed):
        desk.apply(key="new", device_hours=1)


def test_a_vote_stays_cast_when_its_member_leaves(desk: Desk):
    made = desk.apply(device_hours=6_000)
    desk.vote(made, "award", by=desk.chiefs[0])
    with desk.storage.database.begin() as tx:
        identity.end_member(tx, desk.chiefs[0], at_us=desk.clock.now_us())
    desk.vote(made, "award", by=desk.chiefs[1])
    assert desk.vote(made, "refuse", by=desk.chiefs[2]).state == "awarded"


@pytest.mark.parametrize(
    ("kind", "role", "verifies", "votes"),
    [
        ("operator", "operator", True, True),
        ("operator", "risk_officer", False, True),
        ("operator", "auditor", False, False),
        ("regulator", "risk_officer", False, True),
        ("company", "risk_officer", False, False),
        ("university", "risk_officer", False, False),
    ],
)
def test_roles_and_kinds_of_the_rule_set_decide(desk: Desk, kind, role, verifies, votes):
    where = desk.operator if kind == "operator" else place(desk, "there", kind)
    member = person(desk, "one", where, role)
    single = desk.apply(key="1", device_hours=2_000)
    several = desk.apply(key="2", device_hours=6_000)
    for made, may, step in ((single, verifies, desk.decide), (several, votes, desk.vote)):
        if may:
            step(made, "award", by=member)
        else:
            assert why(desk, made, by=member) == ["compute.not_a_decider"]


def test_who_nobody_knows_decides_nothing(desk: Desk):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(NotFound):
        desk.decide(made, "award", by="mem_nobody")


# --- votes ---

VOTES = ("award", "refuse", "abstain", "recuse")


def outcome(votes: list[str]) -> str:
    """By hand: the first moment at which three counted and one side has more."""
    for number in range(1, len(votes) + 1):
        counted = [each for each in votes[:number] if each != "recuse"]
        for_it, against = counted.count("award"), counted.count("refuse")
        if len(counted) >= 3 and for_it != against:
            return "awarded" if for_it > against else "refused"
    return "voting"


@pytest.mark.sqlite_only("the arithmetic is the same; a fresh database for each example")
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rounds=st.lists(st.lists(st.sampled_from(VOTES), max_size=4), min_size=4, max_size=4))
def test_votes_in_any_order_come_to_what_they_come_to_by_hand(new_desk, rounds):
    desk = new_desk()
    for number, votes in enumerate(rounds):
        made = desk.apply(key=str(number), device_hours=6_000)
        cast = []
        for chief, vote in zip(desk.chiefs, votes, strict=False):
            if outcome(cast) == "voting":
                desk.vote(made, vote, by=chief)
                cast.append(vote)
            else:
                with pytest.raises(Conflict, match=r"awarded|refused"):
                    desk.vote(made, vote, by=chief)
        assert desk.see(made).state == outcome(cast)
        assert len(desk.ballots(made)) == len(cast)
    desk.assert_sound()


@pytest.mark.parametrize(
    ("parts", "granted"),
    [
        ((0, 0, 0), 6_000),
        ((0, 5_000, 0), 5_000),
        ((5_999, 1, 6_000), 1),
        ((6_000, 6_000, 0), 6_000),
    ],
)
def test_of_parts_the_smallest_counts(desk: Desk, parts: tuple[int, ...], granted: int):
    made = desk.apply(device_hours=6_000)
    for chief, hours in zip(desk.chiefs, parts, strict=False):
        done = desk.vote(made, "award", by=chief, hours=hours)
    assert done.granted_ms == granted * 3_600_000
    desk.assert_sound()


def test_a_part_of_who_was_against_counts_for_nothing(desk: Desk):
    made = desk.apply(device_hours=6_000)
    desk.vote(made, "refuse", by=desk.chiefs[0], hours=1)
    desk.vote(made, "award", by=desk.chiefs[1])
    assert desk.vote(made, "award", by=desk.chiefs[2]).granted_ms == 6_000 * 3_600_000


@pytest.mark.parametrize("hours", [6_001, -1])
def test_nobody_votes_for_more_than_was_asked(desk: Desk, hours: int):
    made = desk.apply(device_hours=6_000)
    with pytest.raises(Invalid):
        desk.vote(made, "award", by=desk.chiefs[0], hours=hours)
    assert desk.ballots(made) == []


def test_what_a_committee_can_not_award_any_more_leaves_no_vote_behind(desk: Desk):
    desk.fund(10**9)
    made = desk.claim(conflict_declared=True)
    assert made.state == "voting"
    for chief in desk.chiefs[:2]:
        desk.vote(made, "award", by=chief)
    affiliate(desk, desk.firm, desk.provider)
    with pytest.raises(NotAllowed) as refused:
        desk.vote(made, "award", by=desk.chiefs[2])
    assert refused.value.code == "compute.rules_refuse"
    assert len(desk.ballots(made)) == 2
    assert desk.see(made).state == "voting"
    desk.assert_sound()


def test_the_record_counts_the_votes_and_names_no_voter(desk: Desk):
    """The applicant may read the record of the decision, but not who voted how."""
    made = desk.apply(device_hours=6_000)
    for chief, vote in zip(desk.chiefs, ("refuse", "award", "award"), strict=False):
        done = desk.vote(made, vote, by=chief)
    with desk.storage.database.read() as tx:
        body = custody.record(tx, done.reference).body
    assert body["votes"] == ["award", "award", "refuse"]
    assert not any(chief in str(body) for chief in desk.chiefs)


def test_a_person_may_not_award_alone_what_has_become_the_committees(desk: Desk, monkeypatch):
    made = desk.apply(device_hours=2_000)
    assert made.state == "verifying"
    with desk.storage.database.read() as tx:
        stricter = compute.applications.rules_of(tx, "yunhe")
    rule = next(each for each in stricter.rules if each.id == "Y-HOURS")
    assert rule.when is not None
    changed = replace(
        stricter,
        rules=tuple(
            replace(each, when=replace(each.when, bound=1_000)) if each is rule else each
            for each in stricter.rules
        ),
    )
    monkeypatch.setattr(deciding, "rules_of", lambda *_: changed)
    with pytest.raises(Conflict) as needs:
        desk.decide(made, "award")
    assert needs.value.code == "compute.needs_committee"
    assert desk.decide(made, "refer").state == "voting"


@pytest.mark.parametrize("verdict", ["award", "refuse", "return", "refer"])
@pytest.mark.parametrize("reason", ["", " \n", "x" * 2_001, "a\0b"])
def test_every_decision_needs_a_reason_that_can_be_kept(desk: Desk, verdict: str, reason: str):
    made = desk.apply(device_hours=2_000)
    with pytest.raises(YunheError) as refused:
        desk.decide(made, verdict, reason=reason)
    assert refused.value.code == "compute.decision_invalid"
    assert [step.action for step in desk.steps(made)] == ["applied", "ruled"]


def test_reasons_are_in_steps_and_only_as_digests_in_the_log(desk: Desk):
    made = desk.apply(device_hours=2_000)
    done = desk.decide(made, "award", reason="因为某人的私事")
    with desk.storage.database.read() as tx:
        body = custody.record(tx, done.reference).body
    assert "私事" not in str(body)
    assert "私事" not in repr(desk.steps(made))
    assert desk.steps(made)[-1].reason == "因为某人的私事"
