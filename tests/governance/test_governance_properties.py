"""Properties of the pure engine: ignorance never lowers a tier, and a second reading agrees."""

from __future__ import annotations

from datetime import date
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.governance import conditions, questions, rules, tables
from yunhe.governance.conditions import All, AnyOf, AtLeast, Not, OneOf
from yunhe.governance.domain import TIERS
from yunhe.governance.questions import Question, Wrong

BOOK = tables.book()
TODAY = date(2026, 11, 22)
DAYS = st.dates(date(2021, 1, 1), date(2029, 1, 1))


def answer(question: Question) -> st.SearchStrategy:
    match question.kind:
        case "flag":
            return st.booleans()
        case "choice":
            return st.sampled_from(question.options)
        case "choices":
            return st.lists(st.sampled_from(question.options), max_size=2, unique=True)
        case "count":
            return st.sampled_from((0, 99_999, 100_000, 999_999, 1_000_000, 10**9))
        case "magnitude":
            return st.sampled_from((0, "9.9e24", "1e25", "9.9e25", "1e26"))


# Rare answers are drawn as rarely as in life, or every random system would be prohibited.
ANSWERS = st.fixed_dictionaries({q.id: answer(q) for q in BOOK.questions.values()}).flatmap(
    lambda drawn: st.sampled_from(
        (drawn, drawn | {"practices": []}, drawn | {"practices": [], "purpose_a1": False})
    )
)


def tier(answers: dict, *, day: date = TODAY) -> str:
    return rules.grade(BOOK, questions.read(BOOK.questions, answers), on=day).tier


@settings(max_examples=300, deadline=None)
@given(ANSWERS, st.sets(st.sampled_from(sorted(BOOK.questions))), DAYS)
def test_forgetting_a_fact_never_lowers_the_tier(answers, forgotten, day) -> None:
    ignorant = {fact: said for fact, said in answers.items() if fact not in forgotten}
    assert tier(ignorant, day=day) >= tier(answers, day=day)


@settings(max_examples=300, deadline=None)
@given(ANSWERS)
def test_a_tier_is_explained_by_the_rules_that_fired(answers) -> None:
    grading = rules.grade(BOOK, questions.read(BOOK.questions, answers), on=TODAY)
    tiers = [hit.tier for hit in grading.fired if hit.tier is not None]
    lifts = sum(hit.lift for hit in grading.fired)
    base = max(tiers) if tiers else BOOK.uncovered
    lifted = base if base == "R4" else TIERS[min(TIERS.index(base) + lifts, 3)]
    assert grading.tier == lifted
    assert grading.covered == bool(tiers)
    assert grading.missing == ()
    assert all(hit.certain and hit.citation.in_force(TODAY.isoformat()) for hit in grading.fired)
    assert all(m.citation.in_force(TODAY.isoformat()) for m in grading.measures)


HIGH_DOMAINS = {
    "critical_infrastructure", "medical_diagnosis", "judicial", "credit",
    "hiring", "admission", "migration", "biometric_identification",
}  # fmt: skip


def second_reading(a: dict) -> str:
    """The sheet's table written a second time, as plain Python, for a day with all but H1-EU."""
    high = HIGH_DOMAINS & set(a["domain"]) or a["critical_infra"]
    rows = [
        (4, a["practices"] or a["purpose_a1"]),
        (4, a["emotional_companion"] and a["virtual_relations"] and a["minors"]),
        (
            3,
            a["decision_effect"] in ("material", "automatic")
            and (high or a["biometric"] == "identification"),
        ),
        (3, a["public_facing"] and a["generative"] and a["opinion_mobilisation"]),
        (
            3,
            a["emotional_companion"] and (a["users_registered"] >= 10**6 or a["mau"] >= 10**5),
        ),
        (
            3,
            a["autonomy"] == "autonomous"
            and {"money", "identity", "devices"} & set(a["agent_tools"]),
        ),
        (3, a["training_flop"] in ("1e25", "9.9e25", "1e26")),
        (3, a["ethics_list"] or a["opinion_mobilisation"]),
        # With mobilisation it would not be M1, but then it is H2 anyway.
        (2, a["generative"] and a["public_facing"] and a["base_model_filed"] == "filed_by_api"),
        (
            2,
            a["public_facing"]
            and {"recommendation", "ranking", "search", "scheduling"} & set(a["function"]),
        ),
        (1, not a["public_facing"] and a["autonomy"] == "assist"),
        (
            0,
            a["personal_data"] == "none" and not a["generative"] and a["decision_effect"] == "none",
        ),
    ]
    highest = max((tier for tier, fires in rows if fires), default=2)
    lift = a["personal_data"] == "sensitive" or a["minors"]
    return f"R{highest + (lift and highest < 3)}"


@settings(max_examples=1_000, deadline=None)
@given(ANSWERS)
def test_the_engine_agrees_with_a_second_reading_of_the_sheet(answers) -> None:
    assert tier(answers) == second_reading(answers)


FLAGS = {name: Question(name, "flag") for name in "pqr"}
leaves = st.one_of(
    st.builds(OneOf, st.sampled_from("pqr"), st.sampled_from([frozenset({True})])),
    st.builds(OneOf, st.just("c"), st.sampled_from([frozenset({"x"}), frozenset({"x", "y"})])),
    st.builds(AtLeast, st.just("n"), st.integers(0, 2)),
)
trees = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.builds(All, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=8,
)
WORLDS = [
    {"p": p, "q": q, "r": r, "c": frozenset(c), "n": n}
    for p, q, r, c, n in product(
        (True, False), (True, False), (True, False), ("", "x", "y", "xy"), (0, 1, 2)
    )
]


@settings(deadline=None)
@given(trees, st.sampled_from(WORLDS), st.sets(st.sampled_from("pqrcn")))
def test_what_is_decided_stays_so_whatever_the_unknown_facts_are(tree, world, unknown) -> None:
    known = {fact: said for fact, said in world.items() if fact not in unknown}
    truth = conditions.evaluate(tree, known)
    assert (truth.value is None) == bool(truth.missing)
    assert truth.missing <= unknown & conditions.facts_of(tree)
    if truth.value is not None:
        for other in WORLDS:
            if all(other[fact] == said for fact, said in known.items()):
                assert conditions.evaluate(tree, other).value == truth.value
    assert conditions.evaluate(tree, world).value is not None


@given(st.integers(0, 10**24), st.integers(0, 15))
def test_a_magnitude_reads_the_same_however_it_is_written(digits, exponent) -> None:
    question = Question("flop", "magnitude")
    number = digits * 10**exponent
    forms = [f"{digits}e{exponent}", f"{digits}E+{exponent}", str(number), number]
    assert {questions.read_value(question, form) for form in forms} == {number}
    facts = {"flop": number}
    assert questions.canonical({"flop": question}, facts) == {"flop": str(number)}


@pytest.mark.parametrize(
    "said", [-1, 1e25, True, "", "1e41", "9e99", "1.5", "1.25e1", "0x10", "١", "1e-3", [], 10**41]
)
def test_what_is_no_whole_number_is_no_magnitude(said) -> None:
    with pytest.raises(Wrong) as error:
        questions.read_value(Question("flop", "magnitude"), said)
    assert error.value.code == "governance.not_a_magnitude"


@given(st.dictionaries(st.text(max_size=12), st.none() | st.text(max_size=9), max_size=4))
def test_a_wrong_answer_cannot_write_to_the_terminal(answers) -> None:
    known = {question.id for question in BOOK.questions.values()}
    if not set(answers) - known:
        return
    with pytest.raises(questions.Invalid) as error:
        questions.read(BOOK.questions, answers)
    for finding in error.value.findings:
        assert finding.message("zh").isprintable()
