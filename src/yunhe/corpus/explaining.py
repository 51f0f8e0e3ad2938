"""Says what a profile will do before it does it: its steps with their numbers, or on a few texts.

Raw text is handed to the caller and nobody else: never into an error, a log or a file.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import PERSONAL_TYPES, Columns, Profile, Threshold
from yunhe.corpus.errors import input_faulty
from yunhe.corpus.inputs import InputFile
from yunhe.corpus.pipeline import Marks, Pipeline, Processed, build, process
from yunhe.corpus.reading import open_input

Change = Literal["same", "out", "in"]
"""A piece of text that stays, leaves or comes."""
_DIFFED_CHARACTERS_MAX = 20_000  # comparing takes time by the product of the lengths


@dataclass(frozen=True, slots=True)
class StepTold:
    """One step of a profile."""

    name: str
    """Its file; ``corpus.step.<name>`` is the sentence that says what it does."""
    version: int
    """Of its code."""
    thresholds: tuple[tuple[str, Threshold], ...]
    """The numbers it goes by, in the order in which the step names them."""
    options: tuple[tuple[str, str], ...]
    """The words it was given or takes by itself; empty where nothing is taken, for which
    ``corpus.option.<step>.<option>`` says what that means."""
    reasons: tuple[str, ...]
    """Why it may drop a document."""
    repairs: tuple[str, ...]
    """How it may repair one."""
    removes: tuple[str, ...]
    """What it may take out of one."""
    whole: bool
    """Whether it also decides when all documents are known."""


def told(profile: Profile) -> tuple[tuple[StepTold, ...], str]:
    """The steps in order, and the pipeline's digest.

    Errors: those of `build`.
    """
    pipeline = build(profile)
    return tuple(_told(pipeline)), pipeline.digest()


def _told(pipeline: Pipeline) -> Iterator[StepTold]:
    for placed, plan in zip(pipeline.steps, pipeline.profile.steps, strict=True):
        step = placed.step
        yield StepTold(
            placed.name,
            step.version,
            tuple((name, plan.thresholds[name]) for name in step.thresholds),
            tuple(
                (name, word or step.unset.get(name, ""))
                for name, word in sorted(placed.values.options.items())
            ),
            tuple(step.reasons),
            tuple(step.repairs),
            tuple(step.removes),
            step.settle is not None,
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one document. ``before`` and ``after`` are raw text: show, never keep."""

    file: str
    """Name of its file."""
    row: int
    """Its number in that file among those that could be read, from 1."""
    dropped: tuple[str, str] | None
    """(step, reason), or None when no step of its own drops it."""
    repairs: tuple[tuple[str, str], ...]
    """(step, kind) of each repair."""
    details: tuple[tuple[str, int], ...]
    """How many personal details of each type."""
    before: str = field(repr=False)
    """Its text as it was read."""
    after: str = field(repr=False)
    """Its text at the end, or where it was dropped as it was read."""

    def changes(self) -> list[tuple[Change, str]]:
        """``before`` and ``after`` in one: pieces that stay, leave and come, in order."""
        if self.before == self.after or self.dropped is not None:
            return [("same", self.before)]
        if max(len(self.before), len(self.after)) > _DIFFED_CHARACTERS_MAX:
            return [("out", self.before), ("in", self.after)]
        head = _shared(self.before, self.after)
        before, after = self.before[head:], self.after[head:]
        tail = _shared(before[::-1], after[::-1])
        before, after = before[: len(before) - tail], after[: len(after) - tail]
        # Without ``autojunk`` a text of few different letters takes the cube of its length.
        compared = difflib.SequenceMatcher(None, before, after)
        pieces: list[tuple[Change, str]] = [("same", self.before[:head])]
        for kind, a, b, c, d in compared.get_opcodes():
            pieces += [("same" if kind == "equal" else "out", before[a:b])]
            pieces += [] if kind == "equal" else [("in", after[c:d])]
        pieces.append(("same", self.before[len(self.before) - tail :]))
        return [each for each in pieces if each[1]]


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def tried(
    files: Sequence[InputFile], columns: Columns, profile: Profile, *, documents: int
) -> Iterator[Tried]:
    """The first documents of the inputs, with what the profile's steps do to each by itself.

    Steps that compare documents with each other are left out: they need all of them.
    Errors: those of `build` and `open_input`; `Invalid` ``corpus.input_faulty`` when there is no
    document at all.
    """
    pipeline, left = build(profile), documents
    for file in files:
        row = 1
        with open_input(file, columns) as opened:
            for task in opened.tasks:
                batch = task().batch.slice(0, left)
                yield from _tried(file, pipeline, batch, row)
                left, row = left - len(batch), row + len(batch)
                if not left:
                    return
    if left == documents:
        raise input_faulty(files[0], [])


def documents_of(batch: pa.RecordBatch) -> Documents:
    """What a reader made, as steps are given it. Shapes: ``batch``: of `readers.parsed.SCHEMA`."""
    texts = batch.column("text")
    return Documents(
        pc.fill_null(texts, "").cast(pa.large_string()),
        pc.is_null(texts).to_numpy(zero_copy_only=False),
        batch.column("damage").to_numpy(zero_copy_only=False),
    )


def _tried(
    file: InputFile, pipeline: Pipeline, batch: pa.RecordBatch, first: int
) -> Iterator[Tried]:
    documents = documents_of(batch)
    processed = process(pipeline, documents)
    before = documents.texts.to_pylist()
    after = dict(zip(processed.rows.tolist(), processed.texts.to_pylist(), strict=True))
    dropped = _by_row(processed.drops, pipeline, "reasons")
    repaired = _by_row(processed.repairs, pipeline, "repairs")
    details = _details(processed)
    for row, text in enumerate(before):
        fate = dropped.get(row)
        yield Tried(
            file.name,
            first + row,
            fate[0] if fate else None,
            tuple(repaired.get(row, ())),
            tuple(sorted(details.get(row, Counter()).items())),
            text,
            after.get(row, text),
        )


def _by_row(
    marks: Sequence[Marks], pipeline: Pipeline, said: Literal["reasons", "repairs"]
) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for mark in marks:
        placed = pipeline.steps[mark.step]
        words = placed.step.reasons if said == "reasons" else placed.step.repairs
        for row, code in zip(mark.rows.tolist(), mark.codes.tolist(), strict=True):
            found.setdefault(row, []).append((placed.name, words[code - 1]))
    return found


def _details(processed: Processed) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {}
    spans = processed.spans
    for row, kind in zip(spans.documents.tolist(), spans.types.tolist(), strict=True):
        found.setdefault(row, Counter())[PERSONAL_TYPES[kind]] += 1
    return found
