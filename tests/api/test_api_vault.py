"""Secrets by HTTP: put, named, replaced and destroyed; given back by no route."""

from __future__ import annotations

import base64

import pytest

VALUE = "planted-value-0815"


@pytest.fixture
def town(desk):
    class Town:
        home = desk.organisation("home")
        admin_member = desk.member(home, "administrator")
        admin = desk.key(admin_member)
        trainer = desk.key(desk.member(home, "trainer"))
        rival = desk.key(desk.member(desk.organisation("rival"), "administrator"))
        project = desk.project(home, "p")

    return Town


def put(desk, town, name="TOKEN", *, key=None, project="", **body):
    return desk.ask(
        "PUT",
        f"/v1/secrets/{name}",
        key or town.admin,
        params={"project": project},
        json=body or {"value": VALUE},
    )


def test_a_value_goes_in_and_nothing_gives_it_back(desk, town):
    first = put(desk, town)
    assert (first.status_code, first.json()["version"]) == (200, 1)
    assert put(desk, town).json()["version"] == 2
    listed = desk.ask("GET", "/v1/secrets", town.admin)
    assert [each["name"] for each in listed.json()["items"]] == ["TOKEN"]
    gone = desk.ask("DELETE", "/v1/secrets/TOKEN", town.admin)
    assert gone.status_code == 200
    assert VALUE not in first.text + listed.text + gone.text
    missing = desk.ask("DELETE", "/v1/secrets/TOKEN", town.admin)
    assert (missing.status_code, missing.json()["code"]) == (404, "vault.secret_unknown")


def test_the_same_name_is_another_secret_in_a_project_and_in_another_organisation(desk, town):
    put(desk, town)
    assert put(desk, town, project=town.project).json()["version"] == 1
    assert put(desk, town, key=town.rival).json()["version"] == 1
    in_project = desk.ask("GET", "/v1/secrets", town.admin, params={"project": town.project})
    assert [each["project"] for each in in_project.json()["items"]] == [town.project]
    strange = put(desk, town, key=town.rival, project=town.project)
    none = put(desk, town, key=town.rival, project="prj_0")
    assert strange.status_code == none.status_code == 404
    assert strange.json()["code"] == none.json()["code"] == "identity.project_unknown"


def test_only_administrators_come_near(desk, town):
    assert put(desk, town, key=town.trainer).json()["code"] == "api.role_missing"
    assert desk.ask("GET", "/v1/secrets", town.trainer).status_code == 403


def test_bytes_that_are_no_text_come_as_base64_and_faults_never_repeat_the_value(desk, town):
    raw = base64.b64encode(bytes(range(1, 33))).decode()
    assert put(desk, town, value=raw, encoding="base64").status_code == 200
    for body in (
        {"value": "not base64! " + VALUE, "encoding": "base64"},
        {"value": "short"},
        {"value": VALUE, "encoding": VALUE},
        {"value": VALUE * 20_000},
        {"value": {"nested": VALUE}},
    ):
        wrong = put(desk, town, **body)
        assert wrong.status_code == 422, wrong.text
        assert VALUE not in wrong.text
    assert put(desk, town, "bad-name").status_code == 422


def test_a_name_is_found_page_by_page(desk, town):
    names = [f"NAME_{number}" for number in range(5)]
    for name in names:
        put(desk, town, name)
    seen, after = [], None
    for _ in range(10):
        query = {"limit": 2} | ({"after": after} if after else {})
        found = desk.ask("GET", "/v1/secrets", town.admin, params=query).json()
        seen += [each["name"] for each in found["items"]]
        after = found["next"]
        if after is None:
            break
    assert seen == names
