"""How many devices of a pool others hold at its site, by what the site itself said last."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from yunhe.compute import store as workloads
from yunhe.compute.domain import Pool
from yunhe.compute.remote import store as sites
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Transaction

FRESH_SECONDS = 300
"""How old a site's report may be; then only what is placed there from here is believed."""


def usable(capacity: str, own: str | None) -> dict[str, int]:
    """Devices by chip that this platform may use at a site: what is free, and what it uses itself.

    Both as they were kept at one instant; a chip of which the site named no node is not there.
    """
    found: dict[str, int] = {}
    for node in json.loads(capacity):
        found[node["chip"]] = found.get(node["chip"], 0) + max(node["free"], 0)
    held: dict[str, int] = json.loads(own) if own else {}
    return {chip: free + held.get(chip, 0) for chip, free in found.items()}


def crowded(tx: Transaction, pools: Sequence[Pool], *, now_us: int) -> dict[str, int]:
    """Devices by pool that others hold; only of pools where any are. Cost: one query, or two."""
    said = sites.reports(tx, {pool.adapter for pool in pools})
    alike: defaultdict[tuple[str, str], list[Pool]] = defaultdict(list)
    for pool in pools:
        if pool.adapter in said:
            alike[pool.adapter, pool.chip].append(pool)
    short: dict[tuple[str, str], int] = {}
    for (adapter, chip), some in alike.items():
        capacity, own, at_us = said[adapter]
        most = usable(capacity, own).get(chip)
        fresh = abs(now_us - at_us) < FRESH_SECONDS * SECOND_US
        if fresh and most is not None and most < sum(pool.devices for pool in some):
            short[adapter, chip] = most
    several = any(len(alike[key]) > 1 for key in short)
    busy = _busy(tx) if several else {}
    return {name: n for key in short for name, n in held(alike[key], short[key], busy).items()}


def held(pools: Iterable[Pool], usable_all: int, busy: Mapping[str, int]) -> dict[str, int]:
    """What others hold of pools of one chip at one site, where only so many may be used in all.

    What runs in a pool is left to it first, then the rest in order of the pools' ids; so all of
    them together never give out more than there is.
    """
    rest = max(usable_all - sum(busy.get(pool.id, 0) for pool in pools), 0)
    found = {}
    some = sorted(pools, key=lambda pool: pool.id)
    for pool in some:
        own = busy.get(pool.id, 0) if len(some) > 1 else 0
        more = min(rest if len(some) > 1 else usable_all, max(pool.devices - own, 0))
        rest -= more
        found[pool.id] = max(pool.devices - own - more, 0)
    return {name: devices for name, devices in found.items() if devices}


def _busy(tx: Transaction) -> dict[str, int]:
    return {each.pool.id: each.devices_busy for each in workloads.pools(tx)}
