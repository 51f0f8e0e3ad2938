"""Separation of duties as data: what one member may not hold, and why. Pure but for its own file.

The rules are ``rules/duties.yaml`` of this package. They are checked when a role is granted; roles
that were granted before a rule existed are found by `breaches`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from yunhe.identity.domain import Kind, MemberKind, Role

_Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]


@dataclass(frozen=True, slots=True)
class Source:
    """What a rule rests on."""

    instrument: str
    """The text, or this project."""
    article: str
    """The place in it."""
    certainty: str
    """How well the text is known; see the rule file."""
    verified: bool
    """Whether the rule was checked against that text."""


@dataclass(frozen=True, slots=True)
class DutyRule:
    """One rule about who may hold a role."""

    id: str
    """Unique."""
    kind: Literal["apart", "people_only", "places"]
    """Roles kept apart; roles of human beings only; roles of some organisations only."""
    roles: frozenset[str]
    """The roles it is about."""
    others: frozenset[str]
    """Roles they are kept apart from; kinds of organisation they belong to; or none."""
    reason: str
    """Key of the sentence that says why."""
    source: Source
    """What it rests on."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a set of roles breaks."""

    rule: DutyRule
    """Which."""
    roles: tuple[str, ...]
    """The roles that break it, in order."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Part):
    instrument: str
    article: str
    certainty: Literal["design", "unchecked", "sourced"]
    verified: bool

    def plain(self) -> Source:
        return Source(self.instrument, self.article, self.certainty, self.verified)


class _Rule(_Part):
    id: _Word
    roles: frozenset[Role] = Field(min_length=1)
    reason: _Word
    source: _Source


class _Apart(_Rule):
    others: frozenset[Role] = Field(min_length=1, alias="from")


class _Place(_Rule):
    kinds: frozenset[Kind] = Field(min_length=1)


class _File(_Part):
    version: str
    apart: list[_Apart]
    people_only: list[_Rule]
    places: list[_Place]


def read(text: str) -> tuple[DutyRule, ...]:
    """The rules of a file's text; pydantic's error for one that is no such file."""
    said = _File.model_validate(yaml.safe_load(text))
    found = [
        *(
            DutyRule(r.id, "apart", r.roles, r.others, r.reason, r.source.plain())
            for r in said.apart
        ),
        *(
            DutyRule(r.id, "people_only", r.roles, frozenset(), r.reason, r.source.plain())
            for r in said.people_only
        ),
        *(
            DutyRule(r.id, "places", r.roles, frozenset(r.kinds), r.reason, r.source.plain())
            for r in said.places
        ),
    ]
    if len({rule.id for rule in found}) != len(found):
        raise ValueError("two duty rules have one id")
    return tuple(found)


@cache
def rules() -> tuple[DutyRule, ...]:
    """The rules in force."""
    return read((files("yunhe.identity") / "rules" / "duties.yaml").read_text("utf-8"))


def breaches(
    held: Iterable[str], *, member_kind: MemberKind | None = None, organisation_kind: str = ""
) -> list[Breach]:
    """Every rule that one member with those roles would break.

    Without ``member_kind`` (or ``organisation_kind``) the rules about them are not asked.
    """
    have = frozenset(held)
    found = []
    for rule in rules():
        mine = have & rule.roles
        if not mine:
            continue
        if rule.kind == "apart":
            theirs = have & rule.others
            if theirs:
                found.append(Breach(rule, (*sorted(mine), *sorted(theirs))))
        elif rule.kind == "people_only":
            if member_kind == "service":
                found.append(Breach(rule, tuple(sorted(mine))))
        elif organisation_kind and organisation_kind not in rule.others:
            found.append(Breach(rule, tuple(sorted(mine))))
    return found
