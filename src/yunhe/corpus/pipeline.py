"""Puts a profile's steps in order and runs them over one batch; names the whole by its digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Codes, Documents, Outcome, Spans, Step
from yunhe.corpus.domain import Profile
from yunhe.kernel.canonical import JsonObject, digest_of
from yunhe.kernel.errors import Finding, Invalid

_STEPS = "yunhe.corpus.steps"


@dataclass(frozen=True, slots=True)
class Placed:
    """A step at its place in a pipeline."""

    name: str
    """Its module under ``corpus/steps/``."""
    step: Step
    """What it does."""
    values: dict[str, int]
    """The profile's thresholds for it."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps in order."""

    profile: Profile
    """Where they come from."""
    steps: tuple[Placed, ...]
    """In the order in which they decide."""

    def description(self) -> JsonObject:
        """Everything that decides what comes out: steps, word lists, thresholds, file format."""
        versions: list[JsonObject] = [
            {"name": placed.name, "version": placed.step.version, "data": placed.step.data}
            for placed in self.steps
        ]
        # The bytes of a Parquet file depend on its writer, so the writer is part of what is named.
        return {
            "profile": self.profile.as_json(),
            "steps": versions,
            "writer": f"parquet by pyarrow {pa.__version__}",
        }

    def digest(self) -> str:
        """The pipeline's name: same digest and same input, same output bytes."""
        return digest_of(self.description())


def build(profile: Profile) -> Pipeline:
    """The pipeline that a profile describes.

    Errors: `Invalid` ``corpus.profile_invalid`` with every unknown or repeated step and every
    threshold that is missing or not known.
    """
    findings: list[Finding] = []
    placed: list[Placed] = []
    for number, plan in enumerate(profile.steps):
        where = f"{profile.name}: steps.{number}"
        known = _is_step(plan.name)
        if not known or plan.name in [earlier.name for earlier in placed]:
            code = "corpus.step_twice" if known else "corpus.step_unknown"
            findings.append(Finding(where, code, (("step", plan.name[:64]),)))
            continue
        step: Step = import_module(f"{_STEPS}.{plan.name}").STEP
        for name in sorted(set(step.thresholds) ^ set(plan.thresholds)):
            missing = name in step.thresholds
            code = "corpus.threshold_missing" if missing else "corpus.threshold_unknown"
            findings.append(Finding(where, code, (("step", plan.name), ("name", name[:64]))))
        placed.append(Placed(plan.name, step, plan.values()))
    if not placed and not findings:
        findings.append(Finding(profile.name, "corpus.steps_none"))
    if findings:
        raise Invalid("corpus.profile_invalid", where=profile.name, findings=findings)
    return Pipeline(profile, tuple(placed))


def _is_step(name: str) -> bool:
    """Whether there is a module of that name; nothing but a plain name may reach the importer."""
    plain = name.isidentifier() and not name.startswith("_")
    return plain and find_spec(f"{_STEPS}.{name}") is not None


@dataclass(frozen=True, slots=True)
class Marks:
    """What one step said of some documents of a batch."""

    step: int
    """The step's place in the pipeline."""
    rows: NDArray[np.int64]
    """Which documents."""
    codes: Codes
    """What was said: 1 + position in the step's reasons or repairs."""

    def at(self, offset: int) -> Marks:
        """The same marks, with rows counted from another start."""
        return Marks(self.step, self.rows + offset, self.codes)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a step keeps about documents until all are known."""

    rows: NDArray[np.int64]
    """The documents that were alive when it came."""
    values: NDArray[np.uint64]
    """uint64[len(rows), k]."""


@dataclass(slots=True)
class Processed:
    """One batch after every step has worked on it."""

    count: int
    """Documents that went in."""
    rows: NDArray[np.int64]
    """Those no step of its own dropped, by their number in the batch."""
    texts: pa.StringArray
    """What they say now."""
    drops: list[Marks] = field(default_factory=list)
    """Documents dropped."""
    repairs: list[Marks] = field(default_factory=list)
    """Documents repaired."""
    spans: Spans = field(default_factory=Spans.none)
    """Personal details masked; documents are numbers in the batch."""
    evidence: dict[int, Evidence] = field(default_factory=dict)
    """By the step's place."""


def process(pipeline: Pipeline, documents: Documents) -> Processed:
    """Every step's work on one batch, in order; a dropped document is not shown to later steps."""
    rows = np.arange(len(documents), dtype=np.int64)
    result = Processed(len(documents), rows, documents.texts)
    for place, placed in enumerate(pipeline.steps):
        if placed.step.work is None or not len(documents):
            continue
        outcome = placed.step.work(documents, placed.values)
        _note(result, outcome, place=place, rows=rows)
        if outcome.texts is not None:
            documents = documents.with_texts(outcome.texts)
        if outcome.reasons is not None and outcome.reasons.any():
            kept = outcome.reasons == 0
            rows, documents = rows[kept], documents.only(kept)
    result.rows, result.texts = rows, documents.texts
    return result


def _note(result: Processed, outcome: Outcome, *, place: int, rows: NDArray[np.int64]) -> None:
    for codes, marks in ((outcome.reasons, result.drops), (outcome.repairs, result.repairs)):
        if codes is not None and codes.any():
            marks.append(Marks(place, rows[codes != 0], codes[codes != 0]))
    if outcome.spans is not None:
        everywhere = np.ones(len(outcome.spans), np.bool_)
        result.spans = outcome.spans.where(everywhere, rows[outcome.spans.documents])
    if outcome.evidence is not None:
        result.evidence[place] = Evidence(rows, outcome.evidence)
