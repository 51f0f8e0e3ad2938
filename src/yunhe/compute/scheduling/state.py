"""What the scheduler sees and what it decides: plain values, no row and no clock behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.plan_guide import Guide
from yunhe.compute.scheduling.weights import Draw

Fabric = Literal["any", "site", "domain", "node"]
"""How close the devices of one request must lie. ``any`` and ``site`` are the same today: nothing
is ever spread over two sites.
"""

Term = Literal["on_demand", "reserved", "spot"]
"""Whose price work is placed at."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """Equal nodes of a pool, side by side."""

    devices: int
    """Devices of each."""
    domain: int = 0
    """Fabric domain they share."""
    count: int = 1
    """How many such nodes stand in a row."""
    cpu_milli: int = 0
    """Thousandths of a CPU of each; 0: not counted."""
    memory_mib: int = 0
    """MiB of each; 0: not counted."""


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as the scheduler sees it."""

    id: str
    """The pool."""
    chip: str
    """What its devices are."""
    devices: int
    """How many there are."""
    devices_busy: int
    """How many are occupied."""
    price_minor_per_device_hour: int
    """Its price."""
    currency: str
    """Of the price."""
    site: str = ""
    """Where it stands; empty: a site of its own, named like the pool."""
    nodes: tuple[NodeView, ...] = ()
    """Its nodes; empty: one node with all its devices."""
    divided: bool = False
    """Whether shares of its devices are given out; a pool that counts CPU or memory does anyway."""
    down: tuple[int, ...] = ()
    """Positions of the nodes that take nothing new."""
    gone: tuple[int, ...] = ()
    """Of them, those that will not come back: nothing waits for them."""
    reserved_minor_per_device_hour: int | None = None
    """Its price inside a guaranteed window; None: it publishes none."""
    spot_minor_per_device_hour: int | None = None
    """Its price for what can be pushed out; None: it publishes none."""
    devices_elsewhere: int = 0
    """How many others hold at its site, as the site says; nobody here can have them."""
    jurisdiction: str = ""
    """Whose law holds there; empty: nobody said."""
    demonstration: bool = False
    """Whether its devices are only pretended, so that real ones go first."""

    @property
    def has_special_price(self) -> bool:
        """Whether not everybody pays the same there."""
        special = self.reserved_minor_per_device_hour, self.spot_minor_per_device_hour
        return special != (None, None)

    def price_for(self, request: Request) -> tuple[int, Term]:
        """The lowest price that a request is entitled to, and whose that is."""
        found: tuple[int, Term] = self.price_minor_per_device_hour, "on_demand"
        reserved, spot = self.reserved_minor_per_device_hour, self.spot_minor_per_device_hour
        if reserved is not None and self.id in request.reserved_at and reserved < found[0]:
            found = reserved, "reserved"
        if spot is not None and request.spot and spot < found[0]:
            found = spot, "spot"
        return found

    @property
    def packed(self) -> bool:
        """Whether a packer places on it, and not only whole devices are counted."""
        return self.divided or any(node.cpu_milli or node.memory_mib for node in self.nodes)


@dataclass(frozen=True, slots=True)
class AwardView:
    """An award as the scheduler sees it."""

    id: str
    """The award."""
    organisation: str
    """Who may use it."""
    chip: str
    """On what: a chip, or the word for several."""
    left_ms: int
    """Device time neither used nor held."""
    expires_at_us: int
    """No placement from this instant on."""
    rates: tuple[tuple[str, str, int], ...] = ()
    """Of one for several chips: chip, class of work, what an hour counts per thousand."""
    jurisdictions: tuple[str, ...] = ()
    """Where it may be used; none: anywhere."""


@dataclass(frozen=True, slots=True)
class VoucherView:
    """A voucher as the scheduler sees it."""

    id: str
    """The voucher."""
    organisation: str
    """Whose costs it pays."""
    currency: str
    """Its denomination."""
    left_minor: int
    """What it can still pay."""
    share_percent: int
    """Largest share of one cost."""


@dataclass(frozen=True, slots=True)
class Request:
    """A waiting workload as the scheduler sees it."""

    id: str
    """The workload."""
    number: int
    """Order of submission."""
    organisation: str
    """Who pays."""
    chip: str
    """On what."""
    devices: int
    """How many at once; 0: CPU and memory only."""
    wall_seconds_max: int
    """For how long at most."""
    since_us: int
    """Waiting since."""
    blocked: Why | None = None
    """A reason outside the scheduler's knowledge; such a request is never placed."""
    kind: str = ""
    """Kind of its organisation, a level of the fair share."""
    project: str = ""
    """Project it belongs to, a level of the fair share."""
    substitutes: Mapping[str, int] = field(default_factory=dict)
    """Further chips that will do, with their speed per thousand; `chip` has 1,000 unless said."""
    milli: int = 0
    """A share of one device, 1 to 999 thousandths; 0: whole devices."""
    replicas: int = 1
    """How many times `devices`, all at once and at one site."""
    fabric: Fabric = "any"
    """How close the devices of one replica must lie."""
    sites: frozenset[str] | None = None
    """Where it may run; None: anywhere."""
    home: str = ""
    """Site that is preferred among equals, where its data lies."""
    transfer_seconds: Mapping[str, int] = field(default_factory=dict)
    """How long its data takes to each site; 0 where not said."""
    priority: int = 0
    """0 is usual; more goes first."""
    preemptible: bool = False
    """May be pushed out and resumed."""
    checkpoint_seconds: int = 0
    """How often it saves its work; 0: whenever it is asked to."""
    attained_us: int = 0
    """Device time it had before it was pushed out."""
    pushed_out: int = 0
    """How often it was."""
    expected_us: int = 0
    """Run time as somebody predicts it; 0: nobody does. Only oracles and estimates set it."""
    cpu_milli: int = 0
    """Thousandths of a CPU for each replica; counts in pools whose nodes say what they have."""
    memory_mib: int = 0
    """MiB for each replica; counts likewise."""
    spot: bool = False
    """Whether it may be placed at spot prices: it lets itself be pushed out."""
    reserved_at: frozenset[str] = frozenset()
    """Pools in which it may be placed at the reserved price: those of its guaranteed window."""
    beyond: str = ""
    """The nearest pool that a rule keeps it off, beside those in `sites`; empty: none does."""
    beyond_changes: tuple[Change, ...] = ()
    """What would lift that rule."""
    workload_class: str = ""
    """Class of its work, where an award of its organisation counts chips by it; else empty."""

    @property
    def devices_all(self) -> int:
        """Devices of all replicas together."""
        return self.devices * self.replicas

    @property
    def speeds(self) -> dict[str, int]:
        """Every chip that will do with its speed per thousand; one said to have none will not."""
        said = {self.chip: 1_000, **self.substitutes}
        return {chip: speed for chip, speed in said.items() if speed > 0}

    @property
    def load_milli(self) -> int:
        """Thousandths of devices that all replicas hold."""
        return self.devices * self.replicas * (self.milli or 1_000)


@dataclass(frozen=True, slots=True)
class Piece:
    """What is taken of one node of a pool."""

    node: int
    """Position of the node in the pool."""
    devices: tuple[int, ...]
    """Which of its devices, from 0."""
    milli: int
    """Thousandths of each of them."""
    cpu_milli: int
    """Thousandths of a CPU."""
    memory_mib: int
    """MiB."""


@dataclass(frozen=True, slots=True)
class RunningView:
    """A placed request as the scheduler sees it."""

    request: Request
    """What was placed."""
    pool: str
    """Where."""
    nodes: tuple[tuple[int, int], ...]
    """Node of the pool and devices there; empty where the platform does not know them."""
    since_us: int
    """Since when."""
    pieces: tuple[Piece, ...] = ()
    """Exactly what it takes of which node; empty where the platform does not know it."""
    leaving: bool = False
    """Whether it was asked to make room."""


@dataclass(frozen=True, slots=True)
class Usual:
    """A need that occurs, and how often beside others."""

    devices: int
    """Of one node."""
    milli: int
    """A share of one device; 0: whole devices."""
    cpu_milli: int
    """Thousandths of a CPU."""
    memory_mib: int
    """MiB."""
    chips: tuple[str, ...]
    """Chips that will do; none named: any."""
    count: int
    """How often."""


@dataclass(frozen=True, slots=True)
class WindowView:
    """Devices guaranteed to somebody for a while."""

    id: str
    """The window."""
    organisation: str
    """To whom."""
    project: str
    """Of its projects; empty: all."""
    chip: str
    """What they are."""
    devices: int
    """How many."""
    from_us: int
    """From when."""
    until_us: int
    """Until when."""
    pools: tuple[str, ...]
    """Pools of which they may be."""
    pushable: tuple[str, ...] = ()
    """Those of them where preemptible work can be asked to make room."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything a pass of the scheduler depends on."""

    pools: tuple[PoolView, ...]
    """Capacity."""
    awards: tuple[AwardView, ...]
    """Device-time budgets."""
    vouchers: tuple[VoucherView, ...]
    """Vouchers."""
    cash: Mapping[tuple[str, str], int]
    """Money by (organisation, currency)."""
    queue: tuple[Request, ...]
    """What waits, in any order."""
    busy: Mapping[str, int] = field(default_factory=dict)
    """Devices occupied now, by organisation."""
    running: tuple[RunningView, ...] = ()
    """What runs; its devices are among the pools' `devices_busy`. Only for preemption, reservations
    by wall time, and estimates of when something becomes free.
    """
    guide: Guide | None = None
    """What the slow plan says of where work belongs; None: nothing that counts."""
    used_us: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """Device time used before, as it counts now, by kind, organisation and project."""
    weights: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    """Shares to one another of kinds, of organisations of a kind, of projects of one; 1 unsaid."""
    cities: Mapping[str, str] = field(default_factory=dict)
    """City by organisation, of all that are of another city than the platform's own, ``""``."""
    city_weights: Mapping[str, int] = field(default_factory=dict)
    """Shares of cities to one another; 1 unsaid."""
    usual: tuple[Usual, ...] = ()
    """What is usually asked of a node; none: nobody knows, and packing looks at what is free only.
    """
    windows: tuple[WindowView, ...] = ()
    """Guaranteed windows that are not over."""
    limits_number: int = 0
    """Of the last rule of place that was said when it was taken."""

    @property
    def prices(self) -> dict[tuple[str, Term], int]:
        """Of a device-hour, by pool and term; what a pool does not publish is not there."""
        found: dict[tuple[str, Term], int] = {}
        for pool in self.pools:
            found[pool.id, "on_demand"] = pool.price_minor_per_device_hour
            if pool.reserved_minor_per_device_hour is not None:
                found[pool.id, "reserved"] = pool.reserved_minor_per_device_hour
            if pool.spot_minor_per_device_hour is not None:
                found[pool.id, "spot"] = pool.spot_minor_per_device_hour
        return found


@dataclass(frozen=True, slots=True)
class Placement:
    """Run it there, under these holds."""

    request: Request
    """The workload."""
    pool: str
    """Where."""
    draws: tuple[Draw, ...]
    """Device time to hold, of the award that expires first before the others."""
    voucher: str | None
    """Which voucher is held, if any."""
    voucher_minor: int
    """How much of it."""
    cash_minor: int
    """How much money is held beside it."""
    currency: str
    """Of both amounts."""
    chip: str = ""
    """On which of the chips that will do."""
    nodes: tuple[tuple[int, int], ...] = ()
    """Nodes of the pool, by position, and devices there."""
    pieces: tuple[Piece, ...] = ()
    """Exactly what it takes of which node; empty in pools that only count whole devices."""
    term: Term = "on_demand"
    """Whose price it is placed at."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave it in the queue and say why."""

    request: Request
    """The workload."""
    why: Why
    """The binding constraint and the least change that would admit it."""


@dataclass(frozen=True, slots=True)
class Preemption:
    """Push it out, save what it did, and queue it again; its devices count as free at once."""

    request: Request
    """The running workload."""
    pool: str
    """Where it ran."""
    beneficiary: str
    """The request that its devices go to."""


Decision = Placement | Wait | Preemption
"""What becomes of a request."""
