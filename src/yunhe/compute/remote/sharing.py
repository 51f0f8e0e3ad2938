"""What others run at a distant site: devices there that this platform must not count on.

A site says what is free on its nodes; what this platform's own work held there at that moment is
noted beside it. The two together are what the platform may use there, however much of its own work
came and went since, so nothing counts twice. A report that has grown old says nothing any more:
then the platform goes by what it believes, which is what it placed there itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.compute import store as workloads
from yunhe.compute.admission import admit
from yunhe.compute.providers.remote import Capacity
from yunhe.compute.remote import ending, store
from yunhe.compute.scheduling.fitting import WHOLE
from yunhe.compute.supply.crowding import usable
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage.database import Transaction


def seen(tx: Transaction, adapter: str, capacity: Capacity, *, now_us: int) -> None:
    """Keep what a site has just said it has, and look at what waits if more of it is free.

    Cost: a row for each job that is open there.
    """
    before = _usable(tx, adapter)
    own = _own(tx, adapter)
    store.set_site(
        tx,
        adapter,
        capacity=store.capacity_text(capacity),
        capacity_at_us=now_us,
        own=canonical_bytes(dict(own)).decode() if own else None,
    )
    after = _usable(tx, adapter)
    if any(devices > before.get(chip, 0) for chip, devices in after.items()):
        admit(tx, now_us=now_us)


def _usable(tx: Transaction, adapter: str) -> dict[str, int]:
    row = store.site(tx, adapter)
    return {} if row is None else usable(row["capacity"], row["own"])


def _own(tx: Transaction, adapter: str) -> Mapping[str, int]:
    """Devices by chip that run this platform's work there now, as the site itself said last.

    Of shares of devices the fewest that they can lie on.
    """
    chips = {each.pool.id: each.pool.chip for each in workloads.pools(tx)}
    milli: dict[str, int] = {}
    for job in store.open_jobs(tx, adapter):
        row = ending.owner(tx, job) if job["phase"] == "running" else None
        chip = None if row is None else chips.get(row["pool"] or "")
        if row is not None and chip is not None:
            held = row["devices"] * (row["milli"] or WHOLE)
            milli[chip] = milli.get(chip, 0) + held
    return {chip: -(-held // WHOLE) for chip, held in milli.items()}
