"""Puts short replacements in many places of many texts, in one pass over the batch."""

# ruff: noqa: PLR0913, PLR0917 - a kernel takes each array by itself

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.native.compiled import I8, OFFSETS, TEXT, U1, inner, kernel


@inner
def copied(
    data: NDArray[np.uint8], start: int, end: int, out: NDArray[np.uint8], written: int
) -> int:
    """Copy ``data[start:end]`` to ``out`` from ``written`` on; returns one past its end there.

    Byte by byte, because for an assignment between slices numba compiles a second of checks.
    """
    for at in range(end - start):
        out[written + at] = data[start + at]
    return written + end - start


@kernel(TEXT, OFFSETS, I8, I8, I8, TEXT, OFFSETS, U1, I8)
def replace(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    kinds: NDArray[np.int64],
    words: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    out: NDArray[np.uint8],
    moved: NDArray[np.int64],
) -> None:
    """Write the texts to ``out`` and their offsets to ``moved`` (int64[n + 1], from 0).

    Each place ``data[starts[k]:ends[k]]`` becomes ``words[bounds[kinds[k]]:bounds[kinds[k] + 1]]``.
    Places are ordered and apart, and each lies within one text. ``out`` must be long enough.
    """
    at, written, edit = offsets[0], 0, 0
    moved[0] = 0
    for document in range(len(offsets) - 1):
        end = offsets[document + 1]
        while edit < len(starts) and ends[edit] <= end and starts[edit] < end:
            written = copied(data, at, starts[edit], out, written)
            first, last = bounds[kinds[edit]], bounds[kinds[edit] + 1]
            written = copied(words, first, last, out, written)
            at = ends[edit]
            edit += 1
        written = copied(data, at, end, out, written)
        at = end
        moved[document + 1] = written
