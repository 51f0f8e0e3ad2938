"""Inference services by HTTP: created, told of their load, changed, stopped, and nobody else's."""

from __future__ import annotations

import pytest
from api_seeds import Place
from api_seeds_supply import pool

from yunhe.api import document
from yunhe.client.wire.services import NewService
from yunhe.kernel.clock import SECOND_US, iso

BODY = document.example(NewService) | {"policy": {"floor": 1, "ceiling": 3, "load_milli": 1_000}}


@pytest.fixture
def lake(desk):
    """A tenant with a pool of its own, and its trainer's key."""
    organisation = desk.organisation("lake")
    member = desk.member(organisation, "trainer")
    pool(desk, Place(organisation, member))
    return desk.key(member)


def make(desk, key, word="one", **over):
    head = {"idempotency-key": word}
    return desk.ask("POST", "/v1/services", key, json=BODY | over, headers=head)


def load(desk, **over):
    now_us = desk.now_us()
    said = {"id": "r1", "requests": 30, "until": iso(now_us)}
    return said | {"since": iso(now_us - 10 * SECOND_US)} | over


def test_a_service_is_created_told_of_its_load_changed_and_stopped(desk, lake):
    made = make(desk, lake)
    assert made.status_code == 201, made.text
    found = made.json()
    assert (found["state"], found["wanted"], len(found["replicas"])) == ("open", 1, 1)
    assert make(desk, lake).json()["id"] == found["id"]
    path = f"/v1/services/{found['id']}"
    for taken in ("counted", "known"):
        answer = desk.ask("POST", f"{path}/load", lake, json=load(desk))
        assert answer.json() == {"id": "r1", "taken": taken}
    changed = desk.ask("POST", f"{path}/change", lake, json={"ceiling": 2}).json()
    assert (changed["policy"]["ceiling"], changed["wanted"], changed["needed"]) == (2, 2, 3)
    # There is no award, so nothing is placed; the service says what it waits for, not its ceiling.
    assert {each["state"] for each in changed["replicas"]} == {"waiting"}
    assert (changed["running"], changed["serving"]) == (0, 0)
    stopped = desk.ask("POST", f"{path}/stop", lake).json()
    assert (stopped["state"], stopped["wanted"]) == ("stopped", 0)
    listed = desk.ask("GET", "/v1/services", lake).json()["items"]
    assert [each["id"] for each in listed] == [found["id"]]


def test_what_is_wrong_is_told_with_its_field(desk, lake):
    wrong = make(desk, lake, policy={"floor": 3, "ceiling": 2})
    assert wrong.status_code == 422
    assert {each["where"] for each in wrong.json()["findings"]} == {"ceiling", "latency_ms"}
    path = f"/v1/services/{make(desk, lake).json()['id']}/load"
    for over, field in (({"since": "yesterday"}, "since"), ({"requests": -1}, "body.requests"),
                        ({"until": iso(desk.now_us() + 99 * SECOND_US)}, "until")):  # fmt: skip
        answer = desk.ask("POST", path, lake, json=load(desk, **over))
        assert answer.status_code == 422, answer.text
        assert field in {each["where"] for each in answer.json()["findings"]}


def test_a_service_is_nobody_elses(desk, lake):
    path = f"/v1/services/{make(desk, lake).json()['id']}"
    other = desk.key(desk.member(desk.organisation("hill"), "trainer"))
    assert desk.ask("GET", "/v1/services", other).json()["items"] == []
    tries = (
        ("GET", "", None),
        ("POST", "/stop", None),
        ("POST", "/change", {"floor": 0}),
        ("POST", "/load", load(desk)),
    )
    for method, way, body in tries:
        answer = desk.ask(method, path + way, other, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "compute.service_unknown")
