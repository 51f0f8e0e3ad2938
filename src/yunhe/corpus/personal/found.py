"""What scanning brings back: where personal details stand, never what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Codes, Spans
from yunhe.corpus.kernels.places import characters
from yunhe.corpus.kernels.utf8 import Utf8

REASONS = ("checksum", "context", "layout", "prefix", "title", "gazetteer", "model")
"""What can convince a rule: a check digit, words beside it, its very layout, a known prefix …"""


@dataclass(frozen=True, slots=True)
class Found:
    """Finds as columns of equal length, ordered by start; all lie on character borders."""

    starts: NDArray[np.int64]
    """First byte, a position in `Utf8.data`."""
    ends: NDArray[np.int64]
    """One past the last byte."""
    types: Codes
    """Position in `yunhe.corpus.domain.PERSONAL_TYPES`."""
    scores: Codes
    """Percent."""
    reasons: Codes
    """Position in `REASONS`."""

    @classmethod
    def none(cls) -> Found:
        """No finds."""
        place, code = np.empty(0, np.int64), np.empty(0, np.uint8)
        return cls(place, place, code, code, code)

    def __len__(self) -> int:
        return len(self.starts)

    def where(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> Found:
        """The finds where ``kept``, or those at the positions ``kept``, in that order."""
        return Found(
            self.starts[kept],
            self.ends[kept],
            self.types[kept],
            self.scores[kept],
            self.reasons[kept],
        )


def merged(parts: Sequence[Found]) -> Found:
    """All finds in order without overlaps: those that overlap become one, named after the surest.

    The one covers all they covered, so no part of a detail stays because two rules disagreed on its
    ends. Of equally sure finds the longest gives the name, of those the first.
    """
    full = [part for part in parts if len(part)]
    if not full:
        return Found.none()
    joined = Found(
        np.concatenate([part.starts for part in full]),
        np.concatenate([part.ends for part in full]),
        np.concatenate([part.types for part in full]),
        np.concatenate([part.scores for part in full]),
        np.concatenate([part.reasons for part in full]),
    )
    joined = joined.where(np.lexsort((joined.types, joined.ends, joined.starts)))
    reached = np.maximum.accumulate(joined.ends)
    first = np.ones(len(joined), np.bool_)
    first[1:] = joined.starts[1:] >= reached[:-1]
    group = np.cumsum(first) - 1
    lengths = joined.ends - joined.starts
    order = np.lexsort((joined.starts, -lengths, -joined.scores.astype(np.int64), group))
    leads = np.ones(len(order), np.bool_)
    leads[1:] = group[order][1:] != group[order][:-1]
    surest = joined.where(order[leads])
    last = np.append(np.flatnonzero(first)[1:] - 1, len(joined) - 1)
    return Found(joined.starts[first], reached[last], surest.types, surest.scores, surest.reasons)


def as_spans(found: Found, texts: Utf8) -> Spans:
    """The finds as rows of the span table, in characters from the start of each one's document."""
    if not len(found):
        return Spans.none()
    documents = np.searchsorted(texts.offsets, found.starts, side="right") - 1
    starts, ends = np.empty(len(found), np.int32), np.empty(len(found), np.int32)
    characters(texts.data, texts.offsets, documents, found.starts, found.ends, starts, ends)
    return Spans(documents, starts, ends, found.types, found.scores, found.reasons)
