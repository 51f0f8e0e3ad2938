"""Lines that may be boilerplate, by how they begin or end; a list of such lines decides."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I8, INT, OFFSETS, TEXT, inner, kernel

KEY_BYTES = 6
"""Of a line's beginning or end: two hanzi or six letters."""
SLOTS = 1 << 12
"""Of the table of beginnings and ends; a byte each, so that most lines are told by one look."""


def slot(key: bytes) -> int:
    """Where a beginning or end stands in the table; bytes as `lines_like` reads them."""
    value = int.from_bytes(key, "big")
    return (value * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 52


@inner
def _slot(data: NDArray[np.uint8], at: int) -> np.int64:
    value = np.uint64(0)
    for place in range(at, at + KEY_BYTES):
        value = value << np.uint64(8) | np.uint64(data[place])
    return np.int64((value * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(52))


@kernel(TEXT, OFFSETS, TEXT, INT, I8, I8, I8)
def lines_like(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.uint8],
    longest: int,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
) -> int:
    """Write the lines whose beginning or end is in the table; returns how many there are.

    Lines are taken without white space of ASCII around them, and of at most ``longest`` bytes.
    ``table``: uint8[SLOTS]: 1 for beginnings, 2 for ends. The count goes on beyond the room;
    ``kinds`` become 0.
    """
    found = 0
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            stop = at
            while stop < end and data[stop] != 0x0A:
                stop += 1
            start, last = at, stop
            while start < last and data[start] <= 0x20:
                start += 1
            while last > start and data[last - 1] <= 0x20:
                last -= 1
            if last - start >= KEY_BYTES and last - start <= longest:
                begins = table[_slot(data, start)] & 1
                if begins or table[_slot(data, last - KEY_BYTES)] & 2:
                    if found < len(starts):
                        starts[found], ends[found], kinds[found] = start, last, 0
                    found += 1
            at = stop + 1
    return found
