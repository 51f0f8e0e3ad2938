"""The engine against labels of somebody who had not read its rules."""

from __future__ import annotations

from collections import Counter

import pytest
from applications_desk import Desk, found_desk
from gold_cases import (
    FILES,
    Case,
    agrees,
    can_be_applied,
    cases,
    every_case,
    head,
    said_of_applying,
    said_of_facts,
    said_of_history,
)
from gold_mutants import mutants, unnoticed

from yunhe.compute.applications import reading
from yunhe.compute.applications.rules import ASKED, OUTCOMES, asked
from yunhe.compute.applications.vocabulary import read
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.storage.service import Storage

ALL = list(every_case())
STATED = [case for case in ALL if case.history is None]
WITH_HISTORY = [case for case in ALL if case.history is not None]
YEAR_S = 365 * DAY_US / 1_000_000


@pytest.mark.parametrize("case", STATED, ids=lambda case: case.id)
def test_the_rules_say_what_the_label_says(case: Case):
    said = said_of_facts(case)
    assert agrees(case, said), (case.why, said)


@pytest.mark.parametrize("case", WITH_HISTORY, ids=lambda case: case.id)
def test_after_the_firms_earlier_claims_the_platform_says_what_the_label_says(
    case: Case, storage: Storage, clock: ManualClock
):
    clock.advance(seconds=-YEAR_S)
    said = said_of_history(case, found_desk(storage, clock))
    assert agrees(case, said), (case.why, said)


@pytest.mark.parametrize("file", FILES)
def test_whoever_applies_is_told_what_the_label_says(file: str, desk: Desk):
    able = [case for case in cases(file) if can_be_applied(case)]
    assert len(able) >= 40
    said = {case.id: said_of_applying(case, desk) for case in able}
    assert [case.id for case in able if not agrees(case, said[case.id])] == []


def test_there_are_two_hundred_cases_and_sixty_of_each_programme():
    assert len(ALL) >= 200
    assert len({case.id for case in ALL}) == len(ALL)
    assert min(Counter(case.programme for case in ALL).values()) >= 60
    assert len(WITH_HISTORY) >= 10


@pytest.mark.parametrize("file", FILES)
def test_each_file_says_who_labelled_it_by_which_source_and_that_nobody_verified_it(file: str):
    whole = head(file)
    assert whole["labelled_by"] == "programme officer (not the rules' author)"
    assert "compute.md, section 8" in whole["source"]
    assert whole["verified"] is False
    lines = {f"{kind}.{name}" for kind, named in whole["lines"].items() for name in named}
    assert {case.line for case in cases(file)} == lines
    assert all(case.outcome in OUTCOMES and case.why.endswith(".") for case in cases(file))


@pytest.mark.parametrize("file", FILES)
def test_a_case_states_all_that_is_asked_for_but_what_it_means_to_leave_open(file: str):
    for case in cases(file):
        rules = reading.shipped(case.programme)
        known = read(rules.vocabulary, case.facts)
        found = {"contract_claimed", "claimed_this_year_minor"}
        open_ = asked(rules, known) - known.keys() - (set() if case.history is None else found)
        assert not open_ or case.outcome in ("return", "refuse"), case.id


@pytest.mark.parametrize("file", FILES)
def test_every_rule_leads_to_the_outcome_of_some_case_and_stays_silent_in_another(file: str):
    rules = reading.shipped(head(file)["programme"])
    said = [said_of_facts(case) for case in cases(file) if case.history is None]
    names = {rule.id for rule in (*rules.rules, rules.otherwise)} | {ASKED}
    assert {name for each in said for name in each.rules} == names
    for name in names:
        assert any(name not in each.fired for each in said), name


@pytest.mark.parametrize("file", FILES)
def test_no_single_fault_in_the_rules_goes_unnoticed(file: str):
    stated = [case for case in cases(file) if case.history is None]
    made = list(mutants(head(file)["programme"], stated))
    assert len(made) > 80
    assert [told for told, rules in made if unnoticed(stated, rules)] == []
