"""Near-duplicates, first half: what a document is made of, and a signature that keeps its likeness.

A document is the set of its runs of five characters, punctuation skipped. Of two documents, the
share of equal signature bins estimates the share of runs they have in common (their Jaccard
similarity).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.hashing import Hashes, mix
from yunhe.corpus.kernels.shadow import Table, half_width

LENGTH = 5
"""Characters in a run; on Chinese text 5 told edited copies from strangers (measured)."""
BANDS, ROWS = 38, 3
"""Bins are compared in bands: 38 of 3 find similarity .5 with probability .99, 1 - (1 - s³)³⁸."""
BINS = BANDS * ROWS
"""Bins of a signature."""
EMPTY = np.uint32(0xFFFFFFFF)
"""A bin nothing fell into; only documents without any letter keep such bins."""

_FIFTH = np.uint64(0xD1B54A32D192ED03)
_STEP = np.uint32(0x9E3779B1)


@cache
def letters() -> Table:
    """Letters, digits and hanzi as one form each, everything else as 0."""
    table = half_width().copy()
    for code in range(65536):
        character = chr(int(table[code]))
        table[code] = ord(character.lower()[0]) if character.isalnum() else 0
    return table


def shingles(
    codes: NDArray[np.uint16], starts: NDArray[np.int64]
) -> tuple[Hashes, NDArray[np.int64]]:
    """A hash for every run of `LENGTH` letters and its document; shorter documents are one run.

    Shapes: ``codes``: uint16[m] read through `letters`; ``starts``: int64[n + 1]; both results:
    [k], in order.
    """
    documents = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    kept = codes != 0
    values, documents = codes[kept].astype(np.uint64), documents[kept]
    whole = np.zeros(len(values), np.bool_)
    reach = LENGTH - 1
    whole[: max(0, len(values) - reach)] = documents[reach:] == documents[:-reach]
    padded = np.concatenate([values, np.zeros(reach, np.uint64)])
    packed = _packed([padded[ahead : ahead + len(values)] for ahead in range(LENGTH)])
    firsts = np.flatnonzero(np.diff(documents, prepend=-1))
    short = firsts[~whole[firsts]]
    if len(short):  # what follows a short document is another one, and no part of its run
        owners = np.concatenate([documents, np.full(reach, -1)])
        own = [padded[short + k] * (owners[short + k] == documents[short]) for k in range(LENGTH)]
        packed[short] = _packed(own)
        whole[short] = True
    return mix(packed[whole]), documents[whole]


def _packed(pieces: list[Hashes]) -> Hashes:
    packed = pieces[0] ^ (pieces[-1] * _FIFTH)
    for ahead in range(1, LENGTH - 1):
        packed ^= pieces[ahead] << np.uint64(16 * ahead)
    return packed


def signatures(hashes: Hashes, documents: NDArray[np.int64], count: int) -> NDArray[np.uint32]:
    """uint32[count, BINS]: the smallest hash of each bin, empty bins filled from the next full one.

    Source: one-permutation hashing, Li, Owen, Zhang, NeurIPS 2012; filling by rotation, Shrivastava
    and Li, UAI 2014. Cost: about 20 ns a run.
    """
    bins = ((hashes & np.uint64(0xFFFFFFFF)) * np.uint64(BINS)) >> np.uint64(32)
    values = (hashes >> np.uint64(33)).astype(np.uint32)  # never `EMPTY`
    flat = np.full(count * BINS, EMPTY, np.uint32)
    np.minimum.at(flat, documents * BINS + bins.astype(np.int64), values)
    return _filled(flat.reshape(count, BINS))


def _filled(signature: NDArray[np.uint32]) -> NDArray[np.uint32]:
    far = np.int16(2 * BINS)
    own = np.where(signature != EMPTY, np.arange(BINS, dtype=np.int16), far)
    twice = np.concatenate([own, np.where(own == far, far, own + np.int16(BINS))], axis=1)
    nearest = np.minimum.accumulate(twice[:, ::-1], axis=1)[:, ::-1][:, :BINS]
    source = np.where(nearest == far, np.arange(BINS, dtype=np.int16), nearest)
    taken = np.take_along_axis(signature, (source % BINS).astype(np.intp), axis=1)
    distance = (source - np.arange(BINS, dtype=np.int16)).astype(np.uint32)
    return np.where(taken == EMPTY, EMPTY, taken + distance * _STEP)
