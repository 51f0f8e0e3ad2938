"""Model versions over HTTP: reviewers come and go, pages go on, a receipt is judged."""

from __future__ import annotations

import pytest
from api_seeds import Place
from api_seeds_judged import SEEDS, model_of


@pytest.fixture
def owner(desk):
    """A university with a model: its administrator's key and the version."""
    place = desk.organisation("uni")
    dean = desk.member(place, "administrator")
    return desk.key(dean), model_of(desk, Place(place, dean.id))


@pytest.fixture
def guest(desk):
    """Another organisation and keys of its members by role."""
    place = desk.organisation("guest", "evaluator")
    roles = ("evaluator", "risk_officer", "release_owner", "trainer")
    return place, {role: desk.key(desk.member(place, role)) for role in roles}


def test_a_reviewer_sees_a_version_from_when_it_is_asked_until_it_is_asked_no_more(
    desk, owner, guest
):
    key, version = owner
    place, keys = guest
    path, review = f"/v1/models/{version.id}", f"/v1/models/{version.id}/reviewers/{place}"
    sees = lambda: desk.ask("GET", path, keys["evaluator"]).status_code  # noqa: E731
    assert sees() == 404
    assert desk.ask("PUT", review, keys["release_owner"]).status_code == 404
    asked = desk.ask("PUT", review, key)
    assert asked.status_code == 200
    assert asked.json()["organisation"] == place
    assert desk.ask("PUT", review, key).json() == asked.json()
    assert sees() == 200
    listed = desk.ask("GET", "/v1/models", keys["evaluator"]).json()["items"]
    assert [each["id"] for each in listed] == [version.id]
    # Whom else the owner asked, and the weights, stay the owner's business.
    assert desk.ask("GET", f"{path}/reviewers", keys["release_owner"]).status_code == 404
    assert desk.ask("GET", f"{path}/files/model", keys["release_owner"]).status_code == 404
    assert desk.ask("GET", f"{path}/files/card", keys["evaluator"]).content.startswith(b"c of")
    assert desk.ask("DELETE", review, keys["release_owner"]).status_code == 404
    for _ in range(2):
        ended = desk.ask("DELETE", review, key)
        assert (ended.status_code, ended.content) == (204, b"")
    assert sees() == 404
    assert desk.ask("GET", f"{path}/reviewers", key).json() == {"items": [], "next": None}


def test_a_key_of_one_project_is_shown_neither_other_versions_nor_reviews(desk, owner, guest):
    key, version = owner
    place, _ = guest
    desk.ask("PUT", f"/v1/models/{version.id}/reviewers/{place}", key)
    project = desk.project(place, "p")
    bound = desk.key(desk.member(place, "evaluator"), project=project)
    assert desk.ask("GET", "/v1/models", bound).json()["items"] == []
    assert desk.ask("GET", f"/v1/models/{version.id}", bound).status_code == 404
    assert desk.ask("GET", "/v1/splits", bound).json()["items"] == []
    assert desk.ask("GET", "/v1/deployments", bound).json()["items"] == []


def test_a_reviewers_risk_officer_grades_and_the_same_key_grades_once(desk, owner, guest):
    key, version = owner
    place, keys = guest
    body = {"model": version.id, "facts": {"generative": False}}
    refused = desk.ask("POST", "/v1/risks", keys["risk_officer"], json=body)
    assert (refused.status_code, refused.json()["code"]) == (404, "models.version_unknown")
    desk.ask("PUT", f"/v1/models/{version.id}/reviewers/{place}", key)
    headers = {"idempotency-key": "once"}
    first = desk.ask("POST", "/v1/risks", keys["risk_officer"], json=body, headers=headers)
    again = desk.ask("POST", "/v1/risks", keys["risk_officer"], json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    other = {**body, "facts": {}}
    differs = desk.ask("POST", "/v1/risks", keys["risk_officer"], json=other, headers=headers)
    assert differs.status_code == 409
    second = desk.ask("POST", "/v1/risks", keys["risk_officer"], json=other).json()
    path = f"/v1/models/{version.id}/risks?limit=1"
    page = desk.ask("GET", path, key).json()
    rest = desk.ask("GET", f"{path}&after={page['next']}", key).json()
    found = [each["id"] for each in (*page["items"], *rest["items"])]
    assert sorted(found) == sorted([first.json()["id"], second["id"]])
    assert rest["next"] is None


def test_measures_are_given_out_in_pages_and_in_the_readers_language(desk, owner):
    key, version = owner
    risk = SEEDS["risk"](desk, Place(version.owner, "mem_x"))
    path, after, names = f"/v1/risks/{risk}/measures?limit=3", "", []
    while True:
        page = desk.ask("GET", path + after, key, headers={"accept-language": "zh"}).json()
        names += [each["measure"]["id"] for each in page["items"]]
        assert all(any("一" <= c <= "鿿" for c in e["measure"]["text"]) for e in page["items"])
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    whole = desk.ask("GET", f"/v1/risks/{risk}", key).json()["grading"]["measures"]
    assert names == sorted(each["id"] for each in whole)


def test_an_approval_that_ends_beyond_what_records_can_hold_is_refused_as_a_field(desk, guest):
    _, keys = guest
    for moment in ("9999-12-31T00:00:00Z", "1960-01-01T00:00:00Z", "2027-01-01T00:00:00", "soon"):
        body = {
            "model": "model_x",
            "evaluation": "evaluation_x",
            "risk": "risk_x",
            "role": "risk_officer",
            "expires_at": moment,
        }
        answer = desk.ask("POST", "/v1/approvals", keys["risk_officer"], json=body)
        assert answer.status_code == 422, moment
        assert [each["where"] for each in answer.json()["findings"]] == ["body.expires_at"]


@pytest.mark.parametrize("text", ["{}", "no JSON", "[" * 50_000, '{"format":"yunhe.receipt/1"}'])
def test_what_is_no_receipt_is_judged_and_never_an_error(desk, text):
    answer = desk.ask("POST", "/v1/verify", json={"receipt": text})
    assert answer.status_code == 200
    verdict = answer.json()
    assert (verdict["ok"], verdict["links"]) == (False, [])
    assert verdict["seal"]["reason"] in ("malformed", "not_canonical")
    assert verdict["seal"]["message"]


def test_a_receipt_longer_than_is_taken_is_refused(desk):
    answer = desk.ask("POST", "/v1/verify", json={"receipt": "x" * 900_001})
    assert answer.status_code == 422
    assert answer.json()["findings"][0]["code"] == "api.field_too_long"
