"""OpenCC's tables for simplified and traditional script, out of the installed package.

Source: opencc-python-reimplemented, ``dictionary/*.txt`` (OpenCC's own tables, Apache-2.0). A line
is a key, a tab and its values; the first value is taken, as the package does.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from yunhe.kernel.canonical import digest_of, sha256

Direction = Literal["t2s", "s2t"]
"""Traditional to simplified, and back."""
_FILES = {"t2s": ("TSCharacters", "TSPhrases"), "s2t": ("STCharacters", "STPhrases")}
_BREAKS = "-,.?!*　，。、；：？！…“”‘’『』「」—（）《》〈〉～．／＼［］｛｝【】"
"""What the package cuts a text at before it looks for phrases, so no phrase holds any of them."""


@cache
def characters(direction: Direction) -> dict[str, str]:
    """Characters that the other script writes otherwise, and how."""
    return {key: value for key, value in _read(direction)[0].items() if key != value}


@cache
def phrases(direction: Direction) -> dict[str, str]:
    """Phrases that go before their characters; values are as long as their keys."""
    found = _read(direction)[1]
    return {key: value for key, value in found.items() if not set(key) & set(_BREAKS)}


@cache
def digest(direction: Direction) -> str:
    """Of the tables."""
    return digest_of([sha256(_bytes(name)) for name in _FILES[direction]])


def _bytes(name: str) -> bytes:
    return (files("opencc") / "dictionary" / f"{name}.txt").read_bytes()


@cache
def _read(direction: Direction) -> tuple[dict[str, str], dict[str, str]]:
    tables: list[dict[str, str]] = []
    for name in _FILES[direction]:
        lines = (line.strip().split("\t") for line in _bytes(name).decode().splitlines())
        tables.append({key: value.split(" ")[0] for key, value in lines})
    return tables[0], tables[1]
