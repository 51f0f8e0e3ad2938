"""The questionnaire: closed answers, read exactly, canonical in records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.governance import questions
from yunhe.governance import service as governance
from yunhe.governance.questions import Question
from yunhe.kernel.canonical import canonical_bytes, digest_of
from yunhe.kernel.errors import Invalid

ASKED = {
    question.id: question
    for question in (
        Question("open", "flag"),
        Question("effect", "choice", ("none", "advice", "material"), ordered=True),
        Question("fields", "choices", ("credit", "hiring", "culture")),
        Question("users", "count"),
        Question("flop", "magnitude"),
    )
}
FULL = {
    "open": True,
    "effect": "advice",
    "fields": ["hiring", "credit"],
    "users": 7,
    "flop": "1e25",
}


def faults(answers: dict) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        questions.read(ASKED, answers)
    return [(finding.where, finding.code) for finding in error.value.findings]


def test_answers_are_read_as_typed_facts() -> None:
    assert questions.read(ASKED, FULL) == {
        "open": True,
        "effect": "advice",
        "fields": frozenset({"credit", "hiring"}),
        "users": 7,
        "flop": 10**25,
    }


@pytest.mark.parametrize("said", ["unknown", None])
def test_unknown_and_no_answer_are_the_same(said) -> None:
    for fact in ASKED:
        rest = {key: value for key, value in FULL.items() if key != fact}
        assert questions.read(ASKED, rest) == questions.read(ASKED, {**FULL, fact: said})
        assert fact not in questions.read(ASKED, rest)


def test_records_carry_every_question_in_canonical_form() -> None:
    facts = questions.read(ASKED, {**FULL, "users": "unknown"})
    assert questions.canonical(ASKED, facts) == {
        "open": True,
        "effect": "advice",
        "fields": ["credit", "hiring"],
        "users": "unknown",
        "flop": "1" + "0" * 25,
    }


@given(st.permutations(["credit", "hiring", "culture"]))
def test_the_order_of_options_does_not_change_a_records_digest(order) -> None:
    digests = {
        digest_of(questions.canonical(ASKED, questions.read(ASKED, {**FULL, "fields": fields})))
        for fields in (order, ["culture", "hiring", "credit"], order * 2)
    }
    assert len(digests) == 1


def test_no_option_chosen_is_known_and_differs_from_unknown() -> None:
    facts = questions.read(ASKED, {"fields": []})
    assert facts == {"fields": frozenset()}
    assert questions.canonical(ASKED, facts)["fields"] == []


@pytest.mark.parametrize("said", ["true", "yes", 1, 0, [], "True", 1.0])
def test_a_flag_is_true_or_false_and_nothing_like_it(said) -> None:
    assert faults({"open": said}) == [("open", "governance.not_a_flag")]


@pytest.mark.parametrize("said", ["Advice", "advice ", "", 1, True, ["advice"], {"a": 1}, "none\n"])
def test_a_choice_is_exactly_one_of_its_options(said) -> None:
    assert faults({"effect": said}) == [("effect", "governance.option_unknown")]


@pytest.mark.parametrize("said", ["credit", {"credit": True}, 3, True])
def test_several_choices_are_given_as_a_list(said) -> None:
    assert faults({"fields": said}) == [("fields", "governance.not_a_list")]


@pytest.mark.parametrize("said", [["credit", "loans"], [["credit"]], [None], ["unknown"]])
def test_each_of_several_choices_is_an_option(said) -> None:
    assert faults({"fields": said}) == [("fields", "governance.option_unknown")]


@pytest.mark.parametrize("said", [-1, 1.0, True, "7", "1e3", 10**12 + 1, []])
def test_a_count_is_a_whole_number_within_bounds(said) -> None:
    assert faults({"users": said}) == [("users", "governance.not_a_count")]


def test_the_bounds_of_a_count_are_included() -> None:
    for said in (0, 10**12):
        assert questions.read(ASKED, {"users": said}) == {"users": said}


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("0", 0),
        ("1e25", 10**25),
        ("2.5e25", 25 * 10**24),
        ("1.50e2", 150),
        ("9.9E+24", 99 * 10**23),
        ("007", 7),
        (10**25, 10**25),
        ("1e40", 10**40),
    ],
)
def test_a_magnitude_is_exact(said, number) -> None:
    assert questions.read(ASKED, {"flop": said}) == {"flop": number}


def test_every_fault_is_found_and_nothing_is_read() -> None:
    assert faults(
        {"open": 1, "effect": "x", "fields": "y", "users": -1, "flop": "z", "more": 1, "yet": 2}
    ) == [
        ("more", "governance.fact_unknown"),
        ("yet", "governance.fact_unknown"),
        ("open", "governance.not_a_flag"),
        ("effect", "governance.option_unknown"),
        ("fields", "governance.not_a_list"),
        ("users", "governance.not_a_count"),
        ("flop", "governance.not_a_magnitude"),
    ]


def test_the_real_questionnaire_has_canonical_bytes_whatever_is_known() -> None:
    asked = governance.questionnaire()
    assert len(asked) == 28
    everything_unknown = questions.canonical(asked, {})
    assert set(everything_unknown.values()) == {"unknown"}
    assert canonical_bytes(everything_unknown)
    assert canonical_bytes(questions.canonical(asked, {"training_flop": 10**40}))
