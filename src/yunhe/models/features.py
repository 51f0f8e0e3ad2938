"""Character n-grams of texts as sparse rows: the one code path that training and serving share.

A text is normalised, framed by two marks, and each run of n code points becomes a 64-bit number.
The vocabulary is a sorted array of such numbers; no text of the training data is kept in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NGRAM_LONGEST = 8
"""Longest n-gram, in code points."""
BATCH_TEXTS = 1_024
"""Most texts whose n-grams are in memory at once."""
BATCH_POINTS = 262_144
"""Most code points of such texts together; a single longer text is a batch of its own."""

_START, _END = "\x02", "\x03"  # control characters that `normalised` leaves to nobody else
_MARKS_MAX = np.uint64(3)  # a mark alone says nothing, and nor does any control letter below it
_ODD_A, _ODD_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(29)

Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ngrams:
    """Which runs of code points count."""

    shortest: int = 1
    """Code points in the shortest n-gram."""
    longest: int = 3
    """Code points in the longest n-gram."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as compressed sparse rows; each row has Euclidean length 1, or is empty."""

    offsets: Counts
    """int64[texts + 1]: where each row starts in the other two."""
    columns: Counts
    """int64[entries]: position in the vocabulary, increasing within a row."""
    values: Floats
    """float64[entries]: (1 + ln count) over the row's length."""


def normalised(text: str) -> str:
    """The form in which texts are compared: NFKC, lower case, single spaces, no control marks.

    Source: Unicode Standard Annex 15 (NFKC), which makes full-width and half-width letters equal.
    """
    folded = unicodedata.normalize("NFKC", text).lower()
    return " ".join(folded.replace(_START, " ").replace(_END, " ").split())


def encode(texts: Sequence[str], vocabulary: Hashes, ngrams: Ngrams) -> Encoded:
    """Rows for texts over a sorted vocabulary; a row does not depend on the texts around it."""
    parts = [_encode(batch, vocabulary, ngrams) for batch in batches(texts)]
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.offsets) for part in parts)])
    return Encoded(
        np.cumsum(lengths),
        np.concatenate([np.zeros(0, np.int64), *(part.columns for part in parts)]),
        np.concatenate([np.zeros(0, np.float64), *(part.values for part in parts)]),
    )


def common_ngrams(texts: Sequence[str], ngrams: Ngrams, *, at_least: int, most: int) -> Hashes:
    """The sorted vocabulary: n-grams of at least ``at_least`` texts, the ``most`` widespread ones.

    Ties at the limit go to the smaller number, so the result depends on the set of texts only.
    Cost: memory grows with the distinct n-grams, not with the length of the texts.
    """
    seen, counted = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for batch in batches(texts):
        numbers, rows = _ngrams(batch, ngrams)
        order = np.lexsort((rows, numbers))
        numbers, rows = numbers[order], rows[order]
        first = np.ones(len(numbers), bool)  # of its kind in its text
        first[1:] = (numbers[1:] != numbers[:-1]) | (rows[1:] != rows[:-1])
        distinct, texts_with = np.unique(numbers[first], return_counts=True)
        merged, place = np.unique(np.concatenate([seen, distinct]), return_inverse=True)
        total = np.zeros(len(merged), np.int64)
        np.add.at(total, place, np.concatenate([counted, texts_with]))
        seen, counted = merged, total
    keep = counted >= at_least
    seen, counted = seen[keep], counted[keep]
    if len(seen) > most:
        seen = np.sort(seen[np.lexsort((seen, -counted))[:most]])
    return seen


def batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts in order, in pieces whose n-grams fit into memory."""
    start = points = 0
    for index, text in enumerate(texts):
        points += len(text)
        if index > start and (points > BATCH_POINTS or index - start == BATCH_TEXTS):
            yield texts[start:index]
            start, points = index, len(text)
    if start < len(texts):
        yield texts[start:]


def _encode(texts: Sequence[str], vocabulary: Hashes, ngrams: Ngrams) -> Encoded:
    numbers, rows = _ngrams(texts, ngrams)
    columns = np.minimum(np.searchsorted(vocabulary, numbers), len(vocabulary) - 1)
    known = vocabulary[columns] == numbers
    cells, counts = np.unique(rows[known] * len(vocabulary) + columns[known], return_counts=True)
    row, column = np.divmod(cells, len(vocabulary))
    values = 1.0 + np.log(counts)
    lengths = np.sqrt(np.bincount(row, values * values, minlength=len(texts)))
    return Encoded(np.searchsorted(row, np.arange(len(texts) + 1)), column, values / lengths[row])


def _ngrams(texts: Sequence[str], ngrams: Ngrams) -> tuple[Hashes, Counts]:
    """Every n-gram of every text as a number, and the text it is from."""
    framed = [f"{_START}{normalised(text)}{_END}" for text in texts]
    joined = "".join(framed).encode("utf-32-le", "surrogatepass")
    points = np.frombuffer(joined, np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, framed), np.int64, len(framed))
    row = np.repeat(np.arange(len(framed)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(
        len(points)
    )  # points to the text's end
    state = np.zeros(len(points), np.uint64)
    numbers, rows = [], []
    for size in range(1, min(ngrams.longest, len(points)) + 1):
        count = len(points) - size + 1
        state = (state[:count] ^ (points[size - 1 :] + np.uint64(1))) * _ODD_A
        state ^= state >> _SHIFT
        if size >= ngrams.shortest:
            whole = left[:count] >= size if size > 1 else points > _MARKS_MAX
            numbers.append((state[whole] * _ODD_B) ^ np.uint64(size))
            rows.append(row[:count][whole])
    if not numbers:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    return np.concatenate(numbers), np.concatenate(rows)
