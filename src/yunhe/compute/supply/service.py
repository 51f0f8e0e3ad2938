"""The face of supply: commands of providers and operators, questions, normalised device time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.compute.cards import Shown, shown_here
from yunhe.compute.domain import PoolStatus
from yunhe.compute.supply import store
from yunhe.compute.supply.changing import (
    call_off,
    change,
    end_price,
    plan_maintenance,
    pool_unknown,
    reached,
    set_price,
)
from yunhe.compute.supply.chips import (
    Catalogue,
    Chip,
    catalogue,
    catalogue_of,
    chips_known,
    read_own,
    take,
    unknown_chip,
)
from yunhe.compute.supply.domain import (
    Dispute,
    Maintenance,
    Node,
    NodeRow,
    Normalised,
    PoolStep,
    Price,
    Rate,
    RateCard,
    Standing,
    Term,
    price_at,
)
from yunhe.compute.supply.nodes import change_node, come, node_faults, set_up
from yunhe.compute.supply.own import sold_here
from yunhe.compute.supply.rating import decide, dispute, normalised, publish
from yunhe.storage.database import Transaction

__all__ = [
    "Catalogue",
    "Chip",
    "Dispute",
    "Maintenance",
    "Node",
    "NodeRow",
    "Normalised",
    "Offer",
    "PoolStep",
    "Price",
    "Rate",
    "RateCard",
    "Shown",
    "Standing",
    "call_off",
    "cards",
    "catalogue",
    "catalogue_of",
    "change",
    "change_node",
    "chips_known",
    "come",
    "decide",
    "dispute",
    "disputes",
    "end_price",
    "node_faults",
    "nodes",
    "normalised",
    "offers",
    "plan_maintenance",
    "pool_unknown",
    "publish",
    "reached",
    "read_own",
    "set_price",
    "set_up",
    "shown_here",
    "sold_here",
    "steps",
    "take",
    "unknown_chip",
]


@dataclass(frozen=True, slots=True)
class Offer:
    """A pool with everything that supply knows of it."""

    status: PoolStatus
    """The pool and how busy it is."""
    standing: Standing
    """Whether it takes work."""
    price_minor_per_device_hour: int
    """What a device-hour costs now, on demand."""
    prices: tuple[Price, ...]
    """Prices that hold now or later."""
    maintenances: tuple[Maintenance, ...]
    """Maintenance that stands and is not over."""
    reserved_minor_per_device_hour: int | None = None
    """What it costs now inside a guaranteed window; None: no such price now."""
    spot_minor_per_device_hour: int | None = None
    """What it costs now for work that can be pushed out; None: no such price now."""


def offers(tx: Transaction, found: Sequence[PoolStatus], *, now_us: int) -> list[Offer]:
    """The pools as they are offered at an instant. Cost: three queries by index."""
    ids = [status.pool.id for status in found]
    standings = store.standings(tx, ids)
    prices: dict[str, list[Price]] = {}
    for price in store.prices(tx, pools=ids):
        over = price.until_us is not None and price.until_us <= max(now_us, price.from_us)
        if not over:
            prices.setdefault(price.pool, []).append(price)
    planned: dict[str, list[Maintenance]] = {}
    for each in store.maintenances(tx, pools=ids, over_after_us=now_us):
        planned.setdefault(each.pool, []).append(each)
    made = []
    for status in found:
        pool, own = status.pool, prices.get(status.pool.id, [])
        demand = [price for price in own if price.term == "on_demand"]
        otherwise = pool.price_minor_per_device_hour
        made.append(
            Offer(
                status,
                standings.get(pool.id, Standing(pool.id)),
                price_at(demand, now_us, otherwise=otherwise),
                tuple(own),
                tuple(planned.get(pool.id, ())),
                _special(own, "reserved", now_us),
                _special(own, "spot", now_us),
            )
        )
    return made


def _special(prices: Sequence[Price], term: Term, now_us: int) -> int | None:
    holding = (each for each in prices if each.term == term and each.holds(now_us))
    return next((each.price_minor_per_device_hour for each in holding), None)


def steps(tx: Transaction, pool: str, *, limit: int = 50) -> list[PoolStep]:
    """What was done to a pool, the last first: every step with actor, time and reason."""
    return store.steps(tx, pool, limit=limit)


def nodes(tx: Transaction, pool: str) -> list[Node]:
    """The nodes of a pool, by number; none where it is one flat node."""
    return store.nodes(tx, pool)


def cards(tx: Transaction, *, before: int = 0, limit: int = 50) -> list[RateCard]:
    """Versions of the rate card, the last first; ``before`` 0: from the last."""
    return store.cards(tx, before=before, limit=limit)


def disputes(
    tx: Transaction, *, organisation: str | None = None, after: str = "", limit: int = 50
) -> list[Dispute]:
    """Objections to rates, by id; an organisation's own or all."""
    return store.disputes(tx, organisation=organisation, after=after, limit=limit)
