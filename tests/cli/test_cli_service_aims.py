"""`yunhe service`: aims as options, wrong ones by their option, loads by their stretch, tables."""

from __future__ import annotations

from datetime import datetime

import pytest
from office import fault

from yunhe.api import document
from yunhe.client.wire.services import LoadTaken, Service
from yunhe.kernel.language import text

ONE = document.example(Service)
NAME = ONE["id"]
CREATE, LIST = "POST /v1/services", "GET /v1/services"
SHOW, LOAD = "GET /v1/services/{service}", "POST /v1/services/{service}/load"
CHANGE = "POST /v1/services/{service}/change"
AIMS = {
    "floor": 0,
    "ceiling": 9,
    "slots": 2,
    "service_ms": 800,
    "latency_ms": 3_000,
    "percentile": 90,
    "unloaded_ms": 1,
    "load_milli": 5,
    "variability_percent": 300,
    "startup_seconds": 30,
    "cooldown_seconds": 0,
}


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "replica.yaml"
    path.write_text("command: [./serve.sh]\nwall_seconds_max: 600\ncpu_seconds_max: 600\n")
    return path


def options(**aims: object) -> list[str]:
    return [
        part for name, value in aims.items() for part in ("--" + name.replace("_", "-"), str(value))
    ]


def test_every_aim_is_an_option_and_nought_is_said_too(desk, spec):
    said = desk("service", "create", "hotline", spec, *options(**AIMS, unit="tokens"))
    assert said.code == 0, said.err
    assert desk.office.asked[0].body["policy"] == {**AIMS, "unit": "tokens"}
    for name, value in AIMS.items():
        assert desk("service", "change", NAME, *options(**{name: value})).code == 0
        sent = {key: each for key, each in desk.office.asked[-1].body.items() if each is not None}
        assert sent == {name: value}


def test_a_field_of_a_replica_is_changed_for_once_and_the_key_is_passed_on(desk, spec):
    line = ("service", "create", "hotline", spec, *options(floor=1, ceiling=1))
    said = desk(*line, "--set", "devices=4", "--set", "chip=h20", "--key", "once")
    assert said.code == 0, said.err
    [asked] = desk.office.asked
    assert (asked.body["replica"]["devices"], asked.body["replica"]["chip"]) == (4, "h20")
    assert asked.headers["idempotency-key"] == "once"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_the_server_finds_is_told_at_its_option_or_its_line(desk, spec, lang):
    findings = [
        {"where": "ceiling", "code": "x", "message": "too low"},
        {"where": "replica.wall_seconds_max", "code": "x", "message": "too short"},
        {"where": "replica.chip", "code": "x", "message": "no such chip"},
    ]
    desk.office.refusal = (422, fault("invalid", "compute.service_invalid", findings=findings))
    line = ("service", "create", "hotline", spec, *options(floor=2, ceiling=1))
    told = desk("--json", *line, lang=lang)
    assert told.code == 65
    assert [each["where"] for each in told.json["findings"]] == [
        "ceiling",
        f"{spec}:2:1: wall_seconds_max",
        f"{spec}: chip",
    ]
    assert "too low" in desk(*line, lang=lang).err


@pytest.mark.parametrize(
    ("aims", "fields"),
    [
        ({"floor": 1}, {"ceiling"}),
        ({}, {"floor", "ceiling"}),
        ({"floor": 1_001, "ceiling": 1, "slots": 257}, {"floor", "slots"}),
        ({"floor": 1, "ceiling": 1, "percentile": 49}, {"percentile"}),
    ],
    ids=["no-ceiling", "nothing", "too-many", "percentile"],
)
def test_aims_that_cannot_be_are_told_all_at_once_and_sent_nowhere(desk, spec, aims, fields):
    told = desk("--json", "service", "create", "hotline", spec, *options(**aims))
    assert (told.code, told.json["code"]) == (65, "api.invalid")
    assert {each["where"].rpartition(".")[2] for each in told.json["findings"]} == fields
    assert desk.office.asked == []


@pytest.mark.parametrize("line", [("--floor", "-1"), ("--slots", "x"), ("--unit", "jokes"), ()])
def test_a_change_that_reads_as_none_is_a_mistake_of_use(desk, line):
    told = desk("--json", "service", "change", NAME, *line)
    assert (told.code, told.json["kind"]) == (2, "usage")
    assert desk.office.asked == []


def test_a_replica_whose_file_is_not_there_is_told(desk, tmp_path):
    line = ("service", "create", "x", tmp_path / "none.yaml", *options(floor=1, ceiling=1))
    told = desk("--json", *line)
    assert (told.code, told.json["code"]) == (66, "cli.no_file")
    assert desk.office.asked == []


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("taken", ["counted", "known", "late"])
def test_what_became_of_a_report_is_said_in_words(desk, lang, taken):
    desk.office.says(LOAD, {"id": "r\x1b[2J1", "taken": taken})
    line = ("service", "load", NAME, "--requests", "5")
    said = desk(*line, lang=lang)
    assert (said.code, said.out.strip()) == (
        0,
        text(f"cli.service.taken_{taken}", lang, id="r [2J1"),
    )
    assert desk("--json", *line, lang=lang).json["taken"] == taken


def test_a_report_covers_the_seconds_that_were_said_until_now(desk):
    for seconds in (1, 10, 300):
        given = () if seconds == 10 else ("--seconds", str(seconds))
        assert desk("service", "load", NAME, "--requests", "0", *given).code == 0
        body = desk.office.asked[-1].body
        since, until = (datetime.fromisoformat(body[name]) for name in ("since", "until"))
        assert (until - since).total_seconds() == seconds
        assert until.utcoffset() is not None
        assert (body["latency_ms"], body["service_ms"], body["source"]) == (None, None, "")


def test_each_report_has_a_name_of_its_own_unless_one_is_given(desk):
    for given in ((), (), ("--id", "r1", "--source", "gateway-1", "--tokens", "7")):
        assert desk("service", "load", NAME, "--requests", "1", *given).code == 0
    first, second, named = (asked.body for asked in desk.office.asked)
    assert first["id"] != second["id"]
    assert (named["id"], named["source"], named["tokens"]) == ("r1", "gateway-1", 7)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ((), 2),
        (("--requests", "-1"), 2),
        (("--requests", "1", "--seconds", "0"), 2),
        (("--requests", "1", "--seconds", "301"), 2),
        (("--requests", "1", "--latency-ms", "3600001"), 65),
        (("--requests", str(10**9 + 1)), 65),
        (("--requests", "1", "--id", "a b"), 65),
        (("--requests", "1", "--source", "x" * 1_000), 65),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_load_that_cannot_be_is_refused_before_anything_is_sent(desk, line, code):
    assert desk("service", "load", NAME, *line).code == code
    assert desk.office.asked == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_services_is_said_in_words_and_as_an_empty_list(desk, lang):
    desk.office.says(LIST, {"items": [], "next": None})
    assert desk("service", "list", lang=lang).out.strip() == text("cli.list.empty", lang)
    assert desk("--json", "service", "list", lang=lang).json == {"items": [], "more": False}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_why_a_service_has_too_few_replicas_is_shown_and_steers_no_terminal(desk, lang):
    why = {"code": "compute.waiting_capacity", "message": "8 missing\x1b[2J", "params": {}}
    gone = {**ONE, "state": "stopped", "replicas": [], "why": why, "running": 0, "serving": 0}
    desk.office.says(SHOW, gone)
    desk.office.says(LIST, {"items": [gone], "next": None})
    for line in (("service", "show", NAME), ("service", "list")):
        shown = desk(*line, lang=lang)
        assert shown.code == 0
        assert "8 missing" in shown.out
        assert "\x1b" not in shown.out
        assert text("cli.state.stopped", lang) in shown.out
        assert text("cli.service.replicas", lang, running=0, serving=0) in shown.out


@pytest.mark.parametrize(
    ("line", "route"),
    [(("show", NAME), SHOW), (("stop", NAME), "POST"), (("change", NAME, "--floor", "1"), CHANGE),
     (("load", NAME, "--requests", "1"), LOAD), (("list",), LIST)],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_service_nobody_knows_is_not_found_whatever_is_asked(desk, line, route):
    desk.office.refusal = (404, fault("not_found", "compute.service_unknown"))
    told = desk("--json", "service", *line)
    assert (told.code, told.json["code"]) == (66, "compute.service_unknown")
    assert desk.office.asked[0].line.startswith(route.split()[0])


def test_a_report_that_was_taken_is_for_programs_what_the_server_said(desk):
    said = document.example(LoadTaken)
    assert desk("--json", "service", "load", NAME, "--requests", "1").json == said
