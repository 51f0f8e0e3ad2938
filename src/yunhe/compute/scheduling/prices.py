"""What devices and pieces of them are worth: a linear programme over the usual demand.

The slow half of packing. The programme fills the empty fleet with the usual mix of shapes and asks
how much of it can be served before anything must be refused; its dual values say what each shape
takes away from the rest. From them follow tables of whole numbers, which the fast half reads: what
a free piece of a device can still earn when CPU and memory cost so and so much.

*Cost*: about a second for the hundred shapes and fifteen kinds of node of a real fleet; it depends
on neither the number of nodes nor that of jobs.
*Source*: Gilmore and Gomory: A linear programming approach to the cutting-stock problem, Operations
Research 9, 1961 (patterns by column generation); the tables are its duals, made Lagrangian.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.scheduling.kernels.packing import WHOLE, knapsack

Kind = tuple[int, int, int, int]
"""Nodes alike: chip, devices, CPU milli, memory MiB."""
VALUE = 1_000_000
"""Worth of a whole device of the scarcest kind; what tables and prices count in."""
KINDS_MAX = 48
"""Kinds of node the programme looks at, those with the most devices."""
SHAPES_MAX = 512
"""Shapes it looks at, those that ask for the most."""
ROUNDS_MAX = 120
"""Rounds of new patterns at most; some 60 do for the lists of Alibaba's 2023 trace."""
FLOOR_PERCENT = 50
"""A shape is worth at least that part of the room it takes: the programme prices at nothing what
is never in the way, yet such pieces fill holes at last. Chosen on seeds 1-5 of
`benchmarks/compute/packing.py`; 30 to 100 % differ by a quarter of a point."""
_CPU_STEPS = (0, 1, 2, 4, 6, 8, 10, 13, 16, 20, 26, 34, 42, 54, 70, 108)
_MEMORY_STEPS = (4, 10, 16, 26, 42, 70)
"""Prices tried, in 1/32 of what a device is worth for its share of CPU (of memory)."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What one piece of work asks of one node."""

    devices: int = 0
    """How many; 0 for work without any."""
    milli: int = 0
    """A share of one device, 1 to 999 thousandths; 0: whole devices."""
    cpu_milli: int = 0
    """Thousandths of a CPU."""
    memory_mib: int = 0
    """MiB."""
    chips: tuple[int, ...] = ()
    """Chips that will do; none named: any."""

    def __post_init__(self) -> None:
        if self.devices < 0 or self.cpu_milli < 0 or self.memory_mib < 0:
            raise ValueError("a shape asks for less than nothing")
        if not 0 <= self.milli < WHOLE or (self.milli and self.devices != 1):
            raise ValueError("a share is 1 to 999 thousandths of one device")

    @property
    def each(self) -> int:
        """Thousandths taken of each device."""
        return (self.milli or WHOLE) if self.devices else 0

    @property
    def size(self) -> int:
        """Thousandths of devices in all."""
        return self.devices * self.each

    def suits(self, kind: Kind) -> bool:
        """Whether an empty node of that kind could take it."""
        chip, devices, cpu, memory = kind
        return (
            (not self.chips or not self.devices or chip in self.chips)
            and self.devices <= devices
            and self.cpu_milli <= cpu
            and self.memory_mib <= memory
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """What the fast half reads."""

    rates: NDArray[np.int64]
    """[A × 2]: price of a CPU milli and of a MiB, in `VALUE`."""
    tables: NDArray[np.int32]
    """[chips × A × 1001]: what so many free thousandths of a device earn at those prices."""
    level_ppm: int = 0
    """Share of the usual demand, in millionths, served before the first refusal: the bound."""


@dataclass(slots=True)
class _Programme:
    """Columns so far; rows are shapes, then devices, CPU and memory of each kind of node."""

    shapes: Sequence[Shape]
    demand: Sequence[int]
    kinds: Sequence[Kind]
    nodes: Sequence[int]
    seen: set[tuple[int, tuple[tuple[int, int], ...]]] = field(default_factory=set)
    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    count: int = 1

    def start(self) -> None:
        """Demand is column 0; then each shape alone, as often as it fits on a device."""
        self._column(0, {row: float(count) for row, count in enumerate(self.demand)})
        for at, kind in enumerate(self.kinds):
            for number, shape in enumerate(self.shapes):
                if shape.suits(kind):
                    self.add(at, {number: WHOLE // shape.milli if shape.milli else 1})

    def add(self, kind: int, pieces: Mapping[int, int]) -> bool:
        """A way to use one device, or to place one shape; False where it is known."""
        key = (kind, tuple(sorted(pieces.items())))
        if key in self.seen:
            return False
        self.seen.add(key)
        first, kinds = len(self.shapes) + kind, len(self.kinds)
        shared = any(self.shapes[number].milli for number in pieces)
        cells = {number: -float(count) for number, count in pieces.items()}
        used = [(self.shapes[number], count) for number, count in pieces.items()]
        cells[first] = 1.0 if shared else float(sum(each.devices * n for each, n in used))
        cells[first + kinds] = sum(each.cpu_milli * n for each, n in used) / 1000
        cells[first + 2 * kinds] = sum(each.memory_mib * n for each, n in used) / 1024
        self._column(self.count, cells)
        self.count += 1
        return True

    def share(self, pieces: Mapping[int, int]) -> bool:
        """`add` for every kind of node that could use a device so."""
        suiting = [
            at
            for at, kind in enumerate(self.kinds)
            if all(self.shapes[number].suits(kind) for number in pieces)
        ]
        return sum(self.add(at, pieces) for at in suiting) > 0

    def solve(self) -> tuple[float, NDArray[np.float64]]:
        """The level, and the dual value of each row."""
        from scipy.optimize import linprog  # noqa: PLC0415 - slow to import
        from scipy.sparse import coo_matrix  # noqa: PLC0415 - slow to import

        high = len(self.shapes) + 3 * len(self.kinds)
        matrix = coo_matrix((self.values, (self.rows, self.columns)), shape=(high, self.count))
        cost = np.zeros(self.count)
        cost[0] = -1.0
        limits = np.zeros(high)
        for at, ((_, devices, cpu, memory), nodes) in enumerate(
            zip(self.kinds, self.nodes, strict=True)
        ):
            row = len(self.shapes) + at
            limits[row] = devices * nodes
            limits[row + len(self.kinds)] = cpu * nodes / 1000
            limits[row + 2 * len(self.kinds)] = memory * nodes / 1024
        found = linprog(cost, A_ub=matrix.tocsr(), b_ub=limits, method="highs")
        if not found.success:
            raise ArithmeticError(f"no solution to the programme of prices: {found.message}")
        return float(found.x[0]), -np.asarray(found.ineqlin.marginals)

    def _column(self, column: int, cells: Mapping[int, float]) -> None:
        for row, value in cells.items():
            if value:
                self.rows.append(row)
                self.columns.append(column)
                self.values.append(value)


def prices(kinds: Mapping[Kind, int], typical: Mapping[Shape, int]) -> Prices:
    """Prices for a fleet of so many nodes of each kind and shapes that come so often.

    Shapes that no node could ever take are left out. The result holds whole numbers only; made once
    and kept, it gives the same placements on every machine.
    """
    most = sorted(kinds.items(), key=lambda item: (-max(item[0][1], 0) * item[1], item[0]))
    fleet = [(kind, nodes) for kind, nodes in most if kind[1] > 0 and nodes > 0][:KINDS_MAX]
    usual = [
        (shape, count)
        for shape, count in sorted(typical.items(), key=lambda item: (-item[1], item[0]))
        if count > 0 and any(shape.suits(kind) for kind, _ in fleet)
    ][:SHAPES_MAX]
    programme = _Programme(
        [shape for shape, _ in usual],
        [count for _, count in usual],
        [kind for kind, _ in fleet],
        [nodes for _, nodes in fleet],
    )
    level, worth = 0.0, [shape.size * VALUE // WHOLE for shape, _ in usual]
    if any(shape.devices for shape, _ in usual):
        level, worth = _solved(programme)
    rates = _rates(fleet)
    return Prices(rates, _tables(programme, worth, rates), round(level * 1_000_000))


def _solved(programme: _Programme) -> tuple[float, list[int]]:
    """The level, and what each shape is worth, by column generation."""
    programme.start()
    shapes, kinds = programme.shapes, programme.kinds
    level, scale, dual = 0.0, 1.0, np.zeros(0)
    for _ in range(ROUNDS_MAX):
        level, dual = programme.solve()
        scarcest = dual[len(shapes) : len(shapes) + len(kinds)].max()
        scale = VALUE / scarcest if scarcest > 0 else 0.0
        new = False
        for at in range(len(kinds)):
            pieces = _pattern(programme, at, dual, scale)
            new = (bool(pieces) and programme.share(pieces)) or new
        if not new:
            break
    return level, [
        max(round(float(each) * scale), shape.size * FLOOR_PERCENT * VALUE // (100 * WHOLE))
        for each, shape in zip(dual, shapes, strict=False)
    ]


def _pattern(
    programme: _Programme, kind: int, dual: NDArray[np.float64], scale: float
) -> dict[int, int]:
    """The best use of one shared device of that kind, empty where it is not worth the device."""
    shapes, kinds = programme.shapes, len(programme.kinds)
    at = len(shapes) + kind
    fitting = [
        number
        for number, shape in enumerate(shapes)
        if shape.milli and shape.suits(programme.kinds[kind])
    ]
    values = [
        dual[number]
        - dual[at + kinds] * shapes[number].cpu_milli / 1000
        - dual[at + 2 * kinds] * shapes[number].memory_mib / 1024
        for number in fitting
    ]
    whole = np.array([round(float(value) * scale) for value in values], np.int64)
    sizes = np.array([shapes[number].milli for number in fitting], np.int64)
    table, choice = np.zeros(WHOLE + 1, np.int64), np.zeros(WHOLE + 1, np.int64)
    if knapsack(whole, sizes, table, choice) <= dual[at] * scale + 1:
        return {}
    pieces: Counter[int] = Counter()
    room = WHOLE
    while room > 0:
        if choice[room] < 0:
            room -= 1
        else:
            pieces[fitting[choice[room]]] += 1
            room -= int(sizes[choice[room]])
    return dict(pieces)


def _rates(fleet: Sequence[tuple[Kind, int]]) -> NDArray[np.int64]:
    """Prices of CPU, then of memory, around the fleet's own proportions."""
    devices = sum(kind[1] * nodes for kind, nodes in fleet)
    cpu = max(sum(kind[2] * nodes for kind, nodes in fleet), 1)
    memory = max(sum(kind[3] * nodes for kind, nodes in fleet), 1)
    rates = [(devices * VALUE * step // (cpu * 32), 0) for step in _CPU_STEPS]
    rates += [(0, devices * VALUE * step // (memory * 32)) for step in _MEMORY_STEPS]
    return np.array(list(dict.fromkeys(rates)), np.int64)


def _tables(
    programme: _Programme, worth: Sequence[int], rates: NDArray[np.int64]
) -> NDArray[np.int32]:
    chips = 1 + max((kind[0] for kind in programme.kinds), default=-1)
    tables = np.zeros((max(chips, 1), len(rates), WHOLE + 1), np.int32)
    table, choice = np.zeros(WHOLE + 1, np.int64), np.zeros(WHOLE + 1, np.int64)
    for chip in sorted({kind[0] for kind in programme.kinds}):
        for step, (cpu, memory) in enumerate(rates.tolist()):
            best: dict[int, int] = {}
            for shape, value in zip(programme.shapes, worth, strict=True):
                if shape.devices and (not shape.chips or chip in shape.chips):
                    cost = cpu * shape.cpu_milli + memory * shape.memory_mib
                    net = (value - cost) // shape.devices
                    best[shape.each] = max(best.get(shape.each, 0), net)
            pieces = sorted((size, value) for size, value in best.items() if value > 0)
            sizes = np.array([size for size, _ in pieces], np.int64)
            knapsack(np.array([value for _, value in pieces], np.int64), sizes, table, choice)
            tables[chip, step] = np.minimum(table, 2**30)
    return tables
