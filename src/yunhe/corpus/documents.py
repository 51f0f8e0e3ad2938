"""What passes between the engine and its steps: documents in, an outcome for each of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.measures import Measures, measured
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.kernel.canonical import JsonObject

Codes = NDArray[np.uint8]
"""uint8[n]: 0 for nothing, else 1 + the position in the step's list of reasons or repairs."""


@dataclass(frozen=True, slots=True)
class Values(Mapping[str, int]):
    """What a profile asks of a step: thresholds (the mapping), options, what was prepared."""

    thresholds: Mapping[str, int]
    """Numbers by name; the unit is the end of the name."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Words by name."""
    prepared: object = None
    """What the step's ``prepare`` made for these options."""

    def __getitem__(self, name: str) -> int:
        return self.thresholds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.thresholds)

    def __len__(self) -> int:
        return len(self.thresholds)


@dataclass(frozen=True)
class Documents:
    """Some documents of a batch, in order.

    Shapes: ``texts``: large_string[n] without nulls; ``absent``: bool[n]; ``damage``: uint8[n].
    """

    texts: pa.LargeStringArray
    """The text so far; empty where there was none."""
    absent: NDArray[np.bool_]
    """Whether the input had no text at all (null)."""
    damage: Codes
    """What reading said, a code of `yunhe.corpus.encoding`."""

    @cached_property
    def utf8(self) -> Utf8:
        """All texts as bytes, for kernels."""
        return utf8(self.texts)

    @cached_property
    def measures(self) -> Measures:
        """How many characters of each class each text has; counted once for all steps."""
        return measured(self.utf8)

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, kept: NDArray[np.bool_]) -> Documents:
        """The documents where ``kept``; itself when that is all of them."""
        if kept.all():
            return self
        left = Documents(self.texts.filter(pa.array(kept)), self.absent[kept], self.damage[kept])
        if "measures" in self.__dict__:  # counted before, and the texts are the same
            left.__dict__["measures"] = self.measures[kept]
        return left

    def with_texts(self, texts: pa.LargeStringArray) -> Documents:
        """The same documents saying something else."""
        return Documents(texts, self.absent, self.damage)


@dataclass(frozen=True, slots=True)
class Spans:
    """Places of personal details, as columns of equal length, ordered by document and start."""

    documents: NDArray[np.int64]
    """Which document, counted in whatever the spans belong to."""
    starts: NDArray[np.int32]
    """First character."""
    ends: NDArray[np.int32]
    """One past the last."""
    types: Codes
    """Position in `yunhe.corpus.domain.PERSONAL_TYPES`."""
    scores: Codes
    """Percent."""
    reasons: Codes
    """Position in `yunhe.corpus.personal.found.REASONS`."""

    @classmethod
    def none(cls) -> Spans:
        """No spans."""
        place, code = np.empty(0, np.int32), np.empty(0, np.uint8)
        return cls(np.empty(0, np.int64), place, place, code, code, code)

    @classmethod
    def concatenated(cls, parts: Sequence[Spans]) -> Spans:
        """All parts one after the other; their documents must be counted in the same thing."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.documents for part in parts]),
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.types for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.reasons for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.documents)

    def where(self, kept: NDArray[np.bool_], documents: NDArray[np.int64]) -> Spans:
        """The spans where ``kept``, with their documents renumbered."""
        return Spans(
            documents[kept],
            self.starts[kept],
            self.ends[kept],
            self.types[kept],
            self.scores[kept],
            self.reasons[kept],
        )


@dataclass(frozen=True, slots=True)
class Removed:
    """Places that a step took out of a text on purpose, as columns, by document and start.

    What left a text is either in a row of spans or in one of these, so that nothing vanishes
    unseen. Places are characters of the text as the step was given it.
    """

    documents: NDArray[np.int64]
    """Which document, by position in the step's input."""
    starts: NDArray[np.int32]
    """First character."""
    ends: NDArray[np.int32]
    """One past the last."""
    reasons: Codes
    """1 + position in the step's list ``removes``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did to each of the documents it was given; None means nothing of the kind."""

    texts: pa.LargeStringArray | None = None
    """New texts: large_string[n]."""
    reasons: Codes | None = None
    """Why a document is dropped."""
    repairs: Codes | None = None
    """How a document was repaired."""
    spans: Spans | None = None
    """Personal details found; documents are positions in the input."""
    scores: NDArray[np.int32] | None = None
    """int32[n]: what was measured, in the unit of the threshold that decides; kept with drops."""
    removed: Removed | None = None
    """Characters taken out of the text that are no personal detail."""
    languages: Codes | None = None
    """Position in `yunhe.corpus.kernels.language.LANGUAGES`, for statistics; decides nothing."""
    noticed: Mapping[str, int] | None = None
    """Documents that the step let through although it noticed something, by what; for statistics;
    decides nothing."""
    evidence: NDArray[np.uint64] | None = None
    """uint64[n, k]: what the step will need about each document when all are known."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a step read before its work."""

    value: object
    """Handed to the step as ``Values.prepared``; read by many threads at once."""
    data: JsonObject
    """What names it in the pipeline's digest: digests and versions, never a path or a key."""


Work = Callable[[Documents, Values], Outcome]
"""A step on one batch: pure, any thread; the same batch gives the same outcome."""
Settle = Callable[[Evidence, Values, Path, int], Settled]
"""A step on all documents that every step let through: a folder for scratch files, which the caller
makes empty and removes, and the bytes of memory it may use."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it may say, and its functions."""

    version: int
    """Raised whenever the same input may give another outcome."""
    thresholds: tuple[str, ...] = ()
    """Names of the thresholds it needs, no more and no fewer."""
    reasons: tuple[str, ...] = ()
    """Why it drops documents."""
    repairs: tuple[str, ...] = ()
    """How it repairs documents."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Words it may be given, and what each may be: the first is taken where the profile names none;
    no choices at all (an empty tuple) means any text, empty where none is named, e.g. a path."""
    unset: Mapping[str, str] = field(default_factory=dict)
    """For options that may be any text: the word that says the same as none, where there is one."""
    removes: tuple[str, ...] = ()
    """What it takes out of texts."""
    prepare: Callable[[Mapping[str, str]], Prepared] | None = None
    """Given the options, reads what it needs (word lists, keys, weights) once in each process."""
    work: Work | None = None
    """Its part on one batch."""
    settle: Settle | None = None
    """Its part on the whole, when it drops or groups by comparing documents."""
    data: JsonObject = field(default_factory=dict)
    """Digests of the word lists it goes by, for the pipeline's digest."""
