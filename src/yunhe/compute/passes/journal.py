"""What the scheduler saw and decided, kept while the operator asks for it, to be decided again.

A journal holds ids, sizes, times, places, prices and what organisations may spend; nothing of what
a workload runs. Nobody but the operator, who has the database, can read it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from yunhe.compute.passes import store
from yunhe.compute.passes.domain import JOURNAL_MAX, Seen
from yunhe.compute.scheduling.state import Decision, Preemption
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


def keep(storage: Storage, passes: int) -> None:
    """Keep the next so many passes, `JOURNAL_MAX` at most, and forget those kept before; 0: none.

    Cost, while it lasts: what is seen and decided is written beside the decisions, some 400 bytes
    for each workload that waits or runs.
    """
    with storage.database.begin() as tx:
        store.keep_journal(tx, passes=max(0, min(passes, JOURNAL_MAX)))


def note(
    tx: Transaction,
    seen: Seen,
    decisions: Sequence[Decision],
    asked: Sequence[Preemption],
    *,
    now_us: int,
) -> None:
    """Keep a pass if one is to be kept: what it saw, decided, keeps free, and asks to make room."""
    if store.journal_left(tx):
        add(tx, told(seen, decisions, asked, now_us=now_us), now_us=now_us)


def told(
    seen: Seen, decisions: Sequence[Decision], asked: Sequence[Preemption], *, now_us: int
) -> str:
    """A pass as it is kept. Slow: some microseconds for each workload that waits or runs."""
    from yunhe.compute.simulation.recording import told_of  # noqa: PLC0415 - slow

    said = told_of(seen, decisions, asked, now_us=now_us)
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


def add(tx: Transaction, said: str, *, now_us: int) -> None:
    """Keep a pass that was told, unless enough are kept by now."""
    left = store.journal_left(tx)
    if left:
        store.add_journal(tx, said, left=left - 1, at_us=now_us)


def write(storage: Storage, path: Path) -> int:
    """Write the passes kept so far, for `simulate` to decide again; how many. It appears whole."""
    from yunhe.compute.simulation.recording import header  # noqa: PLC0415 - slow

    fresh = path.with_name(f".{path.name}.new")
    count = 0
    try:
        with storage.database.read() as tx, fresh.open("w", encoding="utf-8") as file:
            file.write(header())
            for text in store.journal(tx):
                file.write(text + "\n")
                count += 1
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count
