"""All finished units together: where each document is counted, and what was settled about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus.pipeline import Pipeline
from yunhe.corpus.running.arrays import load
from yunhe.corpus.running.unit import Names, Unit

KEPT = -1
"""In `Whole.places`: released."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive documents of a unit that come from one file."""

    file: str
    """The file's name."""
    first: int
    """Number of the first of them among the file's documents, from 0."""
    count: int
    """How many."""


@dataclass(frozen=True)
class Units:
    """Finished units in the order of the inputs."""

    pipeline: Pipeline
    """What made them."""
    units: Sequence[Unit] = field(repr=False)
    """In order."""

    @cached_property
    def documents_before(self) -> NDArray[np.int64]:
        """int64[units + 1]: documents read before each unit."""
        return _before([unit.documents for unit in self.units])

    @cached_property
    def survivors_before(self) -> NDArray[np.int64]:
        """int64[units + 1]: documents that every step let through, before each unit."""
        return _before([unit.survivors for unit in self.units])

    @cached_property
    def runs(self) -> list[list[Run]]:
        """For each unit, which files its documents come from."""
        seen: dict[str, int] = {}
        found: list[list[Run]] = []
        for unit in self.units:
            here = []
            for file, count in unit.about["runs"]:
                here.append(Run(file, seen.get(file, 0), count))
                seen[file] = seen.get(file, 0) + count
            found.append(here)
        return found


def _before(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


@dataclass(frozen=True)
class Whole:
    """Units, and what the steps settled that need to see all documents.

    Survivors, documents that every step let through, are numbered through all units. Shapes: arrays
    of [survivors], memory-mapped.
    """

    of: Units
    """The units."""
    folder: Path
    """Where the arrays lie."""

    @cached_property
    def places(self) -> NDArray[np.int16]:
        """int16[survivors]: the place of the step that dropped it after all, or `KEPT`."""
        return self._array("places")

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """uint8[survivors]: why, 1 + position in the step's reasons."""
        return self._array("codes")

    @cached_property
    def scores(self) -> NDArray[np.int32]:
        """int32[survivors]: percent similarity with the first of its group."""
        return self._array("scores")

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """int64[survivors]: the survivor that is the first of its group."""
        return self._array("firsts")

    @cached_property
    def renamed(self) -> NDArray[np.int64]:
        """int64[m], rising: documents, numbered through all units, whose id was there before."""
        return self._array("renamed")

    def _array(self, name: str) -> NDArray:  # type: ignore[type-arg]
        return load(self.folder / f"{name}.npy")

    def kept(self, unit: int) -> NDArray[np.bool_]:
        """bool[survivors of the unit]: which are released."""
        low, high = self.of.survivors_before[unit : unit + 2]
        return np.asarray(self.places[low:high] == KEPT)

    def names(self, unit: int) -> pa.StringArray:
        """string[documents of the unit]: the final name of each."""
        there = self.of.units[unit]
        named = called(there.names(), there.about["ids_personal"], self._first(unit))
        low, high = np.searchsorted(self.renamed, self.of.documents_before[unit : unit + 2])
        if low == high:
            return named
        return numbered_apart(named, self.renamed[low:high] - self._first(unit), self._first(unit))

    def _first(self, unit: int) -> int:
        return int(self.of.documents_before[unit])

    def names_of(self, survivors: NDArray[np.int64]) -> pa.StringArray:
        """string[n]: the names of survivors of any unit. Cost: reads the names of their units."""
        before = self.of.survivors_before
        units = np.searchsorted(before, survivors, side="right") - 1
        order = np.argsort(units, kind="stable")
        parts: list[pa.Array] = []
        for unit in np.unique(units).tolist():
            within = survivors[order][units[order] == unit] - before[unit]
            parts.append(self.names(unit).take(pa.array(self.of.units[unit].rows()[within])))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        together = pa.chunked_array(parts, pa.string()).take(pa.array(back))
        return one(together)


def called(names: Names, personal: Sequence[int], first: int) -> pa.StringArray:
    """string[n]: ids as they were read; those without one, or with a personal one, by number."""
    ids = names.ids
    if personal:
        hidden = np.zeros(len(ids), np.bool_)
        hidden[list(personal)] = True
        ids = pc.if_else(pa.array(hidden), pa.scalar(None, pa.string()), ids)
    unnamed = pc.equal(pc.fill_null(ids, ""), "")
    if not pc.any(unnamed).as_py():
        return ids
    numbers = pa.array(np.arange(first + 1, first + 1 + len(ids)))
    numbered = pc.binary_join_element_wise("row", pc.cast(numbers, pa.string()), "-")
    named: pa.StringArray = pc.if_else(unnamed, numbered, ids)
    return named


def numbered_apart(names: pa.StringArray, rows: NDArray[np.int64], first: int) -> pa.StringArray:
    """The names, those in ``rows`` with the document's number after them, so that they differ."""
    again = np.zeros(len(names), np.bool_)
    again[rows] = True
    numbers = pc.cast(pa.array(rows + first + 1), pa.string())
    longer = pc.binary_join_element_wise(names.take(pa.array(rows)), numbers, "~")
    changed: pa.StringArray = pc.replace_with_mask(names, pa.array(again), longer)
    return changed


def one(column: pa.ChunkedArray) -> pa.Array:
    """A chunked array as one array."""
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
