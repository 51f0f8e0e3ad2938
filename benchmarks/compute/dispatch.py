"""Placements a second, end to end: decided, held in the ledger, written, and on the disk.

    python benchmarks/compute/dispatch.py [--organisations 100] [--each 100] [--rounds 3]
        [--postgresql URL]

What is made: that many organisations, each with so many waiting workloads, an award, money, and
pools that have room for all (seed 0; nothing of it is real). Then, on a database of their own each:

- *whole pass*: what a scheduler does: reads the queue, decides, writes batches of 250, each checked
  against what is there, each a durable transaction;
- *one by one*: the same decisions, each placed in a durable transaction of its own, statement by
  statement, as the platform did before there were batches (on the first 500 of them).

Also *others*: what one organisation's submission costs beside 10,000 waiting ones of another.

SQLite lies in a file under ``--folder`` (default: the system's temporary folder) with
``synchronous=FULL``. CPU-seconds are this process's own; PostgreSQL's server works beside it, so
there the wall clock says more; run it with ``--server-pid`` of the postmaster to see the server's
CPU-seconds as well. Target: 1,000 placements a second. The whole pass is made ``--rounds`` times,
each on a database of its own; the median counts, with the range beside it. The load of the machine
(`os.getloadavg`) is printed too: one process of eight on two cores gets a quarter of a core, so
what it would reach alone follows from its CPU-seconds, not from the clock. Python looks for garbage
as rarely as in a process of the platform (`yunhe.cli.main`).
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "compute"))
from dispatch_trial import found_town, give, place_one, queue_up
from sqlalchemy import select

from yunhe.compute import columns
from yunhe.compute import service as compute
from yunhe.compute.passes import store, whole
from yunhe.compute.passes.domain import BATCH_MAX, QUEUE_MAX
from yunhe.compute.picture import picture_of
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import Placement
from yunhe.compute.tables import workload_table
from yunhe.identity import service as identity
from yunhe.kernel.clock import ManualClock
from yunhe.ledger import service as ledger
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

TARGET = 1_000
ALONE = 500
FLOOD = 10_000
ROUNDS = 7


@contextmanager
def made(folder: Path, url: str | None) -> Iterator[Storage]:
    """A platform's storage with all tables, empty; on a server, the schema is dropped first."""
    if url is None:
        database = Database.at(folder / f"{time.monotonic_ns()}.db")
    else:
        database = Database(url)
        with database.begin() as tx:
            metadata.drop_all(tx)
    with database.begin() as tx:
        metadata.create_all(tx)
    yield Storage(database, LocalBlobs(folder / "blobs"), ManualClock())
    database.close()


def timed(work: Callable[[], int]) -> tuple[int, float, float]:
    """What it returned, CPU-seconds, seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    count = work()
    return count, time.process_time() - cpu, time.perf_counter() - wall


def shown(name: str, count: int, cpu: float, wall: float, server: float = 0.0) -> None:
    """One line."""
    print(
        f"  {name:<14}{count:>7} placements {cpu:8.2f} CPU-s {wall:8.2f} s"
        f" {count / cpu:9.0f} /CPU-s {count / wall:9.0f} /s"
        + (f" server {server:.2f} CPU-s" if server else "")
        + f" {1e3 * (cpu + server) / count:.2f} CPU-ms each, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def server_seconds(pid: int | None) -> float:
    """CPU-seconds of a server and of what it started, those that ended too; 0 where not told."""
    if pid is None:
        return 0.0
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(folder.name) == pid:
            ticks += sum(map(int, said[11:15]))
        elif int(said[1]) == pid:
            ticks += sum(map(int, said[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def passes(storage: Storage) -> int:
    """One whole pass; how many it placed."""
    passed = whole.run(storage)
    return 0 if passed is None else passed.placed


def one_by_one(storage: Storage) -> int:
    """The first decisions, each placed alone."""
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        rows = {row["id"]: row for row in store.queue(tx, each=QUEUE_MAX)}
        picture = picture_of(tx, rows.values(), now_us=now_us)
    found = [one for one in decide(picture, now_us=now_us) if isinstance(one, Placement)][:ALONE]
    for each in found:
        with storage.database.begin() as tx:
            row = rows[each.request.id]
            place_one(tx, row, each, price=picture.prices[each.pool, each.term], now_us=now_us)
    return len(found)


def placing(folder: Path, url: str | None, given: argparse.Namespace) -> None:
    """Both ways, and the verdict."""
    pid = None if url is None else given.server_pid
    ways = [("whole pass", passes)] * given.rounds + [("one by one", one_by_one)]
    rates: dict[str, list[float]] = {}
    each_ms = []
    for name, work in ways:
        with made(folder, url) as storage:
            named = found_town(storage, organisations=given.organisations, devices=10**6)
            queue_up(storage, named, each=given.each)
            before = server_seconds(pid)
            count, cpu, wall = timed(lambda w=work, s=storage: w(s))
            server = server_seconds(pid) - before
            shown(name, count, cpu, wall, server)
            rates.setdefault(name, []).append(count / wall)
            if work is passes:
                each_ms.append(1e3 * (cpu + server) / count)
            with storage.database.read() as tx:
                assert ledger.replay(tx).ok
    whole_pass, alone = rates["whole pass"], rates["one by one"][0]
    rate, cost = statistics.median(whole_pass), statistics.median(each_ms)
    print(
        f"  median of {len(whole_pass)}: {cost:.2f} CPU-ms each ({min(each_ms):.2f} to"
        f" {max(each_ms):.2f}), {1e3 / cost:.0f} a second of one core; by the clock {rate:.0f} /s"
        f" ({min(whole_pass):.0f} to {max(whole_pass):.0f}), {rate / alone:.1f} times one by one"
    )
    print(f"  target {TARGET} /s by the clock: {'met' if rate >= TARGET else 'MISSED'}")


def others(folder: Path, url: str | None, *, flooded: str) -> list[float]:
    """CPU-seconds of each of some submissions of a firm that are placed, beside a flood or none."""
    with made(folder, url) as storage:
        at_us = storage.clock.now_us()
        (firm,) = found_town(storage, organisations=1, devices=64)
        with storage.database.begin() as tx:
            greedy = identity.add_organisation(tx, key="g", name="g", kind="sme", at_us=at_us).id
            give(tx, greedy, device_ms=1, at_us=at_us)  # too little for any of them
        if flooded == "flood":
            queue_up(storage, [greedy], each=FLOOD, seed=1)
            passes(storage)
        with storage.database.read() as tx:
            spec = (
                columns.spec_of(tx.execute(select(workload_table)).mappings().first())
                if (flooded == "flood")
                else None
            )
        spent = []
        for number in range(ROUNDS):
            asked = (
                _spec(firm, f"job-{number}")
                if spec is None
                else replace(_spec(firm, f"job-{number}"), cpu_seconds_max=spec.cpu_seconds_max)
            )
            begun = time.process_time()
            placed = compute.submit(storage, asked)
            spent.append(time.process_time() - begun)
            assert placed.state == "placed", placed
        return spent[1:]


def _spec(organisation: str, key: str) -> columns.WorkloadSpec:
    return columns.WorkloadSpec(
        key=key,
        organisation=organisation,
        entry_point="trial",
        arguments={},
        inputs={},
        chip="cpu",
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--organisations", type=int, default=100)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", metavar="URL")
    parser.add_argument("--server-pid", type=int, help="its postmaster, on this machine")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)
    print(
        f"yunhe {version('yunhe')}, Python {platform.python_version()}, SQLite"
        f" {sqlite3.sqlite_version}, SQLAlchemy {version('sqlalchemy')}, {platform.machine()},"
        f" batches of {BATCH_MAX}"
    )
    for name, url in (("SQLite", None), ("PostgreSQL", given.postgresql)):
        if name == "PostgreSQL" and url is None:
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            print(f"{name}: {given.organisations} organisations x {given.each} waiting")
            placing(Path(folder), url, given)
            calm = statistics.median(others(Path(folder), url, flooded="none"))
            flood = statistics.median(others(Path(folder), url, flooded="flood"))
            print(
                f"  a submission, placed: {1e3 * calm:.1f} CPU-ms alone, {1e3 * flood:.1f} beside"
                f" {FLOOD} waiting of another: {flood / calm:.2f} times"
            )


if __name__ == "__main__":
    main()
