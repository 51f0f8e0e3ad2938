"""What is kept of the ways between sites."""

from __future__ import annotations

from sqlalchemy import delete, select

from yunhe.compute.asking import Ways
from yunhe.compute.tables import bandwidth_table
from yunhe.storage.database import Transaction


def ways(tx: Transaction) -> Ways:
    """All of them."""
    rows = tx.execute(select(bandwidth_table)).mappings()
    return Ways({(row["from_site"], row["to_site"]): row["megabit_per_second"] for row in rows})


def put(tx: Transaction, *, start: str, end: str, megabit_per_second: int, at_us: int) -> None:
    """Say how fast one is, in place of what was said before."""
    table = bandwidth_table
    tx.execute(delete(table).where(table.c.from_site == start, table.c.to_site == end))
    tx.execute(
        table.insert().values(
            from_site=start, to_site=end, megabit_per_second=megabit_per_second, at_us=at_us
        )
    )
