"""Rules of place on the command line."""

from __future__ import annotations

import pytest

LIST, SAY = "GET /v1/limits", "PUT /v1/limits"
ONE = {
    "number": 2,
    "what": "data",
    "subject": "sha256:" + "7" * 64,
    "jurisdictions": ["CN", "SG"],
    "reason": "contract 7",
    "by": "member_1",
    "at": "2027-02-20T09:30:00.000000Z",
}
OTHER = {**ONE, "number": 1, "what": "organisation", "subject": "org_1", "jurisdictions": []}


def test_rules_are_a_table_and_for_programs_what_the_server_said(desk):
    desk.office.says(LIST, {"items": [ONE, OTHER], "next": None})
    shown = desk("pool", "rule")
    assert shown.code == 0, shown.err
    for word in ("data processed in", "CN, SG", "contract 7", "organisation is in", "org_1"):
        assert word in shown.out
    assert desk("--json", "pool", "rule").json["items"] == [ONE, OTHER]
    assert "数据处理地" in desk("pool", "rule", lang="zh").out


def test_what_is_named_chooses_among_the_rules(desk):
    desk.office.says(LIST, {"items": [ONE, OTHER], "next": None})
    assert desk("--json", "pool", "rule", "organisation").json["items"] == [OTHER]
    assert desk("--json", "pool", "rule", "organisation", "org_2").json["items"] == []


def test_a_rule_is_said_with_places_or_lifted(desk):
    desk.office.says(SAY, ONE)
    line = ("--json", "pool", "rule", "data", ONE["subject"], "--reason", "contract 7")
    said = desk(*line, "--in", "CN", "--in", "SG")
    assert (said.code, said.json) == (0, ONE)
    assert desk(*line, "--lift").code == 0
    assert desk.office.lines == [SAY, SAY]


@pytest.mark.parametrize(
    "line",
    [
        ("data", "x", "--in", "CN"),
        ("data", "--in", "CN", "--reason", "r"),
        ("--in", "CN", "--reason", "r"),
        ("data", "x", "--in", "CN", "--lift", "--reason", "r"),
        ("moon", "x", "--lift", "--reason", "r"),
    ],
    ids=" ".join,
)
def test_half_a_rule_is_refused_before_anything_is_sent(desk, line):
    assert desk("pool", "rule", *line).code == 2
    assert desk.office.lines == []
