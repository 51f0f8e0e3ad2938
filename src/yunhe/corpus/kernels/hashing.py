"""Hashes of documents and of their pieces, over a whole batch at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(values: Hashes) -> Hashes:
    """uint64[n]: each value scrambled, one to one, so that near values land far apart.

    Source: the finaliser of SplitMix64, Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, OOPSLA 2014, with Stafford's variant 13 of the constants.
    """
    mixed = values ^ (values >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def document_hashes(codes: NDArray[np.uint32], starts: NDArray[np.int64]) -> Hashes:
    """uint64[n, 2]: 128 bits for each document; equal exactly for equal texts but for chance.

    Every (place, character) is scrambled and a document is the sum of its own, so one pass serves
    all documents.
    Shapes: ``codes``: uint32[m] with one separator after each document; ``starts``: int64[n + 1].
    Chance of one false duplicate among n documents: about n²/2¹²⁹.
    """
    count = len(starts) - 1
    if not count:
        return np.empty((0, 2), np.uint64)
    lengths = np.diff(starts)
    place = np.arange(len(codes), dtype=np.int64) - np.repeat(starts[:-1], lengths)
    keyed = (place.astype(np.uint64) << np.uint64(24)) | codes
    keyed *= _GOLDEN
    first = mix(keyed)
    sums = np.add.reduceat(first, starts[:-1])
    first ^= keyed >> np.uint64(7)
    return np.stack([mix(sums), np.add.reduceat(mix(first), starts[:-1])], axis=1)


def first_occurrences(hashes: Hashes) -> NDArray[np.int64]:
    """int64[n]: for each row of ``hashes`` (uint64[n, 2]) the first row that equals it."""
    if not len(hashes):  # of no documents at all the evidence has no second column either
        return np.empty(0, np.int64)
    order = np.lexsort((np.arange(len(hashes)), hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    heads = order[np.flatnonzero(new)]
    firsts = np.empty(len(order), np.int64)
    firsts[order] = heads[np.cumsum(new) - 1]
    return firsts
