"""Offers: how pools stand, what they cost when, when they are maintained."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import Path, Query
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.compute import pool_shown
from yunhe.client.wire import supply as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute import service as compute
from yunhe.compute.service import supply
from yunhe.kernel.clock import iso
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of supply."""
_PoolFilter = Annotated[str, Query(pattern=r"^([a-z][a-z0-9_]{0,63})?$")]
NodeId = Annotated[int, Path(ge=0, le=10_000)]
"""Number of a node within its pool."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Done = TypeVar("_Done")
_Beside = tuple[list[supply.PoolStep], list[supply.Node]]


@routes.add("GET /v1/offers", Page[wire.Offer])
async def list_offers(
    call: Caller, pool: _PoolFilter = "", after: After = None, limit: Limit = 50
) -> Page[wire.Offer]:
    """Pools as they are offered now, by id; with ``pool`` that one with what was done to it."""
    [last] = call.place(after, like=("",), pool=pool)

    def read(tx: Transaction) -> list[tuple[supply.Offer, _Beside]]:
        found = compute.pools(tx, after=last, limit=None if pool else limit + 1)
        named = [each for each in found if each.pool.id == pool] if pool else found
        beside = (supply.steps(tx, pool), supply.nodes(tx, pool)) if pool else ([], [])
        return [(offer, beside) for offer in supply.offers(tx, named, now_us=call.now_us())]

    return page(
        call,
        await call.read(read),
        limit=limit,
        shown=lambda each: _offer(*each),
        place=lambda each: (each[0].status.pool.id,),
        pool=pool,
    )


@routes.add("POST /v1/pools/{pool}/change", wire.PoolStanding)
async def change_pool(pool: PathId, call: Caller, body: wire.PoolChange) -> wire.PoolStanding:
    """Open or drain a pool, say that it is down, which ends what runs there, or whose law holds."""
    said = await _act(
        call,
        pool,
        lambda: supply.change(
            call.runtime.storage,
            pool,
            state=body.state,
            jurisdiction=body.jurisdiction,
            reason=body.reason,
            by=call.who.member,
        ),
    )
    return wire.PoolStanding(pool=pool, state=said.state, jurisdiction=said.jurisdiction)


@routes.add("POST /v1/pools/{pool}/prices", wire.Price, status=201)
async def create_price(pool: PathId, call: Caller, key: Key, body: wire.NewPrice) -> Response:
    """Set a price for a period from now on; what is placed already keeps its price."""
    await call.look(lambda tx: _own(tx, call, pool))

    def make(name: str) -> wire.Price:
        return _price(
            supply.set_price(
                call.runtime.storage,
                pool,
                key=name,
                term=body.term,
                price_minor_per_device_hour=body.price_minor_per_device_hour,
                from_us=instant(body.from_at),
                until_us=instant(body.until_at),
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.command(key, body, make)


@routes.add("POST /v1/pools/{pool}/prices/{price}/end", wire.Price)
async def end_price(pool: PathId, price: PathId, call: Caller, body: wire.PriceEnd) -> wire.Price:
    """Let a price end sooner, at the earliest now."""
    ended = await _act(
        call,
        pool,
        lambda: supply.end_price(
            call.runtime.storage,
            pool,
            price,
            until_us=instant(body.until_at),
            reason=body.reason,
            by=call.who.member,
        ),
    )
    return _price(ended)


@routes.add("POST /v1/pools/{pool}/nodes", wire.Nodes, status=201)
async def create_nodes(pool: PathId, call: Caller, key: Key, body: wire.NewNodes) -> Response:
    """Add nodes to a pool that has some; they are placed on from now on."""
    await call.look(lambda tx: _own(tx, call, pool))

    def make(name: str) -> wire.Nodes:
        rows = [supply.NodeRow(**row.model_dump()) for row in body.nodes]
        storage, by = call.runtime.storage, call.who.member
        made = supply.come(storage, pool, rows, key=name, reason=body.reason, by=by)
        return wire.Nodes(nodes=[_node(each) for each in made])

    return await call.command(key, body, make)


@routes.add("POST /v1/pools/{pool}/nodes/{node}/change", wire.Node)
async def change_node(pool: PathId, node: NodeId, call: Caller, body: wire.NodeChange) -> wire.Node:
    """Open, drain or give up a node; what runs on one that is lost is placed anew, unpaid."""
    said = await _act(
        call,
        pool,
        lambda: supply.change_node(
            call.runtime.storage,
            pool,
            node,
            state=body.state,
            reason=body.reason,
            by=call.who.member,
        ),
    )
    return _node(said)


@routes.add("POST /v1/pools/{pool}/maintenance", wire.Maintenance, status=201)
async def create_maintenance(
    pool: PathId, call: Caller, key: Key, body: wire.NewMaintenance
) -> Response:
    """Announce a period in which a pool runs nothing; what runs already is not stopped."""
    await call.look(lambda tx: _own(tx, call, pool))
    until_us = instant(body.until_at)
    assert until_us is not None  # noqa: S101 - the message demands it

    def make(name: str) -> wire.Maintenance:
        return _maintenance(
            supply.plan_maintenance(
                call.runtime.storage,
                pool,
                key=name,
                from_us=instant(body.from_at),
                until_us=until_us,
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.command(key, body, make)


@routes.add("POST /v1/pools/{pool}/maintenance/{maintenance}/cancel", wire.Maintenance)
async def cancel_maintenance(
    pool: PathId, maintenance: PathId, call: Caller, body: wire.Because
) -> wire.Maintenance:
    """Call a maintenance off, or end it."""
    done = await _act(
        call,
        pool,
        lambda: supply.call_off(
            call.runtime.storage, pool, maintenance, reason=body.reason, by=call.who.member
        ),
    )
    return _maintenance(done)


def instant(moment: datetime | None) -> int | None:
    """Microseconds since 1970."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


async def _act(call: Call, pool: str, work: Callable[[], _Done]) -> _Done:
    await call.look(lambda tx: _own(tx, call, pool))
    return await call.apart(work)


def _own(tx: Transaction, call: Call, pool: str) -> None:
    """Everybody sees a pool; only its provider and operators change it."""
    if not call.reaches(supply.reached(tx, pool).provider):
        raise supply.pool_unknown(pool)


def _offer(found: supply.Offer, beside: _Beside) -> wire.Offer:
    steps, nodes = beside
    return wire.Offer(
        pool=pool_shown(found.status),
        state=found.standing.state,
        jurisdiction=found.standing.jurisdiction,
        price_now_minor=found.price_minor_per_device_hour,
        price_now_reserved_minor=found.reserved_minor_per_device_hour,
        price_now_spot_minor=found.spot_minor_per_device_hour,
        prices=[_price(each) for each in found.prices],
        maintenance=[_maintenance(each) for each in found.maintenances],
        nodes=[_node(each) for each in nodes],
        steps=[
            wire.PoolStep(
                what=step.what,
                detail=step.detail,
                reason=step.reason,
                by=step.by,
                at=iso(step.at_us),
            )
            for step in steps
        ],
    )


def _node(found: supply.Node) -> wire.Node:
    return wire.Node(
        pool=found.pool,
        node=found.position,
        devices=found.devices,
        cpu_milli=found.cpu_milli,
        memory_mib=found.memory_mib,
        domain=found.domain,
        state=found.state,
        reason=found.reason,
        at=iso(found.at_us),
    )


def _price(found: supply.Price) -> wire.Price:
    return wire.Price(
        id=found.id,
        pool=found.pool,
        term=found.term,
        price_minor_per_device_hour=found.price_minor_per_device_hour,
        from_at=iso(found.from_us),
        until_at=None if found.until_us is None else iso(found.until_us),
        reason=found.reason,
        set_by=found.set_by,
        at=iso(found.at_us),
    )


def _maintenance(found: supply.Maintenance) -> wire.Maintenance:
    return wire.Maintenance(
        id=found.id,
        pool=found.pool,
        from_at=iso(found.from_us),
        until_at=iso(found.until_us),
        reason=found.reason,
        planned_by=found.planned_by,
        cancelled_at=None if found.cancelled_at_us is None else iso(found.cancelled_at_us),
    )
