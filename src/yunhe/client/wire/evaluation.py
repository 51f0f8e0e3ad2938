"""Messages about splits and evaluations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from yunhe.client.wire.shapes import INTEGER_MAX, Digest, Id, Sent, Shown, Text, Time

Share = Annotated[str, StringConstraints(pattern=r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$")]
"""A number from 0 to 1 as decimal text, so that every reader sees the same."""
Seed = Annotated[int, Field(strict=True, ge=0, le=INTEGER_MAX)]
"""Decides what is drawn by lot; the same seed draws the same."""

_SPLIT = "split_t3r6w0h1ab7v1k0e5m2q9xj4c8"
_MODEL = "model_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2
_REFERENCE = "5d" * 32
_AT = "2026-11-22T09:30:00.000000Z"


class Split(Shown):
    """A dataset divided by group into what a model may learn from and what it is tested on."""

    id: Id
    """Its id."""
    organisation: str
    """Who holds the grant."""
    reference: str
    """Its record in the log; a training workload names it as ``input_reference``."""
    grant_reference: str
    """Record of the grant."""
    dataset_digest: Digest
    """What was divided."""
    train_digest: Digest
    """What may be learnt from; workloads of the grant's holder may name it as an input."""
    heldout_digest: Digest
    """What is tested on; nobody may name it as an input."""
    held_out_percent: int
    """Wanted share of groups held out."""
    seed: int
    """Decides which."""
    groups: int
    """Groups on both sides."""
    groups_heldout: int
    """Groups held out."""
    documents_train: int
    """Documents to learn from."""
    documents_heldout: int
    """Documents to test on."""
    documents_unlabelled: int
    """Documents without a label: on neither side."""
    at: Time
    """When it was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _SPLIT,
                "organisation": _ORG,
                "reference": _REFERENCE,
                "grant_reference": _REFERENCE,
                "dataset_digest": _DIGEST,
                "train_digest": _DIGEST,
                "heldout_digest": _DIGEST,
                "held_out_percent": 20,
                "seed": 7,
                "groups": 18_000,
                "groups_heldout": 3_600,
                "documents_train": 16_000,
                "documents_heldout": 4_000,
                "documents_unlabelled": 0,
                "at": _AT,
            }
        }
    )


class NewSplit(Sent):
    """A dataset to be divided, opened under a live grant of one's own organisation."""

    grant: Id
    """The grant."""
    purpose: Text = Field(default="model-training", min_length=1, max_length=64)
    """What the data is opened for; the grant's policy must permit it."""
    held_out_percent: int = Field(default=20, strict=True, ge=1, le=50)
    """Wanted share of groups held out."""
    seed: Seed
    """Decides which."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "grant": "grant_r6w0h1ab7v1k0e5m2q9xj4c8t3",
                "purpose": "model-training",
                "held_out_percent": 20,
                "seed": 7,
            }
        }
    )


class Baseline(Sent):
    """The simple method a model must beat."""

    kind: Literal["majority", "keywords"] = "majority"
    """The most frequent class, or the class most of whose words are there."""
    keywords: dict[
        Annotated[Text, Field(min_length=1, max_length=200)],
        Annotated[
            list[Annotated[Text, Field(min_length=1, max_length=200)]], Field(max_length=500)
        ],
    ] = Field(default={}, max_length=500)
    """For ``keywords``: class → words."""


class Gate(Sent):
    """What the lower bounds at 95 % must reach for a model to go on."""

    metric: Literal["macro_f1", "accuracy"] = "macro_f1"
    """Of the score."""
    at_least: Share
    """Least lower bound of the score."""
    over_baseline: Share = "0"
    """Least lower bound of the paired difference to the baseline."""


class NewEvaluation(Sent):
    """A version to be tested on what its split held out."""

    model: Id
    """Model version."""
    baseline: Baseline
    """What it must beat."""
    gate: Gate
    """What it must reach."""
    seed: Seed
    """Of the resampling."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "baseline": {"kind": "majority"},
                "gate": {"metric": "macro_f1", "at_least": "0.80", "over_baseline": "0.05"},
                "seed": 7,
            }
        }
    )


class Evaluation(Shown):
    """One model version, tested once; the verdict stays whatever it is."""

    id: Id
    """Its id."""
    model: Id
    """Model version."""
    model_digest: Digest
    """Its weights."""
    split: Id
    """The split."""
    heldout_digest: Digest
    """What it was tested on."""
    reference: str
    """Its record in the log."""
    metric: str
    """The gate's metric."""
    score: str
    """The model's score."""
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
    results_digest: Digest
    """Names everything that was found."""
    results: JsonValue
    """Everything that was found; null in lists."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "evaluation_6w0h1ab7v1k0e5m2q9xj4c8t3r",
                "model": _MODEL,
                "model_digest": _DIGEST,
                "split": _SPLIT,
                "heldout_digest": _DIGEST,
                "reference": _REFERENCE,
                "metric": "macro_f1",
                "score": "0.871204",
                "score_low": "0.858110",
                "score_high": "0.883902",
                "baseline": "majority",
                "baseline_score": "0.021000",
                "passed": True,
                "results_digest": _DIGEST,
                "results": None,
                "at": _AT,
            }
        }
    )
