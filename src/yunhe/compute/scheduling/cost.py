"""What device time costs and who pays it: whole numbers only, and actuals never exceed holds."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_MS = 3_600_000
"""Milliseconds in an hour."""


@dataclass(frozen=True, slots=True)
class Share:
    """A cost divided between a voucher and cash."""

    voucher_minor: int
    """Paid by the voucher."""
    cash_minor: int
    """Paid in cash."""


def device_ms_max(*, devices: int, wall_seconds_max: int, milli: int = 1_000) -> int:
    """Device time to hold before a workload may run: the most it can use, of `milli` of each."""
    return devices * wall_seconds_max * milli


def cost(device_ms: int, *, price_minor_per_device_hour: int) -> int:
    """Price of device time in minor units, rounded up: never more than that of a longer time."""
    return -(-device_ms * price_minor_per_device_hour // HOUR_MS)


def share(cost_minor: int, *, share_percent: int, voucher_left_minor: int) -> Share:
    """Divide a cost: the voucher pays as much as its share and its balance allow, cash the rest.

    The indivisible remainder always falls to cash: rounding it up would let a voucher pay more than
    its share, which subsidy rules forbid. Both parts grow with the cost, so the parts of a metered
    cost never exceed the parts that were held for a larger one.
    """
    voucher = min(cost_minor * share_percent // 100, max(voucher_left_minor, 0))
    return Share(voucher, cost_minor - voucher)
