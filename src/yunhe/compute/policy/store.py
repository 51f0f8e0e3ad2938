"""Keeps which policies were in force."""

from __future__ import annotations

from sqlalchemy import select

from yunhe.compute.policy.domain import Chosen
from yunhe.compute.policy.tables import policy_table
from yunhe.storage.database import Transaction

_LAST = (
    select(policy_table.c.name, policy_table.c.reference)
    .order_by(policy_table.c.number.desc())
    .limit(1)
)


def last(tx: Transaction) -> Chosen | None:
    """What was said last; None: nothing yet."""
    row = tx.execute(_LAST).one_or_none()
    return None if row is None else Chosen(row.name, row.reference)


def add(tx: Transaction, said: Chosen, *, said_by: str, at_us: int) -> None:
    """From now on this one."""
    values = {"name": said.name, "reference": said.reference}
    tx.execute(policy_table.insert().values(**values, said_by=said_by, at_us=at_us))
