"""Rows of deliveries, and the notices that no deliveries were made of yet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, and_, func, or_, select, update

from yunhe.notices.domain import Addressees, Delivery, Notice
from yunhe.notices.store import read_notice
from yunhe.notices.tables import deliveries, notices, webhooks
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.owner import is_gone, this_process

_AnyRow = Row[tuple[object, ...]]
_OPEN = ("waiting", "sending")


def unspread(tx: Transaction, *, limit: int) -> list[tuple[Notice, Addressees, bool]]:
    """The oldest notices without deliveries, with whom they are for and whether they still hold."""
    query = select(notices).where(notices.c.spread_at_us.is_(None))
    rows = tx.execute(query.order_by(notices.c.at_us, notices.c.id).limit(limit))
    return [
        (
            read_notice(row),
            Addressees(tuple(row.roles.split()), row.member),
            row.withdrawn_at_us is None,
        )
        for row in rows
    ]


def set_spread(tx: Transaction, notice_ids: Sequence[str], *, at_us: int) -> None:
    """Note that their deliveries are made."""
    tx.execute(update(notices).where(notices.c.id.in_(notice_ids)).values(spread_at_us=at_us))


def anything_open(tx: Transaction, *, now_us: int) -> bool:
    """Whether a pass would find something to do."""
    fresh = select(notices.c.id).where(notices.c.spread_at_us.is_(None)).limit(1)
    due = select(deliveries.c.id).where(
        deliveries.c.state.in_(_OPEN), deliveries.c.next_at_us <= now_us
    )
    return any(tx.execute(query).first() for query in (fresh, due.limit(1)))


def add(
    tx: Transaction, delivery_id: str, notice: str, *, way: str, target: str, at_us: int
) -> None:
    """Insert as waiting, due now, unless its id is there."""
    row = {
        "id": delivery_id,
        "notice": notice,
        "way": way,
        "target": target,
        "state": "waiting",
        "attempts": 0,
        "next_at_us": at_us,
        "status": 0,
        "problem": "",
        "created_at_us": at_us,
    }
    dialect.insert_new(tx, deliveries, [row])


def claim(
    tx: Transaction, token: str, *, now_us: int, until_us: int, limit: int, each: int
) -> list[Delivery]:
    """Take what is due, at most ``each`` to one target, the longest due first.

    That includes what a worker took whose lease is over or whose process is gone. Deliveries to
    webhooks that are not active stay where they are.
    """
    table = deliveries
    silent = select(webhooks.c.id).where(webhooks.c.state != "active")
    rank = func.row_number().over(
        partition_by=table.c.target, order_by=(table.c.next_at_us, table.c.id)
    )
    due = (
        select(table, rank.label("rank"))
        .where(
            table.c.state.in_(_OPEN),
            table.c.next_at_us <= now_us,
            table.c.target.not_in(silent),
        )
        .subquery()
    )
    query = select(due).where(due.c.rank <= each).order_by(due.c.next_at_us, due.c.id).limit(limit)
    taken = []
    for row in tx.execute(query).all():
        held = row.state == "sending" and row.lease_until_us > now_us and not is_gone(row.owner)
        if not held:
            taken.append(_delivery(row))
    if taken:
        tx.execute(
            update(table)
            .where(table.c.id.in_([item.id for item in taken]))
            .values(state="sending", token=token, owner=this_process(), lease_until_us=until_us)
        )
    return taken


def close(  # noqa: PLR0913 - columns
    tx: Transaction,
    delivery_id: str,
    token: str,
    *,
    state: str,
    attempts: int,
    next_at_us: int,
    status: int = 0,
    problem: str = "",
    ended_at_us: int | None = None,
) -> bool:
    """Note what became of a claimed delivery; False when the claim was lost meanwhile."""
    changed = tx.execute(
        update(deliveries)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.token == token,
            deliveries.c.state == "sending",
        )
        .values(
            state=state,
            attempts=attempts,
            next_at_us=next_at_us,
            status=status,
            problem=problem,
            ended_at_us=ended_at_us,
            token=None,
            owner=None,
            lease_until_us=None,
        )
    )
    return changed.rowcount == 1


def notice_of(tx: Transaction, notice: str) -> tuple[Notice, bool] | None:
    """The notice, and whether it still holds."""
    row = tx.execute(select(notices).where(notices.c.id == notice)).first()
    return None if row is None else (read_notice(row), row.withdrawn_at_us is None)


def delivery(tx: Transaction, delivery_id: str) -> Delivery | None:
    """The delivery, if there is one."""
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).first()
    return None if row is None else _delivery(row)


def listed(tx: Transaction, target: str, *, after: str, limit: int) -> list[Delivery]:
    """A target's deliveries, newest first, from behind the one with id ``after``."""
    table = deliveries
    query = select(table).where(table.c.target == target)
    if after:
        last = tx.execute(select(table.c.created_at_us).where(table.c.id == after)).scalar()
        if last is None:
            return []
        older = and_(table.c.created_at_us == last, table.c.id < after)
        query = query.where(or_(table.c.created_at_us < last, older))
    query = query.order_by(table.c.created_at_us.desc(), table.c.id.desc()).limit(limit)
    return [_delivery(row) for row in tx.execute(query)]


def restart(tx: Transaction, delivery_id: str, *, at_us: int) -> bool:
    """Make it wait, due now, as if never tried; False while a worker has it."""
    changed = tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state != "sending")
        .values(state="waiting", attempts=0, next_at_us=at_us, ended_at_us=None)
    )
    return changed.rowcount == 1


def hasten(tx: Transaction, target: str, *, at_us: int) -> None:
    """Make everything that waits for a target due now."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.target == target, deliveries.c.state == "waiting")
        .values(next_at_us=at_us)
    )


def defer(tx: Transaction, target: str, *, until_us: int) -> None:
    """Make nothing that waits for a target due before then."""
    tx.execute(
        update(deliveries)
        .where(
            deliveries.c.target == target,
            deliveries.c.state == "waiting",
            deliveries.c.next_at_us < until_us,
        )
        .values(next_at_us=until_us)
    )


def drop_waiting(tx: Transaction, target: str, *, at_us: int) -> None:
    """Give up everything that waits for a target or is on its way there."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.target == target, deliveries.c.state.in_(_OPEN))
        .values(state="dropped", ended_at_us=at_us, token=None)
    )


def _delivery(row: _AnyRow) -> Delivery:
    return Delivery(
        id=row.id,
        notice=row.notice,
        way=row.way,
        target=row.target,
        state=row.state,
        attempts=row.attempts,
        next_at_us=row.next_at_us,
        problem=row.problem,
        status=row.status,
        created_at_us=row.created_at_us,
        ended_at_us=row.ended_at_us,
    )
