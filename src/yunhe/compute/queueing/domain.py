"""What can be said of a waiting workload."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.forecast import Standing
from yunhe.compute.scheduling.levels import TURNS, WORDS, Level

__all__ = ["TURNS", "WORDS", "Level", "Queued", "Standing"]


@dataclass(frozen=True, slots=True)
class Queued:
    """A waiting workload and where it stands among all that wait."""

    place: int
    """Place in this list, from 1, whoever is shown it: where the list goes on."""
    rank: int
    """Workloads considered before it, and itself; 0: it is placed at the next pass."""
    id: str
    """The workload."""
    organisation: str
    """Who pays."""
    project: str
    """Project it belongs to; empty: the organisation's own."""
    entry_point: str
    """The program."""
    chip: str
    """Kind of device."""
    substitutes: tuple[str, ...]
    """Others that would do."""
    devices: int
    """How many at once."""
    devices_milli: int
    """Thousandths of the one device; 0: whole ones."""
    since_us: int
    """When it was submitted."""
    why: Why | None
    """What it waited for at the last pass."""
    early_us: int | None
    """When it starts at the earliest, as things stand; None: not within sight."""
    late_us: int | None
    """When it starts at the latest, likewise."""
    at_us: int = 0
    """Instant as of which place, rank and start hold."""
