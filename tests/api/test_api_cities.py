"""Cities by HTTP: the operator adds, weighs and removes them and says who belongs to which."""

from __future__ import annotations

import pytest


@pytest.fixture
def people(desk):
    """An operator's key, a tenant's key, and the tenant's organisation."""
    chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
    lake = desk.organisation("lake")
    return chief, desk.key(desk.member(lake, "trainer")), lake


def test_a_city_is_added_weighed_given_an_organisation_and_removed(desk, people):
    chief, trainer, lake = people
    [own] = desk.ask("GET", "/v1/cities", chief).json()["items"]
    assert (own["city"], own["own"], own["weight"], own["organisations"]) == ("local", True, 1, 2)
    put = desk.ask("PUT", "/v1/cities/CN-11", chief, json={"name": "北京"})
    assert (put.status_code, put.json()["name"], put.json()["own"]) == (200, "北京", False)
    weight = {"city": "CN-11", "weight": 3}
    assert desk.ask("PUT", "/v1/weights", chief, json=weight).json()["kind"] == ""
    path = f"/v1/organisations/{lake}/city"
    moved = desk.ask("PUT", path, chief, json={"city": "CN-11"})
    assert (moved.status_code, moved.json()["city"]) == (200, "CN-11")
    assert desk.ask("GET", "/v1/me", trainer).json()["organisation"]["city"] == "CN-11"
    listed = desk.ask("GET", "/v1/cities", chief).json()["items"]
    assert [(one["city"], one["weight"], one["organisations"]) for one in listed] == [
        ("CN-11", 3, 1),
        ("local", 1, 1),
    ]
    refused = desk.ask("DELETE", "/v1/cities/CN-11", chief)
    assert (refused.status_code, refused.json()["code"]) == (409, "identity.city_in_use")
    assert desk.ask("PUT", path, chief, json={"city": None}).json()["city"] == "local"
    assert desk.ask("DELETE", "/v1/cities/CN-11", chief).status_code == 204
    assert desk.ask("DELETE", "/v1/cities/CN-11", chief).json()["code"] == "identity.city_unknown"
    assert desk.ask("GET", "/v1/weights", chief).json()["items"] == []


def test_an_organisation_is_added_to_a_city_that_is_known(desk, people):
    chief, _, _ = people
    new = {"name": "Sea", "kind": "sme", "city": "CN-12"}
    refused = desk.ask("POST", "/v1/organisations", chief, json=new)
    assert (refused.status_code, refused.json()["code"]) == (404, "identity.city_unknown")
    desk.ask("PUT", "/v1/cities/CN-12", chief, json={})
    made = desk.ask("POST", "/v1/organisations", chief, json=new)
    assert (made.status_code, made.json()["city"]) == (201, "CN-12")


def test_a_tenant_neither_reads_nor_changes_cities(desk, people):
    _, trainer, lake = people
    assert desk.ask("GET", "/v1/cities", trainer).status_code == 403
    assert desk.ask("PUT", "/v1/cities/CN-11", trainer, json={}).status_code == 403
    sent = {"city": "CN-11"}
    path = f"/v1/organisations/{lake}/city"
    assert desk.ask("PUT", path, trainer, json=sent).status_code == 403


def test_a_code_that_is_none_is_refused_at_the_door(desk, people):
    chief, _, lake = people
    assert desk.ask("PUT", "/v1/cities/-x", chief, json={}).status_code == 422
    path = f"/v1/organisations/{lake}/city"
    assert desk.ask("PUT", path, chief, json={"city": "a b"}).status_code == 422
