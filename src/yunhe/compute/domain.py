"""What compute deals in: pools, awards, vouchers, workloads, and why a workload waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from yunhe.compute.accepting import Accepted
from yunhe.compute.applications import domain as applications
from yunhe.compute.gaps import READ, Asked, Unread
from yunhe.compute.providers.remote import Remote
from yunhe.compute.providers.seam import Gap, Job, Outcome, Provider
from yunhe.compute.reasons import Change, Params, Why
from yunhe.compute.scheduling.state import Term
from yunhe.compute.wanted import MEMORY_BYTES_DEFAULT, WorkloadSpec

__all__ = [
    "MEMORY_BYTES_DEFAULT",
    "READ",
    "Accepted",
    "Asked",
    "Change",
    "Gap",
    "Job",
    "Outcome",
    "Params",
    "Provider",
    "Remote",
    "Unread",
    "Why",
    "WorkloadSpec",
    "applications",
]  # part of this face

State = Literal["waiting", "placed", "running", "settled", "failed", "cancelled"]
"""``waiting`` holds nothing; ``placed`` and ``running`` hold budget and devices; rest: over."""
BUSY_STATES: tuple[State, ...] = ("placed", "running")
"""States in which a workload occupies devices and holds budget."""

MEMORY_BYTES_MIN = 128 << 20
"""Least memory limit of a workload: below it an interpreter with numpy does not start."""
WALL_SECONDS_MAX = 30 * 86_400
"""Longest wall time of one workload."""
DEVICES_MAX = 1_000_000
"""Most devices of one pool or workload."""
SHARE_PERCENT_DEFAULT = 20
"""Share of the cost a voucher may pay. Source: Beijing 算力券, at most 20 % (verified: false)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Devices of one chip that a provider offers at one site for one price."""

    id: str
    """Derived from the key it was registered with."""
    provider: str
    """The organisation that is paid."""
    site: str
    """Where the devices stand, in the provider's words."""
    adapter: str
    """Kind of provider that runs its workloads, e.g. ``local``."""
    chip: str
    """What one device is, e.g. ``cpu``, ``ascend910b``."""
    devices: int
    """How many there are."""
    price_minor_per_device_hour: int
    """Price in the minor unit of ``currency``."""
    currency: str
    """ISO 4217."""


@dataclass(frozen=True, slots=True)
class Award:
    """Device time the operator granted to an organisation (算力额度)."""

    id: str
    """Derived from the key it was made with."""
    organisation: str
    """Who may use it."""
    chip: str
    """On what: a chip, a list (``a100+h100``) or a class (``class:training-large``)."""
    device_ms: int
    """How much; of one for several chips in time of its reference chip."""
    expires_at_us: int
    """Until when workloads may be placed under it."""
    reference: str
    """Its custody record."""
    priority_max: str | None = None
    """Highest class in the queue that its holder may ask for; None: the usual one."""
    accepts: Accepted | None = None
    """The chips it is for and how each counts; None: the one chip, as it is."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """Public money that pays a share of compute costs (算力券)."""

    id: str
    """Derived from the key it was issued with."""
    organisation: str
    """Whose costs it pays."""
    currency: str
    """Its denomination."""
    amount_minor: int
    """How much it can pay in all."""
    share_percent: int
    """Largest share of any one cost it pays."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a workload used and what was paid for it."""

    device_ms: int
    """Charged device time: wall time × devices, rounded up, never above the hold."""
    wall_ms: int
    """Monotonic wall time of the run."""
    cpu_ms: int
    """User and system time of its processes, as the kernel counted it; 0 where nobody did."""
    memory_bytes_peak: int
    """Largest resident set of one of its processes."""
    isolation: str
    """How it was kept from the rest of the machine."""
    code_digest: str
    """The program file that ran."""
    cost_minor: int
    """What was paid in all."""
    voucher_minor: int
    """Of that, by voucher."""
    cash_minor: int
    """Of that, in cash."""
    currency: str
    """Of the three amounts."""
    term: Term = "on_demand"
    """Whose price it was charged at."""
    utilisation_per_thousand: int | None = None
    """Mean real use of its devices, where somebody reported any; None: nobody knows."""
    utilisation_samples: int = 0
    """From so many samples."""
    unwatched: bool = False
    """Its devices were to be watched, and nothing was seen of them."""
    drawn_of: str = ""
    """What the award is for that paid, if for several chips; empty: the very chip."""
    drawn_ms: int = 0
    """What was taken of it, in its own time; 0: as much as was charged."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A submitted workload as it stands."""

    id: str
    """Derived from organisation and key."""
    spec: WorkloadSpec
    """What was asked for."""
    spec_digest: str
    """Digest of the spec's canonical bytes."""
    state: State
    """Where it stands."""
    why: Why | None = None
    """Why it waits or failed; None otherwise."""
    pool: str | None = None
    """Where it was placed."""
    chip_placed: str = field(default="", compare=False)
    """The chip it runs or ran on, as it is charged; empty: not placed, or not looked up."""
    awards: tuple[str, ...] = ()
    """The awards whose device time it holds or used, the first to expire first."""
    held_device_ms: int = 0
    """Device time held for it now."""
    held_minor: int = 0
    """Money held for it now, voucher and cash."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it wrote, by file name."""
    usage: Usage | None = None
    """What was metered and paid, once it is over."""
    reference: str | None = None
    """Its custody record, once something was metered."""
    log: str | None = None
    """Blob with the end of what it printed, once it ran."""
    attempts: int = 0
    """How often it was started; only the last one is ever paid."""
    member: str | None = None
    """Who submitted it; None when that was not a member's own key."""
    replicas: int = 0
    """With how many it was placed, of an elastic one perhaps fewer than the most; 0: not yet."""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """A pool and how full it is."""

    pool: Pool
    """The pool."""
    devices_busy: int
    """Devices on which placed and running workloads are; one that several share counts once."""


@dataclass(frozen=True, slots=True)
class AwardStatus:
    """An award and what became of it; the four amounts always add up to it."""

    award: Award
    """The award."""
    used_ms: int
    """Metered and settled."""
    held_ms: int
    """Held by placed and running workloads."""
    lapsed_ms: int
    """Given back because the award expired."""

    @property
    def left_ms(self) -> int:
        """What can still be held."""
        return self.award.device_ms - self.used_ms - self.held_ms - self.lapsed_ms


@dataclass(frozen=True, slots=True)
class VoucherStatus:
    """A voucher and what became of it."""

    voucher: Voucher
    """The voucher."""
    used_minor: int
    """Paid."""
    held_minor: int
    """Held by placed and running workloads."""

    @property
    def left_minor(self) -> int:
        """What it can still pay."""
        return self.voucher.amount_minor - self.used_minor - self.held_minor


@dataclass(frozen=True, slots=True)
class Approval:
    """The operator's word that a program file may run without a sandbox."""

    name: str
    """Entry point it is for."""
    module: str
    """Python module."""
    digest: str
    """Digest of the module's source file."""
    approved_by: str
    """Member id."""
    at_us: int
    """When."""
