"""What the scan of one batch works on, and what it brings back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Spans
from yunhe.corpus.domain import PERSONAL_TYPES, PersonalType
from yunhe.corpus.kernels.joined import SEPARATOR, Joined
from yunhe.corpus.kernels.shadow import as_text, half_width
from yunhe.corpus.personal.links import blank

REASONS = ("checksum", "context", "layout", "prefix", "title", "gazetteer")
"""What can convince a rule: a check digit, words before it, its very layout, a known prefix …"""


class Hit(NamedTuple):
    """One find in the joined buffer; it knows where, not what it says."""

    start: int
    """First character in the buffer."""
    end: int
    """One past the last."""
    type: PersonalType
    """What it is."""
    score: int
    """Confidence in percent, set by the rule."""
    reason: str
    """One of `REASONS`."""


@dataclass(frozen=True)
class Buffer:
    """A joined batch and its shadow, in which links and code are blanked out."""

    joined: Joined
    """The documents."""

    @cached_property
    def codes(self) -> NDArray[np.uint16]:
        """uint16[n]: the half-width shadow as codes."""
        codes = half_width()[self.joined.plane]
        blank(self.joined.text, codes)
        return codes

    @cached_property
    def half(self) -> str:
        """The half-width shadow; every finder matches on it."""
        return as_text(self.codes)

    def before(self, start: int, length: int) -> str:
        """Up to ``length`` characters of the same document that end at ``start``."""
        return self.half[max(0, start - length) : start].rpartition(SEPARATOR)[2]

    def after(self, end: int, length: int) -> str:
        """Up to ``length`` characters of the same document that begin at ``end``."""
        return self.half[end : end + length].partition(SEPARATOR)[0]


def settle(hits: Iterable[Hit]) -> list[Hit]:
    """Hits without overlaps, in order: those that overlap become one, named after the surest.

    The one covers all they covered, so no part of a detail stays because two rules disagreed on its
    ends.
    """
    kept: list[Hit] = []
    for hit in sorted(hits):
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
            continue
        last = kept[-1]
        longest = max(last, hit, key=lambda one: (one.score, one.end - one.start))
        kept[-1] = longest._replace(start=last.start, end=max(last.end, hit.end))
    return kept


def as_spans(hits: list[Hit], starts: NDArray[np.int64]) -> Spans:
    """The hits as columns, each counted from the start of its own document."""
    if not hits:
        return Spans.none()
    begins, ends = (np.array([hit[at] for hit in hits], np.int64) for at in (0, 1))
    documents = np.searchsorted(starts, begins, side="right") - 1
    types = [PERSONAL_TYPES.index(hit.type) for hit in hits]
    return Spans(
        documents,
        (begins - starts[documents]).astype(np.int32),
        (ends - starts[documents]).astype(np.int32),
        np.array(types, np.uint8),
        np.array([hit.score for hit in hits], np.uint8),
        np.array([REASONS.index(hit.reason) for hit in hits], np.uint8),
    )
