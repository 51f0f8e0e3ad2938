"""Counts of each class of character in each text: one pass, which several steps share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.classes import CLASSES, CODES, SYMBOL, classes
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.native.compiled import I4, OFFSETS, TEXT, kernel

Measures = NDArray[np.int32]
"""int32[n, CLASSES]: how many characters of each class a text has."""


@kernel(TEXT, OFFSETS, TEXT, I4)
def count(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    table: NDArray[np.uint8],
    counts: NDArray[np.int32],
) -> None:
    """Add each character of each text to its class's entry of ``counts`` (int32[n * CLASSES])."""
    for document in range(len(offsets) - 1):
        row = document * CLASSES
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            lead = np.int64(data[at])
            if lead < 0x80:
                code = lead
                at += 1
            elif lead >= 0xE0 and lead < 0xF0:
                code = (lead & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
                at += 3
            elif lead < 0xE0:
                code = (lead & 0x1F) << 6 | (data[at + 1] & 0x3F)
                at += 2
            else:
                code = (lead & 0x07) << 18 | np.int64(data[at + 1] & 0x3F) << 12
                code |= (data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F)
                at += 4
            kind = np.int64(table[code]) if code < CODES else SYMBOL
            counts[row + kind] += 1


def measured(texts: Utf8) -> Measures:
    """The counts of each text. Cost: about 1 ns a byte."""
    counts = np.zeros((len(texts.offsets) - 1) * CLASSES, np.int32)
    count(texts.data, texts.offsets, classes(), counts)
    return counts.reshape(-1, CLASSES)


def total(measures: Measures, kinds: tuple[int, ...]) -> NDArray[np.int64]:
    """int64[n]: characters of those classes in each text."""
    found: NDArray[np.int64] = measures[:, list(kinds)].sum(axis=1, dtype=np.int64)
    return found


def per_thousand(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.int32]:
    """int32[n]: ``part`` of ``whole`` in thousandths, rounded down; 0 where there is no whole."""
    return (part * 1000 // np.maximum(whole, 1)).astype(np.int32)
