"""By which policy the scheduler decides: by HTTP."""

from __future__ import annotations

import pytest


@pytest.fixture
def people(desk):
    """An operator's key, and a tenant's."""
    chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
    return chief, desk.key(desk.member(desk.organisation("lake"), "trainer"))


def test_an_operator_chooses_a_policy_and_everybody_may_know_it(desk, people):
    chief, trainer = people
    before = desk.ask("GET", "/v1/policy", trainer).json()
    assert (before["policy"], before["reference"]) == ("yunhe", "")
    said = desk.ask("PUT", "/v1/policy", chief, json={"policy": "steady"})
    assert said.status_code == 200, said.text
    assert said.json()["reference"]
    after = desk.ask("GET", "/v1/policy", trainer).json()
    assert after == said.json()
    assert {"yunhe", "steady", "nimble", "even"} <= set(after["known"])


def test_an_unknown_policy_is_refused_with_the_names_and_changes_nothing(desk, people):
    chief, _ = people
    known = desk.ask("GET", "/v1/policy", chief).json()["known"]
    for name in ("rosy", "", "matched"):
        answer = desk.ask("PUT", "/v1/policy", chief, json={"policy": name})
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] == "compute.policy_unknown"
        assert all(one in answer.json()["message"] for one in known)
    assert desk.ask("GET", "/v1/policy", chief).json()["policy"] == "yunhe"


def test_a_tenant_chooses_nothing(desk, people):
    chief, trainer = people
    assert desk.ask("PUT", "/v1/policy", trainer, json={"policy": "fifo"}).status_code == 403
    assert desk.ask("GET", "/v1/policy", chief).json()["policy"] == "yunhe"
