"""Second stage: candidate pairs are compared exactly, and every document gets a group.

Nothing here depends on how the corpus was cut into units, on threads or on the memory given: pairs
come from the order of documents alone and are settled in that order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.bands import split
from yunhe.corpus.kernels.likeness import flatten, join_first, link
from yunhe.corpus.kernels.shingles import letters
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.near.candidates import Candidates, by_unit, thinned

_MILLIONTHS = 10_000  # in a percent
_CHUNK = 1 << 18  # documents numbered at a time


def settle(
    evidence: Evidence, scratch: Path, *, memory_bytes: int, percent_min: int, drop: bool
) -> Settled:
    """Groups of near-duplicates, by exact similarity of ``percent_min`` or more.

    With ``drop`` every document but the first of its group is coded 1, and each is that much alike
    its first one. Without, a group is whatever is linked by pairs that are that much alike, and
    nothing is dropped; a score is then that of the closest link to an earlier document.
    Memory: about ``memory_bytes``, and the longest texts that are compared.
    """
    count = sum(evidence.counts)
    if not count:
        return Settled.nothing(0)
    settled = blank(scratch, count)
    candidates = Candidates(evidence, scratch, memory_bytes // 2)
    candidates.find()
    desk = _Desk(candidates, np.asarray(settled.firsts), np.asarray(settled.scores), drop)
    for pairs, sizes in candidates.likely(percent_min):
        desk.compare(pairs, sizes, percent_min * _MILLIONTHS)
    if drop:
        for own, here in _numbers(count):
            settled.codes[here] = desk.firsts[here] != own
    else:
        flatten(desk.firsts)
    return settled


def blank(scratch: Path, count: int) -> Settled:
    """Nothing settled yet, in files."""
    codes = open_memmap(scratch / "codes.npy", mode="w+", dtype=np.uint8, shape=(count,))
    firsts = open_memmap(scratch / "firsts.npy", mode="w+", dtype=np.int64, shape=(count,))
    scores = open_memmap(scratch / "scores.npy", mode="w+", dtype=np.int32, shape=(count,))
    for own, here in _numbers(count):
        firsts[here] = own
    return Settled(codes, firsts, scores)


def _numbers(count: int) -> Iterator[tuple[NDArray[np.int64], slice]]:
    """The numbers of all documents, and where they are, some at a time."""
    for at in range(0, count, _CHUNK):
        end = min(count, at + _CHUNK)
        yield np.arange(at, end), slice(at, end)


@dataclass(frozen=True)
class _Desk:
    """Where texts are compared, as many at a time as fit into memory."""

    candidates: Candidates
    firsts: NDArray[np.int64]
    scores: NDArray[np.int32]
    drop: bool

    def compare(self, pairs: NDArray[np.uint64], sizes: NDArray[np.int64], least: int) -> None:
        """Settle sorted pairs; ``sizes``: bytes of both texts of each."""
        work = join_first if self.drop else link
        read = np.cumsum(sizes)
        at = 0
        while at < len(pairs):
            fits = int(read[at] - sizes[at]) + self.candidates.memory_bytes // 2
            end = max(at + 1, int(np.searchsorted(read, fits, side="right")))
            documents = self._needed(pairs[at:end])
            texts = utf8(self._texts(documents))
            work(*texts, letters(), documents, pairs[at:end], least, self.firsts, self.scores)
            at = end

    def _needed(self, pairs: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Whose texts are needed: rising numbers."""
        later, earlier = split(pairs)
        others = self.firsts[earlier] if self.drop else earlier
        both = np.concatenate([later, others]).astype(np.uint64)
        return thinned(np.sort(both)).astype(np.int64)

    def _texts(self, documents: NDArray[np.int64]) -> pa.LargeStringArray:
        evidence = self.candidates.evidence
        parts = by_unit(documents, self.candidates.starts)
        return pa.concat_arrays([evidence.texts(unit, rows) for unit, rows, _ in parts])
