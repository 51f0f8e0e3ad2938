"""Texts as JSON strings.

Source: RFC 8259, section 7: what must be escaped is the quotation mark, the backslash, and
U+0000 to U+001F; everything else stays as it is.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.kernels.utf8 import large_strings, utf8
from yunhe.native.compiled import I8, OFFSETS, TEXT, U1, kernel

_SHORT = {8: b"b", 9: b"t", 10: b"n", 12: b"f", 13: b"r"}


def _escapes() -> NDArray[np.uint8]:
    r"""uint8[256]: 0 to stay, 255 for ``\u00..``, else the letter after the backslash."""
    table = np.zeros(256, np.uint8)
    table[:32] = 255
    for code, letter in _SHORT.items():
        table[code] = letter[0]
    for code in b'"\\':
        table[code] = code
    return table


_ESCAPES = _escapes()


@kernel(TEXT, OFFSETS, U1, I8)
def quoted_ends(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    escapes: NDArray[np.uint8],
    ends: NDArray[np.int64],
) -> None:
    """Fill ``ends``, int64[n + 1], with the offsets that the quoted texts will have."""
    total = np.int64(0)
    ends[0] = 0
    for number in range(len(offsets) - 1):
        for at in range(offsets[number], offsets[number + 1]):
            escape = escapes[data[at]]
            if escape:
                total += 5 if escape == 255 else 1
        total += offsets[number + 1] - offsets[number] + 2
        ends[number + 1] = total


@kernel(TEXT, OFFSETS, U1, I8, U1)
def quote(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    escapes: NDArray[np.uint8],
    ends: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """Fill ``out``, uint8[ends[n]], with the quoted texts one after the other."""
    for number in range(len(offsets) - 1):
        to = ends[number]
        out[to] = 34
        to += 1
        for at in range(offsets[number], offsets[number + 1]):
            byte = data[at]
            escape = escapes[byte]
            if not escape:
                out[to] = byte
                to += 1
                continue
            out[to] = 92
            out[to + 1] = 117 if escape == 255 else escape
            to += 2
            if escape == 255:
                out[to] = out[to + 1] = 48
                out[to + 2] = 48 + (byte >> 4)
                low = byte & 15
                out[to + 3] = 48 + low if low < 10 else 87 + low
                to += 4
        out[to] = 34


def quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Each text as a JSON string. Cost: about 3 ns a byte."""
    data, offsets = utf8(texts)
    ends = np.empty(len(offsets), np.int64)
    quoted_ends(data, offsets, _ESCAPES, ends)
    out = np.empty(int(ends[-1]), np.uint8)
    quote(data, offsets, _ESCAPES, ends, out)
    return large_strings(out, ends)
