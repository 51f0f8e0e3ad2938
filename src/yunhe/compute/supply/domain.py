"""What supply deals in: how pools stand, prices by period, maintenance, rate cards, disputes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.compute.scheduling import state

PoolState = Literal["open", "draining", "down"]
"""Takes new work; runs what it has and takes no more; out of order."""
POOL_STATES: tuple[PoolState, ...] = get_args(PoolState)
NodeState = Literal["open", "draining", "down", "gone"]
"""Takes work; runs what it has and takes no more; broken; no longer part of the pool."""
NODE_STATES: tuple[NodeState, ...] = get_args(NodeState)
Term = state.Term
"""What a price is for: anybody, who has a guaranteed window, who lets work be pushed out."""
TERMS: tuple[Term, ...] = get_args(Term)
DisputeState = Literal["open", "upheld", "rejected"]
"""Not decided; the rate is to be replaced by a new version; it stands."""
Verdict = Literal["upheld", "rejected"]
"""How an operator decides a dispute."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """Equal nodes, as they are registered."""

    count: int
    """How many."""
    devices: int
    """Of each."""
    cpu_milli: int = 0
    """Thousandths of a CPU of each; 0: not counted."""
    memory_mib: int = 0
    """MiB of each; 0: not counted."""
    domain: int = 0
    """Fabric domain they share."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a pool."""

    pool: str
    """Whose."""
    position: int
    """Its number, from 0; it keeps it for ever."""
    devices: int
    """How many."""
    cpu_milli: int
    """Thousandths of a CPU; 0: not counted."""
    memory_mib: int
    """MiB; 0: not counted."""
    domain: int
    """Fabric domain."""
    state: NodeState
    """How it stands."""
    reason: str
    """Why; empty: as registered."""
    by: str
    """Member who said so; empty: as registered."""
    at_us: int
    """Since when."""
    batch: str = ""
    """Derived from the key it came with; empty: as registered."""


@dataclass(frozen=True, slots=True)
class Price:
    """A price of a pool for one term over one period; the pool's own price holds outside them."""

    id: str
    """Derived from the key it was set with."""
    pool: str
    """Whose."""
    term: Term
    """What for."""
    price_minor_per_device_hour: int
    """In the minor unit of the pool's currency."""
    from_us: int
    """From this instant."""
    until_us: int | None
    """Up to this instant, not included; None: until further notice. Not after `from_us`: ended
    before it began."""
    set_by: str
    """Member."""
    at_us: int
    """When."""
    reason: str
    """Why."""

    def holds(self, at_us: int) -> bool:
        """Whether it is the price at an instant."""
        return self.from_us <= at_us and (self.until_us is None or at_us < self.until_us)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A period in which a pool runs nothing."""

    id: str
    """Derived from the key it was planned with."""
    pool: str
    """Whose."""
    from_us: int
    """From this instant."""
    until_us: int
    """Up to this instant."""
    reason: str
    """Why."""
    planned_by: str
    """Member."""
    at_us: int
    """When it was planned."""
    cancelled_at_us: int | None = None
    """When it was called off; None: it stands."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a pool stands, beside what it was registered with."""

    pool: str
    """The pool."""
    state: PoolState = "open"
    """Whether it takes work."""
    jurisdiction: str = ""
    """Country or region whose law holds there, ISO 3166; empty: not said."""


@dataclass(frozen=True, slots=True)
class PoolStep:
    """Something that was done to a pool."""

    number: int
    """Its order."""
    pool: str
    """The pool."""
    what: str
    """``state``, ``jurisdiction``, ``price``, ``price_ended``, ``maintenance`` …"""
    detail: str
    """To what: a word, an amount or an id."""
    reason: str
    """Why."""
    by: str
    """Member."""
    at_us: int
    """When."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How much work of a class one chip does in the time of the reference."""

    chip: str
    """The chip."""
    workload_class: str
    """Class of work, e.g. ``training.transformer``."""
    per_thousand: int
    """Of the reference chip."""
    provenance: str = ""
    """Where the figure is from; empty: the card's own."""
    verified: bool = False
    """Whether somebody measured it here."""


@dataclass(frozen=True, slots=True)
class RateCard:
    """One version of all rates."""

    id: str
    """Derived from the key it was published with."""
    version: int
    """1, 2, 3 …"""
    reference: str
    """The chip that counts as 1,000."""
    from_us: int
    """In force from this instant until the next version is."""
    rates: tuple[Rate, ...]
    """By class and chip."""
    provenance: str
    """Where its figures are from."""
    digest: str
    """Of the rates as published."""
    published_by: str
    """Member."""
    at_us: int
    """When."""

    def rate(self, chip: str, workload_class: str) -> Rate | None:
        """The rate of a chip in a class of work; None where there is none."""
        wanted = (chip, workload_class)
        return next((r for r in self.rates if (r.chip, r.workload_class) == wanted), None)


@dataclass(frozen=True, slots=True)
class Dispute:
    """Somebody's objection to one rate of one version, and what became of it."""

    id: str
    """Derived from the key it was opened with."""
    card: str
    """The rate card."""
    chip: str
    """Which rate: its chip"""
    workload_class: str
    """and its class of work."""
    organisation: str
    """Who objects."""
    reason: str
    """Why."""
    opened_by: str
    """Member."""
    at_us: int
    """When."""
    state: DisputeState = "open"
    """What became of it."""
    decision: str = ""
    """Why it was decided so."""
    decided_by: str = ""
    """Member; empty while it is open."""
    decided_at_us: int | None = None
    """When; None while it is open."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """Device time as time of the reference chip, for comparison; settlement is on the raw time."""

    device_ms: int
    """Raw."""
    reference_us: int
    """Microseconds of the reference: exact, so sums of parts are the part of sums."""
    reference: str
    """The chip that counts as 1,000."""
    card: str
    """The rate card used."""
    version: int
    """Its version."""
    per_thousand: int
    """The rate used."""
    verified: bool
    """Whether the rate was measured here."""
    disputed: bool
    """Whether an objection to the rate is open or was upheld."""


def price_at(prices: Iterable[Price], at_us: int, *, otherwise: int) -> int:
    """The price of an instant among periods that do not overlap; ``otherwise`` outside them."""
    for price in prices:
        if price.holds(at_us):
            return price.price_minor_per_device_hour
    return otherwise


def overlapping(prices: Iterable[Price], from_us: int, until_us: int | None) -> list[Price]:
    """Those whose period shares an instant with [from, until)."""
    return [
        price
        for price in prices
        if (price.until_us is None or max(price.from_us, from_us) < price.until_us)
        and (until_us is None or max(price.from_us, from_us) < until_us)
    ]
