"""A request with many faults is answered with all of them, in either language, by each door."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute

ABSENT = "sha256:" + "1" * 64
SOUND = {
    "command": ["python", "train.py"],
    "chip": "cpu",
    "wall_seconds_max": 60,
    "cpu_seconds_max": 60,
}
WRONG = {
    "kind": "magic",
    "workload_class": "not a word",
    "devices": 100_000,
    "replicas": 0,
    "checkpoint_seconds": 5,
    "priority": "high",
    "sites": ["east-1", "esat-2"],
    "data_site": "esat-1",
    "egress_bytes": -1,
    "deadline": "soon",
    "wall_seconds_max": "an hour",
    "outputs": ["out/*", "../up"],
    "environment": {"LD_PRELOAD": "x", "GOOD": 7},
    "secrets": {"TOKEN": "ABSENT"},
    "inputs": {"data": ABSENT, "bad": "md5:1"},
    "arguments": {"rate": 0.5},
    "colour": "blue",
}
PLACES = {
    "kind",
    "workload_class",
    "devices",
    "replicas",
    "checkpoint_seconds",
    "priority",
    "sites.1",
    "data_site",
    "egress_bytes",
    "deadline",
    "wall_seconds_max",
    "outputs.1",
    "environment.LD_PRELOAD",
    "environment.GOOD",
    "secrets.TOKEN",
    "inputs.data",
    "inputs.bad",
    "arguments.rate",
    "colour",
}


@pytest.fixture
def key(desk):
    compute.register_pool(
        desk.storage,
        key="pool",
        provider=desk.organisation("centre", "provider"),
        site="east-1",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=100,
        currency="CNY",
    )
    return desk.key(desk.member(desk.organisation("lake"), "trainer"))


def told(answer) -> set[str]:
    assert answer.status_code == 422, answer.text
    found = answer.json()["findings"]
    assert len({(each["where"], each["code"]) for each in found}) == len(found)
    return {each["where"].removeprefix("body.") for each in found}


@pytest.mark.parametrize("path", ["/v1/workloads", "/v1/previews"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nineteen_faults_over_all_fields_are_told_in_one_answer(desk, key, path, language):
    answer = desk.ask("POST", path, key, json=SOUND | WRONG, headers={"accept-language": language})
    assert answer.json()["code"] == "compute.spec_invalid"
    assert told(answer) == PLACES
    messages = [each["message"] for each in answer.json()["findings"]]
    assert len(messages) == len(PLACES)
    assert any(ord(letter) > 0x4E00 for letter in "".join(messages)) == (language == "zh")
    assert not desk.ask("GET", "/v1/workloads", key).json()["items"]


_parts = st.sampled_from(sorted(WRONG))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(_parts, _parts)
def test_two_faults_are_told_as_each_alone(desk, key, one, other):
    alone = [
        told(desk.ask("POST", "/v1/previews", key, json=SOUND | {each: WRONG[each]}))
        for each in (one, other)
    ]
    both = SOUND | {each: WRONG[each] for each in (one, other)}
    if {one, other} == {"data_site", "egress_bytes"}:  # both about where the data lies
        return
    assert told(desk.ask("POST", "/v1/previews", key, json=both)) >= alone[0] | alone[1]


def test_what_was_refused_is_not_taken_for_what_came_before_under_its_key(desk, key):
    """Without its wrong field it would be the same request."""
    head = {"idempotency-key": "one-and-the-same"}
    made = desk.ask("POST", "/v1/workloads", key, json=SOUND, headers=head)
    assert made.status_code == 201, made.text
    wrong = desk.ask("POST", "/v1/workloads", key, json=SOUND | {"colour": "red"}, headers=head)
    assert told(wrong) == {"colour"}
    again = desk.ask("POST", "/v1/workloads", key, json=SOUND, headers=head)
    assert again.json()["id"] == made.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"substitutes": {"cpu": {}, "": 5}},
        {"command": [[]], "outputs": [5], "sites": [None]},
        {"environment": [], "secrets": 5, "inputs": {"x": {}}},
        {"deadline": 5, "wall_seconds_max": None, "cpu_seconds_max": []},
        {"arguments": {"a": {"b": [0.5]}}, "input_reference": 5},
        dict.fromkeys(SOUND),
        {name: {"deep": []} for name in SOUND | WRONG},
    ],
    ids=range(8),
)
def test_whatever_is_sent_is_a_refusal_with_places_and_never_a_failure(desk, key, body):
    assert told(desk.ask("POST", "/v1/workloads", key, json=body))


def test_a_body_that_is_no_object_is_refused_as_before(desk, key):
    answer = desk.ask("POST", "/v1/workloads", key, json=["a"])
    assert (answer.status_code, answer.json()["code"]) == (422, "api.invalid")


def test_a_project_that_is_not_ones_own_hides_nothing_else(desk, key):
    wrong = SOUND | {"project": "project_none", "devices": 100_000, "secrets": {"T": "none/X"}}
    assert told(desk.ask("POST", "/v1/workloads", key, json=wrong)) >= {"project", "devices"}
    alone = desk.ask("POST", "/v1/workloads", key, json=SOUND | {"project": "project_none"})
    assert (alone.status_code, alone.json()["code"]) == (404, "identity.project_unknown")
