"""Awards for several chips by HTTP: asked for, granted, shown with how each chip counts."""

from __future__ import annotations

import pytest
from test_api_applications import FACTS, Town, town

assert town  # a fixture
CARD = {
    "reference": "ascend910b",
    "provenance": "a trial",
    "rates": [
        {"chip": "ascend910b", "workload_class": "training", "per_thousand": 1_000},
        {"chip": "h100", "workload_class": "training", "per_thousand": 2_500},
    ],
}
CLASS = "class:training-large"


@pytest.fixture
def rated(town: Town) -> Town:
    town.post("/v1/rate-cards", town.chiefs[0], CARD, status=201)
    return town


def test_what_is_awarded_for_a_class_is_shown_with_its_rates(rated: Town):
    made = rated.apply(chip=CLASS)
    assert (made["chip"], made["possible"]) == (CLASS, ["extend", "change", "report"])
    [award] = rated.desk.ask("GET", "/v1/awards", rated.trainer).json()["items"]
    assert award["chip"] == CLASS
    assert award["accepts"]["reference"] == "ascend910b"
    assert award["accepts"]["version"] == 1
    assert [rate["chip"] for rate in award["accepts"]["rates"]] == ["ascend910b", "h100"]
    assert {"a100", "mlu590"} <= {*award["accepts"]["chips"]}
    full = rated.desk.ask("GET", f"/v1/applications/{made['id']}", rated.trainer).json()
    assert full["windows"][0]["accepts"] == award["accepts"]
    assert full["possible"] == ["extend", "change", "report"]


def test_the_operator_grants_for_a_list_and_one_chip_stays_one_chip(rated: Town):
    told = {"organisation": rated.firm, "device_ms": 3_600_000, "expires_in_days": 9}
    several = rated.post(
        "/v1/awards", rated.chiefs[0], {**told, "chip": "h100+ascend910b"}, status=201
    )
    assert several["chip"] == "ascend910b+h100"
    one = rated.post("/v1/awards", rated.chiefs[0], {**told, "chip": "h100"}, status=201)
    assert (one["chip"], one["accepts"]) == ("h100", None)


@pytest.mark.parametrize("chip", ["class:", "a100+", "+a100", "a b", "class:a+b", "x" * 65])
def test_what_is_no_chip_no_list_and_no_class_is_refused(rated: Town, chip: str):
    body = {"title": "训练", "chip": chip, "facts": FACTS}
    rated.post("/v1/applications", rated.trainer, body, status=422)
    told = {"organisation": rated.firm, "device_ms": 1, "expires_in_days": 9, "chip": chip}
    rated.post("/v1/awards", rated.chiefs[0], told, status=422)


def test_without_a_rate_nothing_is_granted_and_it_is_said_what_to_do(town: Town):
    body = {"title": "训练", "chip": "a100+h100", "facts": FACTS}
    told = town.post("/v1/applications", town.trainer, body, status=422)
    assert [each["code"] for each in told["findings"]] == ["compute.class_unrated"]
    assert town.desk.ask("GET", "/v1/awards", town.trainer).json()["items"] == []


def test_the_rules_are_asked_with_the_very_file_that_would_be_applied_with(rated: Town):
    body = {"title": "训练", "chip": CLASS, "facts": {**FACTS, "device_hours": 9_000}}
    said = rated.post("/v1/rulings", rated.trainer, body)
    made = rated.post("/v1/applications", rated.trainer, body, status=201)
    assert said["outcome"] == made["outcome"]
    assert [rule["rule"] for rule in said["rules"]] == [rule["rule"] for rule in made["rules"]]
    wrong = {**body, "facts": {**FACTS, "applicant_kind": "university"}}
    rated.post("/v1/rulings", rated.trainer, wrong, status=422)
    rated.post("/v1/rulings", rated.chiefs[0], wrong)
