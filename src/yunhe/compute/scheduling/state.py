"""What the scheduler sees and what it decides: plain values, no row and no clock behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yunhe.compute.reasons import Why


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


@dataclass(frozen=True, slots=True)
class AwardView:
    """An award as the scheduler sees it."""

    id: str
    """The award."""
    organisation: str
    """Who may use it."""
    chip: str
    """On what."""
    left_ms: int
    """Device time neither used nor held."""
    expires_at_us: int
    """No placement from this instant on."""


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
    """How many at once."""
    wall_seconds_max: int
    """For how long at most."""
    since_us: int
    """Waiting since."""
    blocked: Why | None = None
    """A reason outside the scheduler's knowledge; such a request is never placed."""


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


@dataclass(frozen=True, slots=True)
class Draw:
    """Device time held of one award."""

    award: str
    """The award."""
    device_ms: int
    """How much of it, more than zero."""


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


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave it in the queue and say why."""

    request: Request
    """The workload."""
    why: Why
    """The binding constraint and the least change that would admit it."""


Decision = Placement | Wait
"""One for every request in the queue."""
