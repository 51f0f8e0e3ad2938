"""Whether a library holds what the standard asks for, row by row, with each row's source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict

from yunhe.corpus.risk.classes import Citation, classes
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.clock import DAY_US

if TYPE_CHECKING:
    from yunhe.corpus.risk.library import Library


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    group: str = ""
    entries_min: int = 0
    entries_each_min: int = 0
    age_days_max: int = 0
    source: Citation


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    source: Citation
    rules: tuple[_Rule, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One bound and what there is."""

    rule: str
    """Its id in the rule data."""
    risk: str
    """Id of the class it is about; empty when about the whole."""
    wanted: int
    """The bound: fewest entries, or most days since the last update."""
    there: int | None
    """What there is; None when nobody knows."""
    met: bool
    """Whether it is met; what nobody knows is not."""
    verified: bool
    """Whether the bound was compared with the official text."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """A library against every bound."""

    entries: int
    """Entries in all."""
    by_class: tuple[int, ...]
    """Entries of each class, in order."""
    checks: tuple[Check, ...]
    """Every bound."""

    @property
    def met(self) -> bool:
        """Whether every bound is met, which is evidence and no certificate of compliance."""
        return all(check.met for check in self.checks)

    def as_json(self) -> JsonObject:
        """As plain data."""
        checks: list[Json] = [
            {
                "rule": check.rule,
                "class": check.risk,
                "wanted": check.wanted,
                "there": check.there,
                "met": check.met,
                "verified": check.verified,
            }
            for check in self.checks
        ]
        counted: JsonObject = {
            each.id: count for each, count in zip(classes(), self.by_class, strict=True)
        }
        return {
            "entries": self.entries,
            "by_class": counted,
            "checks": checks,
            "met": self.met,
            "verified": all(check.verified for check in self.checks),
        }


def coverage(library: Library, *, updated_us: int | None, now_us: int) -> Coverage:
    """What the library holds beside what is asked for; ``updated_us``: when it last changed."""
    counts = tuple(np.bincount(library.risks, minlength=len(classes())).tolist())
    age = None if updated_us is None else max(0, now_us - updated_us) // DAY_US
    checks = [check for rule in _rules().rules for check in _checks(rule, counts, age=age)]
    return Coverage(len(library), counts, tuple(checks))


def least_entries() -> dict[str, tuple[int, bool]]:
    """Fewest entries asked for by class, in all under the empty name; and whether verified."""
    none = (0,) * len(classes())
    checks = [check for rule in _rules().rules for check in _checks(rule, none, age=0)]
    ages = {rule.id for rule in _rules().rules if rule.age_days_max}
    return {each.risk: (each.wanted, each.verified) for each in checks if each.rule not in ages}


def _checks(rule: _Rule, counts: tuple[int, ...], *, age: int | None) -> Iterator[Check]:
    verified = rule.source.verified
    if rule.entries_min:
        total = sum(counts)
        met = total >= rule.entries_min
        yield Check(rule.id, "", rule.entries_min, total, met, verified)
    if rule.entries_each_min:
        for each, count in zip(classes(), counts, strict=True):
            if each.group == rule.group:
                met = count >= rule.entries_each_min
                yield Check(rule.id, each.id, rule.entries_each_min, count, met, verified)
    if rule.age_days_max:
        met = age is not None and age <= rule.age_days_max
        yield Check(rule.id, "", rule.age_days_max, age, met, verified)


@cache
def _rules() -> _Rules:
    data = (files("yunhe.corpus.risk") / "coverage.yaml").read_text(encoding="utf-8")
    return _Rules.model_validate(yaml.safe_load(data))
