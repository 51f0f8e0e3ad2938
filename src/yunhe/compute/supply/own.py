"""What the pools of this machine offer together is held to what is in it, however they change."""

from __future__ import annotations

from dataclasses import replace

from yunhe.compute import cards
from yunhe.compute import store as workloads
from yunhe.compute.domain import Pool
from yunhe.compute.machine import LOCAL, chip_faults
from yunhe.compute.supply import store
from yunhe.compute.supply.chips import catalogue_of
from yunhe.kernel.errors import Finding
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


def sold_here(tx: Transaction) -> list[Pool]:
    """Pools that offer what is in this machine, but for those that are down."""
    standings = store.standings(tx)
    own = [each.pool for each in workloads.pools(tx) if each.pool.adapter == LOCAL]
    return [pool for pool in own if pool.id not in standings or standings[pool.id].state != "down"]


def here_faults(tx: Transaction, chip: str, devices: int, *, adapter: str) -> list[Finding]:
    """Why this machine cannot offer so many more. Cost: the makers' commands, seconds at worst."""
    if adapter != LOCAL:
        return []
    makers = catalogue_of(tx).vendors()
    vendor = makers.get(chip, "")
    alike = {chip}
    if cards.counted_by_files(vendor):  # the files tell no models apart
        alike |= {other for other, maker in makers.items() if maker == vendor}
    offered = sum(pool.devices for pool in sold_here(tx) if pool.chip in alike)
    return list(chip_faults(chip, offered + devices, adapter=adapter, makers=makers))


def grown_faults(storage: Storage, pool_id: str, devices: int, *, where: str) -> list[Finding]:
    """The same of a pool that is to offer so many more; none of a pool that is not there."""
    with storage.database.read() as tx:
        pool = workloads.pool(tx, pool_id)
        found = here_faults(tx, pool.chip, devices, adapter=pool.adapter) if pool else []
    return [replace(fault, where=where) for fault in found]
