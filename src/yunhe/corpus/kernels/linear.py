"""A linear classifier over hashed runs of one to four characters: counting, learning, scoring.

Scoring is in whole numbers and the same on every machine; learning is in double precision, in one
fixed order. Full-width characters are read as half-width, capitals as small letters, every digit as
0, and white space is passed over.
"""

from __future__ import annotations

import numba
import numpy as np

from yunhe.corpus.kernels.grams import character, half_width
from yunhe.native.compiled import I4, I8, OFFSETS, TEXT, U1, inner, kernel

I2 = numba.types.Array(numba.types.int16, 1, "C")
"""int16[n]."""
F8 = numba.types.Array(numba.types.float64, 1, "C")
"""float64[n]."""
FLOAT = numba.types.float64
"""One number of double precision."""
GRAMS_MAX = 4
"""Characters of the longest run."""
ROOT_BITS = 10
"""Binary places of the square root a score is divided by."""
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xD6E8FEB86659FD93)
_START = 2


@inner
def _plain(code: int) -> int:
    code = half_width(code)
    if 65 <= code <= 90:
        return code + 32
    return 48 if 48 <= code <= 57 else code


@inner
def _row(first: int, second: int, length: int, mask: int) -> int:
    packed = np.uint64(first) * _SPREAD + np.uint64(second) * _OTHER + np.uint64(length)
    packed ^= packed >> np.uint64(32)
    return int((packed * _SPREAD) >> np.uint64(32)) & mask


@inner
def gram_rows(data: np.ndarray, at: int, end: int, mask: int, rows: np.ndarray) -> int:
    """Fill ``rows`` with the hash of every run of one text; returns how many."""
    count, near, far = 0, _START, 0
    while at < end:
        code, size = character(data, at)
        at += size
        code = _plain(code)
        if code in (32, 10, 13, 9):
            continue
        pair = near & 0x1FFFFF
        rows[count] = _row(code, 0, 1, mask)
        rows[count + 1] = _row(code << 21 | pair, 0, 2, mask)
        rows[count + 2] = _row(code << 21 | pair, near >> 21, 3, mask)
        rows[count + 3] = _row(code << 21 | pair, near >> 21 << 21 | far, 4, mask)
        far = near >> 21
        near = pair << 21 | code
        count += GRAMS_MAX
    return count


@inner
def _longest(offsets: np.ndarray) -> int:
    most = 0
    for text in range(offsets.size - 1):
        most = max(most, offsets[text + 1] - offsets[text])
    return most


@kernel(TEXT, OFFSETS, I2, I8)
def totals(data: np.ndarray, offsets: np.ndarray, weights: np.ndarray, scores: np.ndarray) -> None:
    """Each text's score: the sum of its runs' weights over the square root of their number.

    Shapes: ``weights``: int16[a power of two]; ``scores``: int64[n].
    """
    rows = np.empty(GRAMS_MAX * _longest(offsets), np.int64)
    mask = weights.size - 1
    for text in range(offsets.size - 1):
        count = gram_rows(data, offsets[text], offsets[text + 1], mask, rows)
        total = np.int64(0)
        for at in range(count):
            total += weights[rows[at]]
        root = np.int64(np.sqrt(np.float64(count << (2 * ROOT_BITS))))
        scores[text] = (total << ROOT_BITS) // (root if root else np.int64(1))


@kernel(TEXT, OFFSETS, U1, I4, I4)
def count_rows(
    data: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    there: np.ndarray,
    others: np.ndarray,
) -> None:
    """Count each run's occurrences in texts of label 1 (``there``) and of label 0 (``others``).

    Shapes: ``labels``: uint8[n]; ``there``, ``others``: int32[a power of two].
    """
    rows = np.empty(GRAMS_MAX * _longest(offsets), np.int64)
    for text in range(offsets.size - 1):
        count = gram_rows(data, offsets[text], offsets[text + 1], there.size - 1, rows)
        for at in range(count):
            if labels[text]:
                there[rows[at]] += 1
            else:
                others[rows[at]] += 1


@kernel(TEXT, OFFSETS, U1, I8, F8, F8, F8, FLOAT, FLOAT)
def descend(  # noqa: PLR0913, PLR0917 - everything an epoch changes
    data: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    scales: np.ndarray,
    weights: np.ndarray,
    squares: np.ndarray,
    rate: float,
    shrink: float,
) -> float:
    """One epoch of logistic regression by stochastic descent; returns the loss summed up.

    Shapes: ``order``: int64[k] texts in the order taken; ``scales``: float64[rows], what a run
    counts; ``weights``, ``squares``: float64[rows], the last one's the intercept.
    ``shrink``: the L2 penalty, applied to a weight whenever it is touched.
    Source: Duchi, Hazan, Singer, Adaptive subgradient methods, JMLR 2011; the scales are the log
    ratios of Wang, Manning, Baselines and bigrams, ACL 2012.
    """
    rows = np.empty(GRAMS_MAX * _longest(offsets) + 1, np.int64)
    last, loss = weights.size - 1, 0.0
    for turn in range(order.size):
        text = order[turn]
        count = gram_rows(data, offsets[text], offsets[text + 1], scales.size - 1, rows)
        norm = 1.0 / np.sqrt(max(count, 1))
        margin = weights[last]
        for at in range(count):
            margin += weights[rows[at]] * scales[rows[at]] * norm
        wanted = np.float64(labels[text])
        given = 1.0 / (1.0 + np.exp(-min(max(margin, -30.0), 30.0)))
        loss -= np.log(given if wanted > 0.5 else 1.0 - given)
        pull = given - wanted
        for at in range(count):
            row = rows[at]
            slope = pull * scales[row] * norm + shrink * weights[row]
            squares[row] += slope * slope
            weights[row] -= rate * slope / (np.sqrt(squares[row]) + 1e-8)
        squares[last] += pull * pull
        weights[last] -= rate * pull / (np.sqrt(squares[last]) + 1e-8)
    return loss
