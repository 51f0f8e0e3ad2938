"""Says how fast data moves between two sites."""

from __future__ import annotations

from yunhe.compute.asking import MEGABIT_PER_SECOND_USUAL, Ways
from yunhe.compute.errors import refuse
from yunhe.compute.specs import amount_faults, text_faults
from yunhe.compute.ways import store
from yunhe.identity import service as identity
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

MEGABIT_PER_SECOND_MAX = 10_000_000
"""Fastest way anybody can name."""
__all__ = ["MEGABIT_PER_SECOND_USUAL", "all_of", "say"]


def say(storage: Storage, *, start: str, end: str, megabit_per_second: int, member: str) -> None:
    """Say how fast data moves from one site to another, from the next decision on.

    Errors: `Invalid` ``compute.way_invalid``; `NotAllowed` ``identity.role_missing`` unless an
    operator says it.
    """
    findings = [
        *text_faults("from_site", start),
        *text_faults("to_site", end),
        *amount_faults(
            "megabit_per_second", megabit_per_second, least=1, most=MEGABIT_PER_SECOND_MAX
        ),
    ]
    refuse("compute.way_invalid", findings)
    with storage.database.begin() as tx:
        identity.require(tx, member, "operator")
        store.put(
            tx,
            start=start,
            end=end,
            megabit_per_second=megabit_per_second,
            at_us=storage.clock.now_us(),
        )


def all_of(tx: Transaction) -> Ways:
    """Every way that was said."""
    return store.ways(tx)
