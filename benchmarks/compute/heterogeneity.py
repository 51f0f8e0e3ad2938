"""Heterogeneity (Target 5): Gavel's jobs on three generations of chips, average completion time.

    python benchmarks/compute/heterogeneity.py [--part made,drawn,whole] [--tune] [--quick]
        [--seeds 0,1,2] [--jobs 3500] [--shared DIR]

Three parts. `made`: jobs as Gavel's simulator makes them, on its 36 devices of each chip, alone or
with gangs, at several rates an hour; jobs 2,000 to 3,000 of each run count, as the sweep script of
Gavel allows, and besides 60 s for taking work up again also 0 s, as that simulator has it. `drawn`:
jobs of one half of the Gavel traces, drawn with a seed and arriving at random, on several mixes.
Load is work over what the cluster does when each chip runs at its mean speed. `whole`: all the jobs
as they arrive on 300 of each chip, the cluster that Gavel publishes beside these traces. Jobs
larger than a chip has devices are left out.

All policies meet the same jobs, and devices are counted without nodes. `matched`, `foreseeing` and
`declared` run in the engine of the platform, event by event; the peers are those of
`yunhe.compute.simulation.hetero`. `foreseeing` and `shortest` know how many steps a job has;
`declared` is `foreseeing` with what owners would say, one to five times too much and for a tenth of
the jobs a fifth of the truth; the others know nothing. `least` is each job alone on its fastest
chip: nothing can be below it. `slow` is the mean of completion time over that. `--tune` takes the
seeds 101 and 102, and jobs of the first half of the trace; nothing else was used for choosing.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random

import numpy as np
import scipy
from numpy.typing import NDArray

from yunhe.compute.scheduling.policies import FORESEEING, HOUR_US, MATCHED, Policy
from yunhe.compute.simulation.comparing import Asked, load
from yunhe.compute.simulation.domain import Trace
from yunhe.compute.simulation.fairness import fairness
from yunhe.compute.simulation.hetero import Las, MaxMin, Shortest, Work, first_come, in_rounds
from yunhe.compute.simulation.hetero_jobs import at_least_us, declared, gavel_jobs
from yunhe.compute.simulation.loop import replay
from yunhe.compute.simulation.traces.fleets import Rack, supply
from yunhe.kernel.clock import SECOND_US

SHARED = Path(__file__).parents[2].parent / "shared"
CHIPS = ("v100", "p100", "k80")
ROUND_US = 360 * SECOND_US
RESTART_US = 60 * SECOND_US
WARM, COOL = 2_000, 3_000
LEVELS_US = (HOUR_US, 10 * HOUR_US)
PEERS = ("fifo", "fifo, backfill", "las", "max-min", "shortest")
OURS = ("matched", "foreseeing", "declared")
DECLARED = replace(FORESEEING, name="declared")
FORESIGHT = ("foreseeing", "shortest", "declared")


@dataclass(frozen=True, slots=True)
class Result:
    """What a policy made of some jobs."""

    name: str
    jct_hours: NDArray[np.float64]
    span_hours: float
    moves: int
    solver: float
    decided: int
    slow: float
    rho: float
    least_hours: float


@dataclass(frozen=True, slots=True)
class Asking:
    """How a run is made, and which jobs count."""

    seed: int
    restart_us: int
    counted: slice
    aloud: bool = False


def gavel(shared: Path, room: Sequence[int]) -> Trace:
    """All jobs that fit, on that cluster; all may be pushed out."""
    trace = load(Asked(path=shared / "data/traces/gavel/msr")).trace
    racks = [Rack("cluster", chip, 1, count) for chip, count in zip(CHIPS, room, strict=True)]
    fleet = supply(racks, name="gavel").fleet
    order = [trace.fleet.chips.index(chip) for chip in fleet.chips]
    speeds = trace.speeds[:, order]
    able = (speeds[trace.jobs.kind] > 0) & (np.array(room) >= trace.jobs.devices[:, None])
    return chosen(replace(trace, fleet=fleet, speeds=speeds), np.flatnonzero(able.any(axis=1)))


def chosen(trace: Trace, rows: NDArray[np.int64]) -> Trace:
    """Those jobs only."""
    jobs = trace.jobs
    columns = {
        name: getattr(jobs, name)[rows] for name in jobs.__dataclass_fields__ if name != "id"
    }
    columns["preemptible"] = np.ones(len(rows), np.bool_)
    names = tuple(f"{place}-{jobs.id[row]}" for place, row in enumerate(rows.tolist()))
    return replace(trace, jobs=replace(jobs, id=names, **columns))


def drawn(trace: Trace, *, jobs: int, load_percent: int, seed: int, first: bool) -> Trace:
    """Jobs of one half of the trace, drawn without replacement, with arrivals drawn anew."""
    draw = np.random.default_rng(seed)
    half = len(trace.jobs) // 2
    pool = np.arange(half) if first else np.arange(half, len(trace.jobs))
    some = chosen(trace, draw.choice(pool, jobs, replace=False))
    columns = some.jobs
    room = trace.fleet.devices.astype(np.float64)
    able = trace.speeds.mean(axis=0) / 1_000 @ room
    work = float((columns.service_us * columns.devices.astype(np.float64)).sum()) / jobs
    gap = work / (able * load_percent / 100)
    arrive = np.cumsum(draw.exponential(gap, jobs)).astype(np.int64)
    return replace(some, jobs=replace(columns, arrive_us=arrive - arrive[0]))


def ours(trace: Trace, policy: Policy, asked: Asking) -> Result:
    """In the engine of the platform."""
    known = None
    if policy.order == "expected":
        known = trace.jobs.service_us
    if policy.name == "declared":
        known = declared(trace.jobs.service_us, seed=asked.seed)
    run = replay(trace, replace(policy, restart_us=asked.restart_us), expected_us=known)
    moves = int(run.preemptions.sum())
    cost = moves, run.engine_cpu_seconds, run.passes
    return _result(policy.name, trace, run.end_us, cost, asked.counted)


def every(trace: Trace, asked: Asking) -> list[Result]:
    """All policies on one trace."""
    found = []
    for one in chain(_ours(trace, asked), peers(trace, asked)):
        found.append(one)
        if asked.aloud:  # long runs: a line for each as it ends
            print(
                f"    {one.name}: mean {one.jct_hours.mean():.2f} h, p50"
                f" {np.percentile(one.jct_hours, 50):.2f}, p99"
                f" {np.percentile(one.jct_hours, 99):.1f}, slow {one.slow:.2f}, rho {one.rho:.2f},"
                f" {one.moves} moves, {one.solver:.0f} CPU-s for {one.decided} decisions,"
                f" least {one.least_hours:.2f} h",
                flush=True,
            )
    order = [*PEERS, *OURS]
    return sorted(found, key=lambda one: order.index(one.name))


def _ours(trace: Trace, asked: Asking) -> Iterator[Result]:
    for policy in (MATCHED, FORESEEING, DECLARED):
        yield ours(trace, policy, asked)


def peers(trace: Trace, asked: Asking) -> Iterator[Result]:
    """All of them."""
    seed = asked.seed
    jobs = trace.jobs
    speed = trace.speeds[jobs.kind] / 1_000
    room = trace.fleet.devices.tolist()
    speed = np.where(np.array(room) >= jobs.devices[:, None], speed, 0.0)
    work = Work(
        jobs.arrive_us, jobs.service_us, jobs.devices.astype(np.int64), speed,
        jobs.kind.astype(np.int64),
    )  # fmt: skip
    for name, strict in (("fifo", True), ("fifo, backfill", False)):
        out = first_come(work, room, strict=strict, seed=seed)
        cost = 0, out.solver_cpu_seconds, out.rounds
        yield _result(name, trace, out.end_us, cost, asked.counted)
    for name, chooser in (
        ("las", Las(LEVELS_US, Random(seed))),
        ("max-min", MaxMin()),
        ("shortest", Shortest()),
    ):
        out = in_rounds(work, room, chooser, round_us=ROUND_US, restart_us=asked.restart_us)
        cost = out.moves, out.solver_cpu_seconds, out.rounds
        yield _result(name, trace, out.end_us, cost, asked.counted)


def _result(
    name: str,
    trace: Trace,
    end_us: NDArray[np.int64],
    cost: tuple[int, float, int],
    counted: slice,
) -> Result:
    assert (end_us >= 0).all(), f"{name}: some job never ended"
    took = end_us - trace.jobs.arrive_us
    jct = took / HOUR_US
    least = at_least_us(trace, trace.fleet.devices.astype(np.int64))
    slow = took / least
    some = np.zeros(len(jct), np.bool_)
    some[counted] = True
    rho = fairness(trace, took, some).rho_max
    span = float(end_us.max() - trace.jobs.arrive_us[0]) / HOUR_US
    ideal = float(least[counted].mean()) / HOUR_US
    return Result(name, jct[counted], span, *cost, float(slow[counted].mean()), rho, ideal)


def report(title: str, runs: list[list[Result]]) -> bool:
    """A table, each line the mean over seeds; whether ours is best with and without foresight."""
    print(f"\n{title}")
    print(
        f"  {'':16s}{'mean h':>9s}{'p50 h':>9s}{'p99 h':>9s}{'max h':>9s}{'span h':>9s}"
        f"{'moves':>8s}{'slow':>8s}{'rho':>7s}{'CPU-s':>8s}{'ms each':>9s}"
    )
    means: dict[str, float] = {}
    least = np.mean([one[0].least_hours for one in runs])
    print(f"  {'least':16s}{least:9.2f}")
    for row in zip(*runs, strict=True):
        name = row[0].name
        means[name] = float(np.mean([one.jct_hours.mean() for one in row]))
        p50, p99, most = (
            float(np.mean([np.percentile(one.jct_hours, part) for one in row]))
            for part in (50, 99, 100)
        )
        span, moves, slow, rho, cpu = (
            float(np.mean([getattr(one, what) for one in row]))
            for what in ("span_hours", "moves", "slow", "rho", "solver")
        )
        each = 1_000 * sum(one.solver for one in row) / sum(one.decided for one in row)
        print(
            f"  {name:16s}{means[name]:9.2f}{p50:9.2f}{p99:9.1f}{most:9.0f}{span:9.0f}"
            f"{moves:8.0f}{slow:8.2f}{rho:7.2f}{cpu:8.1f}{each:9.3f}",
            flush=True,
        )
    blind = {name: mean for name, mean in means.items() if name not in FORESIGHT}
    plain = min(mean for name, mean in blind.items() if name not in OURS)
    won = blind["matched"] <= plain
    best = means["foreseeing"] <= min(mean for name, mean in means.items() if name not in OURS)
    every_seed = sum(
        min(one.jct_hours.mean() for one in runs_of if one.name == "matched")
        <= min(one.jct_hours.mean() for one in runs_of if one.name not in (*OURS, *FORESIGHT))
        for runs_of in runs
    )
    print(
        f"  matched / best peer without foresight {blind['matched'] / plain:.3f}"
        f" ({'best' if won else 'LOST'}; in {every_seed} of {len(runs)} runs);"
        f" declared / max-min {means['declared'] / means['max-min']:.3f};"
        f" foreseeing / shortest {means['foreseeing'] / means['shortest']:.3f}"
        f" ({'best of all' if best else 'LOST'})"
    )
    return won and best


def of_part(name: str, asked: argparse.Namespace) -> Iterator[tuple[str, list[list[Result]]]]:
    """Tables of one part, with their titles."""
    given = "101,102" if asked.tune else asked.seeds
    seeds = [int(word) for word in given.split(",")]
    if name == "made":
        yield from _made(asked, seeds)
    elif name == "drawn":
        half = "first" if asked.tune else "second"
        rows = [(36, 36, 36, 80), (36, 36, 36, 100), (16, 32, 64, 80), (64, 16, 16, 80)]
        for *room, percent in rows[:1] if asked.quick else rows:
            whole = gavel(asked.shared, room)
            runs = []
            for seed in seeds:
                trace = drawn(whole, jobs=1_000, load_percent=percent, seed=seed, first=asked.tune)
                runs.append(every(trace, Asking(seed, RESTART_US, slice(None))))
            yield f"drawn from the {half} half, {room}, load {percent} %, seeds {seeds}", runs
    else:
        whole = gavel(asked.shared, (300, 300, 300))
        runs = [every(whole, Asking(1, RESTART_US, slice(None), aloud=True))]
        yield f"300/300/300, all as they arrive, {len(whole.jobs):,} jobs", runs


def _made(asked: argparse.Namespace, seeds: list[int]) -> Iterator[tuple[str, list[list[Result]]]]:
    whole = gavel(asked.shared, (36, 36, 36))
    rows = [(False, 4.0, 60), (False, 6.0, 60), (True, 1.5, 60), (True, 2.4, 60)]
    rows += [(False, 6.0, 0), (True, 2.4, 0)]
    for gangs, rate, restart in rows[1:4:2] if asked.quick else rows:
        runs = []
        for seed in seeds:
            trace = gavel_jobs(whole, count=asked.jobs, per_hour=rate, seed=seed, gangs=gangs)
            runs.append(every(trace, Asking(seed, restart * SECOND_US, slice(WARM, COOL))))
        what = "with gangs" if gangs else "one device each"
        yield f"made, {what}, {rate} an hour, {restart} s to take up, seeds {seeds}", runs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", default="made,drawn,whole")
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--jobs", type=int, default=3_500)
    parser.add_argument("--shared", type=Path, default=SHARED)
    asked = parser.parse_args()
    print(
        f"python {sys.version.split()[0]}  numpy {np.__version__}  scipy {scipy.__version__}"
        f" (HiGHS)  {platform.machine()}  {os.cpu_count()} CPUs; hours until completion"
    )
    began, good = time.process_time(), True
    for name in asked.part.split(","):
        for title, runs in of_part(name, asked):
            good &= report(title, runs)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"\ntarget {'reached' if good else 'MISSED'}: best of all in each table")
    print(f"{time.process_time() - began:.0f} CPU-seconds in all, {peak:,} MiB")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
