"""Why a workload that has its place does not run yet."""

from __future__ import annotations

from yunhe.compute import store
from yunhe.compute.reasons import Why
from yunhe.compute.remote import store as remote
from yunhe.compute.supply import silence
from yunhe.compute.supply import store as supply
from yunhe.kernel.clock import iso
from yunhe.storage.database import Transaction


def held_up(tx: Transaction, workload: str) -> Why | None:
    """That nobody looks after its site, or that this does not answer; None: nothing of the kind.

    Of a workload that is placed and does not run.
    """
    site_name = _unnamed(tx, workload)
    if site_name is not None:
        return Why("compute.placed_unnamed", (("site", site_name),))
    job = remote.newest_of(tx, workload)
    if job is None or not job["open"]:
        return None
    site = remote.site(tx, job["adapter"])
    if site is None or not site["failures"]:
        return None
    since_us = site["seen_at_us"] or job["since_us"]
    return Why("compute.placed_silent", (("site", job["adapter"]), ("since", iso(since_us))))


def _unnamed(tx: Transaction, workload: str) -> str | None:
    """The site of its pool, where that was closed because no worker names the site."""
    row = store.row(tx, workload)
    pool = None if row is None or not row["pool"] else store.pool(tx, row["pool"])
    if pool is None or supply.standing(tx, pool.id).state != "down":
        return None
    reason = supply.closings(tx, [pool.id]).get(pool.id)
    return pool.adapter if reason == silence.unnamed(pool.adapter) else None
