"""Exact duplicates of a whole corpus: the first document of each hash, within a given memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.hashing import first_occurrences
from yunhe.corpus.near.settling import blank

_DOCUMENT_BYTES = 128  # hash, number, order and copies of a document in memory
_PERCENT = 100


def settle(evidence: Evidence, scratch: Path, *, memory_bytes: int) -> Settled:
    """Every document but the first of its hash is coded 1.

    The hashes are read once for each share that fits into memory; a hash is in one share only.
    """
    count = sum(evidence.counts)
    if not count:
        return Settled.nothing(0)
    settled = blank(scratch, count)
    shares = -(-count * _DOCUMENT_BYTES // memory_bytes)
    for share in range(shares):
        numbers, hashes = _share(evidence, share, shares)
        firsts = numbers[first_occurrences(hashes)]
        again = firsts != numbers
        settled.firsts[numbers[again]] = firsts[again]
        settled.codes[numbers[again]] = 1
        settled.scores[numbers[again]] = _PERCENT
    return settled


def _share(
    evidence: Evidence, share: int, shares: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Numbers and hashes of the documents of one share, in order."""
    numbers, hashes, before = [], [], 0
    width = np.uint64((1 << 64) // shares) if shares > 1 else np.uint64(0xFFFFFFFFFFFFFFFF)
    for unit, count in enumerate(evidence.counts):
        values = evidence.values(unit)
        if count:
            of = np.minimum(values[:, 0] // width, np.uint64(shares - 1))
            rows = np.flatnonzero(of == share)
            numbers.append(rows + before)
            hashes.append(values[rows])
        before += count
    return np.concatenate(numbers), np.concatenate(hashes)
