"""Packing: ours beside Random, BestFit and FGD on Alibaba's 2023 GPU trace.

    python benchmarks/compute/packing.py [--seeds 42-51] [--lists default,cpu050] [--fleet gpu]

The published experiment (Weng et al.: Beware of Fragmentation, USENIX ATC 2023; its simulator is
hkust-adsl/kubernetes-scheduler-simulator): a list of pods, shuffled, then pods drawn from it again
until 130 % of the fleet's GPUs are asked for; one after the other, none leaves; the figure is how
much of the fleet's GPUs is allocated at the end. Its fleet is the 1,213 nodes with GPUs (its own
log says 107,018 CPUs), not the 1,523 of the full list; ``--fleet all`` runs that one, for which
nothing is published. CPU, memory, GPU model and milli count. Nodes are numbered at random.

Its sampler is Go's, so our seeds draw other samples of the same kind: compare means. Random,
BestFit and FGD are written anew from its description and source; if they meet the published figures
the harness is the same. FGD and ours know how often each shape occurs in the list, which is
history; neither looks at pods to come, and none refuses a pod that fits somewhere. What ours
leaves to choose (step of comparison, prices, least price) was chosen on seeds 1 to 5 alone.

Bounds: *LP* may refuse any pod and cut it in pieces; *level* is the share of the fleet in use when
the list's mix, cut in pieces, is served until something must be refused for the first time. At 100
% and 130 %: allocated when that much was asked for.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from yunhe.compute.scheduling.packing import Nodes, Packer, Rule
from yunhe.compute.scheduling.prices import Prices, Shape

TRACE = Path(__file__).parents[3] / "shared" / "data" / "traces" / "alibaba-gpu-v2023"
RATIO_PERCENT = 130
RULES: tuple[Rule, ...] = ("random", "best_fit", "fgd", "yunhe")
PUBLISHED = {
    "default": {"random": 87.47, "best_fit": 93.08, "fgd": 95.39},
    "cpu050": {"random": 91.24, "best_fit": 93.79, "fgd": 95.21},
    "gpushare40": {"random": 86.00, "best_fit": 91.69, "fgd": 94.15},
    "gpuspec10": {"random": 87.43, "best_fit": 93.31, "fgd": 94.95},
    "multigpu20": {"random": 88.69, "best_fit": 93.93, "fgd": 95.65},
}
"""Means of ten seeds at 130 %, from the results published with the simulator."""


@dataclass
class Fleet:
    """Nodes, names of their chips, and all their GPUs."""

    nodes: Nodes
    models: list[str]
    milli: int


@dataclass
class Verdict:
    """What one list came to, against its goals; points of the fleet, CPU-seconds."""

    gain: float
    """Ours over published FGD."""
    harness: float
    """The larger distance of our Random and BestFit from the published ones."""
    slowest: float
    """Our longest run."""
    below: float
    """How far ours stays below the bound of the linear programme."""


@dataclass
class Figures:
    """What the runs of one rule gave, by seed; per cent of the fleet."""

    allocated: list[float]
    at_100: list[float]
    cpu_seconds: list[float]


def fleet(which: str) -> Fleet:
    with (TRACE / f"openb_node_list_{which}_node.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    models = sorted({row["model"] for row in rows if row["model"]})
    devices = np.full((len(rows), 8), -1, np.int16)
    for at, row in enumerate(rows):
        devices[at, : int(row["gpu"])] = 1000
    nodes = Nodes(
        np.array([models.index(row["model"]) if row["model"] else -1 for row in rows], np.int16),
        np.zeros(len(rows), np.int32),
        np.array([int(row["cpu_milli"]) for row in rows]),
        np.array([int(row["memory_mib"]) for row in rows]),
        devices,
    )
    return Fleet(nodes, models, int(devices[devices > 0].sum()))


def pods(name: str, models: list[str]) -> list[Shape]:
    shapes = []
    with (TRACE / f"openb_pod_list_{name}.csv").open() as stream:
        for row in csv.DictReader(stream):
            devices, milli = int(row["num_gpu"]), int(row["gpu_milli"])
            wanted = {each for each in (row.get("gpu_spec") or "").split("|") if each}
            shapes.append(
                Shape(
                    devices=devices,
                    milli=milli if devices and milli < 1000 else 0,
                    cpu_milli=int(row["cpu_milli"]),
                    memory_mib=int(row["memory_mib"]),
                    chips=tuple(sorted(models.index(each) for each in wanted)) if devices else (),
                )
            )
    return shapes


def arrivals(listed: list[Shape], target: int, draw: random.Random) -> list[Shape]:
    """Shuffled, then cut or drawn again to the target; the last check counts one GPU of a pod."""
    chosen = list(listed)
    draw.shuffle(chosen)
    total = sum(shape.size for shape in chosen)
    while total > target:
        total -= chosen.pop(draw.randrange(len(chosen))).size
    while True:
        shape = listed[draw.randrange(len(listed))]
        if total + shape.each > target:
            return chosen
        chosen.append(shape)
        total += shape.size


def shuffled(nodes: Nodes, draw: random.Random) -> Nodes:
    order = list(range(len(nodes.chip)))
    draw.shuffle(order)
    return Nodes(
        nodes.chip[order],
        nodes.group[order],
        nodes.cpu_free[order],
        nodes.memory_free[order],
        nodes.device_free[order],
    )


def run(
    rule: Rule, seed: int, where: Fleet, listed: list[Shape], figures: Figures
) -> Prices | None:
    draw = random.Random(seed)
    queue = arrivals(listed, where.milli * RATIO_PERCENT // 100, draw)
    nodes = shuffled(where.nodes, draw)
    began = time.process_time()
    packer = Packer(nodes, Counter(listed), rule=rule, seed=seed)
    asked = used = at_100 = 0
    for shape in queue:
        asked += shape.size
        spot = packer.place(shape)
        if spot is not None:
            packer.take(spot)
            used += shape.size
        if asked <= where.milli:
            at_100 = used
    figures.cpu_seconds.append(time.process_time() - began)
    figures.allocated.append(100 * used / where.milli)
    figures.at_100.append(100 * at_100 / where.milli)
    return packer.prices


def bound(seed: int, where: Fleet, listed: list[Shape]) -> float:
    """The most a linear programme allocates, per kind of node as a whole."""
    queue = arrivals(listed, where.milli * RATIO_PERCENT // 100, random.Random(seed))
    kinds, shapes = list(where.nodes.kinds().items()), list(Counter(queue).items())
    rows, columns, values, cost = [], [], [], []
    for at, (kind, _) in enumerate(kinds):
        for number, (shape, _) in enumerate(shapes):
            if shape.suits(kind):
                needs = (shape.size, shape.cpu_milli, shape.memory_mib)
                rows += [3 * at, 3 * at + 1, 3 * at + 2, 3 * len(kinds) + number]
                columns += [len(cost)] * 4
                values += [*needs, 1]
                cost.append(-shape.size)
    limits = [
        count * each
        for (_, devices, cpu, memory), count in kinds
        for each in (devices * 1000, cpu, memory)
    ] + [count for _, count in shapes]
    matrix = coo_matrix((values, (rows, columns)), shape=(len(limits), len(cost))).tocsr()
    return float(-100 * linprog(cost, A_ub=matrix, b_ub=limits).fun / where.milli)


def show(name: str, seeds: range, where: Fleet, *, published: bool) -> Verdict:
    listed = pods(name, where.models)
    limit = statistics.mean(bound(seed, where, listed) for seed in seeds)
    level = 0.0
    verdict = Verdict(0.0, 0.0, 0.0, 0.0)
    lines = []
    for rule in RULES:
        figures = Figures([], [], [])
        for seed in seeds:
            made = run(rule, seed, where, listed, figures)
            if made is not None:
                level = made.level_ppm * sum(each.size for each in listed) / where.milli / 10_000
        mean = statistics.mean(figures.allocated)
        peer = PUBLISHED[name][rule if rule != "yunhe" else "fgd"] if published else float("nan")
        gain = mean - peer
        if rule == "yunhe":
            slowest = max(figures.cpu_seconds)
            verdict = Verdict(gain, verdict.harness, slowest, limit - mean)
        elif rule != "fgd":
            verdict.harness = max(verdict.harness, abs(gain))
        lines.append(
            f"  {rule:9} {statistics.mean(figures.at_100):6.2f} {mean:6.2f} "
            f"{statistics.pstdev(figures.allocated):5.2f} {peer:6.2f} {gain:+6.2f} "
            f"{limit - mean:6.2f} {level - mean if level else float('nan'):+6.2f} "
            f"{statistics.mean(figures.cpu_seconds):6.2f} {max(figures.cpu_seconds):6.2f}"
        )
    print(f"\n{name}: LP {limit:.2f}, level {level:.2f}")
    print("  rule        100%   130%    sd  publ.   diff     LP  level  CPU s    max")
    print("\n".join(lines), flush=True)
    return verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="42-51", help="first-last")
    parser.add_argument("--lists", default=",".join(PUBLISHED))
    parser.add_argument("--fleet", choices=("gpu", "all"), default="gpu")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    seeds, where = range(int(first), int(last or first) + 1), fleet(asked.fleet)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, "
        f"numba {version('numba')}, scipy {version('scipy')}; fleet {asked.fleet}, "
        f"{len(where.nodes.chip)} nodes, {where.milli // 1000} GPUs; seeds {asked.seeds}"
    )
    run("yunhe", 0, where, [Shape(1, 500)], Figures([], [], []))  # compiles
    found = [
        show(name, seeds, where, published=asked.fleet == "gpu") for name in asked.lists.split(",")
    ]
    if asked.fleet == "gpu":
        judged(found)


def judged(found: list[Verdict]) -> None:
    """Each part of Target 2 with what was measured."""
    gains = [one.gain for one in found]
    mean, least = statistics.mean(gains), min(gains)
    harness, slowest = max(one.harness for one in found), max(one.slowest for one in found)
    print("\nTarget 2:")
    for said, met in (
        (f"over published FGD on average {mean:+.2f} points, goal +0.5", mean >= 0.5),
        (f"over published FGD on the worst list {least:+.2f} points, goal 0", least >= 0),
        (f"longest run {slowest:.1f} CPU-s, goal 120", slowest <= 120),
        (f"Random and BestFit {harness:.2f} points from published, goal 0.3", harness <= 0.3),
    ):
        print(f"    {said}: {'met' if met else 'MISSED'}")
    print(f"    below the bound of the linear programme: {max(o.below for o in found):.2f} points")


if __name__ == "__main__":
    main()
