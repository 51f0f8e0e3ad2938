"""What each key used of its day, counted durably and over all processes, a block at a time."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, delete, select, update

from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Id, metadata

quotas = Table(
    "storage_quota",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since 1970-01-01 UTC
    Column("holder", Id, primary_key=True),
    Column("used", BigInteger, nullable=False),
)


def reserve(tx: Transaction, *, holder: str, day: int, block: int, most: int) -> int:
    """Take up to ``block`` of what the holder has left of ``most`` for the day; how many it got.

    A process counts what it reserved by itself; what it has left when it ends is lost, so what is
    used is never more than ``most`` and at most one block a process less.
    """
    dialect.insert_new(tx, quotas, [{"day": day, "holder": holder, "used": 0}])
    mine = (quotas.c.day == day) & (quotas.c.holder == holder)
    used = int(tx.execute(select(quotas.c.used).where(mine).with_for_update()).scalar_one())
    granted = max(0, min(block, most - used))
    if granted:
        tx.execute(update(quotas).where(mine).values(used=quotas.c.used + granted))
    return granted


def used(tx: Transaction, *, holder: str, day: int) -> int:
    """How much of the day's quota was reserved so far."""
    query = select(quotas.c.used).where(quotas.c.day == day, quotas.c.holder == holder)
    return int(tx.execute(query).scalar() or 0)


def purge(tx: Transaction, *, before_day: int) -> int:
    """Forget the days before that one; returns how many rows went."""
    return tx.execute(delete(quotas).where(quotas.c.day < before_day)).rowcount
