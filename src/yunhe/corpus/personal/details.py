"""The words by which numbers, accounts and addresses are told, from ``lexicons/details.txt``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from yunhe.corpus.kernels.words import LISTS, Words, words_of
from yunhe.kernel.canonical import sha256

_DATA = (files("yunhe.corpus") / "lexicons" / "details.txt").read_bytes()
DIGEST = sha256(_DATA)
"""Of the file, for the pipeline's digest."""


@cache
def sections() -> dict[str, tuple[str, ...]]:
    """The words of each list by its heading."""
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for line in _DATA.decode().splitlines():
        if line.startswith("== "):
            words = found.setdefault(line.removeprefix("== "), [])
        elif not line.startswith("#"):
            words += [word.replace("_", " ") for word in line.split()]
    return {name: tuple(dict.fromkeys(words)) for name, words in found.items()}


@cache
def number_words() -> Words:
    """The lists that numbers and accounts go by; each list's bit is its place in `LISTS`."""
    return words_of({1 << bit: sections()[name] for bit, name in enumerate(LISTS)})
