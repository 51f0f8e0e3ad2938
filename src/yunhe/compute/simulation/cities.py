"""Which city each tenant of a trace is of, from a table; for traces that do not say."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

from yunhe.compute.simulation.domain import Trace
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage.blobs import explain_os_error

COLUMNS = ("tenant", "city", "weight")
"""Of the table; the last may be left out or empty: it is the city's share among the cities."""
WEIGHT_MAX = 1_000
"""Largest weight."""
LETTERS_MAX = 64
"""Longest code of a city."""
FINDINGS_MAX = 100
"""Most faults of a table that are told."""


def with_cities(trace: Trace, path: Path) -> Trace:
    """The trace with the cities of a table; tenants that it does not name are of one city together.

    Errors: `Invalid` ``simulate.cities_invalid`` with every fault; `Unavailable` when the file
    can't be read.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise explain_os_error(error, path) from error
    findings: list[Finding] = []
    of: dict[str, str] = {}
    weights: dict[str, int] = {}
    reader = csv.DictReader(io.StringIO(content))
    if not {"tenant", "city"} <= set(reader.fieldnames or ()):
        findings.append(Finding(path.name, "simulate.cities_columns"))
        reader = csv.DictReader(io.StringIO())
    for line, row in enumerate(reader, 2):
        tenant, city = row["tenant"] or "", (row["city"] or "").strip()
        weight = _weight(row.get("weight") or "")
        faults = []
        if tenant not in trace.tenants or tenant in of:
            faults.append("simulate.cities_tenant")
        if not 0 < len(city) <= LETTERS_MAX:
            faults.append("simulate.cities_city")
        if weight is not None and (not weight or weights.setdefault(city, weight) != weight):
            faults.append("simulate.cities_weight")
        findings += (Finding(f"{path.name}:{line}", code) for code in faults)
        of[tenant] = city
    if findings:
        shown = findings[:FINDINGS_MAX]
        raise Invalid("simulate.cities_invalid", file=path.name, findings=shown)
    cities = tuple(of.get(tenant, "") for tenant in trace.tenants)
    return replace(trace, cities=cities if any(cities) else (), city_weights=weights)


def _weight(said: str) -> int | None:
    """A city's share; None where nothing is said, 0 for what is none."""
    said = said.strip()
    if not said:
        return None
    good = said.isascii() and said.isdigit() and 1 <= int(said[:9]) <= WEIGHT_MAX
    return int(said) if good else 0
