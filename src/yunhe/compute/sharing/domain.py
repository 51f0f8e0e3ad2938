"""How cities come out against one another, for whoever runs the platform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CityShare:
    """A city, and what its organisations had of late."""

    code: str
    """Its code."""
    name: str
    """What it is called; empty: nobody said."""
    own: bool
    """Whether it is the platform's own."""
    organisations: int
    """How many belong to it."""
    weight: int
    """Its share among the cities; 1 unless said."""
    used_ms: int
    """Device time used, as it counts now: half after each half-life."""
    used_per_thousand: int
    """Of what all cities used, as it counts now."""
    busy: int
    """Devices that its organisations occupy now."""
    reference: str
    """Custody record of who added it, and when; empty for the platform's own."""
