"""Why a workload that has its place does not run yet."""

from __future__ import annotations

from yunhe.compute.reasons import Why
from yunhe.compute.remote import store as remote
from yunhe.kernel.clock import iso
from yunhe.storage.database import Transaction


def held_up(tx: Transaction, workload: str) -> Why | None:
    """That the site of its newest job does not answer; None where nothing of that kind is known.

    Of a workload that is placed and does not run.
    """
    job = remote.newest_of(tx, workload)
    if job is None or not job["open"]:
        return None
    site = remote.site(tx, job["adapter"])
    if site is None or not site["failures"]:
        return None
    since_us = site["seen_at_us"] or job["since_us"]
    return Why("compute.placed_silent", (("site", job["adapter"]), ("since", iso(since_us))))
