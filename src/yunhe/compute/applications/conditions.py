"""Conditions over facts, in the three values of `yunhe.kernel.truth`.

Pure. A condition is true or false only if it stays so whatever the unknown facts turn out to be; a
sum of amounts that is above its bound without the unknown ones is above it with them, as no amount
is below zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from yunhe.compute.applications.vocabulary import Fact, Facts, Value, Wrong, read_value
from yunhe.kernel import truth
from yunhe.kernel.errors import Finding
from yunhe.kernel.truth import FALSE, TRUE, Truth

DEPTH_MAX = 8
"""Deepest nesting of a condition."""
Order = Literal["above", "below", "before"]
"""A number above a bound; a number below it; a day before a day."""


@dataclass(frozen=True, slots=True)
class Together:
    """True when every part is, or with ``some`` when some part is."""

    parts: tuple[Condition, ...]
    """At least one."""
    some: bool
    """Whether one part is enough."""


@dataclass(frozen=True, slots=True)
class Not:
    """True when the part is false."""

    part: Condition
    """What must not hold."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """True when the fact, or one of its values, is among the values."""

    fact: str
    """A fact's id."""
    values: frozenset[Value]
    """At least one."""


@dataclass(frozen=True, slots=True)
class Empty:
    """True when a fact of several values has none."""

    fact: str
    """A fact's id."""


@dataclass(frozen=True, slots=True)
class Bound:
    """True when a number or day is beyond a bound; the bound itself is not."""

    fact: str
    """A fact's id."""
    order: Order
    """On which side."""
    bound: int | str
    """A number, or a day."""
    other: str = ""
    """Compared with this fact instead, for ``before``; empty: with the bound."""


@dataclass(frozen=True, slots=True)
class SumAbove:
    """True when the amounts add up to more than the bound."""

    facts: tuple[str, ...]
    """Counts, none below zero."""
    bound: int
    """The most that is allowed."""


@dataclass(frozen=True, slots=True)
class ShareAbove:
    """True when a part is more than so many percent of a whole; exact, in whole numbers."""

    part: str
    """A count."""
    whole: str
    """A count."""
    percent: int
    """The most that is allowed."""


Condition = Together | Not | OneOf | Empty | Bound | SumAbove | ShareAbove
"""What a rule may ask."""


def evaluate(condition: Condition, facts: Facts) -> Truth:
    """What ``condition`` comes to, given the facts that are known; absent ones are unknown."""
    match condition:
        case Together(parts, some):
            found = (evaluate(part, facts) for part in parts)
            return truth.some(found) if some else truth.every(found)
        case Not(part):
            return truth.negated(evaluate(part, facts))
        case SumAbove(names, bound):
            total = sum(_number(facts[name]) for name in names if name in facts)
            if total > bound:
                return TRUE
            missing = frozenset(name for name in names if name not in facts)
            return Truth(None, missing) if missing else FALSE
        case _:
            missing = facts_of(condition) - facts.keys()
            if missing:
                return Truth(None, missing)
            return truth.truth(holds=_passes(condition, facts))


def _number(value: Value | frozenset[str]) -> int:
    return value if type(value) is int else 0


def _passes(test: OneOf | Empty | Bound | ShareAbove, facts: Facts) -> bool:
    match test:
        case OneOf(fact, values):
            said = facts[fact]
            return bool(values & said) if isinstance(said, frozenset) else said in values
        case Empty(fact):
            return facts[fact] == frozenset()
        case Bound(fact, order, bound, other):
            if order == "before":
                return str(facts[fact]) < str(facts[other] if other else bound)
            said, limit = _number(facts[fact]), _number(bound)
            return said > limit if order == "above" else said < limit
        case ShareAbove(part, whole, percent):
            return _number(facts[part]) * 100 > _number(facts[whole]) * percent


def facts_of(condition: Condition) -> frozenset[str]:
    """Ids of all facts a condition asks for."""
    match condition:
        case Together(parts):
            return frozenset[str]().union(*(facts_of(part) for part in parts))
        case Not(part):
            return facts_of(part)
        case SumAbove(names):
            return frozenset(names)
        case ShareAbove(part, whole):
            return frozenset({part, whole})
        case Bound(fact, _, _, other):
            return frozenset({fact, other} - {""})
        case OneOf(fact) | Empty(fact):
            return frozenset({fact})


def parse(
    written: object, vocabulary: Mapping[str, Fact], *, where: str, findings: list[Finding]
) -> Condition | None:
    """The condition ``written``; every fault is added to ``findings``; ``None`` when there was one.

    Forms: ``{all: […]}``, ``{any: […]}``, ``{not: …}``, ``{equals: {fact: value}}``,
    ``{in: {fact: [values]}}``, ``{empty: fact}``, ``{above: {fact: n}}``, ``{below: {fact: n}}``,
    ``{before: {fact: day or other fact}}``, ``{sum_above: {facts: […], most: n}}``,
    ``{share_above: {part: fact, whole: fact, percent: n}}``.
    """
    return _Reader(vocabulary, findings).read(written, where, 0)


@dataclass(frozen=True, slots=True)
class _Reader:
    vocabulary: Mapping[str, Fact]
    findings: list[Finding]

    def read(self, written: object, where: str, depth: int) -> Condition | None:
        if not isinstance(written, Mapping) or len(written) != 1 or depth > DEPTH_MAX:
            return self.fault(where, "compute.condition_shape")
        ((operator, operand),) = written.items()
        inside = f"{where}.{operator}"
        match operator:
            case "all" | "any":
                found = self.group(operand, inside, depth, some=operator == "any")
            case "not":
                part = self.read(operand, inside, depth + 1)
                found = None if part is None else Not(part)
            case "equals" | "in":
                found = self.one_of(operand, inside, several=operator == "in")
            case "above" | "below" | "before":
                found = self.bound(operand, inside, operator)
            case _:
                found = self.special(operator, operand, inside)
        return found

    def special(self, operator: object, operand: object, where: str) -> Condition | None:
        match operator:
            case "empty":
                fact = self.fact(operand, where, ("choices",))
                return None if fact is None else Empty(fact.id)
            case "sum_above":
                return self.sum_above(operand, where)
            case "share_above":
                return self.share_above(operand, where)
        return self.fault(where, "compute.operator_unknown")

    def fault(self, where: str, code: str) -> Condition | None:
        self.findings.append(Finding(where, code))
        return None

    def group(self, operand: object, where: str, depth: int, *, some: bool) -> Condition | None:
        if not isinstance(operand, list) or not operand:
            return self.fault(where, "compute.condition_shape")
        read = [self.read(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(operand)]
        parts = tuple(part for part in read if part is not None)
        return Together(parts, some) if len(parts) == len(read) else None

    def fact(self, name: object, where: str, kinds: Sequence[str]) -> Fact | None:
        fact = self.vocabulary.get(name) if isinstance(name, str) else None
        if fact is None or fact.kind not in kinds:
            self.fault(where, "compute.fact_unknown" if fact is None else "compute.fact_kind")
            return None
        return fact

    def one_of(self, operand: object, where: str, *, several: bool) -> Condition | None:
        found = self.pair(operand, where)
        if found is None:
            return None
        name, said = found
        fact = self.fact(name, where, ("flag", "choice", "choices", "count", "date"))
        if fact is None:
            return None
        if several != isinstance(said, list) or said == []:
            return self.fault(where, "compute.condition_shape")
        items = said if isinstance(said, list) else [said]
        values = [self.value(fact, item, where) for item in items]
        known = frozenset(value for value in values if value is not None)
        return None if None in values else OneOf(fact.id, known)

    def bound(self, operand: object, where: str, order: Order) -> Condition | None:
        found = self.pair(operand, where)
        if found is None:
            return None
        name, said = found
        fact = self.fact(name, where, ("date",) if order == "before" else ("count",))
        if fact is None:
            return None
        other = self.vocabulary.get(said) if isinstance(said, str) else None
        if order == "before" and other is not None and other.kind == "date":
            return Bound(fact.id, order, "", other.id)
        value = self.value(fact, said, where)
        if value is None or isinstance(value, bool):
            return None
        return Bound(fact.id, order, value)

    def sum_above(self, operand: object, where: str) -> Condition | None:
        shape = self.fields(operand, where, {"facts", "most"})
        if shape is None:
            return None
        names, most = shape["facts"], shape["most"]
        if not isinstance(names, list) or not names or type(most) is not int or most < 0:
            return self.fault(where, "compute.condition_shape")
        facts = [self.fact(name, f"{where}.facts", ("count",)) for name in names]
        known = tuple(fact.id for fact in facts if fact is not None)
        return SumAbove(known, most) if len(known) == len(names) else None

    def share_above(self, operand: object, where: str) -> Condition | None:
        shape = self.fields(operand, where, {"part", "whole", "percent"})
        if shape is None:
            return None
        part = self.fact(shape["part"], f"{where}.part", ("count",))
        whole = self.fact(shape["whole"], f"{where}.whole", ("count",))
        percent = shape["percent"]
        if type(percent) is not int or not 0 <= percent <= 100:
            return self.fault(f"{where}.percent", "compute.condition_shape")
        return None if part is None or whole is None else ShareAbove(part.id, whole.id, percent)

    def pair(self, operand: object, where: str) -> tuple[object, object] | None:
        if not isinstance(operand, Mapping) or len(operand) != 1:
            self.fault(where, "compute.condition_shape")
            return None
        ((name, said),) = operand.items()
        return name, said

    def fields(self, operand: object, where: str, names: set[str]) -> Mapping[str, object] | None:
        if not isinstance(operand, Mapping) or set(operand) != names:
            self.fault(where, "compute.condition_shape")
            return None
        return operand

    def value(self, fact: Fact, said: object, where: str) -> Value | None:
        """One value the fact may have; for a fact with several, one of them."""
        try:
            read = read_value(fact, [said] if fact.kind == "choices" else said)
        except Wrong as wrong:
            self.findings.append(Finding(where, wrong.code, wrong.params))
            return None
        return next(iter(read)) if isinstance(read, frozenset) else read
