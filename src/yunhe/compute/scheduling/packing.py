"""Which node and which of its devices for one piece of work, by one of four rules.

`best_fit` takes the fullest node. `fgd` takes the one whose free devices become least fragmented
for the usual shapes. `yunhe` takes the one that loses least of what it could still earn at the
prices of `prices`: a hole that a frequent shape fills is worth more than one that nothing fits, a
free device without CPU beside it is worth little, and a chip that few shapes accept is not spent on
one that accepts any. `random` is for comparison. None looks at work to come; the usual shapes and
how often they come are history, which `fgd` and `yunhe` both use. Work that fits somewhere is never
refused.

Everything is whole numbers and ties go to the first node, so the same calls give the same spots on
every machine; `random` draws from its seed.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.scheduling.kernels import packing as kernels
from yunhe.compute.scheduling.prices import Kind, Prices, Shape, prices

Rule = Literal["random", "best_fit", "fgd", "yunhe"]
"""Names of the rules."""
CHIPS_MAX = 62
"""Chips are numbered below that: a set of them is one whole number."""
CELLS_MAX = 16_000_000
"""Scores kept at once over all shapes, at eight bytes; beyond that the oldest shape's are dropped.
"""
TYPICAL_PERCENT = 95
"""`fgd` looks at the most frequent shapes that make up that part, as its authors do."""
_WAYS = {"random": 0, "best_fit": 1, "fgd": 2, "yunhe": 3}


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes as columns; what is free is what the packer starts with."""

    chip: NDArray[np.int16]
    """[n] chip of its devices; below 0: a node without devices."""
    group: NDArray[np.int32]
    """[n] its pool, from 0."""
    cpu_free: NDArray[np.int64]
    """[n] thousandths of a CPU."""
    memory_free: NDArray[np.int64]
    """[n] MiB."""
    device_free: NDArray[np.int16]
    """[n, D] thousandths of each device; -1: no such device."""

    def __post_init__(self) -> None:
        count = len(self.chip)
        columns = (self.group, self.cpu_free, self.memory_free, self.device_free)
        if any(len(column) != count for column in columns) or self.device_free.ndim != 2:
            raise ValueError("the columns of nodes differ in length")
        if count and (self.chip.max() >= CHIPS_MAX or self.group.min() < 0):
            raise ValueError(f"a chip is numbered below {CHIPS_MAX}, a group from 0")
        if self.device_free.size and self.device_free.max() > kernels.WHOLE:
            raise ValueError("a device has 1000 thousandths")

    def kinds(self) -> dict[Kind, int]:
        """How many nodes there are of each kind, taking what is free for all there is."""
        devices = (self.device_free >= 0).sum(axis=1).tolist()
        columns = (self.chip.tolist(), devices, self.cpu_free.tolist(), self.memory_free.tolist())
        return dict(Counter(zip(*columns, strict=True)))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one piece of work goes."""

    node: int
    """Which node."""
    devices: tuple[int, ...]
    """Which of its devices."""
    milli: int
    """Thousandths of each."""
    cpu_milli: int
    """Thousandths of a CPU."""
    memory_mib: int
    """MiB."""


class Packer:
    """Nodes with what is free on them, and a rule.

    ``typical``: shapes seen before and how often. ``made``: prices made before, else `yunhe` makes
    them from the nodes, which are then taken to be empty.
    *Cost*: a look costs the scoring of the nodes that changed since the last look of that shape,
    and one pass over a column of scores.
    """

    def __init__(
        self,
        nodes: Nodes,
        typical: Mapping[Shape, int],
        *,
        rule: Rule = "yunhe",
        seed: int = 0,
        made: Prices | None = None,
    ) -> None:
        self._rule = rule
        self._chip = np.ascontiguousarray(nodes.chip, np.int64)
        self._groups = np.ascontiguousarray(nodes.group, np.int64)
        self._open = self._groups.copy()
        self._cpu = np.array(nodes.cpu_free, np.int64)
        self._memory = np.array(nodes.memory_free, np.int64)
        self._size = nodes.device_free.shape[1]
        self._devices = np.array(nodes.device_free, np.int32).reshape(-1)
        self._version = np.zeros(len(self._chip), np.int32)
        self._work = np.zeros(self._size, np.int32)
        self._scores: dict[Shape, tuple[NDArray[np.int32], NDArray[np.int32]]] = {}
        self._shapes_max = max(1, CELLS_MAX // max(1, len(self._chip)))
        self._draws = random.Random(seed)  # noqa: S311 - a rule for comparison
        self._typical, self._limits = _fgd(typical) if rule == "fgd" else _NO_HISTORY
        if rule == "yunhe":
            made = made or prices(nodes.kinds(), typical)
        self.prices = made
        self._rates, self._tables = _flat(made, nodes)

    def free(self, node: int) -> tuple[int, int, tuple[int, ...]]:
        """Free CPU milli, memory MiB and thousandths of each device; -1: no such device."""
        at = node * self._size
        devices = self._devices[at : at + self._size].tolist()
        return int(self._cpu[node]), int(self._memory[node]), tuple(devices)

    def place(
        self, shape: Shape, *, group: int | None = None, within: NDArray[np.int64] | None = None
    ) -> Spot | None:
        """Where it should go, in that group or in any; None where it fits nowhere.

        Nothing is taken yet. ``within``: int64[n], below zero for nodes that must not be looked at;
        else those that are open are.
        """
        chips = 0
        for chip in shape.chips if shape.devices else ():
            chips |= 1 << chip
        drawn = (self._draws.getrandbits(40), self._draws.getrandbits(40))
        ask = np.array(
            [
                _WAYS[self._rule],
                shape.cpu_milli,
                shape.memory_mib,
                shape.devices,
                shape.each,
                chips,
                -1 if group is None else group,
                *(drawn if self._rule == "random" else (0, 0)),
            ],
            np.int64,
        )
        score, seen = self._kept(shape)
        node = kernels.choose(
            ask,
            self._chip,
            self._open if within is None else within,
            self._cpu,
            self._memory,
            self._devices,
            self._version,
            score,
            seen,
            self._typical,
            self._limits,
            self._rates,
            self._tables,
            self._work,
        )
        if node < 0:
            return None
        before = self._devices[node * self._size : (node + 1) * self._size]
        devices = tuple(np.flatnonzero(before != self._work).tolist())
        return Spot(node, devices, shape.each, shape.cpu_milli, shape.memory_mib)

    def take(self, spot: Spot) -> None:
        """Occupy it; ValueError where it is not free, and then nothing is occupied."""
        first = spot.node * self._size
        if (
            self._cpu[spot.node] < spot.cpu_milli
            or self._memory[spot.node] < spot.memory_mib
            or any(self._devices[first + device] < spot.milli for device in spot.devices)
        ):
            raise ValueError("taken twice, or never free")
        self._change(spot, -1)

    def give(self, spot: Spot) -> None:
        """Free what was taken; ValueError where a device would have more than it holds."""
        first = spot.node * self._size
        held = [int(self._devices[first + device]) for device in spot.devices]
        if any(free < 0 or free + spot.milli > kernels.WHOLE for free in held):
            raise ValueError("given twice, or never taken")
        self._change(spot, 1)

    def close(self, node: int) -> None:
        """Place nothing there until it is opened; what runs there stays."""
        self._open[node] = -1

    def open(self, node: int) -> None:
        """Place there again."""
        self._open[node] = self._groups[node]

    def _change(self, spot: Spot, sign: int) -> None:
        first = spot.node * self._size
        self._cpu[spot.node] += sign * spot.cpu_milli
        self._memory[spot.node] += sign * spot.memory_mib
        for device in spot.devices:
            self._devices[first + device] += sign * spot.milli
        self._version[spot.node] += 1

    def _kept(self, shape: Shape) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        kept = self._scores.get(shape)
        if kept is None:
            while len(self._scores) >= self._shapes_max:
                del self._scores[next(iter(self._scores))]
            count = len(self._chip)
            kept = (np.zeros(count, np.int32), np.full(count, -1, np.int32))
            self._scores[shape] = kept
        return kept


_NO_HISTORY = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def _fgd(typical: Mapping[Shape, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Typical shapes as the kernel reads them, and the least gain for each grade.

    Grades are whole per cents of the logistic function of a gain in devices, as published; shapes
    that differ in memory alone are one.
    """
    seen: Counter[tuple[int, int, int, int]] = Counter()
    for shape, count in typical.items():
        chips = sum(1 << chip for chip in set(shape.chips)) if shape.devices else 0
        seen[shape.cpu_milli, shape.devices, shape.each, chips] += count
    most = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    chosen: list[int] = []
    total = 0
    for key, count in most:
        if total * 100 >= TYPICAL_PERCENT * sum(seen.values()):
            break
        total += count
        chosen += (*key, count)
    limits = [math.ceil(1000 * math.log(k / (100 - k)) * total) for k in range(1, 100)]
    return np.array(chosen, np.int64), np.array(limits, np.int64)


def _flat(made: Prices | None, nodes: Nodes) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rates and tables as the kernel reads them, one table for every chip of the nodes."""
    if made is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    chips, steps, size = made.tables.shape
    needed = 1 + int(nodes.chip.max(initial=0))
    tables = np.zeros((max(chips, needed), steps, size), np.int32)
    tables[:chips] = made.tables
    return made.rates.reshape(-1).copy(), tables.reshape(-1)
