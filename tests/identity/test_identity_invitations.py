"""Invitations: one person, once, in time, and with no more than who invites may give."""

from __future__ import annotations

import pytest

from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import service as identity
from yunhe.identity.domain import Offer
from yunhe.kernel.errors import NotFound, YunheError


def invite(town, by="dean", **offer):
    if not offer.keys() & {"new_name", "new_kind"}:
        offer.setdefault("organisation", town.university)
    offer.setdefault("roles", frozenset({"buyer"}))
    return town.do(identity.invite, Offer(**offer), by=town.actor(by))


def refused(town, by="dean", **offer) -> YunheError:
    offer.setdefault("roles", frozenset({"buyer"}))
    return town.refusal(identity.invite, Offer(**offer), by=town.actor(by))


def accept(town, token, name="客人"):
    return town.do(identity.accept, token=token, name=name)


def test_a_guest_becomes_a_member_with_the_roles_offered_and_a_key(town):
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    parts = {project: frozenset({"trainer"})}
    invited = invite(town, project_roles=parts, contact="Guest@Example.ORG")
    claimed = accept(town, invited.token)
    who = town.who(claimed.key.secret)
    assert (who.member, who.organisation) == (claimed.member, town.university)
    assert (who.roles, who.project_roles) == ({"buyer"}, parts)
    assert town.see(identity.member, claimed.member).contact == "guest@example.org"
    [listed] = town.see(identity.invitations, organisation=town.university)
    assert (listed.member, listed.accepted_at_us, listed.contact) == (
        claimed.member,
        town.now_us,
        "",
    )


def test_an_operators_invitation_founds_an_organisation_when_it_is_accepted(town):
    invited = invite(
        town, "operator", new_name="新企业", new_kind="sme", roles=frozenset({"administrator"})
    )
    assert len(town.see(identity.organisations)) == 2
    claimed = accept(town, invited.token)
    founded = town.see(identity.organisation, claimed.organisation)
    assert (founded.name, founded.kind) == ("新企业", "sme")
    assert town.who(claimed.key.secret).has("administrator")
    [listed] = town.see(identity.invitations, organisation=founded.id)
    assert listed.organisation == founded.id
    assert refused(town, new_name="x", new_kind="sme").code == "identity.role_missing"


def test_a_token_works_once(town):
    invited = invite(town)
    accept(town, invited.token)
    before = len(town.see(identity.members))
    assert town.code(identity.accept, token=invited.token, name="x") == "identity.invitation_ended"
    assert len(town.see(identity.members)) == before


@pytest.mark.parametrize("how", ["withdrawn", "expired", "host left", "host demoted"])
def test_an_invitation_that_ended_lets_nobody_in(town, how):
    town.add("second", town.university, "administrator")
    invited = invite(town, by="second", contact="guest@example.org")
    if how == "withdrawn":
        for _ in range(2):
            town.do(identity.withdraw, invitation_id=invited.invitation.id, by=town.actor("dean"))
        [listed] = town.see(identity.invitations)
        assert (listed.withdrawn_at_us, listed.contact) == (town.now_us, "")
    elif how == "expired":
        town.clock.advance(seconds=7 * 86_400)
    elif how == "host left":
        town.do(identity.end_member, member=town.people["second"])
    else:
        town.do(identity.revoke_role, member=town.people["second"], role="administrator")
    before = len(town.see(identity.members))
    assert town.code(identity.accept, token=invited.token, name="x") == "identity.invitation_ended"
    assert len(town.see(identity.members)) == before


def test_an_invitation_is_good_until_the_last_moment(town):
    invited = invite(town, valid_hours=1)
    town.clock.advance(seconds=3_599)
    assert accept(town, invited.token).organisation == town.university


def test_unknown_wrong_and_malformed_tokens_are_refused_alike(town):
    invited = invite(town)
    wrong = secrets_of_keys.new_secret(invited.invitation.id)
    unknown = secrets_of_keys.new_secret("inv_" + "0" * 26)
    errors = [
        town.refusal(identity.accept, token=token, name="x")
        for token in (wrong, unknown, "", "yi_", town.key("li").secret)
    ]
    assert {type(error) for error in errors} == {NotFound}
    assert all(error.as_json("zh") == errors[0].as_json("zh") for error in errors)


def test_a_refused_acceptance_leaves_the_invitation_open(town):
    invited = invite(town)
    assert town.code(identity.accept, token=invited.token, name=" ") == "identity.invalid"
    accept(town, invited.token)


@pytest.mark.parametrize(
    ("offer", "where"),
    [
        ({"roles": frozenset()}, "roles"),
        ({"roles": frozenset({"emperor"})}, "roles"),
        ({"contact": "no address"}, "contact"),
        ({"valid_hours": 0}, "valid_hours"),
        ({"valid_hours": 721}, "valid_hours"),
        ({"new_name": "x"}, "new_name"),
        ({"project_roles": {"prj_none": frozenset({"buyer"})}}, "project"),
        ({"project_roles": {"": frozenset({"buyer"})}}, "project_roles"),
    ],
)
def test_a_faulty_offer_is_refused_with_the_place_of_the_fault(town, offer, where):
    error = refused(town, **{"organisation": town.university, **offer})
    assert error.code == "identity.invalid"
    assert where in {finding.where for finding in error.findings}


def test_a_new_organisation_needs_a_name_and_a_kind(town):
    error = refused(town, "operator")
    assert {finding.where for finding in error.findings} == {"new_name", "new_kind"}


def test_roles_that_must_stay_apart_are_not_even_offered(town):
    error = refused(town, organisation=town.university, roles=frozenset({"trainer", "evaluator"}))
    assert error.code == "identity.duties_apart"
    project = town.do(identity.add_project, key="p", organisation=town.university, name="p").id
    error = refused(
        town,
        organisation=town.university,
        roles=frozenset({"trainer"}),
        project_roles={project: frozenset({"evaluator"})},
    )
    assert error.code == "identity.duties_apart"
    error = refused(town, "operator", organisation=town.university, roles=frozenset({"operator"}))
    assert error.code == "identity.duties_apart"


def test_lists_show_an_organisation_what_leads_into_it_and_what_it_sent(town):
    mine = invite(town).invitation.id
    founding = invite(town, "operator", new_name="n", new_kind="sme").invitation.id
    seen = [i.id for i in town.see(identity.invitations, organisation=town.university)]
    assert seen == [mine]
    assert [i.id for i in town.see(identity.invitations, organisation=town.city)] == [founding]
    assert [i.id for i in town.see(identity.invitations)] == [mine, founding]
    assert [i.id for i in town.see(identity.invitations, after=mine, limit=5)] == [founding]


def test_neither_rows_nor_representations_hold_the_token_or_print_the_address(town):
    invited = invite(town, contact="guest@example.org")
    token = invited.token.split("_")[2]
    assert token.encode() not in town.stored()
    assert token not in repr(invited)
    assert "guest@" not in repr(invited)
