"""The ledger's side of the three-way match: was every charge paid once, and as it was metered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yunhe.compute.statements.charges import Flags, Whole, flags, numbers, places
from yunhe.compute.statements.domain import Mismatch, Period, Quantity

if TYPE_CHECKING:
    import pyarrow as pa

LEDGER = ("charge", "provider", "unit", "purpose", "kind", "amount", "at_us", "transfer")
"""Columns of a table of payments: ``amount`` and ``at_us`` are int64, below zero what was given
back; ``purpose`` is ``delivered``, ``voucher`` or ``cash``; the rest is text."""
_COLUMNS = (
    ("delivered", "drawn_ms", "device_ms", "captured_quantity"),
    ("voucher", "voucher_minor", "money", "captured_voucher"),
    ("cash", "cash_minor", "money", "captured_amount"),
)


def compare_ledger(
    charges: pa.Table, of_period: pa.Table, ledger: pa.Table, period: Period
) -> list[Mismatch]:
    """Findings about payments, in the order of the ledger, then about charges."""
    at = places(ledger.column("charge"), charges.column("id"))
    known = at >= 0
    found = _payments("captured_unknown", ledger, ~known)
    if not charges.num_rows:
        return found
    named = charges.take(np.maximum(at, 0))
    unbillable = known & ~flags(named, "billable")
    found += _payments("captured_unbillable", ledger, unbillable)
    strange = known & ~unbillable & _other(ledger, named)
    found += _payments("captured_elsewhere", ledger, strange)
    when = numbers(ledger, "at_us")
    ended = numbers(named, "ended_us")
    inside = (ended >= period.since_us) & (ended < period.until_us)
    moved = inside != ((when >= period.since_us) & (when < period.until_us))
    late = known & ~unbillable & ~strange & moved
    found += _payments("captured_late", ledger, late)
    spoken = {ledger.column("charge")[row].as_py() for row in np.flatnonzero(strange)}
    return found + _sums(of_period, ledger, spoken)


def _other(ledger: pa.Table, named: pa.Table) -> Flags:
    """Payments to another provider, or in another unit than the charge is in."""
    import pyarrow.compute as pc  # noqa: PLC0415

    device = pc.equal(ledger.column("purpose"), "delivered")
    voucher = pc.equal(ledger.column("purpose"), "voucher")
    before = pc.if_else(device, "device:", pc.if_else(voucher, "voucher:", ""))
    own = pc.equal(named.column("drawn_of"), "")
    chip = pc.if_else(own, named.column("chip"), named.column("drawn_of"))
    after = pc.if_else(device, chip, named.column("currency"))
    unit = pc.binary_join_element_wise(before, after, "")
    same = pc.and_(
        pc.equal(unit, ledger.column("unit")),
        pc.equal(ledger.column("provider"), named.column("provider")),
    )
    return np.asarray(~np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_))


def _payments(kind: str, ledger: pa.Table, where: Flags) -> list[Mismatch]:
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    return [
        Mismatch(
            kind,
            "ledger",
            row["charge"],
            row["provider"],
            row["transfer"],
            row["unit"].removeprefix("voucher:"),
            "device_ms" if row["purpose"] == "delivered" else "money",
            0,
            row["amount"],
        )
        for row in ledger.take(rows).to_pylist()
    ]


def _sums(of_period: pa.Table, ledger: pa.Table, spoken: set[str]) -> list[Mismatch]:
    """Charges that were not paid, paid twice, or paid otherwise than they were metered."""
    size = of_period.num_rows
    at = places(ledger.column("charge"), of_period.column("id"))
    purpose = np.asarray(ledger.column("purpose").to_pylist(), dtype=object)
    amount = numbers(ledger, "amount")
    names = of_period.column("id").to_pylist()
    free = np.asarray([name not in spoken for name in names], np.bool_)
    paid: dict[str, Whole] = {}
    times: dict[str, Whole] = {}
    for word, *_ in _COLUMNS:
        mine = (at >= 0) & (purpose == word)
        paid[word] = np.zeros(size, np.int64)
        np.add.at(paid[word], at[mine], amount[mine])
        times[word] = np.bincount(at[mine], minlength=size)
    nothing = np.zeros(size, np.bool_)
    due = _due(of_period)
    cost = due["cost_minor"]
    moved = (cost != 0) | (due["drawn_ms"] != 0)
    absent = free & moved & (sum(times.values(), np.zeros(size, np.int64)) == 0)
    zeros = np.zeros(size, np.int64)
    found = _charges("not_captured", of_period, absent, cost, zeros)
    twice = nothing
    for word, column, *_ in _COLUMNS:
        twice = twice | (free & (times[word] > 1) & (paid[word] != due[column]))
    money = paid["voucher"] + paid["cash"]
    found += _charges("captured_twice", of_period, twice, cost, money)
    rest = free & ~absent & ~twice
    # A voucher's part that cash paid, or the other way round, is one fault, not two.
    swapped = rest & (money == cost) & (paid["cash"] != due["cash_minor"])
    for word, column, quantity, kind in _COLUMNS:
        wanted = due[column]
        off = rest & (paid[word] != wanted)
        if word == "cash":
            off = off & ~swapped
        unit: Quantity = "device_ms" if quantity == "device_ms" else "money"
        found += _charges(kind, of_period, off, wanted, paid[word], quantity=unit)
    return found


def _due(of_period: pa.Table) -> dict[str, Whole]:
    """What the ledger should have of each charge, by column.

    A correction of what an organisation paid to itself moves no money: nobody has it but the payer.
    """
    import pyarrow.compute as pc  # noqa: PLC0415

    names = ("kind", "organisation", "provider")
    rows = zip(*(of_period.column(name).to_pylist() for name in names), strict=True)
    own = np.asarray([row[0] == "correction" and row[1] == row[2] for row in rows], np.bool_)
    money = ("cost_minor", "voucher_minor", "cash_minor")
    due = {name: np.where(own, 0, numbers(of_period, name)) for name in money}
    drawn = pc.coalesce(of_period.column("drawn_ms"), of_period.column("device_ms"))
    return {"drawn_ms": np.asarray(drawn.to_numpy(), dtype=np.int64), **due}


def _charges(
    kind: str,
    of: pa.Table,
    where: Flags,
    expected: Whole,
    found: Whole,
    *,
    quantity: Quantity = "money",
) -> list[Mismatch]:
    rows = np.flatnonzero(where)
    if not len(rows):
        return []
    chosen = of.select(["id", "provider", "currency"]).take(rows).to_pylist()
    told = zip(chosen, expected[rows].tolist(), found[rows].tolist(), strict=True)
    return [
        Mismatch(kind, "ledger", row["id"], row["provider"], "", row["currency"], quantity, a, b)
        for row, a, b in told
    ]
