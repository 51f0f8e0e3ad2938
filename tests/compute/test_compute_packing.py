"""The packer against plain Python: same spots for every rule, nothing taken that is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.kernels import packing as kernels
from yunhe.compute.scheduling.packing import CHIPS_MAX, Nodes, Packer, Spot
from yunhe.compute.scheduling.prices import Prices, Shape, prices

SHARES = st.sampled_from([100, 190, 320, 470, 500, 810])
CHIPS = st.sampled_from([(), (), (0,), (1,), (0, 1)])
SHAPES = st.one_of(
    st.builds(Shape, st.just(0), st.just(0), st.integers(0, 9000), st.integers(0, 900)),
    st.builds(Shape, st.just(1), SHARES, st.integers(0, 9000), st.integers(0, 900), CHIPS),
    st.builds(Shape, st.integers(1, 4), st.just(0), st.integers(0, 9000), st.integers(0, 9), CHIPS),
)
NODE = st.tuples(
    st.integers(-1, 1), st.integers(0, 1), st.integers(0, 20_000), st.integers(0, 2000),
    st.integers(0, 3),
)  # fmt: skip
FLEETS = st.lists(NODE, min_size=1, max_size=6)
QUEUES = st.lists(SHAPES, min_size=1, max_size=14)
SIMPLE = (Shape(1, 0, 4000, 100), Shape(1, 470, 4000, 100))


def fleet(rows: list[tuple[int, int, int, int, int]], *, wide: int = 3) -> Nodes:
    devices = np.full((len(rows), wide), -1, np.int16)
    for at, (chip, *_, count) in enumerate(rows):
        devices[at, : count if chip >= 0 else 0] = 1000
    columns = [list(column) for column in zip(*rows, strict=True)]
    return Nodes(
        np.array(columns[0], np.int16),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.int64),
        devices,
    )


@dataclass
class Plain:
    """One node of the reference."""

    chip: int
    group: int
    cpu: int
    memory: int
    devices: list[int]

    def fits(self, shape: Shape) -> bool:
        if shape.cpu_milli > self.cpu or shape.memory_mib > self.memory:
            return False
        if shape.devices == 0:
            return True
        if self.chip < 0 or (shape.chips and self.chip not in shape.chips):
            return False
        return sum(free >= shape.each for free in self.devices) >= shape.devices

    def ways(self, shape: Shape) -> list[tuple[int, ...]]:
        """Which devices it might take; whole ones are all alike."""
        if shape.milli:
            return [(at,) for at, free in enumerate(self.devices) if free >= shape.milli]
        return [tuple(at for at, free in enumerate(self.devices) if free == 1000)[: shape.devices]]

    def after(self, shape: Shape, way: tuple[int, ...]) -> Plain:
        left = [free - shape.each * (at in way) for at, free in enumerate(self.devices)]
        return Plain(
            self.chip, self.group, self.cpu - shape.cpu_milli, self.memory - shape.memory_mib, left
        )

    @property
    def total(self) -> int:
        return sum(free for free in self.devices if free > 0)


def fragmented(node: Plain, typical: Mapping[Shape, int]) -> int:
    """Milli that the shapes can't use, times how often they come."""
    lost = 0
    for shape, count in typical.items():
        small = sum(free for free in node.devices if 0 < free < shape.each)
        roomy = Plain(node.chip, 0, node.cpu, shape.memory_mib, node.devices)
        served = shape.devices > 0 and roomy.fits(shape)
        lost += count * (small if served else node.total)
    return lost


def worth(node: Plain, made: Prices) -> int:
    if node.chip < 0:
        return 0
    return min(
        cpu * node.cpu
        + memory * node.memory
        + sum(int(made.tables[node.chip, step, free]) for free in node.devices if free > 0)
        for step, (cpu, memory) in enumerate(made.rates.tolist())
    )


def scored(
    rule: str, node: Plain, shape: Shape, typical: Mapping[Shape, int], made: Prices | None
) -> tuple[int, tuple[int, ...]]:
    """Score and devices of the best way to take it, the first of equals."""
    choices = []
    for way in node.ways(shape):
        after = node.after(shape, way)
        if rule == "best_fit":
            grade = (256_000 - after.cpu - 16 * after.total) // 2560
            key = -node.devices[way[0]] if way else 0
        elif rule == "fgd":
            gain = fragmented(node, typical) - fragmented(after, typical)
            scale = 1000 * sum(typical.values())
            grade = key = int(100 / (1 + exp(-gain / scale))) if typical else 99
        else:
            assert made is not None
            key = worth(after, made) - worth(node, made)
            grade = key // kernels.QUANTUM
        choices.append((key, grade, way))
    best = max(choices, key=lambda choice: choice[0])
    return best[1], best[2]


def expected(
    rule: str, nodes: list[Plain], shape: Shape, typical: Mapping[Shape, int], made: Prices | None
) -> tuple[int, tuple[int, ...]] | None:
    scores = [
        (scored(rule, node, shape, typical, made), at)
        for at, node in enumerate(nodes)
        if node.fits(shape)
    ]
    if not scores:
        return None
    (_, way), at = max(scores, key=lambda item: item[0][0])
    return at, way


def plain_nodes(nodes: Nodes) -> list[Plain]:
    return [
        Plain(chip, group, cpu, memory, devices)
        for chip, group, cpu, memory, devices in zip(
            nodes.chip.tolist(), nodes.group.tolist(), nodes.cpu_free.tolist(),
            nodes.memory_free.tolist(), nodes.device_free.tolist(), strict=True,
        )
    ]  # fmt: skip


def merged(typical: Mapping[Shape, int]) -> dict[Shape, int]:
    """As FGD sees them: without memory."""
    seen: Counter[Shape] = Counter()
    for shape, count in typical.items():
        chips = shape.chips if shape.devices else ()
        seen[Shape(shape.devices, shape.milli, shape.cpu_milli, 0, chips)] += count
    most = sorted(
        seen.items(),
        key=lambda item: (
            -item[1], item[0].cpu_milli, item[0].devices, item[0].each,
            sum(1 << chip for chip in item[0].chips),
        ),
    )  # fmt: skip
    chosen: dict[Shape, int] = {}
    for shape, count in most:
        if sum(chosen.values()) * 100 >= 95 * seen.total():
            break
        chosen[shape] = count
    return chosen


@pytest.mark.parametrize("rule", ["best_fit", "fgd", "yunhe"])
@settings(max_examples=60, deadline=None)
@given(rows=FLEETS, queue=QUEUES)
@example(rows=[(0, 0, 9000, 900, 2)] * 2, queue=[*SIMPLE, *SIMPLE, *SIMPLE])
def test_every_spot_is_the_one_that_plain_python_finds(rule, rows, queue):
    nodes = fleet(rows)
    history = Counter(queue)
    packer = Packer(nodes, history, rule=rule)
    typical, mine = merged(history), plain_nodes(nodes)
    for shape in queue:
        spot = packer.place(shape)
        wanted = expected(rule, mine, shape, typical, packer.prices)
        if wanted is None:
            assert spot is None
            continue
        assert spot == Spot(*wanted, shape.each, shape.cpu_milli, shape.memory_mib)
        packer.take(spot)
        mine[wanted[0]] = mine[wanted[0]].after(shape, wanted[1])


@pytest.mark.parametrize("rule", ["random", "best_fit", "fgd", "yunhe"])
@settings(max_examples=40, deadline=None)
@given(rows=FLEETS, queue=QUEUES, data=st.data())
def test_what_fits_is_placed_and_never_where_it_does_not_fit(rule, rows, queue, data):
    nodes = fleet(rows)
    packer = Packer(nodes, Counter(queue), rule=rule)
    mine, held = plain_nodes(nodes), []
    for shape in queue:
        spot = packer.place(shape)
        assert (spot is not None) == any(node.fits(shape) for node in mine)
        if spot is None:
            continue
        node = mine[spot.node]
        assert node.fits(shape)
        assert len(set(spot.devices)) == len(spot.devices) == shape.devices
        assert all(node.devices[device] >= shape.each for device in spot.devices)
        packer.take(spot)
        mine[spot.node] = node.after(shape, spot.devices)
        held.append(spot)
        if data.draw(st.booleans()):
            back = held.pop(data.draw(st.integers(0, len(held) - 1)))
            packer.give(back)
            at = mine[back.node]
            devices = [free + back.milli * (k in back.devices) for k, free in enumerate(at.devices)]
            mine[back.node] = Plain(
                at.chip, at.group, at.cpu + back.cpu_milli, at.memory + back.memory_mib, devices
            )
    assert [packer.free(at) for at in range(len(rows))] == [
        (node.cpu, node.memory, tuple(node.devices)) for node in mine
    ]


@settings(max_examples=30, deadline=None)
@given(rows=FLEETS, queue=QUEUES)
def test_kept_scores_never_differ_from_fresh_ones(rows, queue):
    nodes = fleet(rows)
    packer = Packer(nodes, Counter(queue))
    for shape in queue:
        columns = [packer.free(at) for at in range(len(rows))]
        now = Nodes(
            nodes.chip,
            nodes.group,
            np.array([cpu for cpu, _, _ in columns], np.int64),
            np.array([memory for _, memory, _ in columns], np.int64),
            np.array([devices for *_, devices in columns], np.int16).reshape(len(rows), -1),
        )
        spot = packer.place(shape)
        assert spot == Packer(now, Counter(), made=packer.prices).place(shape)
        if spot is not None:
            packer.take(spot)


def test_the_same_calls_give_the_same_spots_and_a_seed_draws_them():
    nodes = fleet([(0, 0, 90_000, 9000, 3)] * 5)
    spots = {
        seed: [Packer(nodes, {}, rule="random", seed=seed).place(SIMPLE[1]) for _ in range(2)]
        for seed in range(12)
    }
    assert all(first == second for first, second in spots.values())
    assert len({first for first, _ in spots.values()}) > 3


def test_a_group_a_closed_node_and_a_missing_chip_are_kept_out():
    packer = Packer(fleet([(0, 0, 9000, 900, 2), (1, 1, 9000, 900, 2)]), {SIMPLE[0]: 1})
    first = packer.place(SIMPLE[0])
    assert first is not None
    assert first.node == 0
    there = packer.place(SIMPLE[0], group=1)
    assert there is not None
    assert there.node == 1
    packer.close(0)
    assert packer.place(SIMPLE[0], group=0) is None
    packer.open(0)
    assert packer.place(SIMPLE[0], group=0) == first
    assert packer.place(Shape(1, 0, 0, 0, (1,)), group=0) is None
    assert packer.place(Shape(1, 0, 0, 0, (CHIPS_MAX - 1,))) is None


def test_a_spot_taken_or_given_twice_is_refused_and_changes_nothing():
    packer = Packer(fleet([(0, 0, 9000, 900, 1)]), {SIMPLE[0]: 1})
    spot = packer.place(SIMPLE[0])
    assert spot is not None
    with pytest.raises(ValueError, match="given twice"):
        packer.give(spot)
    packer.take(spot)
    before = packer.free(0)
    with pytest.raises(ValueError, match="taken twice"):
        packer.take(spot)
    assert packer.free(0) == before == (5000, 800, (0, -1, -1))
    packer.give(spot)
    assert packer.free(0) == (9000, 900, (1000, -1, -1))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Shape(devices=-1),
        lambda: Shape(cpu_milli=-1),
        lambda: Shape(devices=2, milli=500),
        lambda: Shape(devices=1, milli=1000),
        lambda: Shape(devices=0, milli=10),
        lambda: fleet([(CHIPS_MAX, 0, 1, 1, 1)]),
        lambda: fleet([(0, -1, 1, 1, 1)]),
        lambda: Nodes(*(np.zeros(size, np.int64) for size in (1, 1, 2, 1)), np.zeros((1, 1))),
        lambda: Nodes(*(np.zeros(1, np.int64) for _ in range(4)), np.full((1, 1), 1001)),
    ],
)
def test_shapes_and_nodes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=r".+"):
        wrong()


def test_scores_of_many_shapes_are_dropped_not_hoarded(monkeypatch):
    monkeypatch.setattr("yunhe.compute.scheduling.packing.CELLS_MAX", 4)
    packer = Packer(fleet([(0, 0, 9000, 900, 1)] * 2), {}, rule="best_fit")
    spots = [packer.place(Shape(1, 100 + at)) for at in range(9)]
    assert {spot.node for spot in spots if spot is not None} == {0}
    assert len(packer._scores) == 2


def test_a_fleet_without_nodes_places_nothing():
    none = Nodes(*(np.zeros(0, np.int64) for _ in range(4)), np.zeros((0, 2), np.int16))
    for rule in ("random", "best_fit", "fgd", "yunhe"):
        assert Packer(none, {SIMPLE[0]: 3}, rule=rule).place(SIMPLE[0]) is None


def test_the_kernels_were_compiled_once_and_for_one_kind_of_arguments():
    packer = Packer(fleet([(0, 0, 9000, 900, 1)]), {SIMPLE[1]: 1})
    assert packer.place(SIMPLE[1]) is not None
    made = prices({(0, 1, 9000, 900): 3}, {SIMPLE[1]: 2})
    assert Packer(fleet([(0, 0, 9000, 900, 1)]), {}, made=made).place(SIMPLE[1]) is not None
    for kernel in (kernels.choose, kernels.knapsack):
        assert len(kernel.signatures) == 1
