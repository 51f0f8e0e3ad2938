"""Counts a library's words in texts: points by class, exceptions respected, nothing twice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.risk import automaton, fold
from yunhe.corpus.risk.automaton import Automaton
from yunhe.corpus.risk.classes import classes
from yunhe.corpus.risk.library import Library
from yunhe.kernel.errors import Invalid

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Occurrences of entries that count, as columns."""

    texts: Places
    """Which text."""
    starts: Places
    """First byte, in the buffer of all texts."""
    ends: Places
    """One past the last byte."""
    entries: Places
    """Which entry of the library."""


@dataclass(frozen=True, slots=True)
class Finder:
    """A library ready for use by any number of threads."""

    library: Library
    """Whose words are looked for."""
    automaton: Automaton
    """Finds words and exceptions alike."""
    first: Places
    """int64[patterns + 1]: where the meanings of each pattern begin."""
    entries: Places
    """Meaning → entry of the library."""
    excepting: NDArray[np.bool_]
    """Meaning → whether the pattern is an exception of that entry and not its word."""

    def find(self, texts: Utf8) -> Found:
        """Every occurrence that counts.

        Not those inside an exception of their word, nor those inside a longer one of their class.
        """
        hits = self.automaton.find(texts)
        times = self.first[hits.words + 1] - self.first[hits.words]
        row = np.repeat(np.arange(len(hits.words)), times)
        within = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
        meaning = self.first[hits.words[row]] + within
        entry, excepting = self.entries[meaning], self.excepting[meaning]
        text, start, end = hits.texts[row], hits.starts[row], hits.ends[row]
        free = ~excepting & ~_inside(text, entry, start, end, covers=excepting)
        text, start, end, entry = text[free], start[free], end[free], entry[free]
        risk = self.library.risks[entry].astype(np.int64)
        counts = ~_inside(text, risk, start, end, covers=np.ones(len(text), np.bool_))
        return Found(text[counts], start[counts], end[counts], entry[counts])

    def points(self, texts: Utf8) -> tuple[Places, NDArray[np.int64], NDArray[np.int64]]:
        """Texts with any occurrence, int64[k], and of each, by class, hits and points.

        Shapes: both int64[k, number of classes].
        """
        found = self.find(texts)
        there, row = np.unique(found.texts, return_inverse=True)
        kinds = len(classes())
        cell = row * kinds + self.library.risks[found.entries]
        size = len(there) * kinds
        weights = self.library.weights[found.entries].astype(np.float64)  # exact below 2⁵³
        hits = np.bincount(cell, minlength=size).astype(np.int64)
        points = np.bincount(cell, weights, minlength=size).astype(np.int64)
        return there, hits.reshape(-1, kinds), points.reshape(-1, kinds)


def finder(library: Library, *, gaps: str) -> Finder:
    """The library's words made ready.

    ``gaps``: one of `fold.GAPS`, what may stand inside a word. Errors: `Invalid`
    ``corpus.library_characters`` when they have more different characters than can be told apart.
    """
    meanings: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for entry, key in enumerate(fold.keys(library.words, gaps)):
        meanings[key].append((entry, False))
    for entry, exceptions in library.exceptions.items():
        for key in fold.keys(exceptions, gaps):
            meanings[key].append((entry, True))
    try:
        made = automaton.build(list(meanings), gaps=gaps)
    except ValueError as error:
        bound = automaton.SYMBOLS_MAX
        count = error.args[0]
        raise Invalid("corpus.library_characters", count=count, max=bound) from None
    flat = [each for of_key in meanings.values() for each in of_key]
    counts = np.array([len(of_key) for of_key in meanings.values()], np.int64)
    return Finder(
        library,
        made,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array([entry for entry, _ in flat], np.int64),
        np.array([excepting for _, excepting in flat], np.bool_),
    )


def _inside(
    text: Places, key: Places, start: Places, end: Places, *, covers: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """bool[n]: which occurrences lie inside another that ``covers``, of the same text and key."""
    inside = np.zeros(len(text), np.bool_)
    if not covers.any():
        return inside
    order = np.lexsort((~covers, -end, start, key, text))
    groups = np.ones(len(order), np.bool_)
    groups[1:] = (np.diff(text[order]) != 0) | (np.diff(key[order]) != 0)
    number = np.cumsum(groups)
    # A group's ends lie above those of all groups before it, so one running maximum serves all.
    span = int(end.max()) + 1
    reach = number * span + np.where(covers[order], end[order], -1)
    before = np.concatenate([[-1], np.maximum.accumulate(reach)[:-1]])
    inside[order] = number * span + end[order] <= before
    return inside
