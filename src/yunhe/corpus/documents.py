"""What passes between the engine and its steps: documents in, an outcome for each of them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.kernels.joined import Joined, join
from yunhe.kernel.canonical import JsonObject

Codes = NDArray[np.uint8]
"""uint8[n]: 0 for nothing, else 1 + the position in the step's list of reasons or repairs."""
Values = Mapping[str, int]
"""A step's thresholds by name."""


@dataclass(frozen=True)
class Documents:
    """Some documents of a batch, in order.

    Shapes: ``texts``: string[n] without nulls; ``absent``: bool[n]; ``damage``: uint8[n].
    """

    texts: pa.StringArray
    """The text so far; empty where there was none."""
    absent: NDArray[np.bool_]
    """Whether the input had no text at all (null)."""
    damage: Codes
    """What reading said, a code of `yunhe.corpus.encoding`."""

    @cached_property
    def joined(self) -> Joined:
        """All texts in one buffer; made once, however many steps look at it."""
        return join(self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, kept: NDArray[np.bool_]) -> Documents:
        """The documents where ``kept``; itself when that is all of them."""
        if kept.all():
            return self
        return Documents(self.texts.filter(pa.array(kept)), self.absent[kept], self.damage[kept])

    def with_texts(self, texts: pa.StringArray) -> Documents:
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
    """Position in `yunhe.corpus.personal.hits.REASONS`."""

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
class Outcome:
    """What a step did to each of the documents it was given; None means nothing of the kind."""

    texts: pa.StringArray | None = None
    """New texts: string[n]."""
    reasons: Codes | None = None
    """Why a document is dropped."""
    repairs: Codes | None = None
    """How a document was repaired."""
    spans: Spans | None = None
    """Personal details found; documents are positions in the input."""
    evidence: NDArray[np.uint64] | None = None
    """uint64[n, k]: what the step will need about each document when all are known."""


Work = Callable[[Documents, Values], Outcome]
"""A step on one batch: pure, any thread; the same batch gives the same outcome."""
SettleDrops = Callable[[NDArray[np.uint64], Values], Codes]
"""A step on the evidence of all documents still alive when it came: why each is dropped."""
SettleGroups = Callable[[NDArray[np.uint64], pa.ChunkedArray, Values], NDArray[np.int64]]
"""A step on evidence and text of all released documents: the first member of each one's group."""


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
    work: Work | None = None
    """Its part on one batch."""
    settle_drops: SettleDrops | None = None
    """Its part on the whole, when it drops by comparing documents."""
    settle_groups: SettleGroups | None = None
    """Its part on the whole, when it groups documents."""
    data: JsonObject = field(default_factory=dict)
    """Digests of the word lists it goes by, for the pipeline's digest."""
