"""Counts rows by what stands in some columns, for whoever watches the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Column, func, select

from yunhe.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows are alike."""

    count: int
    """Rows."""
    oldest_us: int | None = None
    """Earliest time among them, where one was asked for."""


def by(
    tx: Transaction,
    columns: Sequence[Column[str]],
    *,
    oldest: Column[int] | None = None,
    among: Mapping[Column[str], Sequence[str]] | None = None,
) -> dict[tuple[str, ...], Tally]:
    """Rows by the values of ``columns``, only those whose columns of ``among`` hold such values.

    Cost: a scan of a fitting index, else of the table.
    """
    extra = [func.count()] if oldest is None else [func.count(), func.min(oldest)]
    query = select(*columns, *extra).group_by(*columns)
    for column, values in (among or {}).items():
        query = query.where(column.in_(values))
    found = {}
    for row in tx.execute(query):
        values, counts = row[: len(columns)], row[len(columns) :]
        earliest = None if oldest is None else int(counts[1])
        found[tuple(values)] = Tally(int(counts[0]), earliest)
    return found
