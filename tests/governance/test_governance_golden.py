"""The decision table against cases written from the design sheet, and coverage of every rule."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from yunhe.governance import questions, rules, tables
from yunhe.governance.domain import Grading

GOLDEN = yaml.safe_load(Path(__file__).with_name("golden.yaml").read_text(encoding="utf-8"))
CASES = GOLDEN["cases"]
TODAY = date(2026, 11, 22)
BOOK = tables.book()


def graded(case: dict) -> Grading:
    answers = {**GOLDEN["bases"].get(case["base"], {}), **case.get("facts", {})}
    facts = questions.read(BOOK.questions, answers)
    return rules.grade(BOOK, facts, on=case.get("day", TODAY))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_case_comes_out_as_the_sheet_says(case: dict) -> None:
    grading = graded(case)
    assert grading.tier == case["tier"]
    assert [hit.id for hit in grading.fired if hit.certain] == case["fired"]
    assert [hit.id for hit in grading.fired if not hit.certain] == case.get("possible", [])
    if "missing" in case or "possible" not in case:
        assert list(grading.missing) == case.get("missing", [])
    assert grading.covered == case.get("covered", bool(case["fired"]))
    for jurisdiction, tier in case.get("by", {}).items():
        assert grading.by_jurisdiction[jurisdiction] == tier, jurisdiction


def test_there_are_enough_cases_and_no_two_share_a_name() -> None:
    assert len(CASES) >= 60
    assert len({case["id"] for case in CASES}) == len(CASES)


def test_every_rule_fires_for_certain_in_some_case_and_is_silent_in_another() -> None:
    fired = {hit.id for case in CASES for hit in graded(case).fired if hit.certain}
    assert fired == {rule.id for rule in BOOK.rules}
    for rule in BOOK.rules:
        assert any(rule.id not in {hit.id for hit in graded(case).fired} for case in CASES)


def test_every_legal_rule_has_a_case_on_each_side_of_its_first_day() -> None:
    for rule in BOOK.rules:
        first = date.fromisoformat(rule.citation.valid_from)
        if rule.citation.jurisdiction == "platform":
            continue
        fired = {
            day: {hit.id for case in CASES if case.get("day") == day for hit in graded(case).fired}
            for day in (first, first - timedelta(days=1))
        }
        assert rule.id in fired[first], rule.id
        before = [case for case in CASES if case.get("day") == first - timedelta(days=1)]
        assert before, rule.id
        assert rule.id not in fired[first - timedelta(days=1)], rule.id
        announced = {hit.id for case in before for hit in graded(case).upcoming}
        assert rule.id in announced, rule.id


def test_every_row_of_the_design_table_is_there() -> None:
    rows = {"P1", "P2", "P3", "H1", "H2", "H3", "H4", "H5", "H6", "M1", "M2", "M3", "L0", "L1"}
    assert {rule.row for rule in BOOK.rules} == rows


def test_a_law_not_yet_in_force_is_announced_and_does_not_count() -> None:
    case = next(case for case in CASES if case["id"] == "h1-eu-the-day-before")
    grading = graded(case)
    assert [hit.id for hit in grading.upcoming] == ["H1-EU"]
    assert "H1-EU" not in [hit.id for hit in grading.fired]


def test_no_legal_text_is_called_verified_before_somebody_read_it() -> None:
    for rule in BOOK.rules:
        assert rule.citation.verified == (rule.citation.jurisdiction == "platform"), rule.id
        assert (rule.citation.certainty == "design") == rule.citation.verified
    for entry in BOOK.measures:
        citation = entry.measure.citation
        assert citation.verified == (citation.jurisdiction == "platform"), entry.measure.id


def test_an_outcome_that_rests_on_unverified_rows_says_so_and_only_then() -> None:
    said = 0
    for case in CASES:
        grading = graded(case)
        codes = [finding.code for finding in grading.findings]
        rests = any(not hit.citation.verified for hit in grading.fired)
        assert ("governance.rests_on_unverified" in codes) == rests, case["id"]
        said += rests
    assert 0 < said < len(CASES)
