"""Texts as kernels see them: one buffer of UTF-8 bytes, and where each text begins in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Utf8(NamedTuple):
    """n texts; both arrays are read-only, because kernels are compiled for exactly that."""

    data: NDArray[np.uint8]
    """uint8[bytes]: all texts one after the other, valid UTF-8."""
    offsets: NDArray[np.int64]
    """int64[n + 1]: text i is ``data[offsets[i]:offsets[i + 1]]``; ``offsets[0]`` may be > 0."""


def utf8(texts: pa.LargeStringArray) -> Utf8:
    """The texts' own memory, not copied. Shapes: ``texts``: large_string[n] without nulls."""
    _, offsets, data = texts.buffers()
    if not len(texts):
        return Utf8(frozen(np.empty(0, np.uint8)), frozen(np.zeros(1, np.int64)))
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    bytes_ = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Utf8(frozen(bytes_), frozen(bounds))


def large_strings(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> pa.LargeStringArray:
    """Texts made of what a kernel wrote, not copied.

    Shapes: ``data``: uint8[at least offsets[n]], valid UTF-8; ``offsets``: int64[n + 1].
    """
    return pa.LargeStringArray.from_buffers(
        len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data)
    )


def frozen(array: NDArray[np.uint8] | NDArray[np.int64]) -> NDArray:  # type: ignore[type-arg]
    """The same array, read-only from now on."""
    array.flags.writeable = False
    return array
