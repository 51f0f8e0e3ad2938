"""Messages about the slow plan."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from yunhe.client.wire.shapes import Id, Shown, Time


class PlanChip(Shown):
    """One kind of device in a plan."""

    chip: str
    """Which."""
    supply: int
    """Devices in pools that are open, or occupied."""
    busy: int
    """Of them, those occupied."""
    wanted: int
    """Devices that what runs and waits asks for by that name."""
    planned_milli: int
    """What the plan gives away, in thousandths of a device."""
    price_ppm: int
    """What one more would be worth, in millionths of a device of full speed."""


class PlanPool(Shown):
    """One pool in a plan."""

    pool: Id
    """Which."""
    chip: str
    """What its devices are."""
    supply: int
    """How many count."""
    planned_milli: int
    """What the plan gives away there, in thousandths of a device."""
    price_ppm: int
    """What one more device there would be worth."""


class Plan(Shown):
    """Where work would go if it could be cut in pieces, and what nothing can exceed."""

    state: Literal["none", "sound", "unsound", "failed", "empty"]
    """``none``: not made yet; ``empty``: there was nothing to plan."""
    followed: bool
    """Whether the scheduler follows it now."""
    reason: str
    """Why it is not followed: a word of the solver or the audit; empty where nothing is wrong."""
    at: Time | None
    """When the platform was looked at."""
    until: Time | None
    """It is followed no longer than this."""
    cpu_us: int
    """Processor time of the solver."""
    classes: int
    """Classes of work it counted."""
    served_ppm: int
    """What it serves, in millionths of a device of full speed."""
    bound_ppm: int
    """What no arrangement can exceed."""
    reached_ppm: int
    """What runs, counted in the same way."""
    gap_ppm: int
    """How far below the bound the plan may be, per million."""
    chips: list[PlanChip]
    """By chip."""
    pools: list[PlanPool]
    """The scarcest pools first, at most 200."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "state": "sound",
                "followed": True,
                "reason": "",
                "at": "2027-02-20T09:30:00.000000Z",
                "until": "2027-02-20T09:45:00.000000Z",
                "cpu_us": 21_000,
                "classes": 12,
                "served_ppm": 15_990_000,
                "bound_ppm": 15_990_000,
                "reached_ppm": 14_990_000,
                "gap_ppm": 0,
                "chips": [
                    {
                        "chip": "ascend910b",
                        "supply": 16,
                        "busy": 15,
                        "wanted": 40,
                        "planned_milli": 16_000,
                        "price_ppm": 998_800,
                    }
                ],
                "pools": [
                    {
                        "pool": "pool_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                        "chip": "ascend910b",
                        "supply": 16,
                        "planned_milli": 16_000,
                        "price_ppm": 998_800,
                    }
                ],
            }
        }
    )
