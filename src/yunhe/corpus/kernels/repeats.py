"""How much of a text repeats itself: runs of units seen before, and how often one comes.

A unit is a character (``whole``), or what stands for a word where nobody has cut Chinese into
words: a hanzi, kana or hangul, or a run of other letters and digits; all else is skipped.
"""

# ruff: noqa: PLR0913, PLR0917 - a kernel takes each array by itself

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.classes import COMMON, DIGIT, HANGUL, NUMBER, SYMBOL
from yunhe.corpus.kernels.grams import character, scrambled
from yunhe.native.compiled import I8, INT, OFFSETS, TEXT, U8, inner, kernel

_CODES = 0x40000
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@inner
def units_of(
    data: NDArray[np.uint8], at: int, end: int, whole: int, table: NDArray[np.uint8],
    units: NDArray[np.uint64],
) -> int:  # fmt: skip
    """Write a number for each unit of ``data[at:end]`` to ``units``; returns how many there are."""
    count, word = 0, np.uint64(0)
    while at < end:
        code, size = character(data, at)
        at += size
        if whole == 1:
            units[count] = np.uint64(code + 1)
            count += 1
            continue
        kind = np.int64(table[code]) if code < _CODES else SYMBOL
        letter = kind >= DIGIT and kind <= NUMBER
        single = kind >= COMMON and kind <= HANGUL
        if letter and not single:
            word = (word ^ np.uint64(code + 1)) * _SPREAD
            continue
        if word != 0:
            units[count], word = word, np.uint64(0)
            count += 1
        if single:
            units[count] = np.uint64(code + 1)
            count += 1
    if word != 0:
        units[count] = word
        count += 1
    return count


@inner
def runs_of(units: NDArray[np.uint64], size: int, runs: NDArray[np.uint64]) -> int:
    """Write the hash of each run of ``size`` units to ``runs``; returns how many there are."""
    power, value = np.uint64(1), np.uint64(0)
    for _ in range(size - 1):
        power *= _SPREAD
    for place in range(len(units)):
        if place >= size:
            value -= units[place - size] * power
        value = value * _SPREAD + units[place]
        if place >= size - 1:
            runs[place - size + 1] = scrambled(value)
    return max(0, len(units) - size + 1)


@inner
def _seen(table: NDArray[np.uint32], run: int) -> int:
    """How many more comings of runs that come again this one makes known: 0, 2, then 1 each.

    31 bits and the slot tell the runs of a text apart.
    """
    mask = np.uint64(len(table) - 1)
    slot, mark = np.uint64(run) & mask, np.uint32(run >> np.uint64(32)) | np.uint32(3)
    while table[slot] != 0:
        if table[slot] | np.uint32(1) == mark:
            first = table[slot] & np.uint32(1) == 0
            table[slot] = mark
            return 2 if first else 1
        slot = (slot + np.uint64(1)) & mask
    table[slot] = mark ^ np.uint32(1)
    return 0


@inner
def _power(least: int) -> int:
    """The first power of two from ``least`` on."""
    size = 16
    while size < least:
        size *= 2
    return size


@inner
def _most(units: NDArray[np.uint64], size: int, runs: NDArray[np.uint64]) -> np.int64:
    """At least as often as the most frequent run of ``size`` units comes."""
    count = runs_of(units, size, runs)
    slots = _power(2 * count)
    often, most = np.zeros(slots, np.uint32), np.int64(0)
    for k in range(count):
        slot = runs[k] & np.uint64(slots - 1)
        often[slot] += 1
        most = max(most, np.int64(often[slot]))
    return most


@inner
def _counted(
    runs: NDArray[np.uint64], size: int, step: int, slots: NDArray[np.uint32]
) -> tuple[int, int, int]:
    """Of the runs chosen: how many come more than once, units in them, how many were looked at."""
    again, covered, looked, reach = 0, 0, 0, 0
    chosen = np.uint64(step - 1) << np.uint64(40)
    for place in range(len(runs)):
        if runs[place] & chosen != 0:
            continue
        looked += 1
        known = _seen(slots, runs[place])
        if known > 0:
            again += known
            covered += place + size - max(place, reach)
            reach = place + size
    return again, covered, looked


@kernel(TEXT, OFFSETS, TEXT, INT, INT, INT, INT, INT, I8, I8, I8, I8)
def repeats(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.uint8],
    whole: int,
    size: int,
    small: int,
    least: int,
    every: int,
    counts: NDArray[np.int64],
    again: NDArray[np.int64],
    covered: NDArray[np.int64],
    most: NDArray[np.int64],
) -> None:
    """Measure each text of at least ``least`` units; shorter ones keep their zeros.

    ``counts``: its units; ``again``: runs of ``size`` that come more than once; ``covered``: units
    within any of those; ``most``: a bound on how often one run of ``small`` units comes (0: not
    asked).

    ``every``: a power of two; above 1, of a text of so many times 128 units only one run in so many
    is looked at, chosen by its hash: ``again`` counts it so many times, and ``covered`` says how
    many runs were looked at instead, so many times too. A text of few different runs may have
    hardly any that is chosen, which shows there.
    """
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    buffer, runs = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    scratch = np.empty(_power(4 * longest), np.uint32)
    for document in range(len(offsets) - 1):
        if offsets[document + 1] - offsets[document] < least:
            continue
        amount = units_of(data, offsets[document], offsets[document + 1], whole, table, buffer)
        if amount < least:
            continue
        units = buffer[:amount]
        counts[document] = amount
        step = every
        while step > 1 and amount < 128 * step:
            step //= 2
        slots = scratch[: _power(4 * amount // step)]
        slots[:] = 0
        met, over, looked = _counted(runs[: runs_of(units, size, runs)], size, step, slots)
        again[document] = met * step
        covered[document] = over if every == 1 else looked * step
        if small > 0:
            most[document] = _most(units, small, runs)


@kernel(TEXT, INT, INT, TEXT, INT, INT, U8)
def runs_in(
    data: NDArray[np.uint8],
    start: int,
    end: int,
    table: NDArray[np.uint8],
    whole: int,
    size: int,
    runs: NDArray[np.uint64],
) -> int:
    """Write the hash of each run of one text to ``runs`` (uint64[its bytes]); returns their count.

    For the few texts that `repeats` could not clear.
    """
    buffer = np.empty(end - start, np.uint64)
    amount = units_of(data, start, end, whole, table, buffer)
    return runs_of(buffer[:amount], size, runs)


@kernel(U8, INT)
def skipping(runs: NDArray[np.uint64], size: int) -> int:
    """Units in runs met before, each counted once: after such a run the next begins behind it.

    ``size``: units of a run. Source: datatrove, `find_all_duplicate`.
    """
    slots = np.zeros(_power(2 * len(runs)), np.uint32)
    place, found = 0, 0
    while place < len(runs):
        if _seen(slots, runs[place]) > 0:
            found += size
            place += size
        else:
            place += 1
    return found
