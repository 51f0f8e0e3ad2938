"""The three-way match: job log, ledger and providers' statements, in columns; pure.

Each fault gives one finding, named by its cause: a line whose quantity is wrong and whose amount
follows from it is wrong in its quantity only. A second line for the same charge is ``twice`` and
nothing else. What no finding names agrees in all three, to the minor unit.

*Cost*: linear in the rows (hashing and sorting of whole columns), then linear in the findings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yunhe.compute.statements.captured import LEDGER, compare_ledger
from yunhe.compute.statements.charges import (
    Flags,
    Whole,
    costs,
    flags,
    numbers,
    places,
    within,
)
from yunhe.compute.statements.domain import Matched, Mismatch, Period, Quantity

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa

LINE_TEXTS = ("provider", "workload", "pool", "currency")
"""Columns of text of a table of statement lines; ``workload`` may name a correction."""
LINE_NUMBERS = (
    "line",
    "device_ms",
    "price_minor_per_device_hour",
    "amount_minor",
    "voucher_minor",
    "ended_us",
)
"""Its columns of int64."""
ROUNDING_MINOR = 1
"""A difference of so much in one line is told as rounding: it is refused like any other."""
__all__ = ["LEDGER", "LINE_NUMBERS", "LINE_TEXTS", "Prices", "match"]


@dataclass(frozen=True, slots=True)
class Prices:
    """Price lists: from each instant on, a pool has the price of that row, until its next one."""

    pool: tuple[str, ...]
    """Ids of pools; length n."""
    since_us: Whole
    """int64[n]: from when."""
    price: Whole
    """int64[n]: minor units a device-hour."""
    term: tuple[str, ...] = ()
    """Whose prices they are; length n, or none: all on demand."""


def match(
    charges: pa.Table,
    ledger: pa.Table,
    lines: pa.Table,
    *,
    period: Period,
    providers: Collection[str],
    prices: Prices | None = None,
) -> Matched:
    """Every place where the three disagree about what ended in the period.

    ``charges``: the job log (`charges.schema`) of the period, with those of other periods that the
    lines name, so that these are known; ``ledger``: payments for them (`LEDGER`); ``lines``: what
    ``providers`` handed in; charges of others are not expected there. ``prices``: price lists, to
    hold the job log's own prices to.
    """
    of_period = within(charges, period)
    found = [*_lines(charges, lines, period)]
    found += _missing(of_period, lines, providers)
    found += compare_ledger(charges, of_period, ledger, period)
    found += _own(of_period, prices)
    wrong = {each.charge for each in found}
    agreed = of_period.num_rows - sum(name in wrong for name in of_period.column("id").to_pylist())
    return Matched(of_period.num_rows, ledger.num_rows, lines.num_rows, agreed, tuple(found))


class _Statement:
    """The lines beside the charges they name; where nothing is named, beside the first row."""

    def __init__(self, charges: pa.Table, lines: pa.Table) -> None:
        self.lines = lines
        self.at = places(lines.column("workload"), charges.column("id"))
        self.known = self.at >= 0
        if not charges.num_rows:
            self.charges = charges.schema.empty_table()
            return
        self.charges = charges.take(np.maximum(self.at, 0))

    def differs(self, name: str) -> Flags:
        """Where the texts of a column are not the same."""
        import pyarrow.compute as pc  # noqa: PLC0415

        same = pc.equal(self.lines.column(name), self.charges.column(name))
        return np.asarray(~np.asarray(same.to_numpy(zero_copy_only=False), dtype=np.bool_))

    def second(self, among: Flags) -> Flags:
        """Lines that name what an earlier one names, of those among which one looks."""
        rows = np.flatnonzero(among)
        _, first = np.unique(self.at[rows], return_index=True)
        later = among.copy()
        later[rows[first]] = False
        return later

    def findings(
        self, kind: str, where: Flags, quantity: Quantity = "none", **values: Whole
    ) -> list[Mismatch]:
        """A finding for each line chosen; ``values``: ``expected`` and ``found``."""
        rows = np.flatnonzero(where)
        if not len(rows):
            return []
        chosen = self.lines.select(["line", "workload", "provider", "currency"]).take(rows)
        zeros = np.zeros(len(self.at), np.int64)
        expected = values.get("expected", zeros)[rows].tolist()
        said = values.get("found", zeros)[rows].tolist()
        return [
            Mismatch(
                kind,
                "statement",
                row["workload"],
                row["provider"],
                str(row["line"]),
                row["currency"],
                quantity,
                wanted,
                there,
            )
            for row, wanted, there in zip(chosen.to_pylist(), expected, said, strict=True)
        ]


def _lines(charges: pa.Table, lines: pa.Table, period: Period) -> list[Mismatch]:
    if not lines.num_rows:
        return []
    said = _Statement(charges, lines)
    amount = numbers(lines, "amount_minor")
    found = said.findings("unknown_job", ~said.known, "money", found=amount)
    if not charges.num_rows:
        return found
    rest = said.known
    other = rest & said.differs("provider")
    found += said.findings("wrong_provider", other, "money", found=amount)
    rest = rest & ~other
    twice = said.second(rest)
    found += said.findings("billed_twice", twice, "money", found=amount)
    rest = rest & ~twice
    never = rest & ~flags(said.charges, "billable")
    found += said.findings("not_billable", never & ~_cancelled(said), "money", found=amount)
    found += said.findings("after_cancellation", never & _cancelled(said), "money", found=amount)
    rest = rest & ~never
    ended, told = numbers(said.charges, "ended_us"), numbers(lines, "ended_us")
    outside = _outside(ended, period) | _outside(told, period)
    found += said.findings("outside_period", rest & outside)
    pool = np.asarray([bool(name) for name in lines.column("pool").to_pylist()], np.bool_)
    found += said.findings("wrong_pool", rest & pool & said.differs("pool"))
    currency = rest & said.differs("currency")
    found += said.findings("wrong_currency", currency, "money", found=amount)
    return found + _amounts(said, rest & ~currency)


def _cancelled(said: _Statement) -> Flags:
    return np.asarray(
        [word == "cancelled" for word in said.charges.column("outcome").to_pylist()], np.bool_
    )


def _outside(at_us: Whole, period: Period) -> Flags:
    return np.asarray((at_us < period.since_us) | (at_us >= period.until_us))


def _amounts(said: _Statement, rest: Flags) -> list[Mismatch]:
    """Quantity, price, amount and voucher of lines about charges that may be billed."""
    lines, charges = said.lines, said.charges
    used, billed = numbers(charges, "device_ms"), numbers(lines, "device_ms")
    price, asked = (numbers(of, "price_minor_per_device_hour") for of in (charges, lines))
    cost, amount = numbers(charges, "cost_minor"), numbers(lines, "amount_minor")
    more = rest & (billed != used)
    late = more & (billed > used) & _cancelled(said)
    found = said.findings("after_cancellation", late, "device_ms", expected=used, found=billed)
    found += said.findings("quantity", more & ~late, "device_ms", expected=used, found=billed)
    dear = rest & (asked != price)
    found += said.findings("price", dear, "money", expected=price, found=asked)
    # What a correction gives back is what was decided, not a product of time and price.
    product = np.where(_corrections(charges), cost, costs(billed, asked))
    own = np.where(more | dear, product, cost)
    off = rest & (amount != own)
    little = off & (np.abs(amount - own) <= ROUNDING_MINOR)
    found += said.findings("rounding", little, "money", expected=own, found=amount)
    found += said.findings("amount", off & ~little, "money", expected=own, found=amount)
    voucher, claimed = numbers(charges, "voucher_minor"), numbers(lines, "voucher_minor")
    share = numbers(charges, "voucher_percent")
    over = rest & (amount > 0) & _above(claimed, amount, share) & (claimed != voucher)
    found += said.findings("voucher_share", over, "money", expected=voucher, found=claimed)
    split = rest & ~over & ~(more | dear | off) & (claimed != voucher)
    return found + said.findings("voucher", split, "money", expected=voucher, found=claimed)


def _corrections(charges: pa.Table) -> Flags:
    return np.asarray(
        [word == "correction" for word in charges.column("kind").to_pylist()], np.bool_
    )


def _above(part: Whole, whole: Whole, percent: Whole) -> Flags:
    """Whether the part is more than its percent of the whole, without overflow."""
    most = whole // 100 * percent + whole % 100 * percent // 100
    return np.asarray(part > most)


def _missing(of_period: pa.Table, lines: pa.Table, providers: Collection[str]) -> list[Mismatch]:
    """Charges that those who handed in a statement do not name."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    handed_in = pc.is_in(of_period.column("provider"), value_set=pa.array(sorted(providers)))
    absent = pa.array(places(of_period.column("id"), lines.column("workload")) < 0)
    chosen = of_period.filter(pc.and_(handed_in, absent))
    return [
        Mismatch(
            "not_billed",
            "statement",
            row["id"],
            row["provider"],
            "",
            row["currency"],
            "money",
            row["cost_minor"],
        )
        for row in chosen.select(["id", "provider", "currency", "cost_minor"]).to_pylist()
    ]


def _own(of_period: pa.Table, prices: Prices | None) -> list[Mismatch]:
    """Where the job log contradicts itself or the price lists."""
    used = ~_corrections(of_period)
    cost, voucher = numbers(of_period, "cost_minor"), numbers(of_period, "voucher_minor")
    price = numbers(of_period, "price_minor_per_device_hour")
    product = costs(numbers(of_period, "device_ms"), price)
    found = _job("metered_cost", of_period, used & (cost != product), product, cost)
    split = cost - numbers(of_period, "cash_minor")
    found += _job("metered_split", of_period, voucher != split, split, voucher)
    over = used & _above(voucher, cost, numbers(of_period, "voucher_percent"))
    found += _job("metered_share", of_period, over, split, voucher)
    if prices is not None and of_period.num_rows:
        listed = _listed(of_period, prices)
        wrong = used & (listed >= 0) & (listed != price)
        found += _job("metered_price", of_period, wrong, listed, price)
    return found


def _job(
    kind: str, of: pa.Table, where: Flags, expected: Whole, found: Whole
) -> list[Mismatch]:  # the two columns are told for the rows chosen
    rows = np.flatnonzero(where)
    chosen = of.select(["id", "provider", "currency"]).take(rows).to_pylist() if len(rows) else []
    numbers_of = zip(chosen, expected[rows].tolist(), found[rows].tolist(), strict=True)
    return [
        Mismatch(kind, "jobs", row["id"], row["provider"], "", row["currency"], "money", a, b)
        for row, a, b in numbers_of
    ]


def _listed(charges: pa.Table, prices: Prices) -> Whole:
    """The price of each charge's pool and term at its instant; -1 where the lists are silent."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    terms = prices.term or ("on_demand",) * len(prices.pool)
    lists = [f"{pool} {term}" for pool, term in zip(prices.pool, terms, strict=True)]
    pools = sorted(set(lists))
    rank = {pool: place for place, pool in enumerate(pools)}
    times = np.unique(prices.since_us)
    span = len(times) + 1
    # One whole number for pool and instant, so that one search finds the row in force.
    row_pool = np.asarray([rank[pool] for pool in lists], np.int64)
    keys = row_pool * span + np.searchsorted(times, prices.since_us, "right")
    order = np.argsort(keys, kind="stable")
    named = pc.binary_join_element_wise(charges.column("pool"), charges.column("term"), " ")
    pool = places(named, pa.chunked_array([pa.array(pools, pa.string())]))
    wanted = pool * span + np.searchsorted(times, numbers(charges, "priced_us"), "right")
    at = np.searchsorted(keys[order], wanted, "right") - 1
    row = order[np.maximum(at, 0)]
    there = (pool >= 0) & (at >= 0) & (row_pool[row] == pool)
    return np.where(there, prices.price[row], -1)
