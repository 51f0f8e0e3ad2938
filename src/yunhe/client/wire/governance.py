"""Messages about gradings, measures and their evidence."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from yunhe.client.wire.shapes import Digest, Finding, Id, Sent, Shown, Text, Time

_Said = Annotated[Text, Field(max_length=200)]
Answer = StrictBool | StrictInt | _Said | Annotated[list[_Said], Field(max_length=50)]
"""An answer: yes or no, an option, options, or a number (great ones as text); ``unknown`` too."""
Fact = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""Id of a question."""
Facts = Annotated[dict[Fact, Answer], Field(max_length=100)]
"""Answers by question; what is left out counts as unknown, which never lowers a tier."""

_MODEL = "model_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_RISK = "risk_5m2q9xj4c8t3r6w0h1ab7v1k0e"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2
_REFERENCE = "5d" * 32
_AT = "2026-11-22T09:30:00.000000Z"
_CITATION: dict[str, JsonValue] = {
    "jurisdiction": "platform",
    "instrument": "Yunhe design",
    "article": "",
    "valid_from": "2026-01-01",
    "valid_to": "",
    "certainty": "design",
    "verified": True,
    "note": "",
}
_MEASURE: dict[str, JsonValue] = {
    "id": "model_card",
    "text": "model card",
    "stage": "before_release",
    "evidence": "document",
    "every_days": 0,
    "rows": [],
    "citation": _CITATION,
}
_GRADING: dict[str, JsonValue] = {
    "tier": "R1",
    "text": "low risk",
    "fired": [],
    "upcoming": [],
    "missing": [],
    "by_jurisdiction": {"platform": "R1"},
    "measures": [_MEASURE],
    "findings": [],
}
_FACTS: dict[str, JsonValue] = {
    "public_facing": False,
    "function": ["classification"],
    "mau": 0,
    "minors": "unknown",
}


class Option(Shown):
    """One answer a question takes."""

    value: str
    """What is sent."""
    text: str
    """What it means."""


class Question(Shown):
    """One closed question."""

    id: str
    """Key of its answer."""
    kind: Literal["flag", "choice", "choices", "count", "magnitude"]
    """true/false, one option, a list of options, a whole number, a great number as text."""
    text: str
    """The question."""
    options: list[Option]
    """For ``choice`` and ``choices``."""
    ordered: bool
    """Whether they are listed from least to most."""


class Questionnaire(Shown):
    """Every question a grading asks, in the language asked for."""

    rules_version: str
    """Version and digest of the rule data."""
    questions: list[Question]
    """In the order to be asked."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "rules_version": "2026.11.1 sha256:9f86…",
                "questions": [
                    {
                        "id": "public_facing",
                        "kind": "flag",
                        "text": "Can the public use the system?",
                        "options": [],
                        "ordered": False,
                    }
                ],
            }
        }
    )


class Citation(Shown):
    """What a row of rule data rests on, and how surely it was read."""

    jurisdiction: str
    """Whose text it is."""
    instrument: str
    """The law, standard or notice."""
    article: str
    """Article, clause or annex."""
    valid_from: str
    """First day in force."""
    valid_to: str
    """First day no longer in force; empty: none."""
    certainty: str
    """Where the row's words come from: design, sourced or unchecked."""
    verified: bool
    """Whether the row was checked against the official text."""
    note: str
    """What a reader must know before relying on it."""


class Fired(Shown):
    """A rule that counts."""

    id: str
    """The rule."""
    tier: str | None
    """The tier it asks for; null for one that lifts."""
    lift: int
    """By how many tiers it raises."""
    missing: list[str]
    """Facts that could still clear it; empty when it fired for certain."""
    citation: Citation
    """What it rests on."""


class Measure(Shown):
    """Something a tier or a rule obliges somebody to do."""

    id: str
    """Names it in evidence."""
    text: str
    """What it is, in the language asked for."""
    stage: Literal["before_release", "in_operation"]
    """When it is due."""
    evidence: str
    """What sort of evidence shows it."""
    every_days: int
    """How long evidence stays good; 0: as long as the grading stands."""
    rows: list[str]
    """Rows that asked for it; empty: the tier itself."""
    citation: Citation
    """What it rests on."""


class Grading(Shown):
    """What the decision table says, with its explanation."""

    tier: str
    """R0 to R4."""
    text: str
    """Its name, in the language asked for."""
    fired: list[Fired]
    """Every rule that counts."""
    upcoming: list[Fired]
    """Rules not yet in force that will count."""
    missing: list[str]
    """Unknown facts that could lower the tier."""
    by_jurisdiction: dict[str, str | None]
    """The tier by each jurisdiction's rows."""
    measures: list[Measure]
    """What is due."""
    findings: list[Finding]
    """What a reader must know."""

    model_config = ConfigDict(json_schema_extra={"example": _GRADING})


class NewPreview(Sent):
    """Facts to be graded without a trace."""

    facts: Facts
    """The answers."""
    on: date | None = None
    """The day whose rules are applied; today's when null."""

    model_config = ConfigDict(json_schema_extra={"example": {"facts": _FACTS, "on": None}})


class NewRisk(Sent):
    """A model version to be graded by today's rules."""

    model: Id
    """Model version."""
    facts: Facts
    """The answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"model": _MODEL, "facts": _FACTS}})


class Risk(Shown):
    """A grading on record."""

    id: Id
    """Its id."""
    model: Id
    """Model version."""
    reference: str
    """Its record in the log."""
    on: str
    """The day whose rules were applied."""
    rules_version: str
    """Version and digest of the rule data."""
    facts: dict[str, JsonValue]
    """The questionnaire as answered."""
    grading: Grading
    """What came of it."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _RISK,
                "model": _MODEL,
                "reference": _REFERENCE,
                "on": "2026-11-22",
                "rules_version": "2026.11.1 sha256:9f86…",
                "facts": _FACTS,
                "grading": _GRADING,
                "at": _AT,
            }
        }
    )


class Due(Shown):
    """A measure and where it stands."""

    measure: Measure
    """What is due."""
    status: Literal["due", "met", "overdue", "later"]
    """No evidence yet; on record; too old or too late; not before the release."""
    due_at: Time | None
    """When fresh evidence is needed at the latest."""
    evidence_digest: str
    """The latest evidence; empty without."""
    evidence_at: Time | None
    """When that was put on record."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "measure": _MEASURE,
                "status": "met",
                "due_at": None,
                "evidence_digest": _DIGEST,
                "evidence_at": _AT,
            }
        }
    )


class NewEvidence(Sent):
    """A file of one's own that shows that a measure was taken."""

    risk: Id
    """The grading that called for it."""
    measure: Fact
    """Which measure."""
    digest: Digest
    """An upload, or an output of a workload, of one's own organisation."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"risk": _RISK, "measure": "model_card", "digest": _DIGEST}}
    )


class Evidence(Shown):
    """A file on record as evidence."""

    id: Id
    """Its id."""
    risk: Id
    """The grading."""
    measure: str
    """Which measure."""
    digest: Digest
    """The file."""
    member: Id
    """Who put it on record."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "evidence_2q9xj4c8t3r6w0h1ab7v1k0e5m",
                "risk": _RISK,
                "measure": "model_card",
                "digest": _DIGEST,
                "member": _MEMBER,
                "at": _AT,
            }
        }
    )
