"""Alibaba's 2023 trace through the engine and through the bare packer: as much is allocated."""

from __future__ import annotations

import csv
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.fitting import Need
from yunhe.compute.scheduling.packing import Nodes, Packer
from yunhe.compute.scheduling.policies import FIRST_FIT, YUNHE
from yunhe.compute.scheduling.prices import Shape
from yunhe.compute.scheduling.state import NodeView, PoolView, Request
from yunhe.compute.simulation.comparing import Asked, load
from yunhe.compute.simulation.figures import measure
from yunhe.compute.simulation.loop import replay

TRACE = Path(__file__).parents[2].parent / "shared" / "data" / "traces" / "alibaba-gpu-v2023"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TRACE.is_dir(), reason="needs ../shared/data/traces"),
]
SEED, POINTS = 42, 0.3
Pod = tuple[int, int, int, int, tuple[str, ...]]


def nodes_and_pods() -> tuple[list[tuple[str, int, int, int]], list[Pod]]:
    with (TRACE / "openb_node_list_gpu_node.csv").open() as stream:
        nodes = [
            (row["model"], int(row["gpu"]), int(row["cpu_milli"]), int(row["memory_mib"]))
            for row in csv.DictReader(stream)
        ]
    pods = []
    with (TRACE / "openb_pod_list_default.csv").open() as stream:
        for row in csv.DictReader(stream):
            devices, milli = int(row["num_gpu"]), int(row["gpu_milli"])
            share = milli if devices and milli < 1_000 else 0
            chips = tuple(sorted({c for c in (row["gpu_spec"] or "").split("|") if c}))
            size = int(row["cpu_milli"]), int(row["memory_mib"])
            pods.append((devices, share, *size, chips if devices else ()))
    return nodes, pods


def milli_of(pod: Pod) -> int:
    return pod[0] * (pod[1] or 1_000)


def arrivals(pods: list[Pod], most: int) -> list[Pod]:
    draw = random.Random(SEED)
    chosen = list(pods)
    draw.shuffle(chosen)
    asked = sum(map(milli_of, chosen))
    while asked < most:
        chosen.append(pods[draw.randrange(len(pods))])
        asked += milli_of(chosen[-1])
    return chosen


def bare(nodes: list[tuple[str, int, int, int]], pods: list[Pod], queue: list[Pod]) -> int:
    """What the packer allocates by itself; the queue waits for nothing."""
    models = sorted({model for model, *_ in nodes})

    def shape(pod: Pod) -> Shape:
        return Shape(*pod[:4], tuple(models.index(chip) for chip in pod[4]))

    devices = np.full((len(nodes), 8), -1, np.int16)
    for at, (_, count, *_) in enumerate(nodes):
        devices[at, :count] = 1_000
    table = Nodes(
        np.array([models.index(model) for model, *_ in nodes], np.int16),
        np.zeros(len(nodes), np.int32),
        np.array([cpu for _, _, cpu, _ in nodes]),
        np.array([memory for *_, memory in nodes]),
        devices,
    )
    packer = Packer(table, Counter(map(shape, pods)))
    used = 0
    for pod in queue:
        spot = packer.place(shape(pod))
        if spot is not None:
            packer.take(spot)
            used += milli_of(pod)
    return used


def engine(nodes: list[tuple[str, int, int, int]], pods: list[Pod], queue: list[Pod]) -> int:
    """What the engine places of the same arrivals when nothing ever ends."""
    views: dict[str, list[NodeView]] = {}
    for model, count, cpu, memory in nodes:
        views.setdefault(model, []).append(NodeView(count, 0, 1, cpu, memory))
    pools = [
        PoolView(model, model, sum(v.devices for v in own), 0, 0, "", "openb", tuple(own))
        for model, own in views.items()
    ]
    usual = Counter((Need(*pod[:4]), pod[4]) for pod in pods)
    city = Engine(pools, replace(FIRST_FIT, packing="yunhe"), usual=usual)
    used = 0
    for number, (devices, share, cpu, memory, chips) in enumerate(queue):
        able = dict.fromkeys(chips or views, 1_000)
        asked = Request(
            f"p{number}", number, "o", next(iter(able)), devices, 0, number, substitutes=able,
            milli=share, cpu_milli=cpu, memory_mib=memory,
        )  # fmt: skip
        for placed in city.on(Arrived(asked), now_us=number):
            used += placed.request.load_milli
    return used


def test_the_engine_allocates_as_much_of_the_fleet_as_the_bare_packer():
    nodes, pods = nodes_and_pods()
    capacity = sum(count for _, count, *_ in nodes) * 1_000
    queue = arrivals(pods, capacity * 130 // 100)
    alone, within = bare(nodes, pods, queue), engine(nodes, pods, queue)
    assert within > capacity * 95 // 100  # published FGD: 95.39 on average over ten seeds
    assert abs(within - alone) * 100 <= POINTS * capacity


def test_a_replay_of_the_trace_knows_shares_processors_and_chips():
    fleet, pods = TRACE / "openb_node_list_all_node.csv", TRACE / "openb_pod_list_default.csv"
    trace = load(Asked(path=pods, fleet=fleet)).trace
    asked = trace.jobs.load_milli()
    run = replay(trace, YUNHE)
    assert (run.end_us >= 0).all()
    bare_work = trace.jobs.devices + trace.jobs.milli == 0
    assert bare_work.any()
    kinds, chips = trace.jobs.kind, run.chip
    bound = (kinds >= 0) & ~bare_work
    assert (trace.speeds[kinds[bound], chips[bound]] > 0).all()
    figures = measure(trace, run)
    assert figures.partial is not None
    held = (run.run_us * (asked / 1_000)).sum() / 3_600e6
    assert sum(one.device_hours for one in figures.spent) == pytest.approx(held)
    other = measure(trace, replay(trace, replace(YUNHE, packing="random")))
    assert figures.partial < other.partial
