"""What passes deal in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from yunhe.compute.machine import OWN
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.state import Picture
from yunhe.kernel.clock import DAY_US

HOLD_US = 60 * DAY_US
"""How long holds last beyond the wall time; a workload placed for longer is placed anew."""
QUEUE_MAX = 100
"""Waiting workloads of one organisation that a pass looks at, its oldest: bounds what a pass takes,
and keeps one that floods the queue from holding up the others."""
SMALL_MAX = 20
"""Considered workloads up to which a command decides about all of them itself, at once."""
BATCH_MAX = 250
"""Placements of one transaction of a whole pass: bounds how long other writers wait. Measured: some
50 CPU-ms; with 500 it is 85 and the whole pass takes a tenth less, with 100 it is 28 and it takes
two fifths more."""
WHYS_MAX = 1_000
"""Reasons of one transaction of a whole pass, likewise. Measured: some 13 CPU-ms."""
LEASE_SECONDS = 60
"""How long a whole pass is one scheduler's without a sign of life; each transaction is one."""
EVERY_SECONDS = 5
"""A whole pass is due after so long in any case: for what happens outside this floor."""
GRACE_SECONDS = 30
"""How long a workload that is asked to make room may take to save its work."""
PUSHABLE = OWN
"""Adapters whose running work can always be asked to make room; of sites their adapter says."""
BEHIND = Why("compute.waiting_behind", (("most", QUEUE_MAX),))
"""Why a workload waits that no pass has looked at yet."""

AWARD, VOUCHER, CASH, DELIVERED = "award", "voucher", "cash", "delivered"
"""Purposes of the ledger accounts that compute uses; ``delivered`` is the provider's."""
HOLDS = ("device_hold", "voucher_hold", "cash_hold")
"""Columns of a workload that name its holds."""

WaitsFor = Literal["turn", "devices", "other"]
"""``turn``: no pass has looked at it yet; ``other``: no free device helps it: nobody's rival."""
_OTHER = frozenset(
    f"compute.waiting_{what}" for what in ("award", "award_expired", "cash", "no_pool", "no_fit")
)


def waits_for(why: Why, *, blocked: bool) -> WaitsFor:
    """What a pass's reason comes to for others who want the same devices."""
    return "other" if blocked or why.code in _OTHER else "devices"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to carry out a whole pass."""

    token: str
    """Proof of this very lease; a later one has another."""
    wanted: int
    """How many marks there were when it was taken: what it answers."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What a whole pass came to."""

    considered: int
    """Workloads it looked at."""
    placed: int
    """Of those, placed."""
    overtaken: int
    """Decisions that no longer held when they were to be written, without those that the ledger
    refused; looked at again in the next."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that a pass decided by."""

    picture: Picture
    """Of the platform."""
    policy: str
    """Name of the policy in force."""
    served: frozenset[str] = frozenset()
    """For whom others were making room already."""


JOURNAL_MAX = 10_000
"""Most passes that are kept for being decided again."""
WEIGHT_MAX = 1_000
"""Largest weight: beyond it whoever weighs 1 would wait for ever."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part of the fair share weighs among its equals; 1 unless said."""

    kind: str
    """Kind of organisation."""
    organisation: str
    """One of that kind; empty: the kind itself."""
    project: str
    """One of its projects; empty: the organisation itself."""
    weight: int
    """1 to `WEIGHT_MAX`."""
    reference: str = field(default="", compare=False)
    """Custody record of who said so, and when."""
    city: str = ""
    """A city, whose own weight it is; empty: it is that of a kind or of what is below, wherever."""

    @property
    def part(self) -> tuple[str, str, str, str]:
        """What it is the weight of: city, kind, organisation, project."""
        return self.city, self.kind, self.organisation, self.project
