"""Lets the steps decide that need to see all documents, with what lies on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus.documents import Settle
from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.pipeline import Placed
from yunhe.corpus.running.arrays import blank
from yunhe.corpus.running.whole import KEPT, Units
from yunhe.corpus.statistics import sizes
from yunhe.kernel.canonical import Json

_SCRATCH = "scratch"
_CHUNK = 1 << 20  # documents looked at together where nothing else bounds a loop


class OnDisk:
    """Evidence that stays on the disk; what was dropped by an earlier settling is left out."""

    def __init__(self, units: Units, place: int, places: NDArray[np.int16]) -> None:
        """``places``: int16[survivors], which step dropped each, see `whole.KEPT`."""
        self._units, self._place, self._places = units, place, places
        before = units.survivors_before
        self.counts: Sequence[int] = [
            int((places[low:high] == KEPT).sum()) for low, high in pairwise(before.tolist())
        ]
        """Documents of each unit."""

    def _kept(self, unit: int) -> NDArray[np.bool_]:
        low, high = self._units.survivors_before[unit : unit + 2]
        return np.asarray(self._places[low:high] == KEPT)

    def values(self, unit: int) -> NDArray[np.uint64]:
        """What the step kept of a unit; memory-mapped where nothing was dropped of it."""
        there = self._units.units[unit].evidence(self._place)
        if there is None:
            return np.empty((0, 1), np.uint64)
        kept = self._kept(unit)
        return there if kept.all() else there[kept]

    def texts(self, unit: int, rows: NDArray[np.int64]) -> pa.LargeStringArray:
        """The final texts of some documents of a unit."""
        kept = self._kept(unit)
        survivors = rows if kept.all() else np.flatnonzero(kept)[rows]
        return self._units.units[unit].some_texts(survivors)


def settle(units: Units, folder: Path, *, memory_bytes_max: int) -> dict[str, Json]:
    """Settle everything into arrays in ``folder``, see `whole.Whole`; the share of `Statistics`."""
    count = int(units.survivors_before[-1])
    places = blank(folder / "places.npy", np.int16, count)
    codes = blank(folder / "codes.npy", np.uint8, count)
    scores = blank(folder / "scores.npy", np.int32, count)
    firsts = blank(folder / "firsts.npy", np.int64, count)
    places[:] = KEPT
    firsts[:] = np.arange(count)
    rounds = 0
    for place, placed in enumerate(units.pipeline.steps):
        decide = placed.step.settle
        if decide is None or not count:
            continue
        rounds += 1
        found = _asked(decide, placed, OnDisk(units, place, places), folder, memory_bytes_max)
        alive = np.flatnonzero(places == KEPT)
        dropped = found.codes != 0
        places[alive[dropped]] = place
        codes[alive] = found.codes
        scores[alive] = found.scores
        firsts[alive] = alive[found.firsts]
    return _clusters(places, firsts, rounds)


def _asked(
    decide: Settle, placed: Placed, evidence: Evidence, folder: Path, memory_bytes_max: int
) -> Settled:
    scratch = folder / _SCRATCH
    scratch.mkdir()
    try:
        found = decide(evidence, placed.values, scratch, memory_bytes_max)
        return Settled(np.array(found.codes), np.array(found.firsts), np.array(found.scores))
    finally:
        for path in sorted(scratch.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        scratch.rmdir()


def _clusters(places: NDArray[np.int16], firsts: NDArray[np.int64], rounds: int) -> dict[str, Json]:
    roots = np.array(firsts)
    for _ in range(rounds):  # a copy of a copy leads on to where that one was grouped
        roots = firsts[roots]
    alike = np.bincount(roots, minlength=1)
    released = np.bincount(firsts[places == KEPT], minlength=1)
    return {"clusters": sizes(alike[alike > 1]), "released_groups": sizes(released[released > 0])}
