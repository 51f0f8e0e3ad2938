"""What happened to the model: registration, evaluation, governance, serving."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.reports.values import Artefact, Check, Pair, Score, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection:
    """The model version that was registered."""

    name: str
    """Its name."""
    version_id: str
    """Id of the version."""
    algorithm: Words
    """What kind of model it is."""
    classes: int | None = None
    """Number of classes."""
    train_documents: int | None = None
    """Documents it learnt from."""
    settings: tuple[Pair, ...] = ()
    """Seed and hyper-parameters, from the manifest."""
    artefacts: tuple[Artefact, ...] = ()
    """Weights, manifest, card, training set."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One figure for the whole held-out set."""

    name: Words
    """E.g. macro-F1."""
    model: Score
    """Of the model."""
    baseline: Score | None = None
    """Of the required baseline."""


@dataclass(frozen=True, slots=True)
class ClassLine:
    """The F1 score of one class."""

    name: str
    """The label as the data has it."""
    support: int
    """Held-out documents of that class."""
    model: Score
    """Of the model."""
    baseline: Score | None = None
    """Of the required baseline."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each class was taken for each."""

    labels: tuple[str, ...]
    """The classes, in the order of rows and columns."""
    counts: tuple[tuple[int, ...], ...]
    """``counts[truth][predicted]``; square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The rule that decides whether the model may go on; it reads the lower bound."""

    metric: Words
    """What is compared."""
    lower_bound: str
    """Lower bound of the model's interval."""
    at_least: str
    """What it must reach."""
    over_baseline: str | None = None
    """By how much the model must beat the baseline, where the plan says so."""
    passed: bool
    """The verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSection:
    """How the model did on documents it never saw."""

    train_documents: int
    """Documents in the training part."""
    heldout_documents: int
    """Documents in the held-out part."""
    groups: int | None = None
    """Near-duplicate groups; none straddles the split."""
    baseline_name: Words | None = None
    """What the model is compared with."""
    metrics: tuple[MetricLine, ...] = ()
    """The gate's metric first: it is the one quoted at the top of the page."""
    classes: tuple[ClassLine, ...] = ()
    """Per class."""
    confusion: Confusion | None = None
    """Truth against prediction."""
    gate: Gate | None = None
    """The verdict."""
    artefacts: tuple[Artefact, ...] = ()
    """Training part, held-out part, results."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A rule that fired, with its source."""

    id: str
    """E.g. ``M1``."""
    tier: str
    """The tier it asks for."""
    name: Words
    """What it says."""
    source: Words
    """Law, article, standard."""
    verified: bool
    """Whether its text was checked against the official source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureLine:
    """Something the tier obliges somebody to do."""

    name: Words
    """What."""
    source: Words
    """Which rule asks for it."""
    done: bool
    """Whether evidence of it is on record."""
    verified: bool
    """Whether the rule's text was checked against the official source."""
    due: Words | None = None
    """By when, or at what event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLine:
    """One person's decision."""

    approver: str
    """Member id; names of people stay out of reports."""
    role: Words
    """In which role."""
    approved: bool
    """The decision."""
    at_us: int
    """When."""
    expires_at_us: int | None = None
    """Until when it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernanceSection:
    """Risk tier, why, what follows from it, and who let the model out."""

    tier: str
    """E.g. ``R2``."""
    tier_name: Words
    """In words."""
    rules_version: str
    """Version of the rule data."""
    facts: tuple[Pair, ...] = ()
    """The questionnaire as answered."""
    fired: tuple[RuleLine, ...] = ()
    """Rules that fired."""
    missing: tuple[Words, ...] = ()
    """Facts or evidence nobody supplied."""
    measures: tuple[MeasureLine, ...] = ()
    """What is due."""
    approvals: tuple[ApprovalLine, ...] = ()
    """Decisions so far."""
    approvals_needed: int = 2
    """How many different people must approve."""
    release_id: str | None = None
    """The release; ``None`` while approvals are missing."""
    valid_until_us: int | None = None
    """When the release ends."""
    artefacts: tuple[Artefact, ...] = ()
    """Facts, measures."""
    checks: tuple[Check, ...] = ()
    """What was tried on purpose."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One label and its probability."""

    label: str
    """The class."""
    score: str
    """Fixed-point text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One served answer; the page quotes its question, so give one that may be quoted."""

    id: str
    """Its id."""
    question: str
    """What was asked."""
    label: str
    """What was answered."""
    candidates: tuple[Candidate, ...] = ()
    """The likeliest classes, best first."""
    at_us: int | None = None
    """When."""
    device_us: int | None = None
    """Device time it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingSection:
    """The deployment and the answers it gave."""

    route: str
    """Name of the route."""
    deployment_id: str
    """The deployment."""
    answers: int = 0
    """How many answers this run asked for."""
    shown: tuple[Answer, ...] = ()
    """Those quoted; the first is the one whose chain is verified."""
    artefacts: tuple[Artefact, ...] = ()
    """Model served."""
    checks: tuple[Check, ...] = ()
    """E.g. an unapproved, expired or altered version was refused."""
