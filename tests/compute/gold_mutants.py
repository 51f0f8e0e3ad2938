"""Rule sets with one small fault each, to see whether the labelled cases notice.

A rule is left out or decides something else, a number is one more or less, a day is one earlier or
later, an option or a part of a condition is gone, a fact is no longer asked for.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from dataclasses import replace

import yaml
from gold_cases import Case, agrees, said_of_facts

from yunhe.compute.applications import reading
from yunhe.compute.applications.rules import OUTCOMES, RuleSet, rule_on
from yunhe.compute.applications.vocabulary import read

Place = tuple[str | int, ...]
"""Where in a rule file something stands."""


def mutants(programme: str, cases: list[Case]) -> Iterator[tuple[str, RuleSet]]:
    """Every rule set with one fault that the cases could notice, and what the fault is."""
    source = yaml.safe_load(reading._shipped(programme))
    for number, rule in enumerate(source["rules"]):
        name = rule["id"]
        less = copy.deepcopy(source)
        del less["rules"][number]
        yield f"{name} left out", _read(less)
        changes = [(("decides",), each) for each in OUTCOMES if each != rule["decides"]]
        changes += [
            (("when", *place), fault)
            for place, value in _places(rule["when"], ())
            for fault in _faults(value)
        ]
        for place, fault in changes:
            told = f"{name} {'.'.join(map(str, place))} is {fault}"
            yield told, _read(_with(source, ("rules", number, *place), fault))
    yield from _unasked(reading.shipped(programme), cases)
    for name in ("cutoff_day", "result_day"):
        place: Place = ("deadlines", "committee", name)
        value = source["deadlines"]["committee"].get(name)
        for fault in _faults(value):
            yield f"{'.'.join(map(str, place))} is {fault}", _read(_with(source, place, fault))


def unnoticed(cases: list[Case], rules: RuleSet) -> bool:
    """Whether every case agrees with that rule set as well."""
    return all(agrees(case, said_of_facts(case, rules)) for case in cases)


def _unasked(rules: RuleSet, cases: list[Case]) -> Iterator[tuple[str, RuleSet]]:
    """A fact that rules need is asked for anyway; such a fault is none and left out."""
    for number, ask in enumerate(rules.asks):
        for fact in ask.facts:
            less = replace(ask, facts=tuple(each for each in ask.facts if each != fact))
            asks = (*rules.asks[:number], less, *rules.asks[number + 1 :])
            faulty = replace(rules, asks=asks)
            if any(_differ(rules, faulty, case, fact) for case in cases):
                yield f"{fact} not asked for", faulty


def _differ(one: RuleSet, other: RuleSet, case: Case, fact: str) -> bool:
    known = {name: value for name, value in case.facts.items() if name != fact}
    facts = read(one.vocabulary, known)
    return rule_on(one, facts).outcome != rule_on(other, facts).outcome


def _read(source: object) -> RuleSet:
    return reading.read(yaml.safe_dump(source, allow_unicode=True))


def _places(node: object, place: Place) -> Iterator[tuple[Place, object]]:
    yield place, node
    inner = node.items() if isinstance(node, dict) else ()
    inner = enumerate(node) if isinstance(node, list) else inner
    for key, value in inner:
        yield from _places(value, (*place, key))


def _faults(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value - 1, value + 1]
        case datetime.date():
            return [value - datetime.timedelta(days=1), value + datetime.timedelta(days=1)]
        case list() if len(value) > 1:
            return [value[:each] + value[each + 1 :] for each in range(len(value))]
        case _:
            return []


def _with(source: object, place: Place, value: object) -> object:
    changed = copy.deepcopy(source)
    node = changed
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    return changed
