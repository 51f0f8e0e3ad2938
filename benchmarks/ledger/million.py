"""Random ledger operations with a crash at every commit point, compared with a plain model.

    python benchmarks/ledger/million.py [--operations 1000000] [--seed 1] [--batch-max 16]

The same driver as the tests (``tests/ledger/ledger_trial.py``), longer: every batch is first killed
at a random statement, then right before its commit, then committed with its answer lost and asked
again with the same keys. All outcomes and balances are compared with the model after each batch,
and the whole ledger is replayed at the end. ``--seconds`` stops early and says how far it came.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from yunhe.storage.database import Database
from yunhe.storage.schema import metadata

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "ledger"))
from ledger_trial import Trial

STRIDE = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-max", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="bench-ledger-", dir=asked.folder) as name:
        database = Database.at(Path(name) / "ledger.db")
        with database.begin() as tx:
            metadata.create_all(tx)
        trial = Trial(database, seed=asked.seed, batch_max=asked.batch_max)
        tally = trial.tally
        while tally.operations < asked.operations and time.perf_counter() - started < asked.seconds:
            trial.run(min(tally.operations + STRIDE, asked.operations))
            wall = time.perf_counter() - started
            print(f"{tally.operations:>10,} operations, {wall:7.1f} s", flush=True)
        replaying = time.perf_counter()
        trial.compare_all()
        replaying = time.perf_counter() - replaying
        size = (Path(name) / "ledger.db").stat().st_size
        database.close()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"\n{platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}; seed {asked.seed}\n"
        f"{tally.operations:,} operations, {tally.commits:,} commits, {tally.crashes:,} crashes: "
        "every outcome and balance as in the model, nothing lost, nothing doubled\n"
        f"{len(trial.model.requests):,} transfers posted, replayed in {replaying:.1f} s; "
        f"database {size / 2**20:,.0f} MiB; {wall:,.0f} s, {cpu:,.0f} CPU-s\n"
    )
    for word, count in sorted(tally.outcomes.items(), key=lambda item: -item[1]):
        print(f"{count:>10,}  {word}")


if __name__ == "__main__":
    main()
