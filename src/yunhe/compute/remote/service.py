"""What others may ask about distant jobs: logs while they run, the sites, what was wrong."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from yunhe.compute.errors import log_missing
from yunhe.compute.machine import OWN
from yunhe.compute.providers.remote import Capacity, Node, Refuses, Remote, Stream
from yunhe.compute.providers.seam import Provider
from yunhe.compute.providers.sites import followed, named
from yunhe.compute.reasons import Why, why_from
from yunhe.compute.remote import store
from yunhe.compute.remote.driver import Driver
from yunhe.compute.remote.lookout import Lookout
from yunhe.compute.remote.metering import Judged, Skew
from yunhe.compute.remote.store import abilities, findings, left_open
from yunhe.compute.utilisation.watching import Watcher
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Finding
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "Driver",
    "Judged",
    "Lookout",
    "SiteView",
    "Watcher",
    "abilities",
    "findings",
    "followed",
    "introduce",
    "left_open",
    "live_log",
    "named",
    "site",
    "unanswered",
]


@dataclass(frozen=True, slots=True)
class SiteView:
    """What was last seen of a site."""

    adapter: str
    """Its name."""
    capacity: Capacity
    """Its nodes."""
    capacity_at_us: int
    """When they were listed; 0: never."""
    skew: Skew
    """How far its clock is ahead of ours."""
    failures: int
    """How often in a row it could not be reached."""
    error: str | None
    """With what, the last time."""
    seen_at_us: int
    """When it last answered; 0: never."""
    watch_error: Why | None = None
    """What was wrong when the use of its devices was asked for last."""


def site(tx: Transaction, adapter: str) -> SiteView | None:
    """What is known of a site; None before anybody looked."""
    row = store.site(tx, adapter)
    if row is None:
        return None
    nodes = tuple(Node(**node) for node in json.loads(row["capacity"]))
    return SiteView(
        adapter=adapter,
        capacity=Capacity(nodes),
        capacity_at_us=row["capacity_at_us"],
        skew=store.skew_of(row),
        failures=row["failures"],
        error=row["error"],
        seen_at_us=row["seen_at_us"],
        watch_error=why_from(json.loads(row["watch_error"])) if row["watch_error"] else None,
    )


def unanswered(tx: Transaction, adapter: str, sites: Collection[str]) -> Iterator[Finding]:
    """That nobody would run the work of a pool with this adapter: no such site is known here.

    ``sites``: those of our own file. What a worker with another file looks after counts as well.
    """
    known = {*OWN, *sites}
    if adapter not in known:
        known |= store.introduced(tx)
    if adapter not in known:
        near = ", ".join(sorted(known))[:400]
        params = (("value", ascii(adapter)[1:-1][:64]), ("known", near))
        yield Finding("adapter", "compute.adapter_unknown", params)


def introduce(storage: Storage, provider: Provider) -> None:
    """Keep what this machine takes no work with, so that it is told when such work is asked for."""
    refused = provider.refuses if isinstance(provider, Refuses) else ()
    said = canonical_bytes(sorted(refused)).decode() if refused else None
    with storage.database.read() as tx:
        row = store.site(tx, provider.adapter)
    if said != (None if row is None else row["refuses"]):
        with storage.database.begin() as tx:
            store.set_site(tx, provider.adapter, refuses=said)


def live_log(
    storage: Storage, remote: Remote, workload: str, stream: Stream, *, offset: int
) -> bytes:
    """What a workload's newest job printed from that byte on, while it runs at the site.

    Errors: `NotFound` ``compute.log_missing`` unless it is there; `Unavailable`.
    """
    with storage.database.read() as tx:
        job = store.newest_of(tx, workload)
    if job is None or not job["open"] or job["adapter"] != remote.adapter:
        raise log_missing(workload)
    return remote.logs(job["id"], stream, offset=offset)
