"""Inference services on the command line."""

from __future__ import annotations

import httpx
import pytest
from office import fault

from yunhe.api import document
from yunhe.client.wire.services import LoadTaken, Service

ONE = document.example(Service)
NAME = ONE["id"]
CREATE = "POST /v1/services"
LOAD = "POST /v1/services/{service}/load"


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "replica.yaml"
    path.write_text("command: [./serve.sh]\nwall_seconds_max: 600\ncpu_seconds_max: 600\n")
    return str(path)


def test_a_service_is_created_from_the_file_of_one_replica(desk, spec):
    desk.office.says(CREATE, ONE)
    aims = ("--floor", "1", "--ceiling", "8", "--latency-ms", "3000", "--service-ms", "800")
    said = desk("service", "create", "hotline", spec, *aims)
    assert said.code == 0, said.err
    assert NAME in said.out
    [asked] = desk.office.asked
    assert asked.body["name"] == "hotline"
    assert asked.body["replica"]["command"] == ["./serve.sh"]
    assert (
        asked.body["policy"] | {"floor": 1, "ceiling": 8, "latency_ms": 3_000}
        == (asked.body["policy"])
    )


def test_a_service_without_floor_or_with_a_broken_file_is_refused_before_anything_is_sent(
    desk, spec, tmp_path
):
    assert desk("service", "create", "x", spec, "--ceiling", "8").code != 0
    (tmp_path / "broken.yaml").write_text("command: 7\n")
    broken = str(tmp_path / "broken.yaml")
    assert desk.office.lines == []
    assert desk("service", "create", "x", broken, "--floor", "1", "--ceiling", "2").code != 0
    assert desk.office.lines == ["POST /v1/previews"]  # what else is wrong; nothing is kept of it


def test_services_are_listed_and_shown(desk):
    desk.office.says("GET /v1/services", {"items": [ONE], "next": None})
    desk.office.says("GET /v1/services/{service}", ONE)
    assert desk("--json", "service", "list").json["items"] == [ONE]
    assert "hotline" in desk("service", "list").out
    shown = desk("service", "show", NAME, lang="zh")
    assert "副本" in shown.out
    assert desk("--json", "service", "show", NAME).json == ONE


def test_a_service_is_found_by_its_name_where_one_that_goes_on_has_it(desk):
    other = NAME[:-1] + ("0" if NAME[-1] != "0" else "1")
    ended = {**ONE, "id": other, "state": "stopped"}
    desk.office.says("GET /v1/services", {"items": [ended, ONE], "next": None})
    desk.office.says("POST /v1/services/{service}/stop", ONE)
    assert desk("--json", "service", "show", ONE["name"]).json["id"] == NAME
    assert desk("service", "stop", ONE["name"]).code == 0
    assert desk("--json", "service", "show", "another").json["code"] == "compute.service_unknown"
    desk.office.says("GET /v1/services", {"items": [{**ONE, "id": other}, ONE], "next": None})
    several = desk("--json", "service", "show", ONE["name"]).json
    assert several["code"] == "cli.service_several"
    assert NAME in several["message"]


def test_a_service_is_changed_and_stopped(desk):
    for way in ("change", "stop"):
        desk.office.says("POST /v1/services/{service}/" + way, ONE)
    assert desk("service", "change", NAME).code == 2
    assert desk("service", "change", NAME, "--ceiling", "16").code == 0
    assert desk.office.asked[-1].body == {
        name: 16 if name == "ceiling" else None for name in desk.office.asked[-1].body
    }
    assert desk("service", "stop", NAME).code == 0


def test_a_load_is_reported(desk):
    desk.office.says("POST /v1/services/{service}/load", document.example(LoadTaken))
    said = desk("service", "load", NAME, "--requests", "57", "--queue", "2", "--id", "r1")
    assert said.code == 0, said.err
    body = desk.office.asked[-1].body
    assert (body["id"], body["requests"], body["queue"]) == ("r1", 57, 2)


THEN = ("2026-11-23T04:00:00.000000Z", "2026-11-23T04:00:10.000000Z")


def differs(since: str = THEN[0], until: str = THEN[1]) -> httpx.Response:
    params = {"id": "r1", "since": since, "until": until}
    return httpx.Response(409, json=fault(code="compute.load_differs", params=params))


def test_a_report_sent_again_is_of_the_time_it_was_first_sent_of(desk):
    desk.office.says(LOAD, differs(), document.example(LoadTaken) | {"taken": "known"})
    said = desk("service", "load", NAME, "--requests", "57", "--id", "r1")
    assert said.code == 0, said.err
    first, again = (each.body for each in desk.office.asked)
    assert (again["since"], again["until"]) == THEN
    assert first | {"since": THEN[0], "until": THEN[1]} == again


@pytest.mark.parametrize(
    "answer",
    [
        differs(until="2026-11-23T04:00:11.000000Z"),
        httpx.Response(409, json=fault(code="compute.load_overlaps", params={"id": "x"})),
        httpx.Response(409, json=fault(code="compute.load_differs", params={"id": "r1"})),
    ],
    ids=["longer", "another", "older server"],
)
def test_what_is_another_report_is_refused_as_one(desk, answer):
    desk.office.says(LOAD, answer)
    said = desk("--json", "service", "load", NAME, "--requests", "57", "--id", "r1")
    assert (said.code, len(desk.office.asked)) == (75, 1)
