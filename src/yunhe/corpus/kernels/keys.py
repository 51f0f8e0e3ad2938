"""Short names as numbers, so that millions of them can be sorted and looked up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.kernels.utf8 import utf8
from yunhe.native.compiled import OFFSETS, TEXT, U8, kernel

_START, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@kernel(TEXT, OFFSETS, U8)
def hash_names(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint64]
) -> None:
    """Fill ``out``, uint64[n], with a hash of each text's bytes.

    Source: FNV-1a, Fowler, Noll and Vo, then the finaliser of SplitMix64 (see `hashing.mix`).
    """
    for number in range(len(offsets) - 1):
        value = np.uint64(_START)
        for at in range(offsets[number], offsets[number + 1]):
            value = np.uint64((value ^ np.uint64(data[at])) * np.uint64(_PRIME))
        value ^= value >> np.uint64(30)
        value = np.uint64(value * np.uint64(_FIRST))
        value ^= value >> np.uint64(27)
        value = np.uint64(value * np.uint64(_SECOND))
        out[number] = value ^ (value >> np.uint64(31))


def name_hashes(names: pa.Array) -> NDArray[np.uint64]:
    """uint64[n]: 64 bits for each name; of n names some two agree by chance with n²/2⁶⁵."""
    out = np.empty(len(names), np.uint64)
    data, offsets = utf8(names.cast(pa.large_string()))
    hash_names(data, offsets, out)
    return out
