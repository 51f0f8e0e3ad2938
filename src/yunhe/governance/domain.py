"""Tiers, citations, gradings, measures, approvals and releases as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding

Tier = Literal["R0", "R1", "R2", "R3", "R4"]
"""Inventory only; low; medium; high; prohibited."""
TIERS: tuple[Tier, ...] = get_args(Tier)
PROHIBITED: Tier = "R4"
"""The tier that only a rule can give, never a modifier, and that no approval opens."""

Jurisdiction = Literal["CN", "EU", "KR", "SG", "platform"]
"""Whose law a row carries out; ``platform`` rows are this project's own and hold everywhere."""
JURISDICTIONS: tuple[Jurisdiction, ...] = get_args(Jurisdiction)

Certainty = Literal["design", "sourced", "unchecked"]
"""The platform's own rule; read in a public source, often a secondary one; general knowledge."""
CERTAINTIES: tuple[Certainty, ...] = get_args(Certainty)

Stage = Literal["before_release", "in_operation"]
"""When a measure is due."""
STAGES: tuple[Stage, ...] = get_args(Stage)

Decision = Literal["approve", "reject"]
"""What an approver says."""
DECISIONS: tuple[Decision, ...] = get_args(Decision)

MeasureStatus = Literal["due", "met", "overdue", "later"]
"""No evidence yet; evidence on record; evidence too old or too late; not before the release."""


@dataclass(frozen=True, slots=True)
class Citation:
    """The text a row of rule data rests on, and how surely it was read."""

    jurisdiction: Jurisdiction
    """Whose text it is."""
    instrument_en: str
    """The law, standard or notice, in English."""
    instrument_zh: str
    """The same in Chinese."""
    article: str
    """Article, clause or annex; empty where the sources name none."""
    valid_from: str
    """First day in force, ``YYYY-MM-DD``."""
    valid_to: str
    """First day no longer in force; empty while nobody has repealed it."""
    standard_version: str
    """Edition the row was written from; empty for laws."""
    certainty: Certainty
    """Where the row's words come from."""
    verified: bool
    """Whether the row was checked against the official text."""
    note: str
    """What a reader must know before relying on it."""

    def in_force(self, day: str) -> bool:
        """Whether the text applies on that day, ``YYYY-MM-DD``."""
        return self.valid_from <= day and (not self.valid_to or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class FiredRule:
    """A rule whose condition holds, or may hold as far as anybody knows."""

    id: str
    """The rule's id, e.g. ``H2-CN``."""
    row: str
    """The row of the decision table it carries out, e.g. ``H2``."""
    tier: Tier | None
    """The tier it asks for; ``None`` for a modifier."""
    lift: int
    """By how many tiers a modifier raises; 0 for a rule."""
    missing: tuple[str, ...]
    """Facts whose answer could still clear it; empty when it fired for certain."""
    citation: Citation
    """What it rests on."""

    @property
    def certain(self) -> bool:
        """Whether no answer to the unknown facts could clear it."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class Measure:
    """Something a tier or a rule obliges somebody to do."""

    id: str
    """Key of its text in the locale files, ``governance.measure.<id>``."""
    stage: Stage
    """When it is due."""
    evidence: str
    """What sort of evidence shows it, ``governance.evidence.<evidence>``."""
    every_days: int
    """How long evidence stays good; 0 is for as long as the grading stands."""
    rows: tuple[str, ...]
    """Rows of the decision table that asked for it; empty when the tier itself did."""
    citation: Citation
    """What it rests on."""


@dataclass(frozen=True, slots=True)
class Grading:
    """What the decision table says about one set of facts on one day."""

    tier: Tier
    """The highest tier of the fired rules, after modifiers."""
    fired: tuple[FiredRule, ...]
    """The explanation: every rule in force that fired or may fire."""
    upcoming: tuple[FiredRule, ...]
    """Rules not yet in force that will fire."""
    missing: tuple[str, ...]
    """Unknown facts that could lower the tier if they were known."""
    covered: bool
    """Whether some row speaks about it for certain; if not, the tier is at least the default."""
    by_jurisdiction: Mapping[str, Tier | None]
    """The tier each jurisdiction's rows and the platform's give; ``None`` where none fired."""
    measures: tuple[Measure, ...]
    """What is due, in the table's order."""
    findings: tuple[Finding, ...]
    """What a reader must know: missing evidence, no row, unverified rows."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A grading on record for one model version."""

    id: str
    """Derived from model version and key."""
    reference: str
    """Its ``governance.risk`` record in custody."""
    model_version: str
    """What was graded."""
    model_reference: str
    """The version's record in custody."""
    model_digest: str
    """The version's bytes."""
    facts: JsonObject
    """The questionnaire as answered, ``unknown`` where nobody knew."""
    facts_digest: str
    """Digest of ``facts``."""
    on: str
    """The day whose rules were applied, ``YYYY-MM-DD``."""
    rules_version: str
    """Version and digest of the rule data."""
    tier: Tier
    """The tier."""
    fired: tuple[FiredRule, ...]
    """The rules that gave it."""
    upcoming: tuple[FiredRule, ...]
    """Rules not yet in force that will fire."""
    missing: tuple[str, ...]
    """Unknown facts that count against it."""
    by_jurisdiction: Mapping[str, Tier | None]
    """The tier in each jurisdiction."""
    measures: tuple[Measure, ...]
    """What is due."""
    measures_digest: str
    """Digest of ``measures``."""
    findings: tuple[Finding, ...]
    """What a reader must know."""
    at_us: int
    """When it was graded."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stored file that shows a measure was taken."""

    id: str
    """Derived from grading, measure and key."""
    risk: str
    """The grading that called for the measure."""
    measure: str
    """Which measure."""
    digest: str
    """The stored file."""
    member: str
    """Who put it on record."""
    at_us: int
    """When."""


@dataclass(frozen=True, slots=True)
class MeasureState:
    """A measure and where it stands."""

    measure: Measure
    """What is due."""
    status: MeasureStatus
    """Where it stands."""
    due_at_us: int | None
    """When fresh evidence is needed at the latest; ``None``: before release, or no date."""
    evidence: str
    """Digest of the latest evidence; empty without."""
    evidence_at_us: int | None
    """When that was put on record."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's decision about one model version."""

    id: str
    """Derived from model version, approver and key."""
    reference: str
    """Its ``governance.approval`` record in custody."""
    model_version: str
    """What it is about."""
    model_digest: str
    """The version's bytes."""
    approver: str
    """Member id."""
    role: str
    """The role the member decided in."""
    decision: Decision
    """For or against."""
    evaluation_reference: str
    """The evaluation it rests on."""
    risk: str
    """The grading it rests on."""
    expires_at_us: int
    """From then on it no longer counts."""
    at_us: int
    """When it was given."""


@dataclass(frozen=True, slots=True)
class Release:
    """Leave for a model version to serve, until a moment."""

    id: str
    """Derived from model version and key."""
    reference: str
    """Its ``governance.release`` record in custody: the certificate the gateway looks for."""
    model_version: str
    """What may serve."""
    model_digest: str
    """Its bytes."""
    evaluation_reference: str
    """The evaluation it rests on."""
    risk: str
    """The grading it rests on."""
    approvals: tuple[str, ...]
    """Ids of the approvals it rests on."""
    valid_until_us: int
    """From then on it may not serve."""
    at_us: int
    """When it was given."""
