"""Brings the batches of an input together, and lets the steps decide that need to see all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Spans
from yunhe.corpus.pipeline import Evidence, Marks, Pipeline, Processed
from yunhe.corpus.readers.parsed import Parsed


@dataclass(frozen=True, slots=True)
class Corpus:
    """An input after cleansing. Rows count the documents of the input from 0."""

    encoding: str
    """What the input was written in."""
    documents: int
    """How many there were."""
    ids: pa.ChunkedArray
    """string[documents], nulls where the input named none."""
    labels: pa.ChunkedArray
    """string[documents], nulls where there was none."""
    rows: NDArray[np.int64]
    """int64[released]: which documents are released, in order."""
    texts: pa.ChunkedArray
    """string[released]: what they say."""
    groups: NDArray[np.int64]
    """int64[released]: the first released document of each one's group, by place in ``rows``."""
    drops: tuple[Marks, ...]
    """Every document not released, once, by the first step that refused it."""
    repairs: tuple[Marks, ...]
    """Documents repaired, released or not."""
    spans: Spans
    """Personal details in released documents; documents are places in ``rows``."""


@dataclass(frozen=True, slots=True)
class Done:
    """One block, read and worked on."""

    parsed: Parsed
    """What was read."""
    processed: Processed
    """What became of it."""


def gather(encoding: str, done: Sequence[Done], pipeline: Pipeline) -> Corpus:
    """The corpus of blocks in order. Cost: linear but for sorting one hash for each document."""
    offsets = np.concatenate([[0], np.cumsum([each.processed.count for each in done])])
    whole = _Whole(
        pipeline,
        tuple(zip(offsets.tolist(), (each.processed for each in done), strict=False)),
    )
    drops, dropped = whole.drops(int(offsets[-1]))
    alive = dropped == len(pipeline.steps)
    texts = pa.chunked_array(
        [one.texts.filter(pa.array(alive[one.rows + offset])) for offset, one in whole.batches],
        pa.string(),
    )
    return Corpus(
        encoding,
        len(dropped),
        pa.chunked_array([each.parsed.batch.column("id") for each in done], pa.string()),
        pa.chunked_array([each.parsed.batch.column("label") for each in done], pa.string()),
        np.flatnonzero(alive),
        texts,
        whole.groups(alive, texts),
        drops,
        tuple(marks.at(offset) for offset, one in whole.batches for marks in one.repairs),
        whole.spans(alive),
    )


@dataclass(frozen=True, slots=True)
class _Whole:
    """All batches with the number of their first document."""

    pipeline: Pipeline
    batches: tuple[tuple[int, Processed], ...]

    def drops(self, count: int) -> tuple[tuple[Marks, ...], NDArray[np.int64]]:
        """Every drop once, and the step that dropped each document (the number of steps: none)."""
        drops = [marks.at(offset) for offset, one in self.batches for marks in one.drops]
        dropped = np.full(count, len(self.pipeline.steps), np.int64)
        for marks in drops:
            dropped[marks.rows] = marks.step
        for place, placed in enumerate(self.pipeline.steps):
            if placed.step.settle_drops is None:
                continue
            evidence = self.evidence(place)
            alive = dropped[evidence.rows] > place
            rows = evidence.rows[alive]
            codes = placed.step.settle_drops(evidence.values[alive], placed.values)
            drops.append(Marks(place, rows[codes != 0], codes[codes != 0]))
            dropped[rows[codes != 0]] = place
        return tuple(_first(drops, dropped)), dropped

    def evidence(self, place: int) -> Evidence:
        """What the step at ``place`` kept about all documents it saw."""
        parts = [
            (offset, one.evidence[place]) for offset, one in self.batches if place in one.evidence
        ]
        if not parts:
            return Evidence(np.empty(0, np.int64), np.empty((0, 1), np.uint64))
        return Evidence(
            np.concatenate([part.rows + offset for offset, part in parts]),
            np.concatenate([part.values for _, part in parts]),
        )

    def groups(self, alive: NDArray[np.bool_], texts: pa.ChunkedArray) -> NDArray[np.int64]:
        """The first released member of each released document's group."""
        groups = np.arange(len(texts), dtype=np.int64)
        for place, placed in enumerate(self.pipeline.steps):
            if placed.step.settle_groups is not None:
                evidence = self.evidence(place)
                values = evidence.values[alive[evidence.rows]]
                groups = placed.step.settle_groups(values, texts, placed.values)
        return groups

    def spans(self, alive: NDArray[np.bool_]) -> Spans:
        """The spans of released documents, which are numbered among themselves."""
        place_of = np.cumsum(alive) - 1
        parts = []
        for offset, one in self.batches:
            rows = one.spans.documents + offset
            parts.append(one.spans.where(alive[rows], place_of[rows]))
        return Spans.concatenated(parts)


def _first(drops: Sequence[Marks], dropped: NDArray[np.int64]) -> Iterator[Marks]:
    """Only the marks of the step that drops a document first, so that each drop counts once."""
    for marks in drops:
        kept = dropped[marks.rows] == marks.step
        yield Marks(marks.step, marks.rows[kept], marks.codes[kept])
