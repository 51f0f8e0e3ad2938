"""Near-duplicates, second half: exact similarity of two texts, and whom each document joins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shingles import STRETCH, letters, room, runs, stretch
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.native.compiled import I4, I8, INT, OFFSETS, TEXT, U2, U8, inner, kernel

MILLION = 1_000_000
"""Similarities are whole millionths."""

_OWN, _SEEN, _STATES = np.uint64(1), np.uint64(2), np.uint64(3)
_SPREAD, _SAMPLED_BY = np.uint64(20), np.uint64(40)
_LOW = np.uint64(0xFFFFFFFF)


@inner
def _slots(count: int) -> int:
    size = np.int64(64)
    while size < 2 * count:
        size *= 2
    return int(size)


@inner
def _thinning(bytes_max: int) -> np.uint64:
    """A mask: only runs with none of its bits in their hash are compared, to bound memory."""
    bits = np.int64(0)
    while bytes_max >> bits > STRETCH:
        bits += 1
    return ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)) << _SAMPLED_BY


@inner
def _gathered(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    fold: NDArray[np.uint16],
    thin: np.uint64,
    out: NDArray[np.uint64],
) -> int:
    """Runs of one text, those that ``thin`` leaves; returns how many."""
    kept, at = np.int64(0), start
    while at < end and (at == start or kept + STRETCH <= len(out)):
        stop = stretch(data, at, end)
        count = runs(data, at, stop, fold, out[kept:])
        at = stop
        if thin == np.uint64(0):
            kept += count
            continue
        first = kept
        for place in range(first, first + count):
            if out[place] & thin == np.uint64(0):
                out[kept] = out[place]
                kept += 1
    return int(kept)


@inner
def _compared(
    left: NDArray[np.uint64],
    lefts: int,
    right: NDArray[np.uint64],
    rights: int,
    table: NDArray[np.uint64],
) -> int:
    """Similarity of two lists of runs, by a table of all runs of both.

    An entry is a hash of 62 bits and two bits that say who has it; 0 is free.
    """
    size = _slots(lefts + rights)
    mask = np.uint64(size - 1)
    table[:size] = 0
    union, common = np.int64(0), np.int64(0)
    for turn in range(lefts + rights):
        own = turn < lefts
        run = (left[turn] if own else right[turn - lefts]) & ~_STATES
        at = (run >> _SPREAD) & mask
        while table[at] != np.uint64(0) and table[at] & ~_STATES != run:
            at = (at + np.uint64(1)) & mask
        if table[at] == np.uint64(0):
            table[at] = run | (_OWN if own else _SEEN)
            union += 1
        elif not own and table[at] & _STATES == _OWN:
            table[at] = run | _STATES
            common += 1
    return int(common * MILLION // union) if union else 0


@inner
def _likeness(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], fold: NDArray[np.uint16],
    one: int, other: int, left: NDArray[np.uint64], right: NDArray[np.uint64],
    table: NDArray[np.uint64],
) -> int:  # fmt: skip
    """Similarity of two texts."""
    start, end, begin, stop = offsets[one], offsets[one + 1], offsets[other], offsets[other + 1]
    thin = _thinning(max(end - start, stop - begin))
    lefts = _gathered(data, start, end, fold, thin, left)
    rights = _gathered(data, begin, stop, fold, thin, right)
    return _compared(left, lefts, right, rights, table)


@inner
def _desk(
    offsets: NDArray[np.int64],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Room for the runs of two texts and for their table."""
    most = room(offsets)
    most = 3 * most if most == STRETCH else most
    return (
        np.empty(most, np.uint64),
        np.empty(most, np.uint64),
        np.empty(_slots(2 * most), np.uint64),
    )


@kernel(TEXT, OFFSETS, U2, I8, I8)
def _similarities(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint16],
    pairs: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    left, right, table = _desk(offsets)
    for at in range(len(out)):
        one, other = pairs[2 * at], pairs[2 * at + 1]
        out[at] = _likeness(data, offsets, fold, int(one), int(other), left, right, table)


def similarities(texts: Utf8, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[k]: exact Jaccard similarity of the texts' runs for each pair, in millionths.

    Of a pair with a text over 1 MiB a fixed sample of the runs is compared, 2¹⁹ or more.
    Shapes: ``pairs``: int64[k, 2], numbers of texts.
    """
    out = np.empty(len(pairs), np.int64)
    _similarities(texts.data, texts.offsets, letters(), pairs.reshape(-1), out)
    return out


@inner
def found(parents: NDArray[np.int64], document: int) -> int:
    """The first document of a group; shortens the way to it."""
    while parents[document] != document:
        parents[document] = parents[parents[document]]
        document = parents[document]
    return document


@inner
def _among(tried: NDArray[np.int64], tries: int, document: int) -> bool:
    place = 0
    while place < tries and tried[place] != document:
        place += 1
    return place < tries


@inner
def _place(documents: NDArray[np.int64], document: np.int64) -> int:
    """Where a document is; numba's own search would be loaded at every start."""
    low, high = 0, len(documents)
    while low < high:
        middle = (low + high) // 2
        if documents[middle] < document:
            low = middle + 1
        else:
            high = middle
    return low


@kernel(TEXT, OFFSETS, U2, I8, U8, INT, I8, I4)
def join_first(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], fold: NDArray[np.uint16],
    documents: NDArray[np.int64], pairs: NDArray[np.uint64], least: int,
    parents: NDArray[np.int64], scores: NDArray[np.int32],
) -> None:  # fmt: skip
    """Each later document joins the first group whose first document it is alike enough.

    ``parents`` (int64[all], each document its own at first) and ``scores`` are filled in. A
    document is compared with the first document of each neighbour's group and with nobody else;
    one that has joined stays, so pairs may come in several calls, in order.
    Shapes: ``documents``: int64[texts], sorted, the number of each text; ``pairs``: uint64[k]
    sorted, later << 32 | earlier; ``least``: millionths.
    """
    left, right, table = _desk(offsets)
    tried = np.empty(len(pairs), np.int64)
    before, tries, done = np.int64(-1), np.int64(0), False
    for at in range(len(pairs)):
        later = np.int64(pairs[at] >> np.uint64(32))
        if later != before:
            before, tries, done = later, np.int64(0), parents[later] != later
        first = parents[np.int64(pairs[at] & _LOW)]
        if done or _among(tried, int(tries), first):
            continue
        tried[tries] = first
        tries += 1
        one, other = _place(documents, later), _place(documents, first)
        likeness = _likeness(data, offsets, fold, int(one), int(other), left, right, table)
        if likeness >= least:
            parents[later], scores[later], done = first, np.int32(likeness // 10_000), True


@kernel(TEXT, OFFSETS, U2, I8, U8, INT, I8, I4)
def link(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], fold: NDArray[np.uint16],
    documents: NDArray[np.int64], pairs: NDArray[np.uint64], least: int,
    parents: NDArray[np.int64], scores: NDArray[np.int32],
) -> None:  # fmt: skip
    """Every pair that is alike enough shares a group; arguments as those of `join_first`.

    A pair within a group that stands already is not compared: it could not change the groups.
    """
    left, right, table = _desk(offsets)
    for at in range(len(pairs)):
        later, earlier = np.int64(pairs[at] >> np.uint64(32)), np.int64(pairs[at] & _LOW)
        group, joined = found(parents, int(later)), found(parents, int(earlier))
        if group == joined:
            continue
        one, other = _place(documents, later), _place(documents, earlier)
        likeness = _likeness(data, offsets, fold, int(one), int(other), left, right, table)
        if likeness >= least:
            parents[max(group, joined)] = min(group, joined)
            scores[later] = max(scores[later], np.int32(likeness // 10_000))


@kernel(I8)
def flatten(parents: NDArray[np.int64]) -> None:
    """Each document's first, instead of a step on the way to it."""
    for document in range(len(parents)):
        parents[document] = found(parents, document)
