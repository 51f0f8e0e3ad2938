"""Invoices and our statements to providers, made of charges: pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from yunhe.compute.statements.charges import numbers
from yunhe.compute.statements.domain import SUMS, DocumentKind, Period
from yunhe.compute.statements.normalising import Told, summed, told
from yunhe.compute.statements.writing import harmless
from yunhe.kernel.clock import iso
from yunhe.kernel.units import format_minor

if TYPE_CHECKING:
    import pyarrow as pa

    from yunhe.kernel.canonical import Json

PARTY: dict[DocumentKind, str] = {"invoice": "organisation", "payable": "provider"}
"""The column of charges that says whom a document is for."""
LINE = (
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
    "outcome",
    "reference",
    "devices",
    "device_ms",
    "idle_ms",
    "price_minor_per_device_hour",
    "cost_minor",
    "voucher_minor",
    "cash_minor",
    "ended_us",
    "term",
    "workload_class",
    "normalised_ms",
    "rate_reference",
    "rate_version",
    "rate_per_thousand",
    "rate_disputed",
    "rate_verified",
    "utilisation_per_thousand",
    "samples",
)
"""What a line says, in the order of the CSV. Older documents end with ``ended_us``."""
_MONEY = ("price_minor_per_device_hour", "cost_minor", "voucher_minor", "cash_minor")


def by_party(charges: pa.Table, kind: DocumentKind) -> Iterator[tuple[str, str, pa.Table]]:
    """The charges of each document: party, currency and its lines by time and id, all in order."""
    import numpy as np  # noqa: PLC0415

    if not charges.num_rows:
        return
    party = PARTY[kind]
    ordered = charges.sort_by(
        [(name, "ascending") for name in (party, "currency", "ended_us", "id")]
    )
    parties, currencies = (ordered.column(name).to_pylist() for name in (party, "currency"))
    keys = list(zip(parties, currencies, strict=True))
    starts = [at for at, key in enumerate(keys) if not at or key != keys[at - 1]]
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        yield *keys[start], ordered.take(np.arange(start, end))


def normalised(charges: pa.Table) -> Told:
    """The device time of all lines in normalised time, and what has no rate."""
    return told(summed(charges, ()))


def totals(charges: pa.Table) -> dict[str, int]:
    """The columns of `charges.SUMS`, added up."""
    return {name: int(numbers(charges, name).sum()) for name in SUMS}


def written(
    charges: pa.Table,
    *,
    kind: DocumentKind,
    number: int,
    party: str,
    period: Period,
    currency: str,
    issued_at_us: int,
) -> dict[str, Json]:
    """The document as it is kept: whole numbers only, so that its digest is one for ever."""
    return {
        "kind": kind,
        "number": number,
        "party": party,
        "period": {
            "name": period.name,
            "since": iso(period.since_us),
            "until": iso(period.until_us),
        },
        "currency": currency,
        "issued_at": iso(issued_at_us),
        "totals": {"lines": charges.num_rows, **totals(charges), **_plain(normalised(charges))},
        "lines": charges.select(list(LINE)).to_pylist(),
    }


def _plain(said: Told) -> dict[str, Json]:
    sums: list[Json] = [
        {**asdict(each), "versions": list(each.versions)} for each in said["normalised"]
    ]
    return {"normalised": sums, "unrated_ms": said["unrated_ms"]}


def as_csv(lines: list[Mapping[str, object]], currency: str) -> bytes:
    """Lines for a spreadsheet: amounts in the major unit, device time in hours, times as text.

    A text that a spreadsheet would take for a formula is made `harmless`.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    named = {name: name.replace("_minor", "").replace("_ms", "_seconds") for name in LINE}
    writer.writerow([*named.values(), "currency"])
    for line in lines:
        cells = [_cell(name, line.get(name), currency) for name in LINE]
        writer.writerow([*cells, currency])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _cell(name: str, value: object, currency: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _MONEY and isinstance(value, int):
        return format_minor(value, currency).replace(",", "")
    if name.endswith("_ms") and isinstance(value, int):
        return f"{'-' if value < 0 else ''}{abs(value) // 1_000}.{abs(value) % 1_000:03}"
    if name == "ended_us" and isinstance(value, int):
        return iso(value)
    return str(value) if isinstance(value, int) else harmless(str(value))
