"""Ten thousand submissions from one tenant as fast as the machine takes them: is another harmed?

A real server, a flood over many connections, and another tenant that submits one workload after
the other, beforehand and meanwhile, while a scheduler makes passes. Printed: what the flood was
told, how long the other waited for its answers, in how many passes its work is placed when devices
come free, the same of a server whose threads are given out in the order of arrival (the reference),
and what the door's own limits make of the flood. Everything is synthetic; times are by the clock of
this machine, which others may be using, so the other's own calm figure stands beside them.

    python benchmarks/compute/flood.py [--count 10000] [--connections 200] [--only ours]
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "api"))
from flood_stage import DEVICES, FREE, cpu_seconds, placed_soon, pour, staged

FIFO = (
    "-c",
    "import runpy\n"
    "from yunhe.api import turns\n"
    "async def run(self, whose, begin):\n"
    "    return await begin()\n"
    "turns.Turns.run = run\n"
    "runpy.run_module('yunhe', run_name='__main__')",
)


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so great a part does not exceed."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0


def spread(values: Sequence[float]) -> str:
    """Median, 99th percentile and longest, in milliseconds."""
    if not values:
        return "none answered"
    found = statistics.median(values), percentile(values, 0.99), max(values)
    return "median {:.0f} ms, p99 {:.0f} ms, longest {:.0f} ms".format(
        *(1_000 * each for each in found)
    )


def run(name: str, *, count: int, connections: int, program: tuple[str, ...] = ()) -> None:
    """One flood without limits at the door."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        with staged(home, keys=20, program=program, **FREE) as (stage, server):
            before = cpu_seconds(server)
            with stage.passes() as passes:
                told = pour(stage, server, count=count, connections=connections)
            used = cpu_seconds(server) - before
            asked = sum(told.answers.values())
            print(
                f"{name}: {asked} requests over {connections} connections in {told.seconds:.0f} s"
            )
            print(f"  told: {told.answers}, {asked / told.seconds:.0f} requests a second")
            print(f"  server: {used:.1f} CPU-seconds, {1_000 * used / asked:.2f} ms a request")
            rows = sum(stage.states(stage.flooder).values())
            print(f"  kept: {rows} workloads under {len(told.ids)} names (each tenth sent twice)")
            print(f"  the other, calm:   {spread(told.calm)} ({len(told.calm)})")
            print(f"  the other, storm:  {spread(told.storm)} ({len(told.storm)})")
            ratio = statistics.median(told.storm) / statistics.median(told.calm)
            print(f"  ratio of medians:  {ratio:.1f}")
            had = stage.states(stage.other).get("placed", 0)
            freed = stage.free(20)
            # Its fair share of what came free, unless it has half of all, or more, already.
            half = max(had, min(had + freed // 2, DEVICES // 2, len(told.calm) + len(told.storm)))
            needed = placed_soon(stage, stage.other, count=half, passes=5)
            print(f"  {freed} devices freed:  the other, who had {had}, has {half} of {DEVICES} "
                  f"after {needed} passes")  # fmt: skip
            print(f"  passes meanwhile:  {len(passes)}", flush=True)


def door(*, count: int, connections: int) -> None:
    """The same flood with one key and the limits that a platform has unless told otherwise."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        staged(Path(scratch) / "home") as (stage, server),
    ):
        told = pour(stage, server, count=count, connections=connections)
        print(f"one key, the usual limits, {told.seconds:.0f} s: {told.answers}")
        print(f"  the other, calm:   {spread(told.calm)}")
        print(f"  the other, storm:  {spread(told.storm)}", flush=True)


def main() -> None:
    """Print all of it."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--count", type=int, default=10_000)
    given.add_argument("--connections", type=int, default=200)
    given.add_argument("--only", choices=("ours", "fifo", "door"))
    asked = given.parse_args()
    size = {"count": asked.count, "connections": asked.connections}
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
          f"{platform.machine()}")  # fmt: skip
    if asked.only in (None, "ours"):
        run("organisations take turns", **size)
    if asked.only in (None, "fifo"):
        run("order of arrival", program=FIFO, **size)
    if asked.only in (None, "door"):
        door(**size)


if __name__ == "__main__":
    main()
