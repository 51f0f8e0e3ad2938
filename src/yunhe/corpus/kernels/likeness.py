"""Near-duplicates, second half: candidate pairs from signatures, exact similarity, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.hashing import Hashes, mix
from yunhe.corpus.kernels.shingles import BANDS, EMPTY, ROWS

Pairs = NDArray[np.int64]
"""int64[k, 2]: two documents each, the smaller first."""

_HASH_BITS = np.uint64(40)
_Whole = TypeVar("_Whole", np.int64, np.uint64)
_CHUNK = 1 << 15  # pairs compared at a time, which bounds memory
_ESTIMATE_SLACK = (
    0.25  # five standard errors of 114 bins at .5, so that verification decides and not chance
)


def candidates(signatures: NDArray[np.uint32]) -> Pairs:
    """Pairs that agree in a whole band: each document with the first and last one before it there.

    Linear in the number of documents however large a bucket grows; groups come out the same,
    because the members of a bucket are linked in a chain.
    """
    count = len(signatures)
    if count < 2:
        return np.empty((0, 2), np.int64)
    found = [_in_band(signatures[:, band::BANDS], count) for band in range(BANDS)]
    keys = _thinned(np.sort(np.concatenate(found)))
    return np.stack([keys // count, keys % count], axis=1)


def _in_band(columns: NDArray[np.uint32], count: int) -> NDArray[np.int64]:
    key = np.zeros(count, np.uint64)
    for row in range(ROWS):
        key = mix(key ^ columns[:, row].astype(np.uint64)) + np.uint64(row)
    rows = np.flatnonzero((columns != EMPTY).any(axis=1))
    order = rows[np.argsort(key[rows], kind="stable")]
    ordered = key[order]
    same = np.zeros(len(order), np.bool_)
    same[1:] = ordered[1:] == ordered[:-1]
    heads = np.flatnonzero(~same)
    head_of = order[heads[np.cumsum(~same) - 1]] if len(order) else order
    at = np.flatnonzero(same)
    previous, head, here = order[at - 1], head_of[at], order[at]
    return np.concatenate([previous * count + here, head * count + here])


def estimated(pairs: Pairs, signatures: NDArray[np.uint32], similarity_min: float) -> Pairs:
    """The pairs whose signatures do not rule out a similarity of ``similarity_min``."""
    kept = [
        chunk[
            (signatures[chunk[:, 0]] == signatures[chunk[:, 1]]).mean(axis=1)
            >= similarity_min - _ESTIMATE_SLACK
        ]
        for chunk in _chunks(pairs)
    ]
    return np.concatenate(kept) if kept else pairs


@dataclass(frozen=True, slots=True)
class Sets:
    """The runs of every document, each once and in order, one document after the other."""

    members: Hashes
    """uint64[m]: 24 bits of document, 40 bits of hash."""
    starts: NDArray[np.int64]
    """int64[n + 1]: where each document's runs begin."""

    @classmethod
    def of(cls, hashes: Hashes, documents: NDArray[np.int64], count: int) -> Sets:
        """The sets of ``count`` documents from runs as `shingles` gives them."""
        # Sorted, then thinned out: numpy's own unique goes by a hash table, which is far slower
        # here.
        members = _thinned(np.sort(_keyed(documents, hashes)))
        sizes = np.bincount((members >> _HASH_BITS).astype(np.int64), minlength=count)
        return cls(members, np.concatenate([[0], np.cumsum(sizes)]))

    def similarities(self, pairs: Pairs) -> NDArray[np.float64]:
        """float64[k]: exact Jaccard similarity of each pair. Cost: about 100 ns a run compared."""
        documents = pairs.reshape(-1)
        lengths = (self.starts[1:] - self.starts[:-1])[documents]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.arange(total) - np.repeat(ends - lengths - self.starts[documents], lengths)
        owners = np.repeat(np.arange(len(documents)) // 2, lengths)
        both = np.sort(_keyed(owners, self.members[places] << (np.uint64(64) - _HASH_BITS)))
        shared = both[1:][both[1:] == both[:-1]] >> _HASH_BITS
        common = np.bincount(shared.astype(np.int64), minlength=len(pairs))
        union = lengths[0::2] + lengths[1::2] - common
        similarity: NDArray[np.float64] = common / np.maximum(union, 1)
        return similarity


def _keyed(owners: NDArray[np.int64], hashes: Hashes) -> Hashes:
    """One sortable number for owner and hash; 40 bits of hash keep a document's runs apart."""
    return (owners.astype(np.uint64) << _HASH_BITS) | (hashes >> (np.uint64(64) - _HASH_BITS))


def _thinned(ordered: NDArray[_Whole]) -> NDArray[_Whole]:
    """Each value of a sorted array once."""
    new = np.ones(len(ordered), np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]


def _chunks(pairs: Pairs) -> list[Pairs]:
    return [pairs[at : at + _CHUNK] for at in range(0, len(pairs), _CHUNK)]


def linked(pairs: Pairs, sets: Sets, similarity_min: float) -> NDArray[np.int64]:
    """int64[n]: the smallest member of each document's group, linked by pairs alike enough.

    A pair within a group that stands already is not compared: it could not change the groups.
    """
    label = np.arange(len(sets.starts) - 1, dtype=np.int64)
    for chunk in _chunks(pairs):
        between = chunk[label[chunk[:, 0]] != label[chunk[:, 1]]]
        label = merged(label, between[sets.similarities(between) >= similarity_min])
    return label


def merged(label: NDArray[np.int64], pairs: Pairs) -> NDArray[np.int64]:
    """The groups after linking pairs; ``label`` gives each document the smallest of its group."""
    label = label.copy()
    while len(pairs):
        ends = label[pairs]
        apart = ends[:, 0] != ends[:, 1]
        if not apart.any():
            break
        pairs, ends = pairs[apart], ends[apart]
        np.minimum.at(label, ends.max(axis=1), ends.min(axis=1))
        while (label[label] != label).any():
            label = label[label]
    return label
