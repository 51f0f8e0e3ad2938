"""How the kernels that look at candidates write down what they found."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.domain import PERSONAL_TYPES, PersonalType
from yunhe.native.compiled import inner

HITS = numba.types.Array(numba.types.int64, 2, "C")
"""int64[k, 5]: start and end in the shadow, type, score, reason."""
CHECKSUM, CONTEXT, LAYOUT, PREFIX = range(4)
"""Positions in `yunhe.corpus.personal.found.REASONS`."""


def mark(kind: PersonalType, score: int, reason: int) -> np.int64:
    """Kind, score and reason as one number.

    A number of numpy's and no literal, because for every literal a kernel is compiled again.
    """
    return np.int64((PERSONAL_TYPES.index(kind) * 1000 + score) * 10 + reason)


@inner
def put(hits: NDArray[np.int64], used: int, start: int, end: int, marked: np.int64) -> int:
    """Write one hit behind those used; returns how many there are now. ``marked``: of `mark`."""
    hits[used, 0], hits[used, 1] = start, end
    hits[used, 2], hits[used, 3] = marked // 10_000, marked // 10 % 1000
    hits[used, 4] = marked % 10
    return used + 1
