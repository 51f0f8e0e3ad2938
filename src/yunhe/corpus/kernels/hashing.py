"""Hashes of documents: 128 bits of what they say, or of their letters alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.shingles import letter_at, letters
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.native.compiled import OFFSETS, TEXT, U2, U8, inner, kernel

Hashes = NDArray[np.uint64]

_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_THIRD = np.uint64(0x9E3779B185EBCA87)
_FOURTH = np.uint64(0xC2B2AE3D27D4EB4F)


def mix(values: Hashes) -> Hashes:
    """uint64[n]: each value scrambled, one to one, so that near values land far apart.

    Source: the finaliser of SplitMix64, Steele, Lea, Flood: Fast splittable pseudorandom number
    generators, OOPSLA 2014, with Stafford's variant 13 of the constants.
    """
    mixed = values ^ (values >> np.uint64(30))
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


@inner
def _eight(data: NDArray[np.uint8], at: np.uint64) -> np.uint64:
    """Eight bytes as one number, the first one lowest; compiled to a single load."""
    word = np.uint64(data[at])
    for place in range(1, 8):
        word |= np.uint64(data[at + np.uint64(place)]) << np.uint64(8 * place)
    return word


@inner
def _turned(value: np.uint64, bits: int) -> np.uint64:
    """Rotated to the left."""
    return np.uint64(value << np.uint64(bits)) | np.uint64(value >> np.uint64(64 - bits))


@inner
def _taken(one: np.uint64, two: np.uint64, word: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Both halves of a hash after one more word; one to one in the half and in the word."""
    one = np.uint64(_turned(np.uint64(one + np.uint64(word * _FOURTH)), 31) * _THIRD)
    two = np.uint64(_turned(np.uint64(two ^ word), 27) * _FIRST) + _SECOND
    return one, np.uint64(two)


@inner
def _ended(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(30)
    value = np.uint64(value * _FIRST)
    value ^= value >> np.uint64(27)
    value = np.uint64(value * _SECOND)
    return np.uint64(value ^ (value >> np.uint64(31)))


@inner
def _hashed(data: NDArray[np.uint8], start: int, end: int) -> tuple[np.uint64, np.uint64]:
    one, two = np.uint64(end - start) ^ _THIRD, np.uint64(end - start) ^ _FOURTH
    at, stop = np.uint64(start), np.uint64(end)
    while at + np.uint64(8) <= stop:
        one, two = _taken(one, two, _eight(data, at))
        at += np.uint64(8)
    word = np.uint64(0)
    while stop > at:
        stop -= np.uint64(1)
        word = np.uint64(word << np.uint64(8)) | np.uint64(data[stop])
    one, two = _taken(one, two, word)
    return _ended(one), _ended(np.uint64(two + one))


@kernel(TEXT, OFFSETS, U8)
def hash_texts(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint64]
) -> None:
    """Fill ``out``, uint64[2n], with 128 bits for each text's bytes.

    Source: rounds as those of xxHash64, two of them side by side with other constants.
    """
    for number in range(len(offsets) - 1):
        one, two = _hashed(data, offsets[number], offsets[number + 1])
        out[2 * number], out[2 * number + 1] = one, two


@kernel(TEXT, OFFSETS, U2, U8)
def hash_letters(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint16],
    out: NDArray[np.uint64],
) -> None:
    """Fill ``out``, uint64[2n], with 128 bits for each text's letters, as near-duplicates see them.

    A text without letters is hashed by its bytes: two kinds of punctuation are not the same.
    """
    for number in range(len(offsets) - 1):
        at, end = offsets[number], offsets[number + 1]
        one, two, word, seen = _FIRST, _SECOND, np.uint64(0), 0
        while at < end:
            letter, size = letter_at(data, at, fold)
            at += size
            if letter == np.uint64(0):
                continue
            word = np.uint64(word << np.uint64(16)) | letter
            seen += 1
            if seen & 3 == 0:
                one, two = _taken(one, two, word)
                word = np.uint64(0)
        if seen:
            one, two = _taken(one ^ np.uint64(seen), two, word)
            one, two = _ended(one), _ended(np.uint64(two + one))
        else:
            one, two = _hashed(data, offsets[number], end)
        out[2 * number], out[2 * number + 1] = one, two


def text_hashes(texts: Utf8) -> Hashes:
    """uint64[n, 2]: equal exactly for equal texts, but for chance: about n²/2¹²⁹ for n texts.

    The hash is made for speed and keeps nobody out who wants two texts to collide. Cost: about
    0.3 ns a byte.
    """
    out = np.empty(2 * (len(texts.offsets) - 1), np.uint64)
    hash_texts(texts.data, texts.offsets, out)
    return out.reshape(-1, 2)


def letter_hashes(texts: Utf8) -> Hashes:
    """uint64[n, 2]: as `text_hashes`, of letters alone. Cost: about 1.5 ns a byte."""
    out = np.empty(2 * (len(texts.offsets) - 1), np.uint64)
    hash_letters(texts.data, texts.offsets, letters(), out)
    return out.reshape(-1, 2)


def first_occurrences(hashes: Hashes) -> NDArray[np.int64]:
    """int64[n]: for each row of ``hashes`` (uint64[n, 2]) the first row that equals it."""
    if not len(hashes):  # of no documents at all the evidence has no second column either
        return np.empty(0, np.int64)
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    heads = order[np.flatnonzero(new)]
    firsts = np.empty(len(order), np.int64)
    firsts[order] = heads[np.cumsum(new) - 1]
    return firsts
