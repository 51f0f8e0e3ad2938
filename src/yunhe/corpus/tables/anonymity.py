"""Finds the least generalisation that reaches k-anonymity and l-diversity. Pure.

A table is k-anonymous when each combination of its quasi-identifiers is that of at least k rows,
and l-diverse when the rows of each have at least l different sensitive values. Columns are
generalised as a whole, so a value reads the same in every row; rows of combinations that stay too
small are left out, up to a declared share.

Source: Sweeney, k-anonymity, IJUFKS 10 (2002); Machanavajjhala and others, l-diversity, ACM TKDD 1
(2007); full-domain recoding as LeFevre, DeWitt, Ramakrishnan, Incognito, SIGMOD 2005.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Levels = tuple[int, ...]
NODES_MAX = 2_000
"""Most combinations of levels that are tried; what is found by then is taken."""
_LOOKED_AT_MAX = 100_000  # combinations passed over because lower ones than some that do not do
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Coded:
    """A table as numbers: rows that are equal in all quasi-identifiers are one cell."""

    cells: Codes
    """int64[m, q]: each cell's value in each column, as its number."""
    counts: Codes
    """int64[m]: rows of each cell."""
    rows: Codes
    """int64[n]: the cell of each row."""
    recodings: Sequence[Sequence[Codes]]
    """By column and level: value's number → number of what it is read as."""
    sensitive: Sequence[tuple[Codes, Codes]]
    """For each sensitive column, the different pairs of a cell and a value's number."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A table at one level of each column."""

    levels: Levels
    """Which."""
    classes: Codes
    """int64[m]: each cell's equivalence class."""
    sizes: Codes
    """int64[classes]: rows of each."""
    diversity: Codes
    """int64[classes]: fewest different values of any sensitive column; 0 without one."""

    def kept(self, *, k: int, l_min: int) -> NDArray[np.bool_]:
        """bool[classes]: which are large and diverse enough."""
        return (self.sizes >= k) & (self.diversity >= l_min)

    def suppressed(self, *, k: int, l_min: int) -> int:
        """Rows that would have to go."""
        return int(self.sizes[~self.kept(k=k, l_min=l_min)].sum())


def coded(
    columns: Sequence[Codes], recodings: Sequence[Sequence[Codes]], sensitive: Sequence[Codes]
) -> Coded:
    """The table as numbers. Shapes: ``columns``, ``sensitive``: int64[n] each."""
    count = len(columns[0]) if columns else 0
    cell = np.zeros(count, np.int64)
    for column in columns:
        cell = _compact(cell, column)
    _, first, rows = np.unique(cell, return_index=True, return_inverse=True)
    cells = np.stack([column[first] for column in columns], axis=1)
    pairs = [np.unique(np.stack([rows, values], axis=1), axis=0) for values in sensitive]
    counts = np.bincount(rows, minlength=len(first))
    return Coded(cells, counts, rows, recodings, [(each[:, 0], each[:, 1]) for each in pairs])


def grouped(table: Coded, levels: Levels) -> Grouping:
    """The table at these levels. Cost: a sort of the cells for each column."""
    classes = np.zeros(len(table.cells), np.int64)
    for column, level in enumerate(levels):
        classes = _compact(classes, table.recodings[column][level][table.cells[:, column]])
    count = int(classes.max(initial=-1)) + 1
    sizes = np.bincount(classes, table.counts, count).astype(np.int64)
    diversity = np.zeros(count, np.int64)
    for place, (cell, value) in enumerate(table.sensitive):
        different = np.unique(np.stack([classes[cell], value], axis=1), axis=0)[:, 0]
        found = np.bincount(different, minlength=count)
        diversity = found if place == 0 else np.minimum(diversity, found)
    return Grouping(levels, classes, sizes, diversity)


def losses(table: Coded) -> list[list[int]]:
    """By column and level, how much is lost there, in millionths; rises with the level.

    That of a value is the share of the column's other values that read the same, and that of a
    column the mean over its rows: 0 where all is exact, a million where nothing is left.
    Source: Iyengar, Transforming data to satisfy privacy constraints, KDD 2002 (general loss).
    """
    found = []
    for place, column in enumerate(table.recodings):
        values = table.cells[:, place]
        rows = np.bincount(values, table.counts, int(values.max(initial=-1)) + 1).astype(np.int64)
        there = np.flatnonzero(rows)
        whole = max(1, (len(there) - 1) * int(rows.sum()))
        spent = []
        for level in column:
            read = level[there]
            alike = np.bincount(read)[read] - 1
            spent.append(int((rows[there] * alike).sum()) * _MILLION // whole)
        found.append(spent)
    return found


def least(table: Coded, *, k: int, l_min: int, suppressed_max: int) -> Grouping | None:
    """The least generalisation that suffices; None when even the last levels do not.

    Least: the smallest sum over the columns of `losses`; of equal ones that with the lowest levels,
    then the first in order of the columns. Raising a level never makes a table worse in k or l, so
    whatever lies below levels that do not suffice is not tried. After `NODES_MAX` trials it is the
    end of a greedy descent: no column can be made more exact alone, but another choice may be less.
    """
    top = tuple(len(levels) - 1 for levels in table.recodings)
    search = _Search(table, losses(table), k, l_min, suppressed_max)
    found = search.enough(top)
    return None if found is None else search.best(search.descended(found))


@dataclass
class _Search:
    """A walk through the combinations of levels."""

    table: Coded
    losses: list[list[int]]
    k: int
    l_min: int
    suppressed_max: int
    tried: int = 0
    too_low: list[Levels] = field(default_factory=list)

    def enough(self, levels: Levels) -> Grouping | None:
        """The table at these levels, if they suffice."""
        for low in self.too_low:
            if all(level <= other for level, other in zip(levels, low, strict=True)):
                return None
        self.tried += 1
        found = grouped(self.table, levels)
        if found.suppressed(k=self.k, l_min=self.l_min) <= self.suppressed_max:
            return found
        self.too_low.append(levels)
        return None

    def cost(self, levels: Levels) -> tuple[int, int, Levels]:
        """What comes first is tried first."""
        spent = sum(column[level] for column, level in zip(self.losses, levels, strict=True))
        return spent, sum(levels), levels

    def descended(self, best: Grouping) -> Grouping:
        """Make exact whatever gains most, as long as any column can be."""
        while True:
            lower = [
                (*best.levels[:at], level - 1, *best.levels[at + 1 :])
                for at, level in enumerate(best.levels)
                if level
            ]
            tried = (self.enough(levels) for levels in sorted(lower, key=self.cost))
            found = next((each for each in tried if each is not None), None)
            if found is None:
                return best
            best = found

    def best(self, known: Grouping) -> Grouping:
        """The least of all, or ``known`` when nothing less was found in the trials allowed."""
        bound = self.cost(known.levels)
        heap = [(self.cost((0,) * len(known.levels)), 0)]
        for _ in range(_LOOKED_AT_MAX):
            if not heap or heap[0][0] >= bound or self.tried >= NODES_MAX:
                return known
            (_, _, levels), first = heappop(heap)
            found = self.enough(levels)
            if found is not None:
                return found
            for at in range(first, len(levels)):  # so that each combination comes up once
                if levels[at] + 1 < len(self.losses[at]):
                    higher = (*levels[:at], levels[at] + 1, *levels[at + 1 :])
                    heappush(heap, (self.cost(higher), at))
        return known


def _compact(left: Codes, right: Codes) -> Codes:
    """Numbers of the different pairs, from 0 and without gaps."""
    width = int(right.max(initial=0)) + 1
    _, inverse = np.unique(left * width + right, return_inverse=True)
    return np.asarray(inverse, np.int64)
