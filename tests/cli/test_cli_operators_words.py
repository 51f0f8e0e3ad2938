"""The plan, weights and ways as an operator meets them on the command line."""

from __future__ import annotations

import pytest
from office import fault

from yunhe.api import document
from yunhe.client.wire.planning import Plan
from yunhe.client.wire.queue import Weight
from yunhe.kernel.language import text

WEIGHTS, SAY_WEIGHT = "GET /v1/weights", "PUT /v1/weights"
WAYS, SAY_WAY = "GET /v1/ways", "PUT /v1/ways"
PLAN = "GET /v1/plan"
ONE = document.example(Weight)
ORG = ONE["organisation"]
WAY = {"from_site": "east-1", "to_site": "west-2", "megabit_per_second": 1_000}
MADE = document.example(Plan)
NONE = {"state": "none", "at": None, "until": None, "followed": False, "chips": [], "pools": []}
LISTS = {"weights": (WEIGHTS, ("weights",), ONE), "ways": (WAYS, ("pool", "way"), WAY)}
SAID = {
    "weights": (SAY_WEIGHT, ("weights", "sme", "3")),
    "ways": (SAY_WAY, ("pool", "way", "east-1", "west-2", "--mbit", "5")),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", LISTS)
def test_an_empty_list_says_so_to_a_person_and_is_empty_for_a_program(desk, kind, lang):
    route, line, _ = LISTS[kind]
    desk.office.says(route, {"items": [], "next": None})
    shown = desk(*line, lang=lang)
    assert (shown.code, shown.out.strip()) == (0, text("cli.list.empty", lang))
    assert desk("--json", *line, lang=lang).json == {"items": [], "more": False}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_stops_at_its_limit_and_says_that_there_is_more(desk, kind):
    route, line, one = LISTS[kind]
    desk.office.says(route, {"items": [one, one], "next": "next"}, {"items": [one], "next": None})
    told = desk("--json", *line, "--limit", "1").json
    assert told == {"items": [one], "more": True}
    assert desk.office.lines == [route]  # what nobody asked to see was not fetched
    desk.office.says(route, {"items": [one, one], "next": "next"}, {"items": [one], "next": None})
    shown = desk(*line, "--limit", "2")
    assert text("cli.list.more", "en", limit=2) in shown.err
    desk.office.says(route, {"items": [one, one], "next": "next"}, {"items": [one], "next": None})
    assert desk("--json", *line).json == {"items": [one] * 3, "more": False}
    assert desk.office.asked[-1].query["after"] == "next"
    assert desk(*line, "--limit", "0").code == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", SAID)
def test_what_a_server_refuses_is_told_with_its_exit_code(desk, kind, lang):
    _, line = SAID[kind]
    body = fault("not_allowed", "api.role_missing")
    desk.office.refusal = (403, body)
    refused = desk(*line, lang=lang)
    assert (refused.code, refused.out) == (77, "")
    assert "Refused here." in refused.err
    told = desk("--json", *line, lang=lang)
    assert (told.code, told.json["code"]) == (77, "api.role_missing")


def test_a_weight_is_sent_for_a_kind_an_organisation_and_a_project_alike(desk):
    for more in ((), ("--organisation", ORG), ("--organisation", ORG, "--project", "proj_1")):
        assert desk("weights", "sme", "3", *more).code == 0
    sent = [asked.body for asked in desk.office.asked]
    assert {(each["kind"], each["weight"]) for each in sent} == {("sme", 3)}
    assert [each["organisation"] for each in sent] == ["", ORG, ORG]
    assert [each["project"] for each in sent] == ["", "", "proj_1"]


def test_a_weight_that_was_said_is_shown_as_the_server_understood_it(desk):
    desk.office.says(SAY_WEIGHT, {**ONE, "weight": 1_000})
    shown = desk("weights", "sme", "1000", "--organisation", ORG, lang="zh")
    assert shown.out.splitlines()[-1].split() == ["sme", ORG, "1000"]
    assert text("cli.column.weight", "zh") in shown.out


@pytest.mark.parametrize("line", [("sme", "-1"), ("sme", "1.5"), ("sme", "3", "4"), ("--limit",)])
def test_a_weight_that_is_none_is_a_mistake_of_use(desk, line):
    assert desk("weights", *line).code == 2
    told = desk("--json", "weights", *line)
    assert (told.code, told.json["kind"]) == (2, "usage")
    assert desk.office.asked == []


def test_a_kind_chooses_among_the_weights_whoever_they_are_of(desk):
    other = {**ONE, "kind": "university", "organisation": ""}
    desk.office.says(WEIGHTS, {"items": [ONE, other], "next": None})
    assert desk("--json", "weights", "university").json["items"] == [other]
    assert desk("--json", "weights", "planet").json["items"] == []


def test_names_of_sites_steer_no_terminal(desk):
    desk.office.says(WAYS, {"items": [{**WAY, "from_site": "\x1b[2J东", "to_site": "a\nb"}],
                            "next": None})  # fmt: skip
    shown = desk("pool", "way")
    assert "\x1b" not in shown.out
    assert len(shown.out.splitlines()) == 2
    assert "东" in shown.out


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "line",
    [("--mbit", "1"), ("east-1", "--mbit", "1")],
    ids=" ".join,
)
def test_half_a_way_is_told_in_the_readers_language(desk, lang, line):
    assert text("cli.way.both", lang) in desk("pool", "way", *line, lang=lang).err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_a_plan_a_person_is_told_and_a_program_sees_the_whole_answer(desk, lang):
    desk.office.says(PLAN, NONE)
    shown = desk("pool", "plan", lang=lang)
    assert (shown.code, shown.out.strip()) == (0, text("cli.pool.plan.none", lang))
    assert desk("--json", "pool", "plan", lang=lang).json == {**MADE, **NONE}


def test_a_plan_names_the_scarcest_pools_and_no_more_than_five(desk):
    pools = [{**MADE["pools"][0], "pool": f"pool_{number}", "price_ppm": 10**6 - number}
             for number in range(7)]  # fmt: skip
    pools.append({**MADE["pools"][0], "pool": "pool_free", "price_ppm": 0})
    desk.office.says(PLAN, {"pools": pools})
    shown = desk("pool", "plan").out
    assert [f"pool_{number}" in shown for number in range(7)] == [True] * 5 + [False] * 2
    assert "pool_free" not in shown
    assert len(desk("--json", "pool", "plan").json["pools"]) == 8


def test_a_plan_in_which_nothing_is_scarce_names_no_pool(desk):
    desk.office.says(PLAN, {"pools": [{**MADE["pools"][0], "price_ppm": 0}]})
    assert MADE["pools"][0]["pool"] not in desk("pool", "plan").out


def test_a_bound_of_nothing_divides_nothing(desk):
    desk.office.says(PLAN, {"bound_ppm": 0, "reached_ppm": 0, "gap_ppm": 0})
    shown = desk("pool", "plan")
    assert shown.code == 0
    assert "0.0 %" in shown.out


@pytest.mark.parametrize("state", ["unsound", "failed", "empty"])
def test_a_plan_that_is_not_sound_shows_no_bound(desk, state):
    change = {"state": state, "followed": False, "reason": "solver_4", "bound_ppm": 123_456_000_000}
    desk.office.says(PLAN, change)
    shown = desk("pool", "plan").out
    assert "123,456.0" not in shown
    assert ("solver_4" in shown) == (state != "empty")


def test_thousands_of_devices_are_shown_as_a_person_writes_them(desk):
    chip = {**MADE["chips"][0], "planned_milli": 1_234_567_890, "price_ppm": 5_000}
    desk.office.says(PLAN, {"chips": [chip], "bound_ppm": 10**13, "reached_ppm": 25 * 10**11})
    shown = desk("pool", "plan").out
    for said in ("1,234,567.9", "0.01", "10,000,000.0", "2,500,000.0", "25.0 %"):
        assert said in shown
