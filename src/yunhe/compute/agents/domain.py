"""What agents and this platform tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from yunhe.compute.providers.remote import Stream
from yunhe.kernel.canonical import JsonObject

LEASE_SECONDS = 300
"""How long a site stays an agent's own without a word of it; another may take it then."""
QUIET_SECONDS = 240
"""After so long without an answer an agent ends what it runs, before another may take the site."""
WAIT_SECONDS_MAX = 20
"""Longest time a question for work stays open."""
LOG_PIECE_BYTES_MAX = 64 << 10
"""Most bytes of a log in one report."""
LOG_BYTES_MAX = 8 << 20
"""Most bytes kept of each stream of one run; what comes after is counted and dropped."""
End = Literal["succeeded", "failed", "stopped", "lost"]
"""How a run may end; ``lost``: the agent's own provider refused or failed it, nothing is paid."""
ENDS: tuple[End, ...] = ("succeeded", "failed", "stopped", "lost")
"""All of them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which mailbox: a provider's site."""

    organisation: str
    """The provider."""
    site: str
    """The name pools give as their adapter."""


@dataclass(frozen=True, slots=True)
class Held:
    """An agent's right to a site."""

    fence: int
    """Names it; a greater one has replaced it."""
    seconds: int
    """How long it lasts without a word."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job that an agent is to run."""

    job: str
    """Its name."""
    run: int
    """Which time it is handed out; every report names it."""
    asked: JsonObject
    """What is to be run: the fields of `Job` but its name, its secrets and where it came from."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What an agent is to do now."""

    start: tuple[Order, ...] = ()
    """Run these."""
    stop: tuple[str, ...] = ()
    """End these; they are wanted no more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, as its agent says."""

    phase: End
    """In one word."""
    wall_ms: int
    """How long it ran, on a clock nobody sets."""
    isolation: str
    """How it was kept apart."""
    code_digest: str
    """The program that ran."""
    cpu_ms: int = 0
    """Processor time."""
    memory_bytes_peak: int = 0
    """Largest resident set."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests by file name; sent before."""
    why_code: str = ""
    """Why it failed."""
    why_params: Mapping[str, str | int] = field(default_factory=dict)
    """Values of that sentence."""
    utilisation_per_thousand: int | None = None
    """Mean real use of its devices; None: nobody looked."""
    utilisation_samples: int = 0
    """Of how many samples."""
    unwatched: bool = False
    """Its devices were to be watched, and nothing was seen of them."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a run uses while it runs, as its agent says."""

    per_thousand: int | None = None
    """Real use of its devices at the last look; None: nobody looked."""
    cpu_ms: int | None = None
    """Processor time so far; None: that is no sign of its devices' use."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of what a run printed."""

    stream: Stream
    """Which."""
    offset: int
    """How many bytes came before it."""
    data: bytes = field(repr=False)
    """The bytes."""
