"""The words by which names and addresses are recognised, read from ``lexicons/people.txt``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from yunhe.kernel.canonical import sha256

_DATA = (files("yunhe.corpus") / "lexicons" / "people.txt").read_bytes()
DIGEST = sha256(_DATA)
"""Of the file, for the pipeline's digest."""


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


def _characters(name: str) -> frozenset[str]:
    return frozenset("".join(_LISTS[name]))


SURNAMES = _characters("surnames")
"""Single surnames."""
COMPOUND_SURNAMES = frozenset(_LISTS["compound_surnames"])
"""Surnames of two characters."""
DOUBTFUL_SURNAMES = _characters("doubtful_surnames")
"""Surnames that are everyday characters as well: before a title they count only after a pause."""
FUNCTION_SURNAMES = _characters("function_surnames")
"""Surnames that are function words far more often: only a plain statement makes them names."""
NOT_NAMES = frozenset(_LISTS["not_names"])
"""Words that begin like a name and are none."""
NOT_GIVEN = _characters("not_given")
"""Characters that given names hardly ever have; a name ends before them."""
GIVEN = _characters("given")
"""Characters common in given names."""
STRONG_WORDS = tuple(_LISTS["strong_words"])
"""After these a surname starts a name unless what follows says otherwise; regular expressions."""
WEAK_WORDS = tuple(_LISTS["weak_words"])
"""After these a name must also end where one can end, or be made of `GIVEN`."""
TITLES = tuple(_LISTS["titles"])
"""Words after a surname that make it somebody's."""
NOT_TITLED = frozenset(_LISTS["not_titled"])
"""Two characters before a title that end like a surname and are none."""
CITIES = tuple(_LISTS["cities"])
"""Provinces and larger cities, where an address may begin."""
ADDRESS_LEADS = tuple(_LISTS["address_leads"])
"""Words before an address that are not part of it."""
NAME_ENDS = tuple(_LISTS["name_ends"])
"""Words that go on about a person, so that a name ends before them."""


def either(words: tuple[str, ...]) -> str:
    """A pattern for any of the words, the longest first."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


@cache
def table(characters: frozenset[str]) -> NDArray[np.bool_]:
    """bool[65536]: whether a code is one of ``characters``."""
    flags = np.zeros(65536, np.bool_)
    flags[[ord(character) for character in characters]] = True
    return flags
