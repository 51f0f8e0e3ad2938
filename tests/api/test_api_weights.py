"""What the operator says parts of the fair share weigh: by HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture
def people(desk):
    """An operator's key, a tenant's key, and the tenant's organisation."""
    chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
    lake = desk.organisation("lake")
    return chief, desk.key(desk.member(lake, "trainer")), lake


def test_an_operator_says_weights_and_reads_them_page_by_page(desk, people):
    chief, _, _ = people
    for kind, weight in (("sme", 3), ("university", 2), ("sme", 4)):
        answer = desk.ask("PUT", "/v1/weights", chief, json={"kind": kind, "weight": weight})
        assert answer.status_code == 200, answer.text
        assert answer.json()["weight"] == weight
    first = desk.ask("GET", "/v1/weights", chief, params={"limit": 1}).json()
    assert [(one["kind"], one["weight"]) for one in first["items"]] == [("sme", 4)]
    query = {"limit": 1, "after": first["next"]}
    second = desk.ask("GET", "/v1/weights", chief, params=query).json()
    assert [(one["kind"], one["weight"]) for one in second["items"]] == [("university", 2)]
    assert second["next"] is None


def test_what_is_no_weight_is_refused_with_every_finding(desk, people):
    chief, _, lake = people
    sent = {"kind": "planet", "organisation": "", "project": "p", "weight": 0}
    answer = desk.ask("PUT", "/v1/weights", chief, json=sent)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "compute.weight_invalid"
    assert {one["where"] for one in answer.json()["findings"]} == {"weight", "kind", "project"}
    sent = {"kind": "provider", "organisation": lake, "weight": 2}
    assert desk.ask("PUT", "/v1/weights", chief, json=sent).status_code == 422
    assert desk.ask("GET", "/v1/weights", chief).json()["items"] == []


def test_a_tenant_neither_says_nor_reads_weights(desk, people):
    _, trainer, lake = people
    sent = {"kind": "sme", "organisation": lake, "weight": 9}
    assert desk.ask("PUT", "/v1/weights", trainer, json=sent).status_code == 403
    assert desk.ask("GET", "/v1/weights", trainer).status_code == 403
