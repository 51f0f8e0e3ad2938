"""Never overspend: a million randomised events against the real ledger, and peers that pause late.

    python benchmarks/compute/overspend.py [--events 1000000] [--seed 1] [--batch 1500]

The driver of the tests (``tests/compute/overspend_trial.py``), longer: jobs come, are placed under
holds without anybody looking first, are metered late, twice, too early, by providers that say a
thousand times too much; are cancelled, retried; awards are granted and expire; processes die before
their commit or before their answer. After each batch what was paid and held is compared with what
was granted, by an independent model; at the end the whole ledger is replayed. Beside it the same
jobs and awards under reactive pausing, as launchers with budgets do it: usage is reported every 1,
5 and 60 minutes and what has run over is stopped then (reports exact and in time: a lower bound).
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

from yunhe.ledger import service as ledger
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "compute"))
from overspend_trial import Trial, reactive

MINUTES = (1, 5, 60)
HOUR_MS = 3_600_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1_500)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-overspend-", dir=asked.folder) as name:
        database = Database.at(Path(name) / "ledger.db")
        with database.begin() as tx:
            metadata.create_all(tx)
        spent = time.process_time()
        trial = Trial(database, seed=asked.seed, batch=asked.batch)
        trial.run(asked.events)
        driving = time.process_time() - spent
        trial.compare()
        with database.read() as tx:
            replayed = ledger.replay(tx)
        replaying = time.process_time() - spent - driving
        size = (Path(name) / "ledger.db").stat().st_size
        database.close()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}; seed {asked.seed}, {trial.firms} firms"
    )
    print(f"\n{trial.total:,} events")
    for word, count in trial.events.most_common():
        print(f"{count:>12,}  {word}")
    print(f"\n{sum(trial.outcomes.values()):,} answers of the ledger")
    for word, count in trial.outcomes.most_common():
        print(f"{count:>12,}  {word}")
    print(
        f"\n{trial.over_minor} minor units over any award, voucher or account\n"
        f"ledger replayed: {replayed.transfers:,} transfers, {replayed.entries:,} entries, "
        f"balanced: {replayed.ok}\n{driving:,.0f} CPU-s "
        f"({1e6 * driving / trial.total:,.0f} µs an event), "
        f"replay {replaying:,.0f} CPU-s, database {size / 2**20:,.0f} MiB"
    )
    print("\nthe same jobs and awards under reactive pausing (a model of peers)")
    print(f"{'report every':>14}{'over, device-h':>16}{'% of awards':>13}{'overruns':>10}")
    granted = sum(amount for *_, amount in trial.awards)
    for minutes in MINUTES:
        over, times, _ = reactive(trial.starts, trial.awards, every_seconds=60 * minutes)
        share = 100 * over / granted
        print(f"{minutes:>10} min{over / HOUR_MS:>16,.1f}{share:>13.2f}{times:>10,}")
    print(f"{'holds (ours)':>14}{trial.over_minor / HOUR_MS:>16,.1f}{0:>13.2f}{0:>10,}")
    assert replayed.ok
    assert trial.over_minor == 0


if __name__ == "__main__":
    main()
