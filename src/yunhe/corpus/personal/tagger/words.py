"""What is known of Chinese words and of the characters of names before anything is trained.

Source: statistics of jieba's word list (version 0.42.1, MIT licence, © 2013 Sun Junyi), made by
``benchmarks/corpus/lexicon.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from yunhe.kernel.canonical import sha256

BUCKETS, SLOTS = 1 << 14, 4
"""Of the table of words: each word has one bucket, a bucket holds so many marks."""
FIRST, LAST = 0x4E00, 0x9FFF
"""The hanzi for which there are statistics."""
SURNAME, ALONE, LEADING, TRAILING, FOREIGN, SHARE = range(6)
"""Columns: surname; the only, first, second character of a given name; in a transliterated name;
how common it is at all (eight times the log of its share)."""
UNKNOWN = -40
"""Of a character that no name of the list has: eight times the log of the odds."""


class Words(NamedTuple):
    """Tables for kernels; read-only in use."""

    odds: NDArray[np.int8]
    """int8[hanzi * 6]: eight times the log of the odds, by hanzi and column."""
    marks: NDArray[np.uint16]
    """uint16[buckets * slots]: twelve bits of a word's hash and four of its class; 0 is free."""
    digest: str
    """Of the file they were read from."""


@cache
def words() -> Words:
    """The statistics that come with Yunhe."""
    data = (files("yunhe.corpus") / "lexicons" / "characters.safetensors").read_bytes()
    tensors = load(data)
    odds = np.full((LAST - FIRST + 1, 6), UNKNOWN, np.int8)
    odds[:, SHARE] = -120
    odds[tensors["codes"].astype(np.int64) - FIRST] = tensors["values"]
    return Words(np.ascontiguousarray(odds.reshape(-1)), tensors["words"].copy(), sha256(data))


def mark(codes: Sequence[int]) -> tuple[int, int]:
    """A word's bucket and the twelve bits that stand for it there (1 … 4095)."""
    mixed = 0
    for code in codes:
        mixed = (mixed << 16 | code) & 0xFFFFFFFFFFFFFFFF
    mixed = mixed * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 29
    mixed = mixed * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 32
    return mixed & (BUCKETS - 1), (mixed >> 20) % 4095 + 1
