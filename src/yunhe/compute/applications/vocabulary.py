"""Which facts a proposal may state and how they are read; the list is ``rules/facts.yaml``.

Pure. A fact left out, or given as ``unknown``, is unknown; a value outside its kind is a fault, and
all faults are found at once.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.kernel.canonical import INTEGER_MAX, Json
from yunhe.kernel.errors import Finding, Invalid, Parameter

FactKind = Literal["flag", "choice", "choices", "count", "date"]
"""true or false; one option; any of the options; a whole number; a day."""
FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)

UNKNOWN = "unknown"
"""Says that a fact is not known; the same as leaving it out."""
VALUE_LETTERS_MAX = 80
"""How much of a wrong value is repeated in a finding."""
YEARS = range(1970, 2200)
"""In which a day may be: windows that begin then end before a calendar does."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Value = bool | int | str
"""One value; days are ``YYYY-MM-DD``, whose order is that of the days."""
Facts = Mapping[str, Value | frozenset[str]]
"""What is known."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One closed question of the vocabulary."""

    id: str
    """Its name."""
    kind: FactKind
    """What sort of value it takes."""
    options: tuple[str, ...] = ()
    """The values of a ``choice`` or ``choices``."""
    least: int = 0
    """Least value of a ``count``."""
    most: int = INTEGER_MAX
    """Greatest value of a ``count``."""
    by_platform: bool = False
    """Whether the platform finds it, so that an applicant can't state it."""


class Wrong(Exception):
    """A value that does not fit its fact; becomes a `Finding` with its place."""

    def __init__(self, code: str, **params: Parameter) -> None:
        super().__init__(code)
        self.code = code
        self.params = tuple(params.items())


def read(
    vocabulary: Mapping[str, Fact], said: Mapping[str, object], *, applicant: bool = False
) -> Facts:
    """The facts in ``said``; with ``applicant`` those the platform finds are refused.

    Errors: `Invalid` ``compute.facts_invalid`` with every unknown fact and wrong value.
    """
    findings = list(_strange(vocabulary, said, applicant=applicant))
    facts: dict[str, Value | frozenset[str]] = {}
    for name, value in said.items():
        fact = vocabulary.get(name)
        if fact is None or value is None or value == UNKNOWN:
            continue
        try:
            facts[name] = read_value(fact, value)
        except Wrong as wrong:
            findings.append(Finding(f"facts.{name}", wrong.code, wrong.params))
    if findings:
        raise Invalid("compute.facts_invalid", findings=findings)
    return facts


def _strange(
    vocabulary: Mapping[str, Fact], said: Collection[str], *, applicant: bool
) -> Iterator[Finding]:
    for name in said:
        fact = vocabulary.get(name)
        if fact is None:
            yield Finding(f"facts.{shown(name)}", "compute.fact_unknown")
        elif applicant and fact.by_platform:
            yield Finding(f"facts.{name}", "compute.fact_of_platform")


def read_value(fact: Fact, said: object) -> Value | frozenset[str]:
    """The value ``said`` stands for. Errors: `Wrong`."""
    match fact.kind:
        case "flag":
            if isinstance(said, bool):
                return said
            raise Wrong("compute.fact_flag", value=shown(said))
        case "choice":
            return _option(fact, said)
        case "choices":
            if not isinstance(said, (list, tuple, frozenset)):
                raise Wrong(
                    "compute.fact_list", first=fact.options[0], known=", ".join(fact.options)
                )
            return frozenset(_option(fact, item) for item in said)
        case "count":
            if type(said) is int and fact.least <= said <= fact.most:
                return said
            raise Wrong("compute.fact_count", value=shown(said), least=fact.least, most=fact.most)
        case "date":
            return _day(said)


def _option(fact: Fact, said: object) -> str:
    if isinstance(said, str) and said in fact.options:
        return said
    raise Wrong("compute.fact_option", value=shown(said), known=", ".join(fact.options))


def _day(said: object) -> str:
    """A day as text; YAML gives days as dates of their own."""
    day = None
    if isinstance(said, datetime.date) and not isinstance(said, datetime.datetime):
        day = said
    elif isinstance(said, str) and _DAY.fullmatch(said):
        with suppress(ValueError):
            day = datetime.date.fromisoformat(said)
    if day is not None and day.year in YEARS:
        return day.isoformat()
    raise Wrong("compute.fact_day", value=shown(said))


def canonical(facts: Facts) -> dict[str, Json]:
    """The known facts as records and rows carry them, by name."""
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in sorted(facts.items())
    }


def as_facts(said: Mapping[str, object]) -> Facts:
    """What was stated, as a proposal carries it before it is checked; unknown ones left out."""
    facts: dict[str, Value | frozenset[str]] = {}
    for name, value in said.items():
        if isinstance(value, (list, tuple)):
            facts[name] = frozenset(str(each) for each in value)
        elif isinstance(value, (bool, int, str)) and value != UNKNOWN:
            facts[name] = value
    return facts


def shown(term: object) -> str:
    """``term`` as a finding may repeat it: shortened, and nothing in it can move a cursor."""
    said = str(term)
    return (said if said.isprintable() else ascii(said))[:VALUE_LETTERS_MAX]
