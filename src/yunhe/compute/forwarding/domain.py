"""What a platform says of a job that another one handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yunhe.compute.domain import State, Usage
from yunhe.compute.reasons import Why
from yunhe.kernel.ids import derived_id


def key_of(job: str) -> str:
    """The key under which a job that was handed over is submitted."""
    return f"forwarded:{job}"


def workload_id(organisation: str, job: str) -> str:
    """What a platform calls a job that an organisation handed over: both sides can tell."""
    return derived_id("workload", organisation, key_of(job))


@dataclass(frozen=True, slots=True)
class Forwarded:
    """One job under the name that the other platform gave it."""

    job: str
    """That name."""
    workload: str
    """What it is here."""
    state: State
    """Where it stands; ``cancelled`` also of one that was called off before it came."""
    why: Why | None = None
    """Why it waits or failed."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it wrote, by file name."""
    devices: int = 0
    """How many it occupies; 0 of one that never came."""
    usage: Usage | None = None
    """What was metered and charged, once it is over."""
    ended_at_us: int | None = None
    """When it was over."""
    reference: str | None = None
    """Its record in this platform's log."""
    called_off: bool = False
    """Whether the other platform called it off."""
    logged: bool = False
    """Whether what it printed is kept."""
    forgotten: bool = False
    """Whether the other platform has all it wanted of it."""


@dataclass(frozen=True, slots=True)
class Room:
    """A pool as another platform may count on it."""

    pool: str
    """Its id."""
    site: str
    """Where it stands."""
    chip: str
    """What its devices are."""
    devices: int
    """How many it has."""
    free: int
    """How many nobody occupies now; 0 unless it is open."""
    state: str
    """``open``, ``draining`` or ``down``."""
    price_minor_per_device_hour: int
    """What an hour of a device costs now."""
    currency: str
    """Of the price."""
