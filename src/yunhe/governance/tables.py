"""Reads rule data from YAML into a `RuleBook`, with every fault named by file and place.

The files are ``rules/{questions,decision,measures,release}.yaml`` of this package; another rule
book is another folder of the same four.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunhe.governance import conditions
from yunhe.governance.domain import Certainty, Citation, Jurisdiction, Measure, Stage, Tier
from yunhe.governance.questions import UNKNOWN, Question, QuestionKind
from yunhe.governance.rules import MeasureRow, ReleaseTerms, Rule, RuleBook
from yunhe.identity.domain import Role
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Finding, Invalid

FILES = ("questions.yaml", "decision.yaml", "measures.yaml", "release.yaml")
"""The four files of a rule book."""

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")]
_Text = Annotated[str, Field(min_length=1, max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Bilingual(_Part):
    en: _Text
    zh: _Text


class _Source(_Part):
    jurisdiction: Jurisdiction
    instrument: _Bilingual
    article: str = ""
    valid_from: date
    valid_to: date | None = None
    standard_version: str = ""
    certainty: Certainty
    verified: bool
    note: str = ""

    def citation(self) -> Citation:
        return Citation(
            jurisdiction=self.jurisdiction,
            instrument_en=self.instrument.en,
            instrument_zh=self.instrument.zh,
            article=self.article,
            valid_from=self.valid_from.isoformat(),
            valid_to="" if self.valid_to is None else self.valid_to.isoformat(),
            standard_version=self.standard_version,
            certainty=self.certainty,
            verified=self.verified,
            note=self.note,
        )


class _Question(_Part):
    id: _Word
    kind: QuestionKind
    options: list[_Word] = []
    ordered: bool = False


class _Questions(_Part):
    questions: list[_Question]


class _Rule(_Part):
    id: _Word
    row: _Word
    tier: Tier | None = None
    lift: Annotated[int, Field(ge=0, le=4)] = 0
    when: object
    source: _Source


class _Decision(_Part):
    version: _Word
    uncovered: Tier
    conditions: dict[str, object] = {}
    """Only a place for YAML anchors that several rules share."""
    rules: list[_Rule]


class _Measure(_Part):
    id: _Word
    tiers: list[Tier] = []
    rows: list[_Word] = []
    stage: Stage
    evidence: _Word
    every_days: Annotated[int, Field(ge=0, le=3650)] = 0
    source: _Source


class _Measures(_Part):
    sources: dict[str, object] = {}
    """Only a place for YAML anchors that several measures share."""
    measures: list[_Measure]


class _Release(_Part):
    # Two is the least the custody chain accepts: its rule names approval_1 and approval_2.
    approvals_min: Annotated[int, Field(ge=2, le=9)]
    roles: list[Role]
    refused_tiers: list[Tier]
    evidence_roles: list[Role]


_Model = TypeVar("_Model", bound=_Part)


@cache
def book() -> RuleBook:
    """The rule book of this release of Yunhe, read once."""
    return load(files("yunhe") / "governance" / "rules")


def load(folder: Traversable) -> RuleBook:
    """The rule book in ``folder``.

    Errors: `Invalid` ``governance.rules_invalid`` with every fault in all four files.
    """
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in FILES}
    found: list[Finding] = []
    questions = _read(_Questions, "questions.yaml", texts, found)
    decision = _read(_Decision, "decision.yaml", texts, found)
    measures = _read(_Measures, "measures.yaml", texts, found)
    release = _read(_Release, "release.yaml", texts, found)
    if questions is None or decision is None or measures is None or release is None:
        raise Invalid("governance.rules_invalid", findings=found)
    asked = _questions(questions.questions, found)
    rules = _rules(decision.rules, asked, found)
    _unique("decision.yaml", (row.id for row in decision.rules), found)
    rows = {rule.row for rule in rules}
    entries = tuple(_measure(entry, rows, found) for entry in measures.measures)
    _unique("measures.yaml", (entry.id for entry in measures.measures), found)
    if found:
        raise Invalid("governance.rules_invalid", findings=found)
    # The digest tells apart two books whose authors forgot to change the version.
    digest = sha256("\0".join(texts[name] for name in FILES).encode()).removeprefix("sha256:")
    return RuleBook(
        version=f"{decision.version}+{digest[:12]}",
        questions=asked,
        rules=tuple(rules),
        uncovered=decision.uncovered,
        measures=entries,
        release=ReleaseTerms(
            approvals_min=release.approvals_min,
            roles=tuple(release.roles),
            refused_tiers=frozenset(release.refused_tiers),
            evidence_roles=tuple(release.evidence_roles),
        ),
    )


def _read(
    model: type[_Model], name: str, texts: Mapping[str, str], found: list[Finding]
) -> _Model | None:
    try:
        return model.model_validate(yaml.safe_load(texts[name]))
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())[:200]
        found.append(Finding(name, "governance.row_invalid", (("problem", problem),)))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            place = ".".join(str(part) for part in fault["loc"])
            where = f"{name}: {place}" if place else name
            found.append(Finding(where, "governance.row_invalid", (("problem", fault["msg"]),)))
    return None


def _questions(rows: Iterable[_Question], found: list[Finding]) -> dict[str, Question]:
    asked = [Question(row.id, row.kind, tuple(row.options), row.ordered) for row in rows]
    _unique("questions.yaml", (question.id for question in asked), found)
    for question in asked:
        closed = question.kind in ("choice", "choices")
        if closed != bool(question.options) or UNKNOWN in question.options:
            found.append(Finding(f"questions.yaml: {question.id}", "governance.options_wrong"))
    return {question.id: question for question in asked}


def _rules(
    rows: Iterable[_Rule], asked: Mapping[str, Question], found: list[Finding]
) -> list[Rule]:
    rules = []
    for row in rows:
        where = f"decision.yaml: {row.id}"
        when = conditions.parse(row.when, asked, where=f"{where}.when", findings=found)
        if (row.tier is None) == (row.lift == 0):
            found.append(Finding(where, "governance.tier_or_lift"))
        if when is not None:
            rules.append(Rule(row.id, row.row, when, row.tier, row.lift, row.source.citation()))
    return rules


def _measure(entry: _Measure, rows: set[str], found: list[Finding]) -> MeasureRow:
    where = f"measures.yaml: {entry.id}"
    unknown = sorted(set(entry.rows) - rows)
    if unknown or not (entry.tiers or entry.rows):
        params = (("rows", ", ".join(unknown)),)
        found.append(Finding(where, "governance.measure_unattached", params))
    measure = Measure(
        id=entry.id,
        stage=entry.stage,
        evidence=entry.evidence,
        every_days=entry.every_days,
        rows=(),
        citation=entry.source.citation(),
    )
    return MeasureRow(measure, frozenset(entry.tiers), frozenset(entry.rows))


def _unique(name: str, ids: Iterable[str], found: list[Finding]) -> None:
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            found.append(Finding(f"{name}: {one}", "governance.id_twice"))
        seen.add(one)
