"""Who may know of a model version and what hangs on it, and who acts for a whole organisation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from api_seeds import Place
from api_seeds_judged import SEEDS, model_of

from yunhe.api import judged, standing
from yunhe.api.access import row
from yunhe.api.call import Call
from yunhe.api.requests import Facts
from yunhe.identity.domain import Principal
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.models import service as models

UNKNOWN = "x_" + "0" * 26
REVIEWING = ("evaluator", "release_owner")
ROW = row("models:read", "trainer", *REVIEWING, beyond=("auditor",))


def call(principal: Principal, *, of=ROW, method: str = "GET") -> Call:
    facts = Facts("req_1", method, "/", "en", {}, "", False, "", "none")
    nothing: Any = SimpleNamespace()
    return Call(nothing, facts, of, principal)


def somebody(organisation: str, *roles: str, project: str = "", kind: str = "university", **more):
    return Principal("mem_1", organisation, frozenset(roles), kind, project=project, **more)


@pytest.fixture
def place(desk):
    found = desk.organisation("uni")
    return Place(found, desk.member(found, "administrator").id)


@pytest.fixture
def other(desk):
    found = desk.organisation("other")
    return Place(found, desk.member(found, "administrator").id)


@pytest.fixture
def guest(desk, place):
    """An organisation that was asked to review the version."""
    found = desk.organisation("guest", "evaluator")
    version = model_of(desk, place)
    with desk.storage.database.begin() as tx:
        models.ask_review(tx, version=version.id, organisation=found, at_us=desk.now_us())
    return found


def found(desk, look, who: Call, version: str) -> bool:
    """Whether the version is there for this caller; if not, it is as unknown as any other."""
    codes = []
    with desk.storage.database.read() as tx:
        try:
            return look(tx, who, version).id == version
        except NotFound as error:
            codes.append(error.code)
    assert codes == ["models.version_unknown"]
    return False


def knows(desk, who: Call, version: str) -> bool:
    return found(desk, judged.model, who, version)


def owns(desk, who: Call, version: str) -> bool:
    return found(desk, judged.owned, who, version)


@pytest.mark.parametrize(
    ("roles", "project", "kind", "mine", "reached"),
    [
        (("trainer",), "", "university", True, True),
        (("evaluator",), "", "university", True, True),
        (("buyer",), "", "university", True, False),
        ((), "", "university", True, False),
        (("trainer",), "project_1", "university", True, False),  # the version is of no project
        (("trainer",), "", "university", False, False),
        (("auditor",), "", "university", False, False),  # looks beyond only in a programme's
        (("auditor",), "", "regulator", False, True),
        (("auditor",), "", "operator", False, True),
        (("trainer",), "", "operator", False, False),
        (("auditor",), "project_1", "regulator", False, False),
    ],
)
def test_a_version_is_known_to_its_owner_and_to_who_looks_beyond(
    desk, place, roles, project, kind, mine, reached
):
    version = model_of(desk, place)
    organisation = place.organisation if mine else "org_elsewhere"
    who = call(somebody(organisation, *roles, project=project, kind=kind))
    assert knows(desk, who, version.id) is reached
    assert owns(desk, who, version.id) is reached
    assert not knows(desk, who, UNKNOWN)


@pytest.mark.parametrize(
    ("roles", "project", "reviews"),
    [
        (("evaluator",), "", True),
        (("release_owner", "buyer"), "", True),
        (("buyer",), "", False),
        ((), "", False),
        (("evaluator",), "project_1", False),  # a review is the organisation's, not a project's
    ],
)
def test_reviewers_know_of_a_version_in_a_fitting_role_and_never_own_it(
    desk, place, guest, roles, project, reviews
):
    version = model_of(desk, place)
    who = call(somebody(guest, *roles, project=project, kind="evaluator"))
    assert knows(desk, who, version.id) is reviews
    assert not owns(desk, who, version.id)
    with desk.storage.database.begin() as tx:
        models.end_review(tx, version=version.id, organisation=guest)
    assert not knows(desk, who, version.id)


def test_a_role_in_one_project_makes_no_reviewer(desk, place, guest):
    held = {"project_1": frozenset({"evaluator"})}
    who = call(somebody(guest, kind="evaluator", project_roles=held))
    assert not knows(desk, who, model_of(desk, place).id)


def test_where_every_member_may_every_member_of_a_reviewer_may(desk, place, guest):
    everybody = row("models:read")
    version = model_of(desk, place)
    assert knows(desk, call(somebody(guest), of=everybody), version.id)
    assert not knows(desk, call(somebody(guest, project="project_1"), of=everybody), version.id)
    assert not knows(desk, call(somebody("org_elsewhere"), of=everybody), version.id)


@pytest.mark.parametrize(
    ("kind", "look", "code"),
    [
        ("evaluation", judged.examined, "evaluation.unknown"),
        ("risk", judged.graded, "governance.risk_unknown"),
    ],
)
def test_what_hangs_on_a_version_is_known_with_it_and_under_its_own_name(
    desk, place, other, kind, look, code
):
    """A stranger is told the very error of an id that nobody has."""
    version, elsewhere = model_of(desk, place), model_of(desk, other)
    hanging = SEEDS[kind](desk, place)
    owner = call(somebody(place.organisation, "trainer"))
    stranger = call(somebody(other.organisation, "trainer"))
    with desk.storage.database.read() as tx:
        for of in ("", version.id):
            found, about = look(tx, owner, hanging, of=of)
            assert (found.id, about.id) == (hanging, version.id)
        told = []
        for who, asked, of in (
            (owner, hanging, elsewhere.id),  # of another version than it is
            (owner, hanging, UNKNOWN),
            (stranger, hanging, ""),
            (stranger, hanging, version.id),
            (stranger, hanging, elsewhere.id),
            (owner, UNKNOWN, ""),
        ):
            with pytest.raises(NotFound) as refused:
                look(tx, who, asked, of=of)
            told.append((refused.value.code, *refused.value.params))
    assert {each[0] for each in told} == {code}
    assert len(set(told)) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("roles", "held", "project", "all_of_it"),
    [
        (("trainer",), {}, "", True),
        (("buyer",), {}, "", False),
        ((), {"project_1": frozenset({"trainer"})}, "", False),
        (("buyer",), {"project_1": frozenset({"trainer"})}, "", False),
        (("trainer",), {}, "project_1", False),
        ((), {"project_1": frozenset({"trainer"})}, "project_1", False),
    ],
)
def test_only_a_role_and_a_key_for_the_whole_organisation_act_for_it(
    method, roles, held, project, all_of_it
):
    who = call(somebody("org_1", *roles, project=project, project_roles=held), method=method)
    assert standing.whole(who) is all_of_it
    if all_of_it:
        standing.require_whole(who)
        return
    with pytest.raises(NotAllowed) as refused:
        standing.require_whole(who)
    assert refused.value.code == "api.role_missing"
    assert refused.value.params == {"roles": "evaluator, release_owner, trainer"}
