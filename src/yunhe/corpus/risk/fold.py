"""How characters are read when words are looked for: without case, width and what is invisible."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.keywords import INVISIBLE
from yunhe.native.compiled import kept_array

VERSION = 1
"""Raised whenever any character is read otherwise."""
GAPS = ("punctuation", "spaces", "none")
"""What may stand inside a word: spaces and punctuation, spaces only, or nothing."""
CODES = 0x110000
"""Number of code points."""

_INVISIBLE = (
    (0x00AD, 0x00AE), (0x0300, 0x0370), (0x034F, 0x0350), (0x180B, 0x180F), (0x200B, 0x2010),
    (0x202A, 0x202F), (0x2060, 0x2070), (0x20D0, 0x2100), (0xFE00, 0xFE10), (0xFEFF, 0xFF00),
    (0xE0100, 0xE01F0),
)  # fmt: skip
"""Zero-width and directional characters, combining marks, variation selectors."""
_PICTURES = (0x1F000, 0x1FB00)


@cache
def folded() -> NDArray[np.uint32]:
    """uint32[CODES]: the character that each is read as; INVISIBLE for those that are not there."""
    return kept_array(f"folded-{VERSION}-{unicodedata.unidata_version}", _folded)


def _folded() -> NDArray[np.uint32]:
    table = np.arange(CODES, dtype=np.uint32)
    for code in range(0x10000):
        lower = chr(code).lower()
        if len(lower) == 1:
            table[code] = ord(lower)
    table[0x10400:0x10428] = np.arange(0x10428, 0x10450)  # Deseret, the one tall script in use
    ascii_lower = [ord(chr(code).lower()) for code in range(0x21, 0x7F)]
    table[0xFF01:0xFF5F] = ascii_lower
    for code in (0x00A0, 0x3000, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x0A, 0x0D, 0x09):
        table[code] = ord(" ")
    for first, end in _INVISIBLE:
        table[first:end] = INVISIBLE
    return table


@cache
def gaps(kind: str) -> NDArray[np.bool_]:
    """bool[CODES]: which folded characters may stand inside a word under one of `GAPS`."""
    if kind == "punctuation":
        return kept_array(f"gaps-{VERSION}-{unicodedata.unidata_version}", _marks)
    table = np.zeros(CODES, np.bool_)
    table[ord(" ")] = kind != "none"
    return table


def _marks() -> NDArray[np.bool_]:
    table = np.zeros(CODES, np.bool_)
    for code in range(0x10000):
        table[code] = unicodedata.category(chr(code))[0] in "PSZ"
    table[slice(*_PICTURES)] = True
    return table


def letters(texts: Sequence[str], kind: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """What is left of words when they are looked for, one after the other.

    Shapes: uint32[letters of all], int64[n + 1]: where each begins. ``kind``: one of `GAPS`.
    """
    joined = "".join(texts).encode("utf-32-le", "surrogatepass")
    codes = folded()[np.frombuffer(joined, np.uint32)]
    kept = (codes != INVISIBLE) & ~gaps(kind)[codes]
    before = np.concatenate([[0], np.cumsum(kept)])
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return codes[kept], before[np.concatenate([[0], np.cumsum(lengths)])]


def keys(texts: Sequence[str], kind: str) -> list[str]:
    """The same as strings: two words of one key are found in the same places."""
    codes, starts = letters(texts, kind)
    whole = codes.tobytes().decode("utf-32-le", "surrogatepass")
    bounds = starts.tolist()
    return [whole[first:end] for first, end in pairwise(bounds)]
