"""Pooling (Target 3): eleven contended Philly centres as silos and as one pool, 68,485 jobs.

    python benchmarks/compute/pooling.py [--quick|--ablations] [--shared FOLDER]

The set-up is that of the fact sheet, section 6: jobs of 2017-10-01 to 11-30 in eleven centres of
8-device nodes, 560 devices; jobs larger than their own centre are dropped; gangs take whole free
nodes of one site. Wait is completion time less service, so repeated work, restarts and queueing
again all count. Every policy runs in `yunhe.compute.scheduling`, the engine of the platform. None
of ours knows run times; `shortest` does, and is printed as the oracle. `--quick` leaves out the
ablations, `--ablations` runs nothing else. The table ends with a verdict on each part of Target 3.

*How the rules were chosen*: on the first half in time, and on the whole with its arrivals moved by
up to a minute. The second half by itself, September and December were looked at only afterwards.
September is contended more than the rest; the second half and December hardly are, and show only
that nothing broke. One run says little: moving every arrival by less than a minute changes a mean
by a tenth and more.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.scheduling.policies import (
    FIFO,
    FIRST_FIT,
    LAS,
    NIMBLE,
    SHORTEST,
    STEADY,
    YUNHE,
    Policy,
)
from yunhe.compute.simulation.comparing import Asked, load
from yunhe.compute.simulation.domain import Jobs, Run, Times, Trace
from yunhe.compute.simulation.faults import uniform, with_estimates
from yunhe.compute.simulation.loop import replay
from yunhe.kernel.clock import SECOND_US

SHARED = Path(__file__).parents[2].parent / "shared"
CLASSES = ((1, 1), (2, 4), (8, 8), (9, 31), (32, 10_000))
BOUND_SECONDS = 11_484
GOALS = {"steady": 8_000, "nimble 60 s": 5_742, "nimble 300 s": 5_742}
JCT_SECONDS = 19_484
SILOED = (("steady", "steady, silos"), ("nimble 60 s", "nimble 60 s, silos"))
PUBLISHED = {  # fact sheet, section 6: mean wait in seconds
    "fifo, silos": 320_424,
    "fifo, pool": 152_570,
    "first_fit, silos": 100_435,
    "first_fit, pool": 8_366,
    "shortest, pool (oracle)": 3_339,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    name: str
    policy: Policy
    siloed: bool = False
    oracle: bool = False
    limits: int = 0
    """Wall limits of 1 to so many times the run time; 0: none."""


CASES = (
    Case("fifo, silos", FIFO, siloed=True),
    Case("fifo, pool", FIFO),
    Case("first_fit, silos", FIRST_FIT, siloed=True),
    Case("first_fit, pool", FIRST_FIT),
    Case("shortest, pool (oracle)", SHORTEST, oracle=True),
    Case("steady, silos", STEADY, siloed=True),
    Case("steady", STEADY),
    Case("yunhe, no limits", YUNHE),
    Case("yunhe, exact limits", YUNHE, limits=1),
    Case("yunhe, limits ×1-2", YUNHE, limits=2),
    Case("yunhe, limits ×1-10", YUNHE, limits=10),
    Case("las 60 s", LAS),
    Case("nimble 60 s, silos", NIMBLE, siloed=True),
    Case("nimble 60 s", NIMBLE),
    Case("nimble 300 s", replace(NIMBLE, restart_us=300 * SECOND_US)),
)


def philly(shared: Path, *, since: str | None = None, until: str | None = None) -> Trace:
    """The trace; all jobs may be pushed out where a policy does so."""
    path = shared / "data/traces/philly-sia/philly.csv"
    trace = load(Asked(path=path, since=since, until=until)).trace
    jobs = trace.jobs
    return replace(trace, jobs=replace(jobs, preemptible=np.ones(len(jobs), np.bool_)))


def waits(trace: Trace, run: Run) -> NDArray[np.float64]:
    """Seconds between arrival and end that were not service."""
    assert (run.end_us >= 0).all(), "some job never ended"
    jobs = trace.jobs
    return (run.end_us - jobs.arrive_us - jobs.service_us) / SECOND_US


def line(trace: Trace, name: str, run: Run) -> None:
    """One line, and one by size class."""
    wait, devices = waits(trace, run), trace.jobs.devices
    jct = wait.mean() + trace.jobs.service_us.mean() / SECOND_US
    published = PUBLISHED.get(name)
    beside = (
        "" if published is None else f"  published {published:,} ({wait.mean() / published:.2f}×)"
    )
    goal = GOALS.get(name)
    if goal is not None:
        beside = f"  goal {goal:,}: {'met' if wait.mean() <= goal else 'MISSED'}"
    print(
        f"{name:26s} mean {wait.mean():9,.0f}  p50 {np.median(wait):8,.0f}  "
        f"p99 {np.percentile(wait, 99):10,.0f}  max {wait.max():10,.0f}  JCT {jct:9,.0f} "
        f"({jct / BOUND_SECONDS:.2f}× bound)  pushed out {int(run.preemptions.sum()):6,d}  "
        f"engine {run.engine_cpu_seconds:5.1f} CPU-s{beside}"
    )
    print("    " + "  ".join(classes(wait, devices)), flush=True)


def classes(wait: NDArray[np.float64], devices: NDArray[np.int32]) -> Iterator[str]:
    """Mean and p99 of each size class."""
    for least, most in CLASSES:
        some = wait[(devices >= least) & (devices <= most)]
        if len(some):
            label = f"{least}-{most}" if least != most else str(least)
            label = f"{least}+" if most == 10_000 else label
            yield f"{label}: {some.mean():,.0f} / {np.percentile(some, 99):,.0f}"


def large(trace: Trace, run: Run) -> float:
    """p99 wait of gangs of 32 devices and more."""
    return float(np.percentile(waits(trace, run)[trace.jobs.devices >= 32], 99))


def table(trace: Trace) -> None:
    """All policies, and whether pooling hurt the large gangs."""
    runs: dict[str, Run] = {}
    for case in CASES:
        expected = trace.jobs.service_us if case.oracle else None
        told = with_estimates(trace, seed=7, worst=case.limits) if case.limits else trace
        run = replay(told, case.policy, siloed=case.siloed, expected_us=expected)
        runs[case.name] = run
        line(trace, case.name, run)
    beside(trace, runs["steady"], runs["first_fit, pool"])
    verdicts(trace, runs)


def verdicts(trace: Trace, runs: dict[str, Run]) -> None:
    """Each part of Target 3 with what was measured."""
    service = trace.jobs.service_us.mean() / SECOND_US
    print("\nTarget 3:")
    for name, goal in GOALS.items():
        mean = waits(trace, runs[name]).mean()
        told(f"mean wait, {name}", mean, goal)
        if name == "steady":
            told(f"mean JCT, {name}", mean + service, JCT_SECONDS)
    told("mean wait, yunhe without wall limits", waits(trace, runs["yunhe, no limits"]).mean(), 8e3)
    for pooled, alone in SILOED:
        here, there = large(trace, runs[pooled]), large(trace, runs[alone])
        told(f"p99 wait of gangs of 32 and more, {pooled}, against silos", here, there)
    print(flush=True)


def told(what: str, found: float, goal: float) -> None:
    """One verdict, in seconds."""
    print(f"    {what}: {found:,.0f} s, goal {goal:,.0f}: {'met' if found <= goal else 'MISSED'}")


def beside(trace: Trace, run: Run, plain: Run) -> None:
    """How much longer each size class waits than under plain backfill."""
    ours, theirs, devices = waits(trace, run), waits(trace, plain), trace.jobs.devices
    ratios = []
    for least, most in CLASSES:
        some = (devices >= least) & (devices <= most)
        if some.any():
            ratio = ours[some].mean() / max(theirs[some].mean(), 1.0)
            ratios.append(f"{least}+: {ratio:.2f}×")
    print(f"    steady against first_fit by size: {'  '.join(ratios)}", flush=True)


def held_out(trace: Trace, shared: Path) -> None:
    """The halves, the months that the contended set-up leaves out, and moved arrivals."""
    jobs = trace.jobs
    middle_us = int(jobs.arrive_us.min() + jobs.arrive_us.max()) // 2
    first = jobs.arrive_us < middle_us
    parts = {
        "first half (chosen on)": replace(trace, jobs=reordered(trace, np.flatnonzero(first))),
        "second half (held out)": replace(trace, jobs=reordered(trace, np.flatnonzero(~first))),
        "September (held out)": philly(shared, since="2017-09-04", until="2017-10-01"),
        "December (held out)": philly(shared, since="2017-12-01", until="2017-12-23"),
    }
    for seed in (1, 2, 3):
        parts[f"arrivals moved, seed {seed}"] = moved(trace, seed)
    for label, part in parts.items():
        plain = replay(part, FIRST_FIT)
        print(f"{label}: {len(part.jobs):,} jobs")
        line(part, "    first_fit", plain)
        run = replay(part, STEADY)
        line(part, "    steady", run)
        beside(part, run, plain)
        line(part, "    yunhe, no limits", replay(part, YUNHE))
        told = with_estimates(part, seed=7, worst=2)
        line(part, "    yunhe, limits ×1-2", replay(told, YUNHE))


def moved(trace: Trace, seed: int) -> Trace:
    """Every arrival up to a minute later."""
    jobs = trace.jobs
    later = (uniform(seed, "moved", len(jobs)) * 60 * SECOND_US).astype(np.int64)
    arrive_us = jobs.arrive_us + later
    order = np.argsort(arrive_us, kind="stable")
    return replace(trace, jobs=replace(reordered(trace, order), arrive_us=arrive_us[order]))


def ties(trace: Trace) -> None:
    """How much the order of jobs of the same second moves strict FIFO: the check of the harness."""
    jobs = trace.jobs
    orders: dict[str, Times] = {
        "shortest first": jobs.service_us,
        "longest first": -jobs.service_us,
        "largest first": -jobs.devices.astype(np.int64),
    }
    for name, key in orders.items():
        other = replace(trace, jobs=reordered(trace, np.lexsort((key, jobs.arrive_us))))
        wait = waits(other, replay(other, FIFO, siloed=True))
        print(f"    fifo, silos, same second {name}: {wait.mean():,.0f} s")


def reordered(trace: Trace, order: NDArray[np.int64]) -> Jobs:
    """The jobs in another order."""
    jobs = trace.jobs
    columns = {
        name: getattr(jobs, name)[order] for name in jobs.__dataclass_fields__ if name != "id"
    }
    return replace(jobs, id=tuple(jobs.id[row] for row in order.tolist()), **columns)


ABLATED = (
    Case("steady", STEADY),
    Case("yunhe ×1-2", YUNHE, limits=2),
    Case("nimble 60 s", NIMBLE),
)


def ablations(trace: Trace) -> None:
    """Fewer eligible sites, data that has to move, and estimates that are wrong."""
    sites = len(trace.fleet.sites)
    drawn = uniform(7, "eligible", sites * sites).reshape(sites, sites)
    for share in (75, 50, 25):
        eligible = (drawn * 100 < share) | np.eye(sites, dtype=bool)
        ablated(replace(trace, eligible=eligible), f"{share} % sites")
    for seconds in (60, 600, 3_600):
        transfer = np.full((sites, sites), seconds * SECOND_US, np.int64)
        np.fill_diagonal(transfer, 0)
        ablated(replace(trace, transfer_us=transfer), f"move {seconds} s")
    for worst in (1, 3, 10):
        noisy = with_estimates(trace, seed=7, worst=worst)
        run = replay(trace, SHORTEST, expected_us=noisy.jobs.wall_us)
        line(trace, f"shortest, estimate ×1-{worst}", run)
        line(trace, f"yunhe, limits ×1-{worst}", replay(noisy, YUNHE))


def ablated(trace: Trace, what: str) -> None:
    """One change, under each policy."""
    for case in ABLATED:
        asked = with_estimates(trace, seed=7, worst=case.limits) if case.limits else trace
        line(trace, f"{case.name}, {what}", replay(asked, case.policy))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--shared", type=Path, default=SHARED)
    asked = parser.parse_args()
    trace = philly(asked.shared)
    print(
        f"python {sys.version.split()[0]}  numpy {np.__version__}  {platform.machine()}", end="  "
    )
    print(f"{os.cpu_count()} CPUs  {len(trace.jobs):,} jobs  seed 7 where anything is drawn")
    print("mean wait etc. in seconds; second line: mean / p99 by devices")
    began = time.process_time()
    if not asked.ablations:
        table(trace)
    if not asked.quick and not asked.ablations:
        held_out(trace, asked.shared)
        ties(trace)
    if not asked.quick:
        ablations(trace)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{time.process_time() - began:.0f} CPU-seconds in all, {peak:,} MiB")


if __name__ == "__main__":
    main()
