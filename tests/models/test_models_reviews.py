"""Reviewers of a version, pages of versions and deployments, and whose a route is."""

from __future__ import annotations

import pytest
from released_model import ROUTE

from yunhe.kernel.errors import Conflict, NotFound
from yunhe.models import service as models


@pytest.fixture
def other(bench):
    """A second organisation's released version, trained on the same records."""
    organisation, *_ = bench.caller("other")
    version = models.register(
        bench.storage, **bench.registration(key="v2", owner=organisation), project="project_x"
    )
    bench.approve(version, "2")
    return version


def _page(bench, **asked):
    with bench.storage.database.read() as tx:
        return [each.id for each in models.versions_page(tx, **{"limit": 10, **asked})]


def test_a_route_at_which_a_model_of_another_owner_answers_is_not_taken(bench):
    mine = bench.deploy()
    organisation, *_ = bench.caller("other")
    theirs = models.register(bench.storage, **bench.registration(key="v2", owner=organisation))
    bench.approve(theirs, "2")
    with pytest.raises(Conflict) as refused:
        models.deploy(bench.storage, key="theirs", version=theirs.id, route=ROUTE)
    assert refused.value.code == "models.route_taken"
    with bench.storage.database.read() as tx:
        assert models.routes(tx)[ROUTE].deployment.id == mine.id
        assert [d.id for d in models.deployments(tx)] == [mine.id]
    made = models.deploy(bench.storage, key="theirs", version=theirs.id, route="another")
    again = models.deploy(bench.storage, key="again", version=mine.version, route=ROUTE)
    with bench.storage.database.read() as tx:
        own = models.deployments_page(tx, owner=bench.organisation, limit=10)
        assert [each.deployment.id for each in own] == [mine.id, again.id]
        strange = models.deployments_page(tx, owner=organisation, limit=10)
        assert [each.deployment.id for each in strange] == [made.id]
        place = (mine.at_us, min(mine.id, again.id, made.id))
        rest = models.deployments_page(tx, owner=None, after=place, limit=2)
        assert len(rest) == 2


def test_versions_are_listed_to_owner_and_reviewers_and_no_longer_once_the_review_ended(bench):
    version = bench.register()
    assert _page(bench, organisation=bench.organisation) == [version.id]
    assert _page(bench, organisation="org_guest") == []
    with bench.storage.database.begin() as tx:
        first = models.ask_review(tx, version=version.id, organisation="org_guest", at_us=1)
        again = models.ask_review(tx, version=version.id, organisation="org_guest", at_us=2)
        assert first == again
        assert models.is_reviewer(tx, version.id, organisation="org_guest")
    assert _page(bench, organisation="org_guest") == [version.id]
    assert _page(bench, organisation="org_guest", project="project_x") == []
    with bench.storage.database.begin() as tx:
        for _ in range(2):
            models.end_review(tx, version=version.id, organisation="org_guest")
    assert _page(bench, organisation="org_guest") == []


def test_a_key_of_one_project_is_shown_that_projects_versions_only(bench, other):
    plain = bench.register()
    assert _page(bench, organisation=other.owner, project="project_x") == [other.id]
    assert _page(bench, organisation=other.owner, project="project_y") == []
    assert _page(bench, organisation=plain.owner, project="project_x") == []
    assert set(_page(bench, organisation=None)) == {plain.id, other.id}
    [first] = _page(bench, organisation=None, limit=1)
    with bench.storage.database.read() as tx:
        place = (models.version(tx, first).at_us, first)
    [second] = _page(bench, organisation=None, after=place)
    assert {first, second} == {plain.id, other.id}


@pytest.fixture(autouse=True)
def trained(bench):
    """Every registration here rests on one training."""
    bench.trained()


def test_nobody_is_asked_about_a_version_that_is_not_there(bench):
    with bench.storage.database.begin() as tx, pytest.raises(NotFound):
        models.ask_review(tx, version="model_none", organisation="org_guest", at_us=1)
    with bench.storage.database.read() as tx, pytest.raises(NotFound) as refused:
        models.deployment(tx, "dep_none")
    assert refused.value.code == "models.deployment_unknown"
