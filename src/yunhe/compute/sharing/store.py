"""What parts of the fair share weigh, and what they used."""

from __future__ import annotations

from sqlalchemy import select, update

from yunhe.compute.passes.domain import Weight
from yunhe.compute.passes.tables import used_table, weight_table
from yunhe.storage import dialect
from yunhe.storage.database import Transaction


def used_by(tx: Transaction, organisation: str, project: str) -> tuple[int, int]:
    """Device-milliseconds noted for a project, and as of when; nothing at first."""
    table = used_table
    query = select(table.c.used_ms, table.c.at_us).where(
        table.c.organisation == organisation, table.c.project == project
    )
    row = tx.execute(query).one_or_none()
    return (0, 0) if row is None else (row.used_ms, row.at_us)


def set_used_by(
    tx: Transaction, organisation: str, project: str, *, used_ms: int, at_us: int
) -> None:
    """Note it anew."""
    table, values = used_table, {"used_ms": used_ms, "at_us": at_us}
    where = table.c.organisation == organisation, table.c.project == project
    if tx.execute(update(table).where(*where).values(**values)).rowcount == 0:
        row = {"organisation": organisation, "project": project, **values}
        dialect.insert_new(tx, table, [row])


def all_used(tx: Transaction) -> list[tuple[str, str, int, int]]:
    """Organisation, project, device-milliseconds and as of when."""
    query = select(used_table).order_by(used_table.c.organisation, used_table.c.project)
    return [(row.organisation, row.project, row.used_ms, row.at_us) for row in tx.execute(query)]


def weights(tx: Transaction) -> list[Weight]:
    """What was said, by city, kind, organisation and project."""
    table = weight_table.c
    query = select(weight_table).order_by(table.city, table.kind, table.organisation, table.project)
    return [
        Weight(r.kind, r.organisation, r.project, r.weight, r.reference, r.city)
        for r in tx.execute(query)
    ]


def drop_city_weight(tx: Transaction, city: str) -> None:
    """Let nothing be said of a city any more."""
    tx.execute(weight_table.delete().where(weight_table.c.city == city))


def set_weight(tx: Transaction, said: Weight, *, said_by: str, at_us: int) -> None:
    """Say it anew."""
    table = weight_table
    path = dict(zip(("city", "kind", "organisation", "project"), said.part, strict=True))
    values = {"weight": said.weight, "said_by": said_by, "at_us": at_us}
    values |= {"reference": said.reference}
    where = [table.c[name] == value for name, value in path.items()]
    if tx.execute(update(table).where(*where).values(**values)).rowcount == 0:
        dialect.insert_new(tx, table, [{**path, **values}])
