"""What the floor talks about: splits, baselines, gates and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from yunhe.kernel.canonical import JsonObject

HELD_OUT_PERCENT_MAX = 50
"""At most this much of a dataset is held out."""
GROUPS_MIN = 10
"""Fewest groups on each side of a split: with fewer no interval means anything."""
CLASS_ITEMS_MIN = 30
"""A class with fewer held-out documents is reported: its own scores say little."""

BaselineKind = Literal["majority", "keywords"]
"""``majority``: the most frequent class; ``keywords``: the class most of whose words are there."""


class Labelled(Protocol):
    """What a predictor returns."""

    @property
    def labels(self) -> Sequence[str]:
        """One label a text, in order."""
        ...


class Predictor(Protocol):
    """Whatever can be evaluated; a classifier of the models floor is one as it stands."""

    def predict(self, texts: Sequence[str]) -> Labelled:
        """Label every text."""
        ...


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels and nothing else, for predictors that have no more to say."""

    labels: Sequence[str]
    """One a text, in order."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The simple method a model must beat."""

    kind: str
    """A `BaselineKind`; anything else is refused when it is used."""
    keywords: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For ``keywords``: class → words. The earlier class wins a tie."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What the lower bounds must reach for a model to go on."""

    metric: str
    """``macro_f1`` or ``accuracy``."""
    at_least: str
    """Least lower bound of the score, as decimal text in [0, 1]."""
    over_baseline: str
    """Least lower bound of the paired difference to the baseline, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A dataset divided by group into what a model may learn from and what it is tested on."""

    id: str
    """Derived from its key."""
    reference: str
    """Its custody record."""
    dataset_digest: str
    """What was divided."""
    train_digest: str
    """Parquet blob: id, text, label, group."""
    heldout_digest: str
    """Parquet blob of the same columns."""
    grant_reference: str
    """The grant under which it was opened."""
    held_out_percent: int
    """Wanted share of groups held out."""
    seed: int
    """Decides which."""
    groups: int
    """Groups on both sides together."""
    groups_heldout: int
    """Groups held out."""
    documents_train: int
    """Documents to learn from."""
    documents_heldout: int
    """Documents to test on."""
    documents_unlabelled: int
    """Documents without a label: on neither side."""
    at_us: int
    """When it was made."""
    organisation: str = ""
    """Who holds the grant; empty for splits from before 0.2.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One model version, tested once."""

    id: str
    """Derived from its key."""
    reference: str
    """Its custody record."""
    model_version: str
    """Which version."""
    model_digest: str
    """Its weights."""
    split: str
    """Id of the split."""
    heldout_digest: str
    """What it was tested on."""
    results: JsonObject
    """Everything that was found, by the layout written in `yunhe.evaluation.results`."""
    results_digest: str
    """The blob that holds the results."""
    metric: str
    """The gate's metric."""
    score: str
    """The model's score, as decimal text."""
    score_low: str
    """Lower bound at 95 %."""
    score_high: str
    """Upper bound at 95 %."""
    baseline: str
    """Kind of baseline."""
    baseline_score: str
    """Its score."""
    passed: bool
    """Whether the gate holds with 95 % confidence."""
    at_us: int
    """When."""
