"""Programme speed: labelled cases of three programmes, and whether the rules engine agrees.

    python benchmarks/compute/gold.py [--folder build]

The labels (``tests/compute/gold/*.yaml``) were written by somebody in the role of a programme
officer, from the fact sheet and the page of words, before the rules were read. Each case is asked
of the rules; those somebody new can bring about are applied for on a real platform too; those with
earlier claims are replayed claim by claim. Then every rule set with one fault (a rule left out, a
threshold off by one, a fact not asked for …) is tried: one that no label notices is a gap in the
labels. Only labels on the sheet's own words say something about the programme; the rest show that
the rules do what the page of words says.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "compute"))
from applications_desk import Desk, found_desk
from gold_cases import (
    FILES,
    Case,
    Said,
    agrees,
    can_be_applied,
    cases,
    said_of_applying,
    said_of_facts,
    said_of_history,
)
from gold_mutants import mutants, unnoticed

assert compute
assert custody  # their tables must be known before a database is made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build"), help="a real disk")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, SQLite "
        f"{sqlite3.sqlite_version}"
    )
    wrong = sum([programme(file, folder) for file in FILES])
    print(f"disagreements in all: {wrong}")
    return 1 if wrong else 0


def programme(file: str, folder: Path) -> int:
    """Prints one programme's figures; returns in how many cases label and engine differ."""
    every = cases(file)
    stated = [case for case in every if case.history is None]
    able = [case for case in stated if can_be_applied(case)]
    earlier = [case for case in every if case.history is not None]
    kinds = Counter(case.outcome for case in every)
    print(f"\n{every[0].programme}: {len(every)} cases; " + told(kinds))
    print(
        f"  resting on the sheet's own words {sum(c.line.startswith('sheet.') for c in every)}; "
        f"corrected {sum(bool(c.corrected) for c in every)}; "
        f"added with the rules in sight {sum(bool(c.added) for c in every)}"
    )
    failed = compared("asked of the rules", stated, said_of_facts)
    with new_desk(folder) as desk:
        failed |= compared("applied for", able, lambda case: said_of_applying(case, desk))
    failed |= compared("with earlier claims", earlier, lambda case: of_history(case, folder))
    faults = list(mutants(every[0].programme, stated))
    missed = [name for name, rules in faults if unnoticed(stated, rules)]
    print(f"  rule sets with one fault: {len(faults) - len(missed)} of {len(faults)} noticed")
    for name in missed:
        print(f"    not noticed: {name}")
    return len(failed)


def compared(title: str, some: list[Case], ask: Callable[[Case], Said]) -> set[str]:
    """Prints how many cases agree; returns the ids of those that do not."""
    if not some:
        return set()
    spent = time.process_time()
    said = [(case, ask(case)) for case in some]
    spent = time.process_time() - spent
    wrong = [(case, each) for case, each in said if not agrees(case, each)]
    print(
        f"  {title}: {len(some) - len(wrong)} of {len(some)} as labelled; "
        f"{spent / len(some) * 1000:.2f} CPU-ms each"
    )
    for case, each in wrong:
        print(f"    {case.id}: labelled {case.outcome} {case.due_on or ''}, said {each}")
    return {case.id for case, _ in wrong}


def of_history(case: Case, folder: Path) -> Said:
    """What the platform says after the case's earlier claims, on a platform of its own."""
    with new_desk(folder, days_back=365) as desk:
        return said_of_history(case, desk)


@contextmanager
def new_desk(folder: Path, *, days_back: int = 0) -> Iterator[Desk]:
    """A platform with nobody's claims."""
    with tempfile.TemporaryDirectory(prefix="bench-gold-", dir=folder) as name:
        database = Database.at(Path(name) / "gold.db")
        with database.begin() as tx:
            metadata.create_all(tx)
        clock = ManualClock()
        clock.advance(seconds=-days_back * DAY_US / 1_000_000)
        yield found_desk(Storage(database, LocalBlobs(Path(name) / "blobs"), clock), clock)
        database.close()


def told(kinds: Counter[str]) -> str:
    """Outcomes with their counts."""
    return ", ".join(f"{outcome} {count}" for outcome, count in sorted(kinds.items()))


if __name__ == "__main__":
    sys.exit(main())
