"""Reads what a recording holds: pools and workloads as the tables keep them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import RowMapping, select, union

from yunhe.compute.tables import award_table, pool_table, voucher_table, workload_table
from yunhe.storage.database import Transaction

PAGE = 5_000
"""Workloads read at a time."""


def pools(tx: Transaction) -> list[RowMapping]:
    """Every pool, by id."""
    return list(tx.execute(select(pool_table).order_by(pool_table.c.id)).mappings())


def organisations(tx: Transaction) -> list[str]:
    """Whoever has a workload, an award or a voucher, by id."""
    tables = workload_table, award_table, voucher_table
    return sorted(tx.scalars(union(*(select(table.c.organisation) for table in tables))))


def workloads(tx: Transaction) -> Iterator[RowMapping]:
    """Every workload in order of submission, page by page."""
    last = -1
    while True:
        query = (
            select(workload_table)
            .where(workload_table.c.number > last)
            .order_by(workload_table.c.number)
            .limit(PAGE)
        )
        rows = list(tx.execute(query).mappings())
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1]["number"]
