"""Conditions in three values, against every completion of what is unknown; how they are read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.applications import reading
from yunhe.compute.applications.conditions import (
    DEPTH_MAX,
    Bound,
    Condition,
    Empty,
    Not,
    OneOf,
    ShareAbove,
    SumAbove,
    Together,
    evaluate,
    facts_of,
    parse,
)
from yunhe.compute.applications.vocabulary import Fact
from yunhe.kernel.errors import Finding
from yunhe.kernel.truth import Truth

SMALL = {
    "flag": (True, False),
    "kind": ("a", "b"),
    "several": (frozenset(), frozenset({"x"}), frozenset({"x", "y"})),
    "count": (0, 1, 2, 5),
    "other": (0, 1, 2, 5),
    "day": ("2026-01-01", "2026-01-02", "2028-02-29"),
    "later": ("2026-01-01", "2026-01-02", "2028-02-29"),
}
"""Every value of a small world, so that all completions of unknown facts can be tried."""
VOCABULARY = {
    "flag": Fact("flag", "flag"),
    "kind": Fact("kind", "choice", ("a", "b")),
    "several": Fact("several", "choices", ("x", "y")),
    "count": Fact("count", "count", least=0, most=5),
    "other": Fact("other", "count", least=0, most=5),
    "day": Fact("day", "date"),
    "later": Fact("later", "date"),
}

tests = st.one_of(
    st.builds(OneOf, st.just("flag"), st.sampled_from([frozenset({True}), frozenset({False})])),
    st.builds(OneOf, st.just("kind"), st.sampled_from([frozenset({"a"}), frozenset({"a", "b"})])),
    st.builds(OneOf, st.just("several"), st.sampled_from([frozenset({"x"}), frozenset({"y"})])),
    st.just(Empty("several")),
    st.builds(
        Bound,
        st.sampled_from(["count", "other"]),
        st.sampled_from(["above", "below"]),
        st.integers(0, 5),
    ),
    st.builds(Bound, st.just("day"), st.just("before"), st.sampled_from(SMALL["day"])),
    st.just(Bound("day", "before", "", "later")),
    st.builds(SumAbove, st.just(("count", "other")), st.integers(0, 10)),
    st.builds(ShareAbove, st.just("count"), st.just("other"), st.sampled_from([0, 20, 50, 100])),
)
conditions = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Together, st.lists(inner, min_size=1, max_size=3).map(tuple), st.booleans()),
    ),
    max_leaves=5,
)
facts_known = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SMALL.items()}
)


def plainly(condition: Condition, facts: dict) -> bool:  # noqa: PLR0911 - a line for each form
    """What a condition means when everything is known, written a second time."""
    match condition:
        case Together(parts, some):
            found = [plainly(part, facts) for part in parts]
            return any(found) if some else all(found)
        case Not(part):
            return not plainly(part, facts)
        case OneOf(fact, values):
            said = facts[fact]
            return bool(said & values) if isinstance(said, frozenset) else said in values
        case Empty(fact):
            return not facts[fact]
        case Bound(fact, "above", bound, _):
            return facts[fact] > bound
        case Bound(fact, "below", bound, _):
            return facts[fact] < bound
        case Bound(fact, _, bound, other):
            return facts[fact] < (facts[other] if other else bound)
        case SumAbove(names, bound):
            return sum(facts[name] for name in names) > bound
        case ShareAbove(part, whole, percent):
            return facts[part] * 100 > facts[whole] * percent


def completions(facts: dict, names: frozenset[str]):
    unknown = sorted(names - facts.keys())
    for values in itertools.product(*(SMALL[name] for name in unknown)):
        yield {**facts, **dict(zip(unknown, values, strict=True))}


@settings(max_examples=150, deadline=None)
@given(condition=conditions, facts=facts_known)
def test_what_is_decided_holds_however_the_unknown_facts_turn_out(condition, facts):
    said = evaluate(condition, facts)
    whole = {plainly(condition, each) for each in completions(facts, facts_of(condition))}
    if said.value is not None:
        assert whole == {said.value}
        assert said.missing == frozenset()
    else:
        assert said.missing
        assert said.missing <= facts_of(condition) - facts.keys()


@settings(max_examples=150, deadline=None)
@given(condition=conditions, data=st.data())
def test_with_everything_known_a_condition_means_what_it_says(condition, data):
    facts = {name: data.draw(st.sampled_from(values)) for name, values in SMALL.items()}
    assert evaluate(condition, facts) == Truth(plainly(condition, facts))
    assert evaluate(Not(condition), facts).value is not plainly(condition, facts)


@given(left=conditions, right=conditions, facts=facts_known)
def test_de_morgan_holds_in_three_values(left, right, facts):
    both = Not(Together((left, right), some=False))
    either = Together((Not(left), Not(right)), some=True)
    assert evaluate(both, facts).value == evaluate(either, facts).value


def test_a_sum_already_above_its_bound_does_not_wait_for_the_rest():
    above = SumAbove(("count", "other"), 4)
    assert evaluate(above, {"count": 5}) == Truth(True)
    assert evaluate(above, {"count": 4}) == Truth(None, frozenset({"other"}))
    assert evaluate(above, {"count": 4, "other": 0}) == Truth(False)


@pytest.mark.parametrize(
    ("part", "whole", "above"),
    [
        (20, 100, False),
        (21, 100, True),
        (1, 5, False),
        (1, 4, True),
        (0, 0, False),
        (1, 0, True),
        (199_999_999_999, 10**12, False),
        (200_000_000_000, 10**12, False),
        (200_000_000_001, 10**12, True),
        (2, 9, True),
        (3, 16, False),
    ],
)
def test_a_share_is_exact_to_the_last_unit(part: int, whole: int, above):
    said = evaluate(ShareAbove("part", "whole", 20), {"part": part, "whole": whole})
    assert said.value is above


def read(written: object) -> tuple[Condition | None, list[Finding]]:
    findings: list[Finding] = []
    return parse(written, VOCABULARY, where="when", findings=findings), findings


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"equals": {"flag": True}}, OneOf("flag", frozenset({True}))),
        ({"in": {"kind": ["a", "b", "a"]}}, OneOf("kind", frozenset({"a", "b"}))),
        ({"equals": {"several": "x"}}, OneOf("several", frozenset({"x"}))),
        ({"in": {"several": ["x"]}}, OneOf("several", frozenset({"x"}))),
        ({"empty": "several"}, Empty("several")),
        ({"above": {"count": 5}}, Bound("count", "above", 5)),
        ({"below": {"count": 0}}, Bound("count", "below", 0)),
        ({"before": {"day": "2028-02-29"}}, Bound("day", "before", "2028-02-29")),
        ({"before": {"day": "later"}}, Bound("day", "before", "", "later")),
        ({"not": {"empty": "several"}}, Not(Empty("several"))),
        ({"all": [{"empty": "several"}]}, Together((Empty("several"),), some=False)),
        ({"any": [{"empty": "several"}]}, Together((Empty("several"),), some=True)),
        ({"sum_above": {"facts": ["count"], "most": 0}}, SumAbove(("count",), 0)),
        (
            {"share_above": {"part": "count", "whole": "other", "percent": 100}},
            ShareAbove("count", "other", 100),
        ),
    ],
)
def test_every_form_of_condition_is_read_as_it_is_meant(written: object, meant: Condition):
    assert read(written) == (meant, [])


@pytest.mark.parametrize(
    ("written", "where", "code"),
    [
        (None, "when", "condition_shape"),
        ([], "when", "condition_shape"),
        ({}, "when", "condition_shape"),
        ({"all": [], "any": []}, "when", "condition_shape"),
        ({"all": {}}, "when.all", "condition_shape"),
        ({"all": []}, "when.all", "condition_shape"),
        ({"any": ["x"]}, "when.any[0]", "condition_shape"),
        ({"not": []}, "when.not", "condition_shape"),
        ({"equals": {}}, "when.equals", "condition_shape"),
        ({"equals": {"flag": True, "kind": "a"}}, "when.equals", "condition_shape"),
        ({"equals": {"flag": [True]}}, "when.equals", "condition_shape"),
        ({"in": {"kind": "a"}}, "when.in", "condition_shape"),
        ({"in": {"kind": []}}, "when.in", "condition_shape"),
        ({"in": {"kind": ["c"]}}, "when.in", "fact_option"),
        ({"equals": {"flag": "true"}}, "when.equals", "fact_flag"),
        ({"equals": {"flag": 1}}, "when.equals", "fact_flag"),
        ({"equals": {"nobody": 1}}, "when.equals", "fact_unknown"),
        ({"equals": {7: 1}}, "when.equals", "fact_unknown"),
        ({"empty": "kind"}, "when.empty", "fact_kind"),
        ({"empty": ["several"]}, "when.empty", "fact_unknown"),
        ({"above": {"count": True}}, "when.above", "fact_count"),
        ({"above": {"count": 1.0}}, "when.above", "fact_count"),
        ({"above": {"count": "1"}}, "when.above", "fact_count"),
        ({"above": {"count": 6}}, "when.above", "fact_count"),
        ({"below": {"count": -1}}, "when.below", "fact_count"),
        ({"above": {"day": "2026-01-01"}}, "when.above", "fact_kind"),
        ({"before": {"count": 1}}, "when.before", "fact_kind"),
        ({"before": {"day": "count"}}, "when.before", "fact_day"),
        ({"before": {"day": "2027-02-29"}}, "when.before", "fact_day"),
        ({"before": {"day": "2026-1-1"}}, "when.before", "fact_day"),
        ({"sum_above": {"facts": [], "most": 1}}, "when.sum_above", "condition_shape"),
        ({"sum_above": {"facts": ["count"], "most": -1}}, "when.sum_above", "condition_shape"),
        ({"sum_above": {"facts": ["count"], "most": True}}, "when.sum_above", "condition_shape"),
        ({"sum_above": {"facts": ["count"]}}, "when.sum_above", "condition_shape"),
        ({"sum_above": {"facts": ["flag"], "most": 1}}, "when.sum_above.facts", "fact_kind"),
        ({"share_above": {"part": "count"}}, "when.share_above", "condition_shape"),
        ({"louder": {"count": 1}}, "when.louder", "operator_unknown"),
        ({None: {"count": 1}}, "when.None", "operator_unknown"),
    ],
)
def test_a_condition_that_is_written_wrong_is_told_with_its_place(written, where, code):
    condition, findings = read(written)
    assert condition is None
    assert [(f.where, f.code) for f in findings] == [(where, f"compute.{code}")]


@pytest.mark.parametrize("percent", [-1, 101, 20.0, "20", True, None])
def test_a_share_is_a_whole_number_of_percent(percent: object):
    condition, findings = read(
        {"share_above": {"part": "count", "whole": "other", "percent": percent}}
    )
    assert condition is None
    assert [f.where for f in findings] == ["when.share_above.percent"]


def nested(depth: int) -> object:
    written: object = {"empty": "several"}
    for _ in range(depth):
        written = {"not": written}
    return written


def test_conditions_nest_as_deep_as_that_and_no_deeper():
    assert read(nested(DEPTH_MAX))[1] == []
    condition, findings = read(nested(DEPTH_MAX + 1))
    assert condition is None
    assert [f.code for f in findings] == ["compute.condition_shape"]


def test_a_condition_that_contains_itself_ends():
    own: dict = {}
    own["not"] = own
    condition, findings = read(own)
    assert condition is None
    assert len(findings) == 1


@pytest.mark.parametrize("name", reading.SHIPPED)
def test_a_shipped_rule_can_be_decided_both_ways(name: str):
    """A rule that always or never holds is a slip of the pen."""
    known = reading.vocabulary()
    for rule in reading.shipped(name).rules:
        assert rule.when is not None
        found = {
            evaluate(rule.when, facts).value
            for facts in _corners(sorted(facts_of(rule.when)), known, rule.when)
        }
        assert found == {True, False}, rule.id


def _corners(names: list[str], known, condition: Condition):
    bounds = sorted(_bounds(condition))
    for values in itertools.product(*(_values(known[name], bounds) for name in names)):
        yield dict(zip(names, values, strict=True))


def _values(fact: Fact, bounds: list[int]) -> list:
    match fact.kind:
        case "flag":
            return [True, False]
        case "choice":
            return list(fact.options)
        case "choices":
            return [frozenset(), frozenset(fact.options), *(frozenset({o}) for o in fact.options)]
        case "date":
            return ["2026-01-01", "2026-08-01", "2026-12-31"]
        case _:
            near = {fact.least, *(b + d for b in bounds for d in (0, 1))}
            return [n for n in sorted(near) if fact.least <= n <= fact.most]


def _bounds(condition: Condition) -> set[int]:
    match condition:
        case Together(parts):
            return set().union(*(_bounds(part) for part in parts))
        case Not(part):
            return _bounds(part)
        case Bound(_, _, int(bound), _):
            return {bound}
        case SumAbove(_, bound):
            return {bound}
        case ShareAbove(_, _, percent):
            return {percent, 100}
    return set()
