"""Puts a profile's steps in order and runs them over one batch; names the whole by its digest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import (
    Codes,
    Documents,
    Outcome,
    Prepared,
    Removed,
    Spans,
    Step,
    Values,
)
from yunhe.corpus.domain import Profile, StepPlan
from yunhe.corpus.thresholds import impossible
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
    values: Values
    """What the profile asks of it."""
    data: JsonObject
    """What it goes by besides: digests of word lists, keys, weights."""


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
            {"name": placed.name, "version": placed.step.version, "data": placed.data}
            for placed in self.steps
        ]
        # What a word led to, e.g. a path, is named by its digest in the step's data and not again.
        plans = [
            replace(plan, options={n: w for n, w in plan.options.items() if n not in placed.data})
            for plan, placed in zip(self.profile.steps, self.steps, strict=True)
        ]
        # The bytes of a Parquet file depend on its writer, so the writer is part of what is named.
        return {
            "profile": replace(self.profile, steps=tuple(plans)).as_json(),
            "steps": versions,
            "writer": f"parquet by pyarrow {pa.__version__}",
        }

    def digest(self) -> str:
        """The pipeline's name: same digest and same input, same output bytes."""
        return digest_of(self.description())


def build(profile: Profile) -> Pipeline:
    """The pipeline that a profile describes.

    Errors: `Invalid` ``corpus.profile_invalid`` with every unknown or repeated step and every
    threshold that is missing, not known or impossible.
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
        findings += _option_findings(where, plan, step)
        findings += impossible(where, plan)
        placed.append(Placed(plan.name, step, Values({}), {}))
    if not placed and not findings:
        findings.append(Finding(profile.name, "corpus.steps_none"))
    if findings:
        raise Invalid("corpus.profile_invalid", where=profile.name, findings=findings)
    return Pipeline(profile, tuple(map(_prepared, placed, profile.steps)))


def _option_findings(where: str, plan: StepPlan, step: Step) -> Iterator[Finding]:
    for name, word in sorted(plan.options.items()):
        params = (("step", plan.name), ("name", name[:64]))
        if name not in step.options:
            yield Finding(where, "corpus.option_unknown", params)
        elif step.options[name] and word not in step.options[name]:
            known = ", ".join(step.options[name])
            yield Finding(where, "corpus.option_choice", (*params, ("known", known)))


def _prepared(placed: Placed, plan: StepPlan) -> Placed:
    step = placed.step
    options = {
        name: plan.options.get(name, choices[0] if choices else "")
        for name, choices in step.options.items()
    }
    ready = Prepared(None, {}) if step.prepare is None else step.prepare(options)
    numbers = {name: threshold.value for name, threshold in plan.thresholds.items()}
    data = {**step.data, **ready.data}
    return Placed(placed.name, step, Values(numbers, options, ready.value), data)


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
    scores: NDArray[np.int32] | None = None
    """What was measured, where the step says."""

    def at(self, offset: int) -> Marks:
        """The same marks, with rows counted from another start."""
        return Marks(self.step, self.rows + offset, self.codes, self.scores)


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
    texts: pa.LargeStringArray
    """What they say now."""
    drops: list[Marks] = field(default_factory=list)
    """Documents dropped."""
    repairs: list[Marks] = field(default_factory=list)
    """Documents repaired."""
    spans: Spans = field(default_factory=Spans.none)
    """Personal details masked; documents are numbers in the batch."""
    removed: list[tuple[int, Removed]] = field(default_factory=list)
    """By the step's place, what it took out besides; documents are numbers in the batch."""
    evidence: dict[int, Evidence] = field(default_factory=dict)
    """By the step's place."""
    languages: dict[int, int] = field(default_factory=dict)
    """Documents by language, as positions in `yunhe.corpus.kernels.language.LANGUAGES`."""
    noticed: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """By step: documents it let through although it noticed something, by what."""


def process(pipeline: Pipeline, documents: Documents) -> Processed:
    """Every step's work on one batch, in order; a dropped document is not shown to later steps."""
    rows = np.arange(len(documents), dtype=np.int64)
    result = Processed(len(documents), rows, documents.texts)
    for place, placed in enumerate(pipeline.steps):
        if placed.step.work is None or not len(documents):
            continue
        outcome = placed.step.work(documents, placed.values)
        _note(result, outcome, place=place, name=placed.name, rows=rows)
        if outcome.texts is not None:
            documents = documents.with_texts(outcome.texts)
        if outcome.reasons is not None and outcome.reasons.any():
            kept = outcome.reasons == 0
            rows, documents = rows[kept], documents.only(kept)
    result.rows, result.texts = rows, documents.texts
    return result


def _note(
    result: Processed, outcome: Outcome, *, place: int, name: str, rows: NDArray[np.int64]
) -> None:
    said = outcome.reasons
    if said is not None and said.any():
        at = said != 0
        scores = None if outcome.scores is None else outcome.scores[at]
        result.drops.append(Marks(place, rows[at], said[at], scores))
    done = outcome.repairs
    if done is not None and done.any():
        result.repairs.append(Marks(place, rows[done != 0], done[done != 0]))
    if outcome.spans is not None and len(outcome.spans):
        everywhere = np.ones(len(outcome.spans), np.bool_)
        found = outcome.spans.where(everywhere, rows[outcome.spans.documents])
        result.spans = Spans.concatenated([result.spans, found]) if len(result.spans) else found
    if outcome.removed is not None and len(outcome.removed.documents):
        there = replace(outcome.removed, documents=rows[outcome.removed.documents])
        result.removed.append((place, there))
    if outcome.languages is not None:
        codes, counts = np.unique(outcome.languages, return_counts=True)
        result.languages = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    if outcome.noticed:
        result.noticed[name] = outcome.noticed
    if outcome.evidence is not None:
        result.evidence[place] = Evidence(rows, outcome.evidence)
