"""What a look at a long queue costs: a page of `queue`, and `why` of one workload.

    python benchmarks/compute/looking.py [--waiting 1000,10000,100000] [--sites 250]
        [--postgresql URL]

A thousand organisations whose workloads wait for 250 sites of eight devices each (seed 0; nothing
of it is real), after a pass of the scheduler, on SQLite; each size in a process of its own, so that
its memory is its own. Printed: CPU-seconds of the first page of 50, of the next ones, of a tenant's
own, of a page deep in the queue, of eight readers at once, of `why` in the middle and at the front,
of the first page after the next pass has placed something, and, as the reference, of a look for
which nothing is kept, which is what every look cost before, but for the forecast of everybody.
Targets at 100,000: first 2 CPU-s, later 50 ms, why 1 CPU-s.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "compute"))
from dispatch_trial import found_town, queue_up

from yunhe.compute import store
from yunhe.compute.passes import whole
from yunhe.compute.queueing import seeing
from yunhe.compute.queueing import service as queueing
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

ORGANISATIONS = 1_000
DEVICES = 8
PAGE = 50
READERS = 8
FIRST_S, LATER_S, WHY_S = 2.0, 0.05, 1.0


def made(folder: Path, waiting: int, sites: int, url: str) -> tuple[Storage, list[str]]:
    """A platform on which about so many wait."""
    database = Database(url) if url else Database.at(folder / "looking.db")
    with database.begin() as tx:
        metadata.drop_all(tx)
        metadata.create_all(tx)
    storage = Storage(database, LocalBlobs(folder / "blobs"), ManualClock())
    named = found_town(storage, organisations=ORGANISATIONS, pools=sites, devices=DEVICES)
    queue_up(storage, named, each=max(waiting // ORGANISATIONS, 1) + 1)
    whole.run(storage)
    return storage, named


def timed(name: str, work: Callable[[], object], target: float = 0.0) -> None:
    """One line."""
    begun = time.process_time()
    work()
    spent = time.process_time() - begun
    said = f"   target {target} s: {'met' if spent <= target else 'MISSED'}" if target else ""
    print(f"  {name:<34}{spent:9.3f} CPU-s{said}", flush=True)


def page(storage: Storage, organisation: str | None = None, after: int = 0) -> list[str]:
    """The ids of one."""
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        found = queueing.queue(
            tx,
            organisation=organisation,
            projects=None,
            after=after,
            limit=PAGE,
            now_us=now_us,
        )
    return [each.id for each in found]


def why(storage: Storage, workload: str) -> object:
    """Of one."""
    with storage.database.read() as tx:
        return queueing.standing(tx, workload, now_us=storage.clock.now_us())


def at_once(storage: Storage) -> None:
    """Eight readers, none of whom finds anything kept."""
    threads = [threading.Thread(target=page, args=(storage,)) for _ in range(READERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def measure(waiting: int, sites: int, url: str) -> None:
    """All of one size."""
    gc.set_threshold(50_000, 20, 100)
    with tempfile.TemporaryDirectory() as folder:
        storage, named = made(Path(folder), waiting, sites, url)
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with storage.database.read() as tx:
            count = queueing.store.waiting(tx)
        print(f"{count} waiting, {ORGANISATIONS} organisations, {sites} sites")
        national = waiting >= 100_000
        timed("first page", lambda: page(storage), FIRST_S if national else 0.0)
        front = page(storage)
        timed("the same page", lambda: page(storage), LATER_S)
        timed("a tenant's own", lambda: page(storage, named[7]), LATER_S)
        timed("a page in the middle", lambda: page(storage, after=count // 2))
        [middle, *_] = page(storage, after=count // 2)
        timed("that page again", lambda: page(storage, after=count // 2), LATER_S)
        timed("why, in the middle", lambda: why(storage, middle), WHY_S)
        timed("why, at the front", lambda: why(storage, front[-1]), WHY_S)
        with storage.database.begin() as tx:
            store.change(tx, front[0], state="cancelled")
        storage.clock.advance(seconds=seeing.AGE_US_MAX // 1_000_000)
        timed(f"{READERS} readers at once, after a change", lambda: at_once(storage))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seeing.KEPT_MIN = 10**9
        timed("reference: a page, nothing kept", lambda: page(storage))
        print(f"  memory at most {after >> 10} MiB, {before >> 10} MiB before anybody looked")


def main() -> None:
    """Each size, in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--waiting", default="1000,10000,100000")
    parser.add_argument("--sites", type=int, default=250)
    parser.add_argument("--postgresql", default="", metavar="URL")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        measure(asked.one, asked.sites, asked.postgresql)
        return
    print(
        f"yunhe {version('yunhe')}, Python {platform.python_version()}, SQLite"
        f" {sqlite3.sqlite_version}, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    for waiting in asked.waiting.split(","):
        command = [sys.executable, __file__, "--one", waiting, "--sites", str(asked.sites)]
        command += ["--postgresql", asked.postgresql] if asked.postgresql else []
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
