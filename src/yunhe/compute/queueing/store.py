"""What waits and no pass has looked at yet: counted and read without a picture."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, Subquery, func, select

from yunhe.compute.domain import BUSY_STATES
from yunhe.compute.passes import store as passes
from yunhe.compute.tables import workload_table
from yunhe.storage.bulk import Among
from yunhe.storage.database import Transaction


def waiting(tx: Transaction) -> int:
    """How many workloads wait in all."""
    table = workload_table
    query = select(func.count()).select_from(table).where(table.c.state == "waiting")
    return int(tx.execute(query).scalar_one())


def stamp(tx: Transaction) -> tuple[object, ...]:
    """Another one as soon as work was placed, ended, added or taken away, or a pass was asked for.

    *Cost*: a scan of the index of what waits and runs.
    """
    table = workload_table.c
    sums = func.count(), func.coalesce(func.sum(table.number), 0)
    some = [
        tuple(tx.execute(select(*sums).where(table.state == state)).one())
        for state in ("waiting", *BUSY_STATES)
    ]
    return (*some, passes.wanted(tx))


def rows(tx: Transaction, names: Sequence[str]) -> dict[str, RowMapping]:
    """Those of the workloads that still wait, by name."""
    found = tx.execute(_ROWS, {"named": list(names)}).mappings()
    return {row["id"]: row for row in found if row["state"] == "waiting"}


_ROWS = select(workload_table).where(Among(workload_table.c.id, "named"))


def _behind(*, each: int) -> Subquery:
    """What waits behind the ``each`` oldest of its organisation, numbered from 1 by age."""
    table = workload_table
    order = func.row_number().over(partition_by=table.c.organisation, order_by=table.c.number)
    own = select(table.c.number, order.label("own")).where(table.c.state == "waiting").subquery()
    place = func.row_number().over(order_by=own.c.number).label("place")
    return select(own.c.number, place).where(own.c.own > each).subquery()


def oldest(
    tx: Transaction, *, each: int, organisation: str, projects: frozenset[str] | None
) -> Sequence[RowMapping]:
    """The ``each`` oldest that wait of an organisation, but for those of other projects."""
    table = workload_table
    some = table.c.state == "waiting", table.c.organisation == organisation
    numbers = select(table.c.number).where(*some).order_by(table.c.number).limit(each).subquery()
    query = select(table).join(numbers, numbers.c.number == table.c.number)
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    return tx.execute(query.order_by(table.c.number)).mappings().all()


def behind(
    tx: Transaction,
    *,
    each: int,
    organisation: str | None,
    projects: frozenset[str] | None,
    after: int,
    limit: int,
) -> Sequence[RowMapping]:
    """Those behind the ``each`` oldest of their organisation, oldest first, with their ``place``.

    *Cost*: a scan of the index of what waits.
    """
    table, placed = workload_table, _behind(each=each)
    query = (
        select(table, placed.c.place)
        .join(placed, placed.c.number == table.c.number)
        .where(placed.c.place > after)
        .order_by(placed.c.place)
        .limit(limit)
    )
    if organisation is not None:
        query = query.where(table.c.organisation == organisation)
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    return tx.execute(query).mappings().all()


def place_behind(tx: Transaction, number: int, *, each: int) -> int:
    """Place of one of them, from 1."""
    placed = _behind(each=each)
    query = select(placed.c.place).where(placed.c.number == number)
    return int(tx.execute(query).scalar() or 0)


def ended(tx: Transaction, *, after_us: int, most: int) -> Sequence[RowMapping]:
    """The last ``most`` that ended after an instant, the latest first. Cost: the index, and those.

    Also those that were withdrawn, or given up, without having run.
    """
    table = workload_table.c
    query = select(*_RAN).where(table.ended_at_us > after_us)
    query = query.order_by(table.ended_at_us.desc(), table.number.desc()).limit(most)
    return tx.execute(query).mappings().all()


def busy(tx: Transaction) -> Sequence[RowMapping]:
    """What holds devices now, as `ended` gives it."""
    query = select(*_RAN).where(workload_table.c.state.in_(BUSY_STATES))
    return tx.execute(query.order_by(workload_table.c.number)).mappings().all()


def tried(tx: Transaction) -> frozenset[str]:
    """Those that wait though they began before."""
    table = workload_table.c
    query = select(table.id).where(table.state == "waiting", table.attempts > 0)
    return frozenset(tx.scalars(query))


_RAN = tuple(
    workload_table.c[name]
    for name in (
        "id",
        "number",
        "organisation",
        "project",
        "chip",
        "wall_seconds_max",
        "spec",
        "blocked",
        "why",
        "submitted_at_us",
        "attained_ms",
        "pushed_out",
        "pool",
        "nodes",
        "replicas",
        "attempts",
        "holds_until_us",
        "running_since_us",
        "ended_at_us",
        "stretch_of",
    )
)
