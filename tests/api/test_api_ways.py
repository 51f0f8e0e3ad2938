"""How fast data moves between sites: said by an operator over HTTP, read by whoever computes."""

from __future__ import annotations

import pytest


@pytest.fixture
def people(desk):
    """An operator's key and a tenant's key."""
    chief = desk.key(desk.member(desk.organisation("operator", "operator"), "operator"))
    return chief, desk.key(desk.member(desk.organisation("lake"), "trainer"))


def way(start: object = "east", end: object = "west", speed: object = 1_000) -> dict[str, object]:
    return {"from_site": start, "to_site": end, "megabit_per_second": speed}


def test_an_operator_says_ways_and_everybody_reads_them_page_by_page(desk, people):
    chief, tenant = people
    for start, end, speed in (("东", "西", 5), ("east", "west", 10), ("east", "west", 20)):
        answer = desk.ask("PUT", "/v1/ways", chief, json=way(start, end, speed))
        assert (answer.status_code, answer.json()) == (200, way(start, end, speed))
    first = desk.ask("GET", "/v1/ways", tenant, params={"limit": 1}).json()
    assert first["items"] == [way(speed=20)]
    query = {"limit": 1, "after": first["next"]}
    second = desk.ask("GET", "/v1/ways", tenant, params=query).json()
    assert (second["items"], second["next"]) == ([way("东", "西", 5)], None)


def test_one_direction_says_nothing_of_the_other(desk, people):
    chief, _ = people
    desk.ask("PUT", "/v1/ways", chief, json=way("a", "b", 7))
    assert desk.ask("GET", "/v1/ways", chief).json()["items"] == [way("a", "b", 7)]


@pytest.mark.parametrize(
    "sent",
    [
        way(speed=0),
        way(speed=-1),
        way(speed=10_000_001),
        way(speed="1000"),
        way(speed=1.5),
        way(speed=True),
        way(start=""),
        way(end="x" * 201),
        way(start=None),
        {"from_site": "a"},
        {**way(), "more": 1},
    ],
    ids=str,
)
def test_what_is_no_way_is_refused_and_nothing_is_kept(desk, people, sent):
    chief, _ = people
    assert desk.ask("PUT", "/v1/ways", chief, json=sent).status_code == 422
    assert desk.ask("GET", "/v1/ways", chief).json()["items"] == []


@pytest.mark.parametrize("name", ["a\nb", " ", "\x00", "\u202e"])
def test_a_site_nobody_could_print_is_refused(desk, people, name):
    chief, _ = people
    answer = desk.ask("PUT", "/v1/ways", chief, json=way(start=name))
    assert answer.status_code == 422, answer.text


def test_a_tenant_says_nothing_of_ways(desk, people):
    chief, tenant = people
    assert desk.ask("PUT", "/v1/ways", tenant, json=way()).status_code == 403
    assert desk.ask("GET", "/v1/ways", chief).json()["items"] == []
