"""A workload that was asked to make room does: its run is paid, and it waits for its next.

Each run that was broken off is kept as a row of its own, closed like a workload: with its usage,
its payments and its custody record. So it is on the invoice by itself, and no sum over workloads
knows of anything new. All of it, and the devices for whoever it made room for, is one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.admission import NOTHING_HELD, freed, unplace
from yunhe.compute.providers.seam import Outcome
from yunhe.compute.reasons import Why
from yunhe.compute.settlement import settle
from yunhe.compute.yielding import store as kept
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage.database import Transaction

PUSHED = Why("compute.pushed_out")
"""Why a run was broken off to make room."""


def makes_room(row: RowMapping, outcome: Outcome) -> bool:
    """Whether a run was broken off for others, and not because its owner cancelled it."""
    return (
        outcome.verdict == "stopped"
        and outcome.why is None
        and row["push_asked_us"] is not None
        and not row["cancel_asked"]
    )


def make_room(tx: Transaction, row: RowMapping, outcome: Outcome, *, log: str, now_us: int) -> None:
    """Pay what it used, let it wait again, and give its devices away. Errors: those of `settle`."""
    stretch = kept.add_stretch(tx, row)
    before = {"stretch_of": row["id"], "stretch": (row["pushed_out"] or 0) + 1}
    ended = replace(outcome, why=PUSHED, evidence={**outcome.evidence, **before})
    device_ms = settle(tx, stretch, ended, log=log, now_us=now_us, told=False)
    saved = canonical_bytes(dict(outcome.saved)).decode() if outcome.saved else row["saved"]
    again(tx, row, device_ms=device_ms, now_us=now_us, saved=saved, **NOTHING_HELD)


def gone(tx: Transaction, row: RowMapping, *, now_us: int) -> None:
    """As `make_room`, where its run was lost or never began: nothing of it is paid."""
    unplace(tx, row, now_us=now_us)
    again(tx, row, device_ms=0, now_us=now_us, saved=row["saved"])


def again(
    tx: Transaction,
    row: RowMapping,
    *,
    device_ms: int,
    now_us: int,
    saved: str | None,
    **held: object,
) -> None:
    """Back to the queue; then the one it made room for is looked at, and all others."""
    values: Mapping[str, object] = {
        "state": "waiting",
        "why": PUSHED,
        "pool": None,
        "nodes": None,
        "voucher": None,
        "provider_failures": 0,
        "push_asked_us": None,
        "pushed_for": None,
        "pushed_out": (row["pushed_out"] or 0) + 1,
        "attained_ms": (row["attained_ms"] or 0) + device_ms,
        "saved": saved,
    }
    store.change(tx, row["id"], **held, **values)
    freed(tx, row, now_us=now_us)
