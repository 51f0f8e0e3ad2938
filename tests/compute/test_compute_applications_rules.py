"""Rule sets as data: read whole or refused whole, and what they decide at their edges."""

from __future__ import annotations

import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.applications import reading, states
from yunhe.compute.applications.conditions import evaluate, facts_of
from yunhe.compute.applications.rules import OUTCOMES, due_on, rule_on
from yunhe.compute.applications.vocabulary import canonical, read
from yunhe.kernel.errors import Conflict, Invalid, NotFound

KNOWN = reading.vocabulary()


def source_of(name: str) -> dict:
    return yaml.safe_load(reading._shipped(name))


def written(**over: object) -> str:
    return yaml.safe_dump({**source_of("yunhe"), **over}, allow_unicode=True)


def values(fact):
    match fact.kind:
        case "flag":
            return st.booleans()
        case "choice":
            return st.sampled_from(fact.options)
        case "choices":
            return st.frozensets(st.sampled_from(fact.options))
        case "count":
            near = st.sampled_from([8, 9, 50, 51, 500, 501, 5_000, 5_001, 50_000, 200_000_000])
            bounded = near.filter(lambda n: fact.least <= n <= fact.most)
            return st.integers(fact.least, min(fact.most, 10**9)) | bounded
        case _:
            return st.dates(datetime.date(2026, 1, 1), datetime.date(2027, 1, 1)).map(str)


facts_known = st.fixed_dictionaries({}, optional={n: values(f) for n, f in KNOWN.items()})


@pytest.mark.parametrize("name", reading.SHIPPED)
def test_every_shipped_rule_set_reads_and_says_what_it_rests_on(name: str):
    rules = reading.shipped(name)
    assert rules.id == name
    for rule in (*rules.rules, rules.otherwise):
        assert rule.text.en != rule.text.zh
        assert rule.source.certainty == "design" or not rule.source.verified
    assert reading.read(reading._shipped(name)).digest == rules.digest


def test_an_unknown_programme_is_told_with_those_that_are():
    with pytest.raises(NotFound) as unknown:
        reading.shipped("mars")
    assert "indiaai" in str(unknown.value.params["known"])


def test_every_fault_of_a_rule_file_is_told_at_once():
    rule = {
        "id": "R",
        "decides": "refuse",
        "when": {"above": {"no_such_fact": 1}},
        "text": {"en": "x", "zh": "y"},
        "source": source_of("yunhe")["rules"][0]["source"],
    }
    wrong = [
        rule,
        {**rule, "when": {"louder": {"devices": 1}}},
        {**rule, "id": "S", "when": {"above": {"applicant_kind": 1}}},
        {**rule, "id": "T", "when": {"above": {"grant_minor": 1}}},
    ]
    with pytest.raises(Invalid) as refused:
        reading.read(written(rules=wrong, currency="CNY"))
    assert [finding.code for finding in refused.value.findings] == [
        "compute.fact_unknown",
        "compute.operator_unknown",
        "compute.fact_kind",
        "compute.rule_twice",
        "compute.fact_not_asked",
        "compute.rules_currency",
    ]


def test_faults_of_shape_and_of_conditions_are_told_together():
    rules = [{"id": "lower", "decides": "perhaps", "when": {"all": []}}]
    with pytest.raises(Invalid) as refused:
        reading.read(written(rules=rules, surprise=1))
    places = {finding.where for finding in refused.value.findings}
    assert {"rules.0.id", "rules.0.decides", "surprise", "rules.0.when.all"} <= places


@pytest.mark.parametrize("text", ["", "[1", "a: &a [*a]", "x: 2026-02-31", "- 1", "\0", "1e9"])
def test_what_is_no_rule_file_is_refused(text: str):
    with pytest.raises(Invalid) as refused:
        reading.read(text)
    assert refused.value.code == "compute.rules_invalid"


def test_a_file_that_is_too_large_is_refused_unread():
    with pytest.raises(Invalid) as refused:
        reading.read("#" * (reading.BYTES_MAX + 1))
    assert [finding.code for finding in refused.value.findings] == ["compute.rules_large"]


@pytest.mark.parametrize("name", reading.SHIPPED)
@given(facts=facts_known)
def test_the_strictest_rule_stands_and_what_is_unknown_never_helps(name: str, facts):
    rules = reading.shipped(name)
    said = rule_on(rules, facts)
    assert said.outcome == min((hit.decides for hit in said.fired), key=OUTCOMES.index)
    assert said.rules
    certain = {
        rule.decides
        for rule in rules.rules
        if rule.when is not None and evaluate(rule.when, facts).value
    }
    if "refuse" in certain:
        assert said.outcome == "refuse"
    elif said.missing:
        assert said.outcome == "return"
    if said.outcome == "approve":
        assert not said.missing
        assert not said.undecided


@pytest.mark.parametrize("name", reading.SHIPPED)
@given(facts=facts_known, data=st.data())
def test_a_condition_decided_without_a_fact_stays_so_with_it(name: str, facts, data):
    rule = data.draw(st.sampled_from(reading.shipped(name).rules))
    before = evaluate(rule.when, facts).value
    for fact in facts_of(rule.when) - facts.keys():
        facts = {**facts, fact: data.draw(values(KNOWN[fact]))}
    after = evaluate(rule.when, facts)
    assert after.value is not None
    assert before in (None, after.value)


@given(facts=facts_known)
def test_facts_are_kept_and_read_back_the_same(facts):
    assert read(KNOWN, canonical(facts)) == facts


@pytest.mark.parametrize(
    ("day", "due"),
    [("2026-11-01", "2026-12-10"), ("2026-11-25", "2026-12-10"), ("2026-11-26", "2027-01-10")],
)
def test_a_calendar_of_collating_days_gives_the_day_of_the_result(day: str, due: str):
    india = reading.shipped("indiaai")
    assert str(due_on(india, "committee", datetime.date.fromisoformat(day))) == due


@pytest.mark.parametrize(
    "said", [True, 0, -1, 1.5, "5", 10**10, None, [], {}, "９", float("nan"), "2026-02-30"]
)
def test_a_value_that_is_no_whole_number_in_range_is_refused_or_unknown(said: object):
    if said is None:
        assert read(KNOWN, {"device_hours": said}) == {}
        return
    with pytest.raises(Invalid):
        read(KNOWN, {"device_hours": said})


def test_every_step_leads_only_to_states_there_are_and_every_end_is_an_end():
    for state in ("refused", "withdrawn", "lapsed", "closed"):
        assert states.possible(state) == []
    for name, row in states.TRANSITIONS.items():
        for state in row.sources:
            states.require(name, state, application="a")
        with pytest.raises(Conflict):
            states.require(name, "withdrawn", application="a")
