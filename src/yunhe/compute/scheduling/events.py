"""What happens to a fleet, as the engine is told."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute.scheduling.state import Request


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody asks."""

    request: Request
    """For what."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A running request is over, however it ended."""

    request: str
    """Its id; one that does not run is ignored: reports come twice."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A request is no longer wanted, waiting or running."""

    request: str
    """Its id; an unknown one is ignored."""


@dataclass(frozen=True, slots=True)
class NodeDown:
    """A node broke or is drained: nothing new goes there."""

    pool: str
    """Pool."""
    node: int
    """Position in the pool."""


@dataclass(frozen=True, slots=True)
class NodeUp:
    """It is back."""

    pool: str
    """Pool."""
    node: int
    """Position in the pool."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: patience may have ended."""


Event = Arrived | Ended | Withdrawn | NodeDown | NodeUp | Tick
"""Any of them."""
