"""An invoice, or a statement to a provider, as one printable page: no script, nothing from outside.

The document comes as it was issued (`yunhe.compute.statements.documents`), so a page can be made
again at any time, in either language, and shows the same amounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language, text
from yunhe.kernel.units import format_minor
from yunhe.reports.wording import clean

LINES_MAX = 5_000
"""Lines of one page; how many more there are is said below, and CSV and JSON have them all."""
_COLUMNS = (
    "charge",
    "project",
    "counterpart",
    "devices",
    "hours",
    "price",
    "cost",
    "voucher",
    "cash",
)


def render_invoice(
    document: Mapping[str, Json],
    *,
    digest: str,
    names: Mapping[str, str],
    language: Language,
) -> str:
    """The page. ``names`` of organisations by id. Cost: about 50 µs a line."""
    currency = str(document["currency"])
    lines = cast("Sequence[Mapping[str, Json]]", document["lines"])
    totals = cast("Mapping[str, int]", document["totals"])
    other = "provider" if document["kind"] == "invoice" else "organisation"
    return (
        _environment()
        .get_template("invoice.html.j2")
        .render(
            say=lambda code, **params: text(f"reports.invoice.{code}", language, **params),
            language="zh-Hans" if language == "zh" else "en",
            kind=str(document["kind"]),
            number=f"{document['number']:08}",
            party=names.get(str(document["party"]), str(document["party"])),
            period=cast("Mapping[str, str]", document["period"])["name"],
            issued=str(document["issued_at"])[:10],
            currency=currency,
            columns=_COLUMNS,
            lines=[_line(line, currency, names, other) for line in lines[:LINES_MAX]],
            more=max(len(lines) - LINES_MAX, 0),
            totals={
                name: format_minor(totals[f"{name}_minor"], currency)
                for name in ("cost", "voucher", "cash")
            },
            hours=hours(totals["device_ms"]),
            idle=hours(totals["idle_ms"]),
            normalised=_normalised(totals, language),
            digest=digest,
        )
    )


def _normalised(totals: Mapping[str, Json], language: Language) -> list[str]:
    """What the document says of normalised time; nothing where it is older than that."""
    if "normalised" not in totals:
        return []
    said = []
    for each in cast("Sequence[Mapping[str, Json]]", totals["normalised"]):
        versions = ", ".join(str(one) for one in cast("Sequence[int]", each["versions"]))
        amounts = {
            name: hours(cast("int", each[f"{name}_ms"]))
            for name in ("normalised", "device", "disputed")
        }
        params = {"chip": str(each["reference"]), "versions": versions, **amounts}
        said.append(text("reports.invoice.normalised_of", language, **params))
    unrated = cast("int", totals["unrated_ms"])
    if unrated or not said:
        said.append(text("reports.invoice.unrated", language, hours=hours(unrated)))
    return said


def hours(device_ms: int) -> str:
    """Device time in hours with three decimals, rounded to the nearest."""
    thousandths = (abs(device_ms) + 1_800) // 3_600
    sign = "-" if device_ms < 0 < thousandths else ""
    return f"{sign}{thousandths // 1_000:,}.{thousandths % 1_000:03}"


def _line(
    line: Mapping[str, Json], currency: str, names: Mapping[str, str], other: str
) -> tuple[str, ...]:
    amounts = ("price_minor_per_device_hour", "cost_minor", "voucher_minor", "cash_minor")
    ended = iso(cast("int", line["ended_us"]))[:10]
    return (
        f"{line['id']} · {ended}",
        str(line["project"]),
        names.get(str(line[other]), str(line[other])),
        f"{line['devices']} × {line['chip']}",
        hours(cast("int", line["device_ms"])),
        *(format_minor(cast("int", line[name]), currency) for name in amounts),
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("yunhe.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) else value,
    )
