"""Places in UTF-8 text: bytes counted as characters, and shadows' places as bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, inner, kernel


@inner
def _counted(data: NDArray[np.uint8], start: int, end: int) -> int:
    """Characters that begin in ``data[start:end]``."""
    count = 0
    for at in range(start, end):
        count += (data[at] & 0xC0) != 0x80
    return count


@kernel(TEXT, OFFSETS, I8, I8, I8, I4, I4)
def characters(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    documents: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    first: NDArray[np.int32],
    last: NDArray[np.int32],
) -> None:
    """Write each span's characters, counted from its document's start, to ``first`` and ``last``.

    Shapes: [k] each, ordered by start without overlaps; starts and ends are bytes of ``data``.
    """
    document, at, count = -1, 0, 0
    for n in range(len(starts)):
        if documents[n] != document:
            document = documents[n]
            at, count = offsets[document], 0
        count += _counted(data, at, starts[n])
        first[n] = count
        count += _counted(data, starts[n], ends[n])
        last[n] = count
        at = ends[n]


@kernel(TEXT, OFFSETS, I8, I8, I8)
def as_bytes(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    begins: NDArray[np.int64],
    places: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    """Write to ``found`` the byte at which each character of ``places`` begins.

    ``places``: int64[k], rising, counted over all documents with one more between each two;
    ``begins``: int64[n]: the first of each document, counted alike.
    """
    document, at, count = -1, 0, 0
    for n in range(len(places)):
        place = places[n]
        if document < 0 or (document + 1 < len(begins) and place >= begins[document + 1]):
            low, high = document + 1, len(begins)
            while low < high:
                middle = (low + high) // 2
                if begins[middle] <= place:
                    low = middle + 1
                else:
                    high = middle
            document = low - 1
            at, count = offsets[document], begins[document]
        while count < place:
            at += 1
            while at < offsets[document + 1] and (data[at] & 0xC0) == 0x80:
                at += 1
            count += 1
        found[n] = at
