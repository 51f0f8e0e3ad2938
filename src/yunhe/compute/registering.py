"""A provider offers devices: a pool is checked and written down in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from yunhe.compute import store
from yunhe.compute.admission import admit
from yunhe.compute.domain import DEVICES_MAX, Pool
from yunhe.compute.errors import refuse
from yunhe.compute.machine import LOCAL
from yunhe.compute.remote import service as remote
from yunhe.compute.specs import amount_faults, currency_faults, key_faults, text_faults, word_faults
from yunhe.compute.supply import service as supply
from yunhe.compute.supply.changing import PRICE_MINOR_MAX
from yunhe.compute.supply.own import Stock, held_to_stock
from yunhe.identity import service as identity
from yunhe.kernel.errors import Conflict, Finding
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


def register_pool(  # noqa: PLR0913 - each named; an offer has as many parts
    storage: Storage,
    *,
    key: str,
    provider: str,
    site: str,
    chip: str,
    devices: int,
    price_minor_per_device_hour: int,
    currency: str,
    adapter: str = LOCAL,
    nodes: Sequence[supply.NodeRow] = (),
    sites: Collection[str] | None = None,
) -> Pool:
    """Offer devices, flat or on nodes; the same key of the same provider returns the same pool.

    ``sites``: those that this installation names; None: nobody asks who runs the pool's work.

    Errors: `Invalid` ``compute.pool_invalid`` with every finding; `NotFound` for an unknown
    provider; `Conflict` ``compute.pool_differs`` when the key came with another offer before.
    """
    pool = Pool(
        id="" if any(key_faults(key)) else derived_id("pool", provider, key),
        provider=provider,
        site=site,
        adapter=adapter,
        chip=chip,
        devices=devices,
        price_minor_per_device_hour=price_minor_per_device_hour,
        currency=currency,
    )
    findings = [*key_faults(key), *_faults(pool, nodes)]
    now_us = storage.clock.now_us()

    def register(stock: Stock) -> Pool:
        with storage.database.begin() as tx:
            there = store.pool(tx, pool.id)
            new = [] if there else _unfounded(tx, pool, stock, sites=sites)
            refuse("compute.pool_invalid", [*findings, *new])
            identity.organisation(tx, provider)
            store.add_pool(tx, pool, at_us=now_us)
            has = supply.set_up(tx, pool.id, nodes, at_us=now_us if there is None else None)
            if there and there != (replace(pool, devices=there.devices) if has else pool):
                raise Conflict("compute.pool_differs", key=key)
            admit(tx, now_us=now_us)
        return pool

    return held_to_stock(register)


def _faults(pool: Pool, nodes: Sequence[supply.NodeRow]) -> list[Finding]:
    """What is wrong with an offer in itself, but for its key."""
    price = pool.price_minor_per_device_hour
    findings = [
        *text_faults("site", pool.site),
        *word_faults("chip", pool.chip),
        *word_faults("adapter", pool.adapter),
        *amount_faults("devices", pool.devices, least=1, most=DEVICES_MAX),
        *amount_faults("price_minor_per_device_hour", price, least=0, most=PRICE_MINOR_MAX),
        *currency_faults(pool.currency),
        *supply.node_faults(nodes),
    ]
    if nodes and not findings and sum(row.count * row.devices for row in nodes) != pool.devices:
        findings.append(Finding("nodes", "compute.nodes_sum", (("devices", pool.devices),)))
    return findings


def _unfounded(
    tx: Transaction, pool: Pool, stock: Stock, *, sites: Collection[str] | None
) -> list[Finding]:
    """What a new pool says that is not so; nothing of names that are no words.

    A chip that nobody knows or this machine has not, a site that nobody looks after.
    """
    found: list[Finding] = []
    if not any(word_faults("chip", pool.chip)):
        found += supply.unknown_chip("chip", pool.chip, supply.chips_known(tx))
        found = found or stock.lacks(
            tx, pool.chip, pool.devices, adapter=pool.adapter, where="chip"
        )
    if sites is not None and not any(word_faults("adapter", pool.adapter)):
        found += remote.unanswered(tx, pool.adapter, sites)
    return found
