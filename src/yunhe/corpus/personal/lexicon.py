"""The words by which names are recognised, read from ``lexicons/people.txt``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.grams import scrambled
from yunhe.corpus.kernels.people import BITS, FLAGS, WORD_MAX, Tables
from yunhe.corpus.personal.tagger.words import FIRST, LAST, words
from yunhe.kernel.canonical import sha256

_DATA = (files("yunhe.corpus") / "lexicons" / "people.txt").read_bytes()
DIGEST = sha256(_DATA)
"""Of the file, for the pipeline's digest."""
SLOTS = 1 << 13
"""Of a table of words: a power of two, several times the words there are."""


def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for line in _DATA.decode().splitlines():
        if line.startswith("== "):
            words = found.setdefault(line.removeprefix("== "), [])
        elif not line.startswith("#"):
            words += line.split()
    return found


_LISTS = _sections()
SURNAMES = frozenset("".join(_LISTS["surnames"]))
"""Single surnames."""
COMPOUND_SURNAMES = frozenset(_LISTS["compound_surnames"])
"""Surnames of two characters."""


@cache
def tables() -> Tables:
    """The lists, read once."""
    flags = np.zeros(LAST - FIRST + 1, np.uint8)
    for bit, name in enumerate(FLAGS):
        for character in set("".join(_LISTS[name])):
            flags[ord(character) - FIRST] |= 1 << bit
    starting: dict[int, int] = {}
    ending: dict[int, int] = {}
    for bit, name in enumerate(BITS):
        for word in _LISTS[name]:
            first, last = packed(word[:WORD_MAX]), packed(word[-WORD_MAX:][::-1], reverse=True)
            starting[first] = starting.get(first, 0) | 1 << bit
            ending[last] = ending.get(last, 0) | 1 << bit
    known = words()
    return Tables(known.odds, known.marks, flags, *_table(starting), *_table(ending))


def packed(word: str, *, reverse: bool = False) -> int:
    """Up to four characters in one number: the first lowest, or highest where ``reverse``."""
    value = 0
    for character in word if reverse else reversed(word):
        value = value << 16 | ord(character)
    return value


def _table(lists: dict[int, int]) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    keys, bits = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.uint16)
    for word, said in sorted(lists.items()):
        at = _slot(word)
        while keys[at]:
            at = (at + 1) % SLOTS
        keys[at], bits[at] = word, said
    return keys, bits


def _slot(word: int) -> int:
    with np.errstate(over="ignore"):
        mixed = getattr(scrambled, "py_func", scrambled)(word)
    return int(mixed) % SLOTS
