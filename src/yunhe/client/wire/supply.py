"""Messages about offers: how pools stand, prices by period, maintenance."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from yunhe.client.wire.compute import NodeRow, Pool
from yunhe.client.wire.releases import Until
from yunhe.client.wire.shapes import Id, Sent, Shown, Text, Time

_POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_PRICE = "price_c8t3r6w0h1ab7v1k0e5m2q9xj4"
_WINDOW = "maintenance_r6w0h1ab7v1k0e5m2q9xj4c8t3"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "member_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_AT = "2027-02-20T09:30:00.000000Z"
_LATER = "2027-03-01T00:00:00.000000Z"
_REASON = Field(min_length=1, max_length=200)
_EXAMPLE_PRICE: JsonDict = {
    "id": _PRICE,
    "pool": _POOL,
    "term": "on_demand",
    "price_minor_per_device_hour": 900,
    "from_at": _AT,
    "until_at": _LATER,
    "reason": "spring offer",
    "set_by": _MEMBER,
    "at": _AT,
}
_EXAMPLE_WINDOW: JsonDict = {
    "id": _WINDOW,
    "pool": _POOL,
    "from_at": _AT,
    "until_at": _LATER,
    "reason": "new switches",
    "planned_by": _MEMBER,
    "cancelled_at": None,
}
_EXAMPLE_POOL: JsonDict = {
    "id": _POOL,
    "provider": _ORG,
    "site": "east-1",
    "adapter": "local",
    "chip": "ascend910b",
    "devices": 64,
    "devices_busy": 48,
    "price_minor_per_device_hour": 1_200,
    "currency": "CNY",
}


class Price(Shown):
    """A price of a pool for one term over one period."""

    id: Id
    """Its id."""
    pool: Id
    """Whose."""
    term: str
    """``on_demand``, ``reserved`` or ``spot``; placements are made on demand."""
    price_minor_per_device_hour: int
    """In the minor unit of the pool's currency."""
    from_at: Time
    """From then."""
    until_at: Time | None
    """Up to then, not included; null: until further notice."""
    reason: str
    """Why."""
    set_by: Id
    """Member."""
    at: Time
    """When it was set."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE_PRICE})


class Maintenance(Shown):
    """A period in which a pool runs nothing."""

    id: Id
    """Its id."""
    pool: Id
    """Whose."""
    from_at: Time
    """From then."""
    until_at: Time
    """Up to then."""
    reason: str
    """Why."""
    planned_by: Id
    """Member."""
    cancelled_at: Time | None
    """When it was called off; null: it stands."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE_WINDOW})


class PoolStep(Shown):
    """Something that was done to a pool."""

    what: str
    """``state``, ``jurisdiction``, ``price``, ``price_ended``, ``maintenance``, …"""
    detail: str
    """To what: a word or an id."""
    reason: str
    """Why."""
    by: Id
    """Member."""
    at: Time
    """When."""


_EXAMPLE_NODE: JsonDict = {
    "pool": _POOL,
    "node": 3,
    "devices": 8,
    "cpu_milli": 192_000,
    "memory_mib": 2_097_152,
    "domain": 0,
    "state": "down",
    "reason": "a device fell off the bus",
    "at": _AT,
}


class Node(Shown):
    """A node of a pool."""

    pool: Id
    """Whose."""
    node: int
    """Its number, from 0; it keeps it for ever."""
    devices: int
    """How many."""
    cpu_milli: int
    """Thousandths of a CPU; 0: not counted."""
    memory_mib: int
    """MiB; 0: not counted."""
    domain: int
    """Number of its fabric domain."""
    state: str
    """``open``, ``draining``, ``down`` or ``gone``."""
    reason: str
    """Why; empty: as registered."""
    at: Time
    """Since when."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE_NODE})


class Nodes(Shown):
    """Some nodes of a pool."""

    nodes: list[Node]
    """By number."""

    model_config = ConfigDict(json_schema_extra={"example": {"nodes": [_EXAMPLE_NODE]}})


class Offer(Shown):
    """A pool as it is offered now."""

    pool: Pool
    """What was registered, with the price that holds outside all periods."""
    state: str
    """``open``, ``draining`` or ``down``."""
    jurisdiction: str
    """ISO 3166 code; empty: not said."""
    price_now_minor: int
    """What a device-hour costs now, on demand."""
    price_now_reserved_minor: int | None
    """What it costs now inside a guaranteed window; null: no such price now."""
    price_now_spot_minor: int | None
    """What it costs now for work that can be pushed out; null: no such price now."""
    prices: list[Price]
    """Those that hold now or later."""
    maintenance: list[Maintenance]
    """What stands and is not over."""
    nodes: list[Node]
    """Its nodes; only where one pool was asked for, and none where it is one flat node."""
    steps: list[PoolStep]
    """What was done to it, the last first; only where one pool was asked for."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "pool": _EXAMPLE_POOL,
                "state": "open",
                "jurisdiction": "CN",
                "price_now_minor": 900,
                "price_now_reserved_minor": None,
                "price_now_spot_minor": 300,
                "prices": [_EXAMPLE_PRICE],
                "maintenance": [_EXAMPLE_WINDOW],
                "nodes": [_EXAMPLE_NODE],
                "steps": [],
            }
        }
    )


class PoolChange(Sent):
    """What is to be said of a pool; what is left out stays."""

    state: Literal["open", "draining", "down"] | None = None
    """Whether it takes work. What runs ends unpaid where it is ``down``, and waits again."""
    jurisdiction: str | None = Field(default=None, max_length=6)
    """ISO 3166 code, e.g. ``CN`` or ``CN-BJ``; empty: not said."""
    reason: Text = _REASON
    """Why; kept for ever, so no personal details."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"state": "draining", "reason": "new switches"}}
    )


class PoolStanding(Shown):
    """How a pool stands."""

    pool: Id
    """The pool."""
    state: str
    """``open``, ``draining`` or ``down``."""
    jurisdiction: str
    """ISO 3166 code; empty: not said."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"pool": _POOL, "state": "open", "jurisdiction": "CN"}}
    )


class NewNodes(Sent):
    """Nodes that come to a pool that has some."""

    nodes: list[NodeRow] = Field(min_length=1, max_length=1_000)
    """Which."""
    reason: Text = _REASON
    """Why; kept for ever, so no personal details."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"nodes": [{"count": 2, "devices": 8}], "reason": "a second rack"}
        }
    )


class NodeChange(Sent):
    """How a node stands from now on."""

    state: Literal["open", "draining", "down", "gone"]
    """Takes work; finishes what it has; broken, and what runs there is placed anew, unpaid; no
    longer part of the pool, likewise."""
    reason: Text = _REASON
    """Why; kept for ever, so no personal details."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"state": "down", "reason": "a device fell off the bus"}}
    )


class NewPrice(Sent):
    """A price to come."""

    term: Literal["on_demand", "reserved", "spot"] = "on_demand"
    """What for."""
    price_minor_per_device_hour: int = Field(strict=True, ge=0, le=10**12)
    """In the minor unit of the pool's currency."""
    from_at: Until | None = None
    """From then, not before now; left out: from now."""
    until_at: Until | None = None
    """Up to then; left out: until further notice."""
    reason: Text = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "price_minor_per_device_hour": 900,
                "from_at": _AT,
                "until_at": _LATER,
                "reason": "spring offer",
            }
        }
    )


class PriceEnd(Sent):
    """When a price is to end."""

    until_at: Until | None = None
    """Sooner than it would; left out: now, or never begun."""
    reason: Text = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"until_at": _LATER, "reason": "offer withdrawn"}}
    )


class NewMaintenance(Sent):
    """A period in which a pool will run nothing."""

    from_at: Until | None = None
    """From then, not before now; left out: from now."""
    until_at: Until
    """Up to then."""
    reason: Text = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"until_at": _LATER, "reason": "new switches"}}
    )


class Because(Sent):
    """Why something is done."""

    reason: Text = _REASON
    """Kept for ever, so no personal details."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "parts are late"}})
