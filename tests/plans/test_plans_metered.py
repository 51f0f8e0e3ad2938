"""A plan whose cleansing is a metered workload: paid by the holder, and proved with its usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from plan_desk import EASY, Desk, changed_plan, leftovers, refusal, run_once

from yunhe.compute.admission import AWARD

METERED = """synthetic: true
  metered:
    award: {device_seconds: 600, days: 30}
    funds: "20.00"
    limits: {wall_seconds: 300, cpu_seconds: 300, memory_gib: 4}
"""


@pytest.fixture(scope="module")
def metered(
    tmp_path_factory: pytest.TempPathFactory, tickets: Callable[..., Path]
) -> tuple[Desk, dict]:
    """A home in which such a plan ran."""
    folder = tmp_path_factory.mktemp("metered-plan")
    plan = changed_plan(folder, *EASY, ("synthetic: true\n", METERED))
    return run_once(tmp_path_factory, "metered", plan=plan, tickets=tickets(500))


def record(desk: Desk, kind: str, subject: str) -> tuple[dict, dict, str]:
    """Body, links and reference of a custody record."""
    query = "SELECT body, links, hex(reference) FROM custody_leaf WHERE kind = ? AND subject = ?"
    ((body, links, reference),) = desk.rows(query, kind, subject)
    return json.loads(body), json.loads(links), reference.lower()


def test_its_dataset_is_the_very_one_that_an_unmetered_cleansing_makes(metered, finished):
    assert metered[0].certificate() == finished[0].certificate()


def test_the_certificate_is_linked_to_what_its_workload_used(metered):
    desk, _ = metered
    left = desk.stages()["corpus"]
    _, links, _ = record(desk, "data.certificate", left["certificate"])
    usage, under, reference = record(desk, "compute.usage", left["workload"])
    assert links["usage"] == reference
    assert usage["outcome"] == "settled"
    assert usage["device_ms"] > 0
    assert usage["cost_minor"] > 0
    assert left["input"] in usage["input_digests"]
    assert {left["output"], left["decisions"], left["spans"]} <= set(usage["output_digests"])
    query = "SELECT body FROM custody_leaf WHERE hex(reference) = ?"
    award = json.loads(desk.rows(query, under["award"].upper())[0][0])
    assert award["organisation"] == usage["organisation"]


def test_the_holder_paid_for_it_and_nothing_is_left_held(metered):
    desk, _ = metered
    with desk.platform() as platform:
        lines, replay, holds = platform.accounts()
    assert replay.ok
    assert holds == 0
    usage, _, _ = record(desk, "compute.usage", desk.stages()["corpus"]["workload"])
    device = [line for owner, line in lines if "热线" in owner and line.purpose == AWARD]
    assert len(device) == 1
    assert device[0].available == 600_000 - usage["device_ms"]
    assert leftovers(desk.home) == []


def test_a_plan_that_awards_its_holder_too_little_is_refused_before_it_runs(desk, tmp_path):
    short = METERED.replace("device_seconds: 600", "device_seconds: 60")
    folder = tmp_path / "short"
    folder.mkdir()
    plan = changed_plan(folder, *EASY, ("synthetic: true\n", short))
    refused = refusal(desk, *Desk(desk.home, desk.tickets, plan).task())
    assert refused.code == "plans.invalid"
    assert any("60 device-seconds" in finding for finding in refused.findings), refused.findings


def test_a_holder_without_money_for_it_waits_and_is_told_so(desk, tmp_path):
    folder = tmp_path / "poor"
    folder.mkdir()
    plan = changed_plan(folder, *EASY, ("synthetic: true\n", METERED.replace('"20.00"', '"0.00"')))
    poor = Desk(desk.home, desk.tickets, plan)
    refused = refusal(poor, *poor.task())
    assert refused.code == "plans.cleansing_waits"
    assert poor.kinds()["data.certificate"] == 0
