"""What the lines of each text are like: how many, how they end, which were there before."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.grams import character, scrambled
from yunhe.corpus.kernels.utf8 import frozen
from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, inner, kernel

_ENDS = "。！？…；：.!?;:”’」』》）】\"')]~～"
"""Signs that end a sentence, or close what holds one."""
_CODES = 0x10000
_BYTES_MIN = 8
"""Of a line that counts as repeated: brackets and rules between parts come again in good texts."""


@cache
def ends() -> NDArray[np.uint8]:
    """uint8[65536]: 1 for characters that end a sentence."""
    table = np.zeros(_CODES, np.uint8)
    table[[ord(sign) for sign in _ENDS]] = 1
    return frozen(table)


@inner
def _trimmed(data: NDArray[np.uint8], start: int, end: int) -> tuple[int, int]:
    """A line without white space of ASCII around it."""
    while start < end and data[start] <= 0x20:
        start += 1
    while end > start and data[end - 1] <= 0x20:
        end -= 1
    return start, end


@inner
def _closed(
    data: NDArray[np.uint8], start: int, end: int, table: NDArray[np.uint8]
) -> int | np.int64:
    """1 if the last character of a line ends a sentence."""
    at = end - 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    code, _ = character(data, at)
    return np.int64(table[code]) if code < _CODES else 0


@inner
def _again(slots: NDArray[np.uint64], data: NDArray[np.uint8], start: int, end: int) -> int:
    """1 if the text had the same line before; notes it."""
    value = np.uint64(end - start)
    for at in range(start, end):
        value = (value ^ np.uint64(data[at])) * np.uint64(0x100000001B3)
    value = scrambled(value) | np.uint64(1)
    mask = np.uint64(len(slots) - 1)
    slot = (value >> np.uint64(32)) & mask
    while slots[slot] != 0:
        if slots[slot] == value:
            return 1
        slot = (slot + np.uint64(1)) & mask
    slots[slot] = value
    return 0


@kernel(TEXT, OFFSETS, I4, TEXT, I8, I8, I8)
def lines(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    breaks: NDArray[np.int32],
    table: NDArray[np.uint8],
    counts: NDArray[np.int64],
    closed: NDArray[np.int64],
    again: NDArray[np.int64],
) -> None:
    """Count lines that are not blank, those that end a sentence, those that were there before.

    ``breaks``: int32[n], line ends of each text; one with none is left at zeros.
    """
    for document in range(len(offsets) - 1):
        if breaks[document] == 0:
            continue
        size = 16
        while size < 4 * breaks[document]:
            size *= 2
        slots = np.zeros(size, np.uint64)
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            stop = at
            while stop < end and data[stop] != 0x0A:
                stop += 1
            start, last = _trimmed(data, at, stop)
            if start < last:
                counts[document] += 1
                closed[document] += _closed(data, start, last, table)
                if last - start >= _BYTES_MIN:
                    again[document] += _again(slots, data, start, last)
            at = stop + 1
