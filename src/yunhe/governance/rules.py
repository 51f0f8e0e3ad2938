"""The decision table: facts and a day in, a tier with its explanation and measures out.

Pure: no clock, no files. Every rule in force whose condition holds counts; the tier is the highest
of them; a condition nobody can decide counts as if it held and names the facts that are missing.
Modifiers raise the tier last and never to `PROHIBITED`. A system no row speaks about gets the
table's default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from yunhe.governance.conditions import Condition, evaluate
from yunhe.governance.domain import (
    JURISDICTIONS,
    PROHIBITED,
    TIERS,
    Citation,
    FiredRule,
    Grading,
    Measure,
    Tier,
)
from yunhe.governance.questions import Facts, Question
from yunhe.identity.domain import Role
from yunhe.kernel.errors import Finding

PLATFORM = "platform"
"""Jurisdiction of the project's own rows; they count in every other one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the decision table, for one legal text."""

    id: str
    """Unique, e.g. ``H2-CN``."""
    row: str
    """The row of the design's table."""
    when: Condition
    """When it fires."""
    tier: Tier | None
    """The tier it asks for; ``None`` for a modifier."""
    lift: int
    """By how many tiers a modifier raises."""
    citation: Citation
    """What it rests on."""


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A measure, and the tiers and rows that call for it."""

    measure: Measure
    """What is to be done; its ``rows`` are filled in when it is due."""
    tiers: frozenset[Tier]
    """Tiers that call for it."""
    rows: frozenset[str]
    """Rows that call for it whatever the tier, save a prohibited one."""


@dataclass(frozen=True, slots=True)
class ReleaseTerms:
    """What a release needs besides a passed evaluation."""

    approvals_min: int
    """How many different people in different roles must approve."""
    roles: tuple[Role, ...]
    """Roles that may approve."""
    refused_tiers: frozenset[Tier]
    """Tiers that are never released."""
    evidence_roles: tuple[str, ...]
    """Roles that may put evidence of a measure on record."""


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rule data in force at some time, as one value."""

    version: str
    """Version and digest of the data."""
    questions: Mapping[str, Question]
    """The questionnaire."""
    rules: tuple[Rule, ...]
    """The decision table."""
    uncovered: Tier
    """The tier of a system that no row speaks about."""
    measures: tuple[MeasureRow, ...]
    """What tiers and rows call for."""
    release: ReleaseTerms
    """What a release needs."""


def grade(book: RuleBook, facts: Facts, *, on: date) -> Grading:
    """The tier of a system with those facts on that day, and why. Cost: one pass over the rules."""
    day = on.isoformat()
    fired: list[FiredRule] = []
    upcoming: list[FiredRule] = []
    for rule in book.rules:
        later = rule.citation.valid_from > day
        if not later and not rule.citation.in_force(day):
            continue
        truth = evaluate(rule.when, facts)
        if truth.value is False:
            continue
        hit = _fired(rule, truth.missing)
        (upcoming if later else fired).append(hit)
    covered = _is_covered(fired)
    tier = _lifted(_highest(fired, covered=covered, default=book.uncovered), fired)
    missing = sorted({fact for hit in fired for fact in hit.missing})
    findings = _findings(book, fired, covered=covered, tier=tier)
    return Grading(
        tier=tier,
        fired=tuple(fired),
        upcoming=tuple(upcoming),
        missing=tuple(missing),
        covered=covered,
        by_jurisdiction={j: _in(book, j, fired) for j in JURISDICTIONS if j != PLATFORM},
        measures=tuple(_measures(book, fired, tier=tier, day=day)),
        findings=tuple(findings),
    )


def _fired(rule: Rule, missing: Iterable[str]) -> FiredRule:
    return FiredRule(
        id=rule.id,
        row=rule.row,
        tier=rule.tier,
        lift=rule.lift,
        missing=tuple(sorted(missing)),
        citation=rule.citation,
    )


def _is_covered(fired: Sequence[FiredRule]) -> bool:
    return any(hit.certain and hit.tier is not None for hit in fired)


def _highest(fired: Sequence[FiredRule], *, covered: bool, default: Tier) -> Tier:
    """The highest tier asked for; while no rule is certain, the facts may yet leave the default."""
    asked = [hit.tier for hit in fired if hit.tier is not None]
    return max(asked if covered else [*asked, default])


def _lifted(tier: Tier, fired: Sequence[FiredRule]) -> Tier:
    """Modifiers last. The sources are silent on R3 → R4; read safely, only a rule prohibits."""
    if tier == PROHIBITED:
        return tier
    lift = sum(hit.lift for hit in fired)
    return TIERS[min(TIERS.index(tier) + lift, TIERS.index(PROHIBITED) - 1)]


def _in(book: RuleBook, jurisdiction: str, fired: Sequence[FiredRule]) -> Tier | None:
    own = [hit for hit in fired if hit.citation.jurisdiction in (jurisdiction, PLATFORM)]
    if not any(hit.tier is not None for hit in own):
        return None
    highest = _highest(own, covered=_is_covered(own), default=book.uncovered)
    return _lifted(highest, own)


def _measures(
    book: RuleBook, fired: Sequence[FiredRule], *, tier: Tier, day: str
) -> Iterator[Measure]:
    rows = {hit.row for hit in fired}
    for entry in book.measures:
        asked = sorted(entry.rows & rows) if tier != PROHIBITED else []
        if (tier in entry.tiers or asked) and entry.measure.citation.in_force(day):
            m = entry.measure
            yield Measure(m.id, m.stage, m.evidence, m.every_days, tuple(asked), m.citation)


def _findings(
    book: RuleBook, fired: Sequence[FiredRule], *, covered: bool, tier: Tier
) -> Iterator[Finding]:
    if not covered and tier != PROHIBITED:
        yield Finding("tier", "governance.uncovered", (("tier", book.uncovered),))
    for hit in fired:
        if not hit.certain:
            params = (("rule", hit.id), ("facts", ", ".join(hit.missing)))
            yield Finding(hit.id, "governance.evidence_missing", params)
    unverified = [hit.id for hit in fired if not hit.citation.verified]
    if unverified:
        params = (("tier", tier), ("rules", ", ".join(unverified)))
        yield Finding("tier", "governance.rests_on_unverified", params)
