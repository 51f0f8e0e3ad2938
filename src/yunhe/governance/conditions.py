"""Conditions over facts, in the three values of `yunhe.kernel.truth`.

Pure. A condition is true or false only if it stays so whatever the answers to the unknown facts
turn out to be; a rule whose condition is unknown is treated as fired, so ignorance never lowers a
tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yunhe.governance.questions import Question, Value, Wrong, read_value
from yunhe.kernel import truth
from yunhe.kernel.errors import Finding
from yunhe.kernel.truth import Truth

DEPTH_MAX = 8
"""Deepest nesting of a condition."""


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is."""

    parts: tuple[Condition, ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when some part is."""

    parts: tuple[Condition, ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class Not:
    """True when the part is false."""

    part: Condition
    """What must not hold."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """True when the fact, or one of its values, is among the values."""

    fact: str
    """A question's id."""
    values: frozenset[Value]
    """At least one."""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """True when a number is not below the bound."""

    fact: str
    """A question's id."""
    bound: int
    """The least value."""


Condition = All | AnyOf | Not | OneOf | AtLeast
"""What a rule may ask."""


def evaluate(condition: Condition, facts: Mapping[str, Value | frozenset[str]]) -> Truth:
    """What ``condition`` comes to, given the facts that are known; absent ones are unknown."""
    match condition:
        case All(parts):
            return truth.every(evaluate(part, facts) for part in parts)
        case AnyOf(parts):
            return truth.some(evaluate(part, facts) for part in parts)
        case Not(part):
            return truth.negated(evaluate(part, facts))
        case OneOf(fact) | AtLeast(fact):
            if fact not in facts:
                return Truth(None, frozenset({fact}))
            return truth.truth(holds=_passes(condition, facts[fact]))


def _passes(test: OneOf | AtLeast, said: Value | frozenset[str]) -> bool:
    if isinstance(test, AtLeast):
        return isinstance(said, int) and said >= test.bound
    return not test.values.isdisjoint(said) if isinstance(said, frozenset) else said in test.values


def facts_of(condition: Condition) -> frozenset[str]:
    """Ids of all facts a condition asks for."""
    match condition:
        case All(parts) | AnyOf(parts):
            return frozenset[str]().union(*(facts_of(part) for part in parts))
        case Not(part):
            return facts_of(part)
        case OneOf(fact, _) | AtLeast(fact, _):
            return frozenset({fact})


def parse(
    written: object, questions: Mapping[str, Question], *, where: str, findings: list[Finding]
) -> Condition | None:
    """The condition ``written`` as ``{all|any: [...]}``, ``{not: …}``, ``{equals|in|at_least: …}``.

    Every fault is added to ``findings``; ``None`` when there was one. ``at_least`` takes a number,
    or an option of a question whose options are ordered.
    """
    return _Reader(questions, findings).read(written, where, 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    questions: Mapping[str, Question]
    findings: list[Finding]

    def read(self, written: object, where: str, depth: int) -> Condition | None:
        if not isinstance(written, Mapping) or len(written) != 1 or depth > DEPTH_MAX:
            return self.fault(where, "governance.condition_shape")
        ((operator, operand),) = written.items()
        inside = f"{where}.{operator}"
        match operator:
            case "all" | "any":
                return self.group(operand, inside, depth, every=operator == "all")
            case "not":
                part = self.read(operand, inside, depth + 1)
                return None if part is None else Not(part)
            case "equals" | "in" | "at_least":
                return self.test(str(operator), operand, inside)
            case _:
                return self.fault(inside, "governance.operator_unknown")

    def fault(self, where: str, code: str) -> Condition | None:
        self.findings.append(Finding(where, code))
        return None

    def group(self, operand: object, where: str, depth: int, *, every: bool) -> Condition | None:
        if not isinstance(operand, list) or not operand:
            return self.fault(where, "governance.condition_shape")
        read = [self.read(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(operand)]
        parts = tuple(part for part in read if part is not None)
        if len(parts) != len(read):
            return None
        return All(parts) if every else AnyOf(parts)

    def test(self, operator: str, operand: object, where: str) -> Condition | None:
        if not isinstance(operand, Mapping) or len(operand) != 1:
            return self.fault(where, "governance.condition_shape")
        ((fact, said),) = operand.items()
        question = self.questions.get(fact)
        if question is None:
            return self.fault(f"{where}.{fact}", "governance.fact_unknown")
        inside = f"{where}.{fact}"
        if operator == "at_least":
            return self.bound(question, said, inside)
        if (operator == "in") != isinstance(said, list) or said == []:
            return self.fault(inside, "governance.condition_shape")
        items = said if isinstance(said, list) else [said]
        values = [self.value(question, item, inside) for item in items]
        known = frozenset(value for value in values if value is not None)
        return None if None in values else OneOf(question.id, known)

    def bound(self, question: Question, said: object, where: str) -> Condition | None:
        value = self.value(question, said, where)
        if value is None:
            return None
        if question.kind in ("count", "magnitude") and isinstance(value, int):
            return AtLeast(question.id, value)
        if question.ordered and isinstance(value, str):
            first = question.options.index(value)
            return OneOf(question.id, frozenset(question.options[first:]))
        return self.fault(where, "governance.not_ordered")

    def value(self, question: Question, said: object, where: str) -> Value | None:
        """One value the fact may have; for a question with several, one of them."""
        try:
            read = read_value(question, [said] if question.kind == "choices" else said)
        except Wrong as wrong:
            self.findings.append(Finding(where, wrong.code, wrong.params))
            return None
        return next(iter(read)) if isinstance(read, frozenset) else read
