"""Charges in columns: one row for each workload that ended and for each correction.

An Arrow table with `schema` carries them between the parts of settlement. Amounts are whole minor
units, times microseconds; a correction has amounts below zero and an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.scheduling.cost import HOUR_MS
from yunhe.compute.statements.domain import (
    SUMS,
    Grouping,
    Period,
    UsageLine,
)
from yunhe.compute.statements.normalising import KNOWN, summed, told

if TYPE_CHECKING:
    import pyarrow as pa

Whole = NDArray[np.int64]
"""Amounts, times, counts."""
Flags = NDArray[np.bool_]
"""Yes or no for each row."""

TEXTS = (
    "id",
    "kind",
    "workload",
    "corrects",
    "organisation",
    "project",
    "provider",
    "pool",
    "site",
    "chip",
    "currency",
    "outcome",
    "reference",
    "term",
    "workload_class",
    "rate_reference",
    "drawn_of",
)
"""Columns of text. ``kind``: usage or correction; ``corrects``: name of the period corrected;
``rate_reference``: the chip that normalised time is of, empty without a rate; ``drawn_of``: what
the award is for that paid, empty: the chip."""
NUMBERS = (
    "devices",
    "wall_ms",
    "device_ms",
    "idle_ms",
    "unwatched_ms",
    "price_minor_per_device_hour",
    "cost_minor",
    "voucher_minor",
    "cash_minor",
    "voucher_percent",
    "priced_us",
    "ended_us",
)
"""Columns of int64. ``unwatched_ms``: of which nobody knows whether it idled; ``priced_us``: the
instant whose price applies."""
FLAGS = ("billable",)
"""Columns of yes or no. ``billable``: it ran, so something may be charged."""
SAID = (
    "normalised_ms",
    "rate_version",
    "rate_per_thousand",
    "utilisation_per_thousand",
    "samples",
    "drawn_ms",
)
"""Columns of int64 with nulls: where there is no rate, and where nobody reported utilisation.
``drawn_ms``: what was taken of an award for several chips, in its own time; null: ``device_ms``."""
DOUBTS = ("rate_disputed", "rate_verified")
"""Columns of yes or no with nulls, where there is no rate."""
_UNSAID: Mapping[str, str | int] = {
    "term": "on_demand",
    "workload_class": "",
    "rate_reference": "",
    "drawn_of": "",
    "unwatched_ms": 0,
}


def schema() -> pa.Schema:
    """Of a table of charges."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema(
        [(name, pa.string()) for name in TEXTS]
        + [(name, pa.int64()) for name in NUMBERS]
        + [(name, pa.bool_()) for name in FLAGS]
        + [(name, pa.int64()) for name in SAID]
        + [(name, pa.bool_()) for name in DOUBTS]
    )


def table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """The rows as a table, each with every column but those that may be unsaid."""
    import pyarrow as pa  # noqa: PLC0415

    said = schema()
    columns = [
        pa.array(
            [row.get(name) for row in rows]
            if name in SAID or name in DOUBTS
            else [row.get(name, _UNSAID[name]) for row in rows]
            if name in _UNSAID
            else [row[name] for row in rows],
            said.field(name).type,
        )
        for name in said.names
    ]
    return pa.Table.from_arrays(columns, schema=said)


def numbers(of: pa.Table, name: str) -> Whole:
    """A column of int64 without nulls, as numpy sees it."""
    return np.asarray(of.column(name).to_numpy(), dtype=np.int64)


def flags(of: pa.Table, name: str) -> Flags:
    """A column of yes or no, as numpy sees it."""
    return np.asarray(of.column(name).to_numpy(zero_copy_only=False), dtype=np.bool_)


def places(values: pa.ChunkedArray, among: pa.ChunkedArray) -> Whole:
    """Where each value first stands among the others; -1: nowhere. Cost: linear, by hashing."""
    import pyarrow.compute as pc  # noqa: PLC0415

    found = pc.fill_null(pc.index_in(values, value_set=among.combine_chunks()), -1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def costs(device_ms: Whole, price: Whole) -> Whole:
    """`scheduling.cost.cost` of each row; in Python's integers where 64 bits would not do."""
    most = int(np.abs(device_ms).max(initial=0)) * int(np.abs(price).max(initial=0))
    if most < 2**62:
        return -(-device_ms * price // HOUR_MS)
    wide = -(-device_ms.astype(object) * price.astype(object) // HOUR_MS)
    return np.asarray(np.minimum(wide, 2**62), dtype=np.int64)


def within(charges: pa.Table, period: Period) -> pa.Table:
    """Those that ended in the period and may be charged."""
    import pyarrow as pa  # noqa: PLC0415

    ended = numbers(charges, "ended_us")
    chosen = (ended >= period.since_us) & (ended < period.until_us) & flags(charges, "billable")
    return charges.filter(pa.array(chosen))


def with_cities(
    charges: pa.Table, cities_of: Callable[[Sequence[str]], Mapping[str, str]], *, own: str
) -> pa.Table:
    """With a column for the city of each organisation; ``own``: of whom none is said."""
    import pyarrow as pa  # noqa: PLC0415

    names = charges.column("organisation").to_pylist()
    known = cities_of(sorted(set(names)))
    return charges.append_column("city", pa.array([known.get(name, own) for name in names]))


def usage(charges: pa.Table, by: Grouping) -> list[UsageLine]:
    """What was used and paid by group and currency, the dearest first."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if by == "day":
        ended = charges.column("ended_us").cast(pa.timestamp("us", tz="UTC"))
        group = pc.strftime(ended, format="%Y-%m-%d")
    else:
        group = charges.column(by)
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in summed(charges.append_column("group", group), ("group", "currency")):
        parts.setdefault((row["group"], row["currency"]), []).append(row)
    lines = [
        UsageLine(
            *key,
            sum(row["charges"] for row in rows),
            **{name: sum(row[name] for row in rows) for name in (*SUMS, *KNOWN)},
            chips=tuple(sorted({row["chip"] for row in rows})),
            **told(rows),
        )
        for key, rows in parts.items()
    ]
    if by == "day":
        return sorted(lines, key=lambda line: (line.group, line.currency))
    return sorted(lines, key=_dearest)


def _dearest(line: UsageLine) -> tuple[int, int, str, str]:
    return -line.cost_minor, -line.device_ms, line.group, line.currency
