"""What a step is shown when all documents are known, and what it then says of each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class Evidence(Protocol):
    """What a step kept of all documents that every step let through, unit by unit, in order.

    Documents are numbered through: those of the first unit from 0, then those of the next.
    """

    @property
    def counts(self) -> Sequence[int]:
        """Documents of each unit."""
        ...

    def values(self, unit: int) -> NDArray[np.uint64]:
        """uint64[counts[unit], k]: what the step kept; may be memory-mapped, not to be changed."""
        ...

    def texts(self, unit: int, rows: NDArray[np.int64]) -> pa.LargeStringArray:
        """The final texts of some documents: large_string[len(rows)] without nulls.

        Shapes: ``rows``: int64[m] within the unit, rising. Cost: what reading those rows costs; a
        caller asks for many at a time and unit after unit.
        """
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """What a step says of all documents in order, unit after unit; arrays may be on disk."""

    codes: NDArray[np.uint8]
    """uint8[n]: 0 to keep, else 1 + the position in the step's reasons."""
    firsts: NDArray[np.int64]
    """int64[n]: the number of the first document of each one's group; its own if it is alone."""
    scores: NDArray[np.int32]
    """int32[n]: percent similarity with that first one; 0 where there is no other."""

    @classmethod
    def nothing(cls, count: int) -> Settled:
        """All kept, each alone."""
        return cls(
            np.zeros(count, np.uint8), np.arange(count, dtype=np.int64), np.zeros(count, np.int32)
        )


@dataclass(frozen=True)
class InMemory:
    """Evidence of an input small enough to be held at once; tests and benchmarks use it."""

    kept: tuple[NDArray[np.uint64], ...]
    """For each unit uint64[n, k]."""
    written: tuple[pa.LargeStringArray, ...] = field(repr=False)
    """For each unit large_string[n]."""

    @property
    def counts(self) -> Sequence[int]:
        """Documents of each unit."""
        return [len(part) for part in self.kept]

    def values(self, unit: int) -> NDArray[np.uint64]:
        """What the step kept of a unit."""
        return self.kept[unit]

    def texts(self, unit: int, rows: NDArray[np.int64]) -> pa.LargeStringArray:
        """The texts of some documents of a unit."""
        taken: pa.LargeStringArray = pc.take(self.written[unit], pa.array(rows))
        return taken
