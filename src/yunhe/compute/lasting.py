"""How large pools are once what is out of order at their sites is back.

A pool that keeps to its site shrinks while nodes there are drained or down. Work that the whole of
it could take waits meanwhile: it is not refused for what a repair changes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from yunhe.compute.domain import Pool
from yunhe.compute.machine import OWN
from yunhe.compute.remote import store as sites
from yunhe.compute.scheduling.fitting import DEVICES_MAX
from yunhe.compute.supply import store as supply
from yunhe.storage.database import Transaction


def lasting(tx: Transaction, pools: Sequence[Pool]) -> list[Pool]:
    """The pools, those that follow their site with what stands there in whatever order.

    Cost: nothing where every pool is this machine's; else two queries.
    """
    away = [pool for pool in pools if pool.adapter not in OWN]
    followed = supply.followed(tx, [pool.id for pool in away]) if away else frozenset()
    if not followed:
        return list(pools)
    told = sites.told(tx, {pool.adapter for pool in away if pool.id in followed})
    return [
        replace(pool, devices=max(pool.devices, _there(told.get(pool.adapter, "[]"), pool.chip)))
        if pool.id in followed
        else pool
        for pool in pools
    ]


def _there(capacity: str, chip: str) -> int:
    """Devices of a chip on every node that a site told of."""
    every: int = sum(node["devices"] for node in json.loads(capacity) if node["chip"] == chip)
    return min(every, DEVICES_MAX)
