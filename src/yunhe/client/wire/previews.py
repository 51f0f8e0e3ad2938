"""What the platform would say to a workload."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, JsonValue

from yunhe.client.wire.compute import Why
from yunhe.client.wire.shapes import Id, Shown, Time

_POOL = "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q"
_HOME: dict[str, JsonValue] = {
    "pool": _POOL,
    "site": "west-2",
    "chip": "h20",
    "device_ms": 28_800_000,
    "cost_minor": 9_600,
    "currency": "CNY",
}


class Home(Shown):
    """A pool that a workload fits when nothing else runs there."""

    pool: Id
    """Its id."""
    site: str
    """Where it stands."""
    chip: str
    """Kind of device."""
    device_ms: int
    """Device time that would be held there at most."""
    cost_minor: int
    """What that costs at most at the price of now, in minor units."""
    currency: str
    """ISO 4217."""

    model_config = ConfigDict(json_schema_extra={"example": _HOME})


class Preview(Shown):
    """What would become of a workload if it were submitted now; nothing was kept."""

    state: Literal["placed", "waiting", "failed"]
    """As it would stand."""
    pool: Id | None
    """Where it would be placed; null: it would wait."""
    why: Why | None
    """What it would wait for."""
    rank: int | None
    """Workloads considered before it, and itself; null: it would not wait."""
    of: int | None
    """Workloads that would wait on the platform."""
    early_at: Time | None
    """When it would start at the earliest; null: at once, or not within sight."""
    late_at: Time | None
    """When it would start at the latest; null: at once, or not within sight."""
    held_ms: int
    """Device time that would be held now; 0 while it waits."""
    held_minor: int
    """Money that would be held now, in minor units."""
    homes: list[Home]
    """Pools it fits when nothing else runs, the cheapest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "state": "placed",
                "pool": _POOL,
                "why": None,
                "rank": None,
                "of": None,
                "early_at": None,
                "late_at": None,
                "held_ms": 28_800_000,
                "held_minor": 9_600,
                "homes": [_HOME],
            }
        }
    )
