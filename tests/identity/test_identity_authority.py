"""Who may manage whom; what is out of reach looks exactly like what does not exist."""

from __future__ import annotations

import pytest

from yunhe.identity import service as identity
from yunhe.identity.domain import Offer, Principal
from yunhe.kernel.errors import Conflict, YunheError


def same(foreign: YunheError, missing: YunheError, *, ids: tuple[str, str]) -> None:
    """Two refusals that only their own ids tell apart."""
    first, second = (
        repr((type(error), error.as_json("en"), error.as_json("zh"))).replace(id_, "ID")
        for error, id_ in zip((foreign, missing), ids, strict=True)
    )
    assert first == second


def test_an_administrator_manages_its_own_organisation(town):
    dean = town.actor("dean")
    wang = town.do(
        identity.add_member, key="w", organisation=town.university, name="王", by=dean
    ).id
    town.do(identity.grant_role, member=wang, role="buyer", by=dean)
    [held] = town.see(identity.roles_held, wang)
    assert (held.role, held.project, held.by) == ("buyer", "", town.people["dean"])
    town.do(identity.revoke_role, member=wang, role="buyer", by=dean)
    assert town.see(identity.roles_of, wang) == frozenset()


def test_an_operator_manages_every_organisation(town):
    by = town.actor("operator")
    town.do(identity.grant_role, member=town.people["li"], role="buyer", by=by)
    assert "buyer" in town.see(identity.roles_of, town.people["li"])
    assert town.do(identity.add_organisation, key="n", name="新", kind="sme", by=by).kind == "sme"


@pytest.mark.parametrize(
    ("command", "params"),
    [
        (identity.grant_role, {"member": "ID", "role": "buyer"}),
        (identity.revoke_role, {"member": "ID", "role": "buyer"}),
        (identity.issue_key, {"member": "ID", "expires_at_us": None}),
        (identity.end_member, {"member": "ID"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_members_of_others_are_as_unknown_as_nobody(town, command, params):
    dean, foreign = town.actor("dean"), town.people["operator"]
    nobody = foreign[:-3] + "zzz"
    errors = [
        town.refusal(command, **{**params, "member": member}, by=dean)
        for member in (foreign, nobody)
    ]
    same(*errors, ids=(foreign, nobody))
    assert town.see(identity.roles_of, foreign) == {"operator", "administrator"}


def test_organisations_projects_keys_and_invitations_of_others_are_as_unknown_as_none(town):
    dean = town.actor("dean")
    theirs = town.do(identity.add_project, key="p", organisation=town.city, name="p").id
    key = town.key("operator").id
    offer = Offer(organisation=town.city, roles=frozenset({"caller"}))
    invitation = town.do(identity.invite, offer, by=town.actor("operator")).invitation.id
    li = town.people["li"]
    for command, params, name, foreign in (
        (identity.add_member, {"key": "k", "name": "n"}, "organisation", town.city),
        (identity.add_project, {"key": "k", "name": "n"}, "organisation", town.city),
        (identity.add_service_account, {"key": "k", "name": "n"}, "organisation", town.city),
        (identity.grant_role, {"member": li, "role": "buyer"}, "project", theirs),
        (identity.revoke_key, {}, "key", key),
        (identity.withdraw, {}, "invitation_id", invitation),
    ):
        missing = foreign[:-3] + "zzz"
        errors = [
            town.refusal(command, **params, **{name: id_}, by=dean) for id_ in (foreign, missing)
        ]
        same(*errors, ids=(foreign, missing))
    errors = [
        town.refusal(identity.invite, Offer(organisation=id_, roles=frozenset({"caller"})), by=dean)
        for id_ in (town.city, town.city[:-3] + "zzz")
    ]
    same(*errors, ids=(town.city, town.city[:-3] + "zzz"))


def test_questions_restricted_to_an_organisation_know_nothing_of_others(town):
    project = town.do(identity.add_project, key="p", organisation=town.city, name="p").id
    key = town.key("operator").id
    for question, id_ in (
        (identity.project, project),
        (identity.member, town.people["operator"]),
        (identity.key, key),
    ):
        assert town.see(question, id_).id == id_
        assert town.see(question, id_, organisation=town.city).id == id_
        missing = id_[:-3] + "zzz"
        errors = []
        for asked in (id_, missing):
            with pytest.raises(YunheError) as error:
                town.see(question, asked, organisation=town.university)
            errors.append(error.value)
        same(*errors, ids=(id_, missing))


def test_who_is_no_administrator_manages_nobody(town):
    li = town.actor("li")
    others = town.people["dean"]
    for command, params in (
        (identity.add_member, {"key": "k", "organisation": town.university, "name": "n"}),
        (identity.add_project, {"key": "k", "organisation": town.university, "name": "n"}),
        (identity.add_service_account, {"key": "k", "organisation": town.university, "name": "n"}),
        (identity.add_organisation, {"key": "k", "name": "n", "kind": "sme"}),
        (identity.grant_role, {"member": others, "role": "buyer"}),
        (identity.revoke_role, {"member": others, "role": "administrator"}),
        (identity.end_member, {"member": others}),
        (identity.issue_key, {"member": others, "expires_at_us": None}),
        (identity.revoke_key, {"key": town.key("dean").id}),
        (
            identity.invite,
            {"offer": Offer(organisation=town.university, roles=frozenset({"caller"}))},
        ),
    ):
        assert town.code(command, **params, by=li) == "identity.role_missing", command.__name__


def test_a_key_without_the_scope_manages_nothing_whoever_holds_it(town):
    reader = town.actor("dean", scopes=("identity:read", "ask"))
    others = town.people["li"]
    for command, params in (
        (identity.add_member, {"key": "k", "organisation": town.university, "name": "n"}),
        (identity.grant_role, {"member": others, "role": "buyer"}),
        (identity.revoke_role, {"member": town.people["dean"], "role": "administrator"}),
        (identity.end_member, {"member": town.people["dean"]}),
        (identity.issue_key, {"member": town.people["dean"], "expires_at_us": None}),
        (identity.revoke_key, {"key": reader.key}),
        (identity.end_sessions, {}),
    ):
        error = town.refusal(command, **params, by=reader)
        assert (error.code, error.params["scope"]) == ("identity.scope_missing", "identity:write")


def test_nobody_grants_a_role_to_oneself_but_may_give_one_up(town):
    dean = town.actor("dean")
    code = town.code(identity.grant_role, member=town.people["dean"], role="buyer", by=dean)
    assert code == "identity.own_role"
    li = town.actor("li")
    town.do(identity.revoke_role, member=town.people["li"], role="trainer", by=li)
    assert town.see(identity.roles_of, town.people["li"]) == {"caller"}


def test_only_an_operator_makes_or_unmakes_an_operator(town):
    town.add("clerk", town.city, "administrator")
    second = town.add("second", town.city)
    clerk, operator = town.actor("clerk"), town.actor("operator")
    for command, member in (
        (identity.grant_role, second),
        (identity.revoke_role, town.people["operator"]),
    ):
        assert town.code(command, member=member, role="operator", by=clerk) == (
            "identity.role_missing"
        )
    offer = Offer(organisation=town.city, roles=frozenset({"operator"}))
    assert town.code(identity.invite, offer, by=clerk) == "identity.role_missing"
    town.do(identity.grant_role, member=second, role="operator", by=operator)


def test_a_regulator_reads_everywhere_and_changes_only_its_own():
    regulator = Principal("m", "office", frozenset(), kind="regulator")
    operator = Principal("m", "city", frozenset(), kind="operator")
    shop = Principal("m", "shop", frozenset(), kind="sme")
    assert [p.programme for p in (regulator, operator, shop)] == [True, True, False]
    for who, write, expected in (
        (regulator, False, True),
        (regulator, True, False),
        (operator, True, True),
        (shop, False, False),
    ):
        assert who.reaches("other", write=write) == expected
        assert who.reaches(who.organisation, write=write)


def test_a_member_who_ended_gets_no_role_and_no_key(town):
    li = town.people["li"]
    town.do(identity.end_member, member=li)
    town.do(identity.end_member, member=li)
    assert town.code(identity.grant_role, member=li, role="buyer") == "identity.member_ended"
    assert town.code(identity.issue_key, member=li, expires_at_us=None) == "identity.member_ended"
    assert town.code(identity.set_contact, li, "li@example.org") == "identity.member_ended"
    with pytest.raises(Conflict):
        town.do(identity.add_member, key="li", organisation=town.university, name="Name li")


def test_one_key_never_means_a_person_and_a_program(town):
    person = town.do(identity.add_member, key="x", organisation=town.city, name="x")
    program = town.do(identity.add_service_account, key="x", organisation=town.city, name="x")
    assert person.id != program.id
    assert (person.service, program.service) == (False, True)
    again = town.do(identity.add_service_account, key="x", organisation=town.city, name="x")
    assert again == program


def test_an_address_is_kept_with_the_member_and_shown_by_no_representation(town):
    li = town.do(identity.set_contact, town.people["li"], "li@example.org")
    assert li.contact == "li@example.org"
    assert "example.org" not in repr(li)
    assert town.do(identity.set_contact, li.id, "").contact == ""
    for wrong in (
        "no-sign",
        "half@",
        "a b@c",
        "a@b\r\nBcc: c@d",
        "a@b,c@d",
        "<a@b>",
        "a@" + "b" * 260,
    ):
        error = town.refusal(identity.set_contact, li.id, wrong)
        assert error.code == "identity.invalid"
        assert wrong not in error.message("en")


def test_lists_come_in_pages_and_only_of_the_organisation_asked_for(town):
    wanted = sorted(
        [town.people["dean"], town.people["li"]]
        + [town.add(f"m{i}", town.university) for i in range(5)]
    )
    seen, after = [], ""
    while page := town.see(identity.members, organisation=town.university, after=after, limit=2):
        assert len(page) <= 2
        seen += [member.id for member in page]
        after = page[-1].id
    assert seen == wanted
    assert len(town.see(identity.members)) == len(wanted) + 1
    assert {o.id for o in town.see(identity.organisations)} == {town.city, town.university}
    assert len(town.see(identity.organisations, limit=1)) == 1
    projects = {
        town.do(identity.add_project, key=str(i), organisation=town.city, name="p").id
        for i in range(3)
    }
    assert {p.id for p in town.see(identity.projects, organisation=town.city)} == projects
    assert town.see(identity.projects, organisation=town.university) == []
    keys = [town.key("li").id for _ in range(3)] + [town.key("dean").id]
    assert {k.id for k in town.see(identity.keys, organisation=town.university)} == set(keys)
    assert {k.id for k in town.see(identity.keys, member=town.people["dean"])} == {keys[3]}
    assert town.see(identity.keys, organisation=town.city) == []


def test_a_role_in_a_project_holds_there_and_nowhere_else(town):
    one, two = (
        town.do(identity.add_project, key=key, organisation=town.university, name=key).id
        for key in ("one", "two")
    )
    wang = town.add("wang", town.university)
    town.do(identity.grant_role, member=wang, role="buyer", project=one)
    with town.storage.database.read() as tx:
        identity.require(tx, wang, "buyer", project=one)
        for project in ("", two):
            with pytest.raises(YunheError):
                identity.require(tx, wang, "buyer", project=project)
        identity.require(tx, town.people["li"], "trainer", project=two)
        assert [m.id for m in identity.members_with_role(tx, "buyer", project=one)] == [wang]
        assert identity.members_with_role(tx, "buyer") == []
        assert identity.members_with_role(tx, "caller", organisation=town.city) == []
    for role in ("administrator", "operator"):
        assert town.code(identity.grant_role, member=wang, role=role, project=one) == (
            "identity.invalid"
        )
    town.do(identity.revoke_role, member=wang, role="buyer", project=one)
    assert town.see(identity.roles_held, wang) == []
