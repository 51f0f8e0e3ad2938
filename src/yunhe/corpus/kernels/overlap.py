"""Which known items a text contains, by the runs of letters it shares with each of them."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shingles import letter_at, letters
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.native.compiled import I4, OFFSETS, TEXT, U2, U8, inner, kernel

RUN = 13
"""Letters in a run: as long as a sentence of Chinese, so that strangers share few."""
PERCENT = 100

_ONE, _SIX = np.uint64(1), np.uint64(63)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_LEAVING = np.uint64(pow(0x9E3779B97F4A7C15, RUN, 1 << 64))
_RING = 16  # letters kept, a power of two above the run
_BLOOM_BITS = 16  # for each run: of strangers 1 % or fewer get through


class Items(NamedTuple):
    """Runs of known items, made for looking up."""

    bloom: NDArray[np.uint64]
    """A power of two of words: of three bits of one word a stranger mostly meets one not set."""
    firsts: NDArray[np.int32]
    """int32[2ᵇ + 1]: where the keys begin whose highest b bits are so."""
    keys: NDArray[np.uint64]
    """uint64[k]: hashes of the runs, rising."""
    starts: NDArray[np.int32]
    """int32[k + 1]: where each run's items begin in ``owners``."""
    owners: NDArray[np.int32]
    """The items each run is of."""
    totals: NDArray[np.int32]
    """int32[items]: how many runs each item has."""


_ITEMS = numba.types.NamedTuple((U8, I4, U8, I4, I4, I4), Items)  # type: ignore[no-untyped-call]


@inner
def _scrambled(rolled: np.uint64) -> np.uint64:
    mixed = np.uint64((rolled ^ (rolled >> np.uint64(32))) * _FIRST)
    return np.uint64(mixed ^ (mixed >> np.uint64(29)))


@inner
def _rolled(ring: NDArray[np.uint64], seen: int, rolled: np.uint64, letter: np.uint64) -> np.uint64:
    """The run's polynomial with one more letter and without the one that leaves it."""
    rolled = np.uint64(rolled * _FACTOR) + letter
    if seen >= RUN:
        rolled -= np.uint64(ring[(seen - RUN) & (_RING - 1)] * _LEAVING)
    ring[seen & (_RING - 1)] = letter
    return np.uint64(rolled)


@kernel(TEXT, OFFSETS, U2, U8, I4)
def _long_runs(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint16],
    out: NDArray[np.uint64],
    counts: NDArray[np.int32],
) -> int:
    ring, written = np.zeros(_RING, np.uint64), np.int64(0)
    for number in range(len(offsets) - 1):
        at, seen, rolled, before = offsets[number], 0, np.uint64(0), written
        while at < offsets[number + 1]:
            letter, size = letter_at(data, at, fold)
            at += size
            if letter == np.uint64(0):
                continue
            rolled = _rolled(ring, seen, rolled, letter)
            seen += 1
            if seen >= RUN:
                out[written] = _scrambled(rolled)
                written += 1
        counts[number] = written - before
    return int(written)


def long_runs(texts: Utf8) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The hash of every run of `RUN` letters, in order, and how many each text has."""
    room = int(texts.offsets[-1] - texts.offsets[0])
    out, counts = np.empty(room, np.uint64), np.empty(len(texts.offsets) - 1, np.int32)
    return out[: _long_runs(texts.data, texts.offsets, letters(), out, counts)], counts


@inner
def _bits(key: np.uint64) -> np.uint64:
    """Three bits of a word, from three parts of the hash."""
    bits = _ONE << (key & _SIX) | _ONE << ((key >> np.uint64(6)) & _SIX)
    return np.uint64(bits | _ONE << ((key >> np.uint64(12)) & _SIX))


@kernel(U8, U8, I4)
def _index(keys: NDArray[np.uint64], bloom: NDArray[np.uint64], firsts: NDArray[np.int32]) -> None:
    words, shift, before = np.uint64(len(bloom) - 1), _shift(firsts), np.int64(0)
    for place in range(len(keys)):
        key = keys[place]
        bloom[(key >> np.uint64(18)) & words] |= _bits(key)
        top = np.int64(key >> shift)
        while before <= top:
            firsts[before] = place
            before += 1
    firsts[before:] = len(keys)


@inner
def _shift(firsts: NDArray[np.int32]) -> np.uint64:
    """How far to the right a key goes for its highest bits to be its place in ``firsts``."""
    shift = np.uint64(64)
    while np.int64(1) << np.int64(np.uint64(64) - shift) < len(firsts) - 1:
        shift -= _ONE
    return shift


def indexed(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """``bloom`` and ``firsts`` of `Items` for rising keys."""
    bloom = np.zeros(1 << max(4, (len(keys) * _BLOOM_BITS // 64).bit_length()), np.uint64)
    firsts = np.empty((1 << max(4, len(keys).bit_length())) + 1, np.int32)
    _index(keys, bloom, firsts)
    return bloom, firsts


@inner
def _place(items: Items, shift: np.uint64, key: np.uint64) -> int:
    """The key's place in the list, -1 when it is not there."""
    bits = _bits(key)
    word = items.bloom[(key >> np.uint64(18)) & np.uint64(len(items.bloom) - 1)]
    if word & bits != bits:
        return -1
    top = np.int64(key >> shift)
    for place in range(items.firsts[top], items.firsts[top + 1]):
        if items.keys[place] == key:
            return place
    return -1


@inner
def _credited(
    items: Items, place: int, number: int, last: NDArray[np.int32], counts: NDArray[np.int32]
) -> int:
    """Count a run for each of its items; the highest share reached by one, in percent."""
    best = np.int64(0)
    for at in range(items.starts[place], items.starts[place + 1]):
        owner = items.owners[at]
        if last[owner] != number:
            last[owner], counts[owner] = number, 0
        counts[owner] += 1
        best = max(best, np.int64(counts[owner]) * PERCENT // items.totals[owner])
    return int(best)


@kernel(TEXT, OFFSETS, U2, _ITEMS, I4)
def _overlap(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint16],
    items: Items,
    out: NDArray[np.int32],
) -> None:
    ring, shift = np.zeros(_RING, np.uint64), _shift(items.firsts)
    met = np.full(len(items.keys), -1, np.int32)
    last, counts = np.full(len(items.totals), -1, np.int32), np.zeros(len(items.totals), np.int32)
    for number in range(len(offsets) - 1):
        at, seen, rolled, best = offsets[number], 0, np.uint64(0), np.int64(0)
        while at < offsets[number + 1]:
            letter, size = letter_at(data, at, fold)
            at += size
            if letter == np.uint64(0):
                continue
            rolled = _rolled(ring, seen, rolled, letter)
            seen += 1
            key = _scrambled(rolled)
            place = _place(items, shift, key) if seen >= RUN else -1
            if place >= 0 and met[place] != number:
                met[place] = number
                best = max(best, np.int64(_credited(items, place, number, last, counts)))
        out[number] = best


def shares(texts: Utf8, items: Items) -> NDArray[np.int32]:
    """int32[n]: the largest share of one item's runs that each text contains, in percent.

    Linear in the text: a run counts once in a text, and belongs to few items. Cost: about 3 ns a
    byte.
    """
    out = np.zeros(len(texts.offsets) - 1, np.int32)
    _overlap(texts.data, texts.offsets, letters(), items, out)
    return out
