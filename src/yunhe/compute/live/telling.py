"""Tells people that work which does nothing will be stopped."""

from __future__ import annotations

from yunhe.compute import store
from yunhe.notices import service as notices
from yunhe.storage.database import Transaction


def idle_soon(tx: Transaction, workload: str, *, minutes: int, at_us: int) -> None:
    """A workload that holds devices does nothing; it ends in so many minutes unless it goes on."""
    row = store.row(tx, workload)
    if row is None:
        return
    notices.notify(
        tx,
        key=f"job_idle:{workload}:{at_us}",
        kind="job_idle",
        organisation=row["organisation"],
        project=row["project"] or "",
        subject=workload,
        params={"minutes": minutes},
        at_us=at_us,
    )
