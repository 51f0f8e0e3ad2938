"""The questionnaire: which facts a grading needs, what each may be, and how answers are read.

Pure. Every fact is a closed question. An answer left out, or given as ``unknown``, is unknown; an
answer outside the question is a fault, and all faults are found at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Finding, Invalid, Parameter

QuestionKind = Literal["flag", "choice", "choices", "count", "magnitude"]
"""true or false; one option; any of the options; a whole number; a number too large for JSON."""
QUESTION_KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)

UNKNOWN = "unknown"
"""The answer that says the fact is not known; the same as no answer."""
COUNT_MAX = 10**12
"""Largest count, e.g. of users."""
EXPONENT_MAX = 40
"""Largest power of ten of a magnitude."""
TERM_LETTERS_MAX = 80
"""How much of a wrong answer is repeated in a finding."""
_MAGNITUDE = re.compile(r"(\d{1,41})(?:\.(\d{1,10}))?(?:[eE]\+?(\d{1,2}))?", re.ASCII)

Value = bool | int | str
"""One answer; magnitudes are whole numbers here and decimal text in records."""
Facts = Mapping[str, Value | frozenset[str]]
"""What is known; a question without an entry is unknown."""


@dataclass(frozen=True, slots=True)
class Question:
    """One closed question; its text is in the locale files under ``governance.fact.<id>``."""

    id: str
    """The fact's name."""
    kind: QuestionKind
    """What sort of answer it takes."""
    options: tuple[str, ...] = ()
    """The answers of a ``choice`` or ``choices`` question."""
    ordered: bool = False
    """Whether the options are listed from least to most."""


class Wrong(Exception):
    """An answer that does not fit its question; becomes a `Finding` with its place."""

    def __init__(self, code: str, **params: Parameter) -> None:
        super().__init__(code)
        self.code = code
        self.params = tuple(params.items())


def read(questions: Mapping[str, Question], answers: Mapping[str, object]) -> Facts:
    """The facts that ``answers`` give.

    Errors: `Invalid` ``governance.facts_invalid`` with every unknown question and wrong answer.
    """
    findings = list(_unknown_questions(questions, answers))
    facts: dict[str, Value | frozenset[str]] = {}
    for question in questions.values():
        said = answers.get(question.id, UNKNOWN)
        if said is None or said == UNKNOWN:
            continue
        try:
            facts[question.id] = read_value(question, said)
        except Wrong as wrong:
            findings.append(Finding(question.id, wrong.code, wrong.params))
    if findings:
        raise Invalid("governance.facts_invalid", findings=findings)
    return facts


def canonical(questions: Mapping[str, Question], facts: Facts) -> JsonObject:
    """The facts as a record carries them: every question, ``unknown`` where nobody knows."""
    return {
        question.id: _canonical(question, facts[question.id]) if question.id in facts else UNKNOWN
        for question in questions.values()
    }


def _canonical(question: Question, value: Value | frozenset[str]) -> Json:
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value) if question.kind == "magnitude" else value


def read_value(question: Question, said: object) -> Value | frozenset[str]:
    """The value ``said`` stands for. Errors: `Wrong`."""
    match question.kind:
        case "flag":
            if isinstance(said, bool):
                return said
            raise Wrong("governance.not_a_flag", value=shown(said))
        case "choice":
            return _option(question, said)
        case "choices":
            if not isinstance(said, (list, tuple)):
                raise Wrong("governance.not_a_list", known=", ".join(question.options))
            return frozenset(_option(question, item) for item in said)
        case "count":
            if type(said) is int and 0 <= said <= COUNT_MAX:
                return said
            raise Wrong("governance.not_a_count", value=shown(said), most=COUNT_MAX)
        case "magnitude":
            return _magnitude(said)


def _option(question: Question, said: object) -> str:
    for option in question.options:
        if said == option and isinstance(said, str):
            return option
    raise Wrong("governance.option_unknown", value=shown(said), known=", ".join(question.options))


def _magnitude(said: object) -> int:
    """A whole number written as 1e25, 2.5e25 or in full; floats are refused as inexact."""
    if type(said) is int and 0 <= said <= 10**EXPONENT_MAX:
        return said
    found = _MAGNITUDE.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise Wrong("governance.not_a_magnitude", value=shown(said))
    whole, decimals, exponent = found.group(1), found.group(2) or "", int(found.group(3) or 0)
    if exponent < len(decimals):
        raise Wrong("governance.not_a_magnitude", value=shown(said))
    number: int = int(whole + decimals) * 10 ** (exponent - len(decimals))
    if number > 10**EXPONENT_MAX:
        raise Wrong("governance.not_a_magnitude", value=shown(said))
    return number


def _unknown_questions(
    questions: Mapping[str, Question], answers: Mapping[str, object]
) -> Iterator[Finding]:
    for key in answers:
        if key not in questions:
            yield Finding(shown(key), "governance.fact_unknown")


def shown(term: object) -> str:
    """``term`` as a finding may repeat it: shortened, and nothing in it can move a cursor."""
    said = str(term)
    return (said if said.isprintable() else ascii(said))[:TERM_LETTERS_MAX]
