"""What is kept of pools' standing, prices, maintenance and steps, of rate cards and disputes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import RowMapping, Select, Table, func, or_, select, update

from yunhe.compute.scheduling.state import NodeView
from yunhe.compute.supply.domain import (
    Dispute,
    Maintenance,
    Node,
    PoolStep,
    Price,
    Rate,
    RateCard,
    Standing,
    Term,
)
from yunhe.compute.supply.tables import (
    dispute_table,
    maintenance_table,
    node_table,
    price_table,
    rate_card_table,
    standing_table,
    step_table,
)
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

if TYPE_CHECKING:
    from typing import Any

_Kept = TypeVar("_Kept", Standing, Price, Maintenance, Node, PoolStep, Dispute)


def _read(tx: Transaction, shape: type[_Kept], query: Select[tuple[Any, ...]]) -> list[_Kept]:
    names = shape.__dataclass_fields__
    return [shape(**{name: row[name] for name in names}) for row in tx.execute(query).mappings()]


def _fields(value: Standing | Price | Maintenance | Node | Dispute) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _add(tx: Transaction, table: Table, value: Standing | Price | Maintenance | Dispute) -> None:
    tx.execute(table.insert().values(**_fields(value)))


def standing(tx: Transaction, pool: str) -> Standing:
    """How a pool stands; open where nothing was ever said."""
    query = select(standing_table).where(standing_table.c.pool == pool)
    return next(iter(_read(tx, Standing, query)), Standing(pool))


def standings(tx: Transaction, pools: list[str] | None = None) -> dict[str, Standing]:
    """Of pools about which something was said; all, or those named."""
    query = select(standing_table)
    if pools is not None:
        query = query.where(standing_table.c.pool.in_(pools))
    return {each.pool: each for each in _read(tx, Standing, query)}


def set_standing(tx: Transaction, said: Standing) -> None:
    """Replace what was said of a pool."""
    dialect.insert_new(tx, standing_table, [_fields(said)])
    query = update(standing_table).where(standing_table.c.pool == said.pool)
    tx.execute(query.values(state=said.state, jurisdiction=said.jurisdiction))


def nodes(tx: Transaction, pool: str | None = None) -> list[Node]:
    """Nodes of a pool or of all, by pool and position."""
    query = select(node_table).order_by(node_table.c.pool, node_table.c.position)
    return _read(tx, Node, query if pool is None else query.where(node_table.c.pool == pool))


def lasting_nodes(tx: Transaction, pools: Collection[str]) -> dict[str, list[NodeView]]:
    """Nodes of these pools that are there or will be again, alike ones together; flat ones not.

    A pool all of whose nodes are gone has none. Cost: one query, a row for each sort of node.
    """
    table = node_table.c
    alike = (table.pool, table.devices, table.domain, table.cpu_milli, table.memory_mib)
    gone = table.state == "gone"  # one parameter: PostgreSQL groups by what it selects
    query = (
        select(*alike, gone.label("gone"), func.count().label("count"))
        .where(table.pool.in_(pools))
        .group_by(*alike, gone)
        .order_by(*alike)
    )
    found: dict[str, list[NodeView]] = {}
    for row in tx.execute(query).mappings():
        own = found.setdefault(row["pool"], [])
        if not row["gone"]:
            own.append(
                NodeView(
                    row["devices"], row["domain"], row["count"], row["cpu_milli"], row["memory_mib"]
                )
            )
    return found


def node(tx: Transaction, pool: str, position: int) -> Node | None:
    """One node."""
    table = node_table.c
    query = select(node_table).where(table.pool == pool, table.position == position)
    return next(iter(_read(tx, Node, query)), None)


def add_nodes(tx: Transaction, made: list[Node]) -> None:
    """Keep new nodes."""
    if made:
        tx.execute(node_table.insert(), [_fields(each) for each in made])


def set_node(tx: Transaction, said: Node) -> None:
    """Write down how a node stands now."""
    table = node_table.c
    query = update(node_table).where(table.pool == said.pool, table.position == said.position)
    tx.execute(query.values(state=said.state, reason=said.reason, by=said.by, at_us=said.at_us))


def add_price(tx: Transaction, price: Price) -> None:
    """Keep a new price."""
    _add(tx, price_table, price)


def price(tx: Transaction, price_id: str) -> Price | None:
    """The price with that id."""
    query = select(price_table).where(price_table.c.id == price_id)
    return next(iter(_read(tx, Price, query)), None)


def prices(
    tx: Transaction,
    *,
    pools: list[str] | None = None,
    term: Term | None = None,
    at_us: int | None = None,
) -> list[Price]:
    """Prices in the order of their periods: of some pools, of a term, that hold at an instant."""
    table = price_table.c
    query = select(price_table).order_by(table.pool, table.term, table.from_us, table.id)
    if pools is not None:
        query = query.where(table.pool.in_(pools))
    if term is not None:
        query = query.where(table.term == term)
    if at_us is not None:
        query = query.where(
            table.from_us <= at_us, or_(table.until_us.is_(None), table.until_us > at_us)
        )
    return _read(tx, Price, query)


def end_price(tx: Transaction, price_id: str, *, until_us: int) -> None:
    """Let a price end sooner."""
    query = update(price_table).where(price_table.c.id == price_id)
    tx.execute(query.values(until_us=until_us))


def add_maintenance(tx: Transaction, planned: Maintenance) -> None:
    """Keep a planned maintenance."""
    _add(tx, maintenance_table, planned)


def maintenance(tx: Transaction, maintenance_id: str) -> Maintenance | None:
    """The maintenance with that id."""
    query = select(maintenance_table).where(maintenance_table.c.id == maintenance_id)
    return next(iter(_read(tx, Maintenance, query)), None)


def maintenances(
    tx: Transaction, *, pools: list[str] | None = None, over_after_us: int | None = None
) -> list[Maintenance]:
    """By beginning: of some pools; with ``over_after_us`` only what stands and is not over then."""
    table = maintenance_table.c
    query = select(maintenance_table).order_by(table.pool, table.from_us, table.id)
    if pools is not None:
        query = query.where(table.pool.in_(pools))
    if over_after_us is not None:
        query = query.where(table.until_us > over_after_us, table.cancelled_at_us.is_(None))
    return _read(tx, Maintenance, query)


def cancel_maintenance(tx: Transaction, maintenance_id: str, *, at_us: int) -> None:
    """Note that a maintenance was called off."""
    query = update(maintenance_table).where(maintenance_table.c.id == maintenance_id)
    tx.execute(query.values(cancelled_at_us=at_us))


def add_step(
    tx: Transaction, pool: str, what: str, detail: str, *, reason: str, by: str, at_us: int
) -> None:
    """Keep what was done to a pool, by whom, when and why."""
    said = {"pool": pool, "what": what, "detail": detail, "reason": reason}
    tx.execute(step_table.insert().values(**said, by=by, at_us=at_us))


def steps(tx: Transaction, pool: str, *, limit: int) -> list[PoolStep]:
    """What was done to a pool, the last first."""
    query = select(step_table).where(step_table.c.pool == pool)
    return _read(tx, PoolStep, query.order_by(step_table.c.number.desc()).limit(limit))


def closings(tx: Transaction, pools: Collection[str]) -> dict[str, str]:
    """Why the platform itself changed the state of these pools last, where it did so last."""
    at = step_table.c
    last = select(func.max(at.number)).where(at.what == "state", at.pool.in_(pools))
    query = select(at.pool, at.reason).where(at.number.in_(last.group_by(at.pool)), at.by == "")
    return {row.pool: row.reason for row in tx.execute(query)}


def followed(tx: Transaction, pools: Collection[str]) -> frozenset[str]:
    """Those of the pools whose number of devices was last set by the platform, after their site."""
    at = step_table.c
    last = select(func.max(at.number)).where(at.what == "devices", at.pool.in_(pools))
    query = select(at.pool).where(at.number.in_(last.group_by(at.pool)), at.by == "")
    return frozenset(tx.scalars(query))


def add_card(tx: Transaction, card: RateCard) -> None:
    """Keep a new version."""
    kept = {name: getattr(card, name) for name in RateCard.__dataclass_fields__}
    tx.execute(rate_card_table.insert().values(**{**kept, "rates": rates_text(card.rates)}))


def rates_text(rates: tuple[Rate, ...]) -> str:
    """The form in which rates are kept, and of which the digest is taken."""
    listed: list[Json] = [asdict(rate) for rate in rates]
    return canonical_bytes(listed).decode()


def card(tx: Transaction, card_id: str) -> RateCard | None:
    """The rate card with that id."""
    return _card(tx, select(rate_card_table).where(rate_card_table.c.id == card_id))


def card_at(tx: Transaction, at_us: int) -> RateCard | None:
    """The version in force at an instant; None before the first."""
    query = select(rate_card_table).where(rate_card_table.c.from_us <= at_us)
    return _card(tx, query.order_by(rate_card_table.c.from_us.desc()).limit(1))


def card_spans(tx: Transaction) -> list[tuple[int, str]]:
    """Since when each version is in force, and its id; the first first."""
    table = rate_card_table.c
    query = select(table.from_us, table.id).order_by(table.from_us)
    return [(int(since_us), str(card_id)) for since_us, card_id in tx.execute(query)]


def card_last(tx: Transaction) -> RateCard | None:
    """The last version published."""
    query = select(rate_card_table).order_by(rate_card_table.c.version.desc()).limit(1)
    return _card(tx, query)


def cards(tx: Transaction, *, before: int, limit: int) -> list[RateCard]:
    """Versions before one, the last first; ``before`` 0: from the last."""
    query = select(rate_card_table).order_by(rate_card_table.c.version.desc()).limit(limit)
    if before:
        query = query.where(rate_card_table.c.version < before)
    return [_card_of(row) for row in tx.execute(query).mappings()]


def _card(tx: Transaction, query: Select[tuple[Any, ...]]) -> RateCard | None:
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _card_of(row)


def _card_of(row: RowMapping) -> RateCard:
    rates = tuple(Rate(**each) for each in json.loads(row["rates"]))
    kept = {name: row[name] for name in RateCard.__dataclass_fields__ if name != "rates"}
    return RateCard(**kept, rates=rates)


def add_dispute(tx: Transaction, dispute: Dispute) -> None:
    """Keep a new dispute."""
    _add(tx, dispute_table, dispute)


def dispute(tx: Transaction, dispute_id: str) -> Dispute | None:
    """The dispute with that id."""
    query = select(dispute_table).where(dispute_table.c.id == dispute_id)
    return next(iter(_read(tx, Dispute, query)), None)


def disputes(tx: Transaction, *, organisation: str | None, after: str, limit: int) -> list[Dispute]:
    """By id, from the one after ``after`` on."""
    query = select(dispute_table).where(dispute_table.c.id > after)
    if organisation is not None:
        query = query.where(dispute_table.c.organisation == organisation)
    return _read(tx, Dispute, query.order_by(dispute_table.c.id).limit(limit))


def decide(tx: Transaction, decided: Dispute) -> None:
    """Write down how a dispute was decided."""
    query = update(dispute_table).where(dispute_table.c.id == decided.id)
    tx.execute(query.values(**_fields(decided)))


def objected(tx: Transaction, card_id: str) -> frozenset[tuple[str, str]]:
    """Chip and class of the rates of a version to which an objection is open or was upheld."""
    table = dispute_table.c
    query = select(table.chip, table.workload_class).distinct()
    rows = tx.execute(query.where(table.card == card_id, table.state != "rejected"))
    return frozenset((str(chip), str(named)) for chip, named in rows)


def standing_disputes(
    tx: Transaction, card_id: str, *, chip: str, workload_class: str, organisation: str = ""
) -> int:
    """Objections to a rate that are open or were upheld; with an organisation: its open ones."""
    table = dispute_table.c
    query = select(func.count()).where(
        table.card == card_id, table.chip == chip, table.workload_class == workload_class
    )
    if organisation:
        query = query.where(table.organisation == organisation, table.state == "open")
    else:
        query = query.where(table.state != "rejected")
    return int(tx.execute(query).scalar() or 0)
