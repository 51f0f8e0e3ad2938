"""A plan that was made, as it is kept and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["sound", "unsound", "failed", "empty"]
"""Passes follow it; its audit found faults; the solver gave none; there was nothing to plan."""


@dataclass(frozen=True, slots=True)
class ChipLine:
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
    """What one more device would be worth, of a device of full speed; of all pools the highest."""


@dataclass(frozen=True, slots=True)
class PoolLine:
    """One pool in a plan."""

    pool: str
    """Which."""
    chip: str
    """What its devices are."""
    supply: int
    """How many count."""
    planned_milli: int
    """What the plan gives away there, in thousandths of a device."""
    price_ppm: int
    """What one more device there would be worth."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plan, its audit, and what it says."""

    number: int
    """Order of making; 0: not kept yet."""
    at_us: int
    """When the platform was looked at."""
    until_us: int
    """Passes follow it no longer than this."""
    state: State
    """What became of it."""
    reason: str
    """Why it is not followed: a word of the solver or the first fault of the audit; else empty."""
    cpu_us: int
    """Processor time of the solver."""
    classes: int
    """Classes of work it counted."""
    served_ppm: int
    """What it serves, in millionths of a device of full speed and usual weight."""
    bound_ppm: int
    """What nothing can exceed."""
    reached_ppm: int
    """What runs, counted in the same way."""
    gap_ppm: int
    """How far below the bound the plan may be, per million."""
    chips: tuple[ChipLine, ...]
    """By chip."""
    pools: tuple[PoolLine, ...]
    """By pool, the scarcest first."""

    def followed(self, now_us: int) -> bool:
        """Whether passes follow it."""
        return self.state == "sound" and self.at_us <= now_us < self.until_us
