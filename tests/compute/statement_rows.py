"""Charges, payments and statement lines that agree, for tests to spoil one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from yunhe.compute.scheduling.cost import cost, share
from yunhe.compute.statements import charges as columns
from yunhe.compute.statements.captured import LEDGER
from yunhe.compute.statements.domain import Matched, period
from yunhe.compute.statements.matching import LINE_NUMBERS, LINE_TEXTS, Prices, match

MONTH = period("2026-11")
NEXT = period("2026-12")
MIDDLE = MONTH.since_us + 15 * 86_400_000_000


def charge(number: int, **over: object) -> dict[str, object]:
    """A workload of three devices that ran for some minutes at 36.00 an hour."""
    wall_ms = 600_000 + number
    device_ms = 3 * wall_ms
    amount = cost(device_ms, price_minor_per_device_hour=3_600)
    parts = share(amount, share_percent=20, voucher_left_minor=10**9)
    return {
        "id": f"workload_{number}",
        "kind": "usage",
        "workload": f"workload_{number}",
        "corrects": "",
        "organisation": "org_user",
        "project": "",
        "provider": "org_centre",
        "pool": "pool_one",
        "site": "east-1",
        "chip": "a100",
        "currency": "CNY",
        "outcome": "settled",
        "reference": "",
        "devices": 3,
        "wall_ms": wall_ms,
        "device_ms": device_ms,
        "idle_ms": 0,
        "price_minor_per_device_hour": 3_600,
        "cost_minor": amount,
        "voucher_minor": parts.voucher_minor,
        "cash_minor": parts.cash_minor,
        "voucher_percent": 20,
        "priced_us": MIDDLE - wall_ms * 1_000,
        "ended_us": MIDDLE + number,
        "billable": True,
        **over,
    }


def payments(of: dict[str, object]) -> list[dict[str, object]]:
    """What the ledger has for it."""
    amounts = {
        "delivered": ("device:a100", of["device_ms"]),
        "voucher": ("voucher:CNY", of["voucher_minor"]),
        "cash": ("CNY", of["cash_minor"]),
    }
    return [
        {
            "charge": of["id"],
            "provider": of["provider"],
            "unit": unit,
            "purpose": purpose,
            "kind": "capture",
            "amount": amount,
            "at_us": of["ended_us"],
            "transfer": f"transfer_{of['id']}_{purpose}",
        }
        for purpose, (unit, amount) in amounts.items()
        if amount
    ]


def line(of: dict[str, object], number: int) -> dict[str, object]:
    """What an honest provider says of it."""
    return {
        "provider": of["provider"],
        "workload": of["id"],
        "pool": of["pool"],
        "currency": of["currency"],
        "line": number,
        "device_ms": of["device_ms"],
        "price_minor_per_device_hour": of["price_minor_per_device_hour"],
        "amount_minor": of["cost_minor"],
        "voucher_minor": of["voucher_minor"],
        "ended_us": of["ended_us"],
    }


@dataclass
class Three:
    """The three tables as rows."""

    charges: list[dict[str, object]] = field(default_factory=list)
    ledger: list[dict[str, object]] = field(default_factory=list)
    lines: list[dict[str, object]] = field(default_factory=list)
    providers: tuple[str, ...] = ("org_centre",)

    @classmethod
    def agreeing(cls, count: int = 5) -> Three:
        """So many charges about which all three say the same."""
        made = [charge(number) for number in range(count)]
        paid = [payment for each in made for payment in payments(each)]
        return cls(made, paid, [line(each, at + 2) for at, each in enumerate(made)])

    def match(self, *, prices: Prices | None = None) -> Matched:
        return match(
            columns.table(self.charges),
            as_table(self.ledger, LEDGER, ("amount", "at_us")),
            as_table(self.lines, (*LINE_TEXTS, *LINE_NUMBERS), LINE_NUMBERS),
            period=MONTH,
            providers=self.providers,
            prices=prices,
        )

    def kinds(self, *, prices: Prices | None = None) -> list[tuple[str, str]]:
        """Kind and charge of each finding."""
        return [(each.kind, each.charge) for each in self.match(prices=prices).mismatches]


def as_table(
    rows: list[dict[str, object]], names: tuple[str, ...], numbers: tuple[str, ...]
) -> pa.Table:
    return pa.table(
        {
            name: pa.array(
                [row[name] for row in rows], pa.int64() if name in numbers else pa.string()
            )
            for name in names
        }
    )
