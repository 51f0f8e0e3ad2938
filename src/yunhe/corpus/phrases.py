"""Word lists with points, matched in linear time over a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Values
from yunhe.corpus.kernels.classes import WORDS
from yunhe.corpus.kernels.measures import total
from yunhe.kernel.canonical import sha256


@dataclass(frozen=True, slots=True)
class WordList:
    """Patterns by the points each occurrence counts; negative points speak against."""

    patterns: tuple[tuple[int, str], ...]
    """(points, one RE2 alternation): RE2 never backtracks, so no pattern can hang a run."""
    digest: str
    """Of the file, for the pipeline's digest."""


@cache
def word_list(name: str) -> WordList:
    """The list in ``lexicons/<name>.txt``: ``[points]`` heads its patterns, ``#`` is a comment."""
    data = (files("yunhe.corpus") / "lexicons" / f"{name}.txt").read_bytes()
    groups: dict[int, list[str]] = {}
    points_now = 1
    for line in data.decode().splitlines():
        entry = line.strip()
        if entry.startswith("["):
            points_now = int(entry.strip("[]"))
        elif entry and not entry.startswith("#"):
            groups.setdefault(points_now, []).append(entry)
    patterns = tuple((points, "|".join(entries)) for points, entries in groups.items())
    return WordList(patterns, sha256(data))


def points(texts: pa.LargeStringArray, words: WordList) -> NDArray[np.int64]:
    """int64[n]: the points of each text. Cost: one linear pass for each number of points."""
    total = np.zeros(len(texts), np.int64)
    for each, pattern in words.patterns:
        count = pc.count_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
        total += each * count.astype(np.int64)
    return total


PER = {"per": ("document", "thousand")}
"""Option: whether points count for a document, or for each thousand letters begun."""


def enough(
    documents: Documents, words: WordList, values: Values
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """uint8[n]: 1 where a document has the points asked for; int32[n]: its points."""
    found = points(documents.texts, words)
    needed = np.full(len(documents), values["points_min"], np.int64)
    if values.options["per"] == "thousand":
        needed *= np.maximum(-(-total(documents.measures, WORDS) // 1000), 1)
    return (found >= needed).astype(np.uint8), found.astype(np.int32)
