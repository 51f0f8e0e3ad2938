"""The ways between sites on the command line."""

from __future__ import annotations

import pytest

LIST, SAY = "GET /v1/ways", "PUT /v1/ways"
ONE = {"from_site": "east-1", "to_site": "west-2", "megabit_per_second": 1_000}
OTHER = {"from_site": "west-2", "to_site": "east-1", "megabit_per_second": 10}


def test_ways_are_a_table_and_for_programs_what_the_server_said(desk):
    desk.office.says(LIST, {"items": [ONE, OTHER], "next": None})
    shown = desk("pool", "way")
    assert shown.code == 0, shown.err
    assert [line.split() for line in shown.out.splitlines()[1:]] == [
        ["east-1", "west-2", "1000"],
        ["west-2", "east-1", "10"],
    ]
    assert desk("--json", "pool", "way").json["items"] == [ONE, OTHER]
    assert "起点" in desk("pool", "way", lang="zh").out


def test_sites_that_are_named_choose_among_the_ways(desk):
    desk.office.says(LIST, {"items": [ONE, OTHER], "next": None})
    assert desk("--json", "pool", "way", "west-2").json["items"] == [OTHER]
    assert desk("--json", "pool", "way", "west-2", "east-1").json["items"] == [OTHER]
    assert desk("--json", "pool", "way", "west-2", "north").json["items"] == []


def test_a_way_is_said_with_two_sites_and_a_speed(desk):
    desk.office.says(SAY, ONE)
    said = desk("--json", "pool", "way", "east-1", "west-2", "--mbit", "1000")
    assert (said.code, said.json) == (0, ONE)
    assert desk.office.lines == [SAY]


@pytest.mark.parametrize(
    "line",
    [
        ("--mbit", "1000"),
        ("east-1", "--mbit", "1000"),
        ("east-1", "west-2", "--mbit", "0"),
        ("east-1", "west-2", "--mbit", "10000001"),
        ("east-1", "west-2", "--mbit", "fast"),
        ("east-1", "west-2", "north-3"),
    ],
    ids=" ".join,
)
def test_half_a_way_is_refused_before_anything_is_sent(desk, line):
    assert desk("pool", "way", *line).code == 2
    assert desk.office.lines == []


def test_a_site_nobody_could_send_is_refused_before_anything_is_sent(desk):
    refused = desk("--json", "pool", "way", "x" * 201, "west-2", "--mbit", "1")
    assert refused.code != 0
    assert desk.office.lines == []
