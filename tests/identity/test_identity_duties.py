"""Separation of duties: no way of granting roles puts two in one hand that must stay apart."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from yunhe.identity import duties
from yunhe.identity import service as identity
from yunhe.identity import store as rows
from yunhe.identity.domain import KINDS, ROLES, WHOLE_ROLES
from yunhe.kernel.errors import NotAllowed, YunheError
from yunhe.kernel.language import LANGUAGES, text

ROOT = Path(__file__).parents[2]
APART = [rule for rule in duties.rules() if rule.kind == "apart"]


def forbidden(held: set[str]) -> bool:
    """The plain reading of the file, beside the engine's."""
    said = yaml.safe_load((ROOT / "src/yunhe/identity/rules/duties.yaml").read_text("utf-8"))
    return any(
        {a, b} <= held for rule in said["apart"] for a in rule["roles"] for b in rule["from"]
    )


def test_every_rule_says_why_in_both_languages_and_what_it_rests_on():
    for rule in identity.duty_rules():
        for language in LANGUAGES:
            said = text(rule.reason, language, roles="trainer, evaluator")
            assert "trainer, evaluator" in said
            assert not said.startswith("identity.")
        assert rule.source.instrument
        assert rule.source.verified == (rule.source.certainty == "design")


def test_the_engine_agrees_with_the_plain_reading_on_every_set_of_three_roles():
    for size in (1, 2, 3):
        for held in combinations(ROLES, size):
            assert bool([b for b in duties.breaches(held) if b.rule.kind == "apart"]) == forbidden(
                set(held)
            )


def test_the_roles_of_the_example_plans_break_no_rule():
    for name in ("hotline", "reviews"):
        plan = yaml.safe_load((ROOT / "examples" / name / "plan.yaml").read_text("utf-8"))
        for member in plan["members"].values():
            kind = plan["organisations"][member["organisation"]]["kind"]
            held = member["roles"]
            assert not duties.breaches(held, member_kind="person", organisation_kind=kind)


@pytest.mark.parametrize("rule", APART, ids=lambda rule: rule.id)
def test_a_second_role_that_must_stay_apart_is_refused_with_rule_and_reason(town, rule):
    first, second = min(rule.roles), min(rule.others)
    member = town.add("wang", town.city, first)
    error = town.refusal(identity.grant_role, member=member, role=second)
    assert (type(error), error.code) == (NotAllowed, "identity.duties_apart")
    assert rule.id in str(error.params["rule"])
    assert rule.reason in {finding.code for finding in error.findings}
    assert rule.id in error.message("zh")
    assert town.see(identity.roles_of, member) == {first}


def test_roles_of_different_projects_count_together(town):
    one, two = (
        town.do(identity.add_project, key=key, organisation=town.university, name=key).id
        for key in ("one", "two")
    )
    member = town.add("wang", town.university)
    town.do(identity.grant_role, member=member, role="trainer", project=one)
    for project in ("", one, two):
        code = town.code(identity.grant_role, member=member, role="evaluator", project=project)
        assert code == "identity.duties_apart"


def test_only_a_person_decides_and_only_an_operators_member_operates(town):
    robot = town.do(identity.add_service_account, key="bot", organisation=town.city, name="bot").id
    for role in ("administrator", "operator", "risk_officer", "release_owner", "auditor"):
        assert town.code(identity.grant_role, member=robot, role=role) == "identity.duties_apart"
    town.do(identity.grant_role, member=robot, role="caller")
    code = town.code(identity.grant_role, member=town.people["li"], role="operator")
    assert code == "identity.duties_apart"


def test_a_role_given_up_makes_room_for_its_opposite(town):
    li = town.people["li"]
    assert town.code(identity.grant_role, member=li, role="evaluator") == "identity.duties_apart"
    town.do(identity.revoke_role, member=li, role="trainer")
    town.do(identity.grant_role, member=li, role="evaluator")
    assert town.see(identity.roles_of, li) == {"caller", "evaluator"}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(KINDS),
    service=st.booleans(),
    steps=st.lists(
        st.tuples(
            st.booleans(), st.sampled_from(ROLES), st.sampled_from(("", "p", "q")), st.booleans()
        ),
        max_size=14,
    ),
)
def test_no_sequence_of_grants_breaks_a_rule(town, kind, service, steps):
    key = repr((kind, service, steps))[:150]
    home = town.do(identity.add_organisation, key=key, name="x", kind=kind).id
    add = identity.add_service_account if service else identity.add_member
    member = town.do(add, key="m", organisation=home, name="m").id
    projects = {"": ""} | {
        name: town.do(identity.add_project, key=name, organisation=home, name=name).id
        for name in ("p", "q")
    }
    by = town.actor("operator")
    for grants, role, project, acted in steps:
        command = identity.grant_role if grants else identity.revoke_role
        params = {"member": member, "role": role, "project": projects[project]}
        try:
            town.do(command, by=by if acted else None, **params)
        except YunheError:
            continue
        held = {(item.role, item.project) for item in town.see(identity.roles_held, member)}
        assert ((role, projects[project]) in held) == grants
    held = {item.role for item in town.see(identity.roles_held, member)}
    assert not forbidden(held)
    assert not duties.breaches(
        held, member_kind="service" if service else "person", organisation_kind=kind
    )
    whole = {item.role for item in town.see(identity.roles_held, member) if item.project}
    assert not whole & WHOLE_ROLES


def test_roles_from_before_a_rule_are_found_and_do_not_stop_other_grants(town):
    assert town.see(identity.duty_breaches) == []
    li = town.people["li"]
    with town.storage.database.begin() as tx:
        rows.add_role(tx, member_id=li, role="evaluator", project="", by="", at_us=0)
    [(member, breach)] = town.see(identity.duty_breaches)
    assert (member, breach.rule.id) == (li, "builder-examiner")
    assert breach.roles == ("trainer", "evaluator")
    town.do(identity.grant_role, member=li, role="buyer")


@pytest.mark.parametrize(
    "change",
    [
        {"apart": [{"id": "x", "roles": ["trainer"], "from": ["emperor"], "reason": "identity.x"}]},
        {"apart": "none"},
        {"extra": 1},
    ],
)
def test_a_rule_file_that_is_wrong_is_refused_whole(change):
    with pytest.raises(ValidationError):
        duties.read(
            yaml.safe_dump({"version": "1", "apart": [], "people_only": [], "places": []} | change)
        )


def test_two_rules_of_one_id_are_refused():
    source = {"instrument": "x", "article": "y", "certainty": "design", "verified": True}
    rule = {"id": "a", "roles": ["trainer"], "reason": "identity.x", "source": source}
    with pytest.raises(ValueError, match="one id"):
        duties.read(
            yaml.safe_dump({"version": "1", "apart": [], "people_only": [rule, rule], "places": []})
        )
