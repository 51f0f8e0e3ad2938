"""Usage events as they are kept: each judged once, the refused ones with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import RowMapping

from yunhe.compute import store as workloads
from yunhe.compute.providers.remote import UsageEvent
from yunhe.compute.remote import metering, store
from yunhe.compute.wanted import MILLI
from yunhe.storage.database import Transaction

STRAYS_MAX = 1_000
"""Most events of a job that nobody asked about which are kept from one answer."""


def record(
    tx: Transaction,
    adapter: str,
    jobs: Sequence[RowMapping],
    events: Sequence[UsageEvent],
    *,
    now_us: int,
) -> None:
    """Judge usage events and keep them, each once by its id, the refused ones with the reason."""
    ahead = store.skew_of(store.site(tx, adapter))
    known = store.usage_of(tx, [job["id"] for job in jobs])
    reported: dict[str, list[UsageEvent]] = {}
    for event in events:
        reported.setdefault(event.job, []).append(event)
    for job in jobs:
        mine = reported.pop(job["id"], [])
        workload = workloads.row(tx, job["workload"])
        if workload is None:
            continue
        held_ms = sum(draw.covers_ms for draw in workloads.draws(tx, workload["id"]))
        pool = workloads.pool(tx, workload["pool"]) if workload["pool"] else None
        window = metering.Window(
            since_us=job["since_us"],
            now_us=now_us,
            skew=ahead,
            devices=int(workload["devices"]),
            device_ms_max=held_ms * MILLI // (workload["milli"] or MILLI),
            price_minor_per_device_hour=workload["price_held_minor"],
            currency="" if pool is None else pool.currency,
        )
        devices = int(workload["devices"])
        mine = [replace(event, devices=event.devices or devices) for event in mine]
        judged = metering.judge(mine, known.get(job["id"], []), window)
        store.add_usage(tx, adapter, judged, at_us=now_us)
    for strays in reported.values():
        unknown = [
            metering.Judged(event, counts=False, finding="compute.usage_unknown")
            for event in strays[:STRAYS_MAX]
        ]
        store.add_usage(tx, adapter, unknown, at_us=now_us)
