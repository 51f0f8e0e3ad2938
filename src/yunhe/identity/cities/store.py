"""Rows of cities, and the city in the rows of organisations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update

from yunhe.identity.cities.domain import City
from yunhe.identity.cities.tables import city_table
from yunhe.identity.tables import organisations
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_NAMED_MAX = 5_000  # SQLite takes 32,766 parameters in one statement


def city(tx: Transaction, code: str) -> City | None:
    """A city that was added, kept from being removed until this transaction ends."""
    query = select(city_table).where(city_table.c.code == code)
    row = tx.execute(query.with_for_update()).first()
    return None if row is None else City(row.code, row.name, reference=row.reference)


def cities(tx: Transaction) -> list[City]:
    """All that were added, by code."""
    rows = tx.execute(select(city_table).order_by(city_table.c.code))
    return [City(row.code, row.name, reference=row.reference) for row in rows]


def counts(tx: Transaction) -> dict[str, int]:
    """Organisations by city; those of whom nothing is said under the empty code."""
    table = organisations.c
    query = select(table.city, func.count().label("many")).group_by(table.city)
    return {row.city: row.many for row in tx.execute(query)}


def put(tx: Transaction, said: City, *, by: str, at_us: int) -> None:
    """Add a city, or give it this name and record."""
    values = {"name": said.name, "at_us": at_us, "added_by": by, "reference": said.reference}
    change = update(city_table).where(city_table.c.code == said.code).values(**values)
    if tx.execute(change).rowcount == 0:
        dialect.insert_new(tx, city_table, [{"code": said.code, **values}])


def remove(tx: Transaction, code: str) -> None:
    """Take a city away."""
    tx.execute(delete(city_table).where(city_table.c.code == code))


def move(tx: Transaction, organisation: str, code: str, *, reference: str) -> None:
    """Let an organisation belong to it."""
    values = {"city": code, "city_reference": reference}
    table = organisations
    tx.execute(update(table).where(table.c.id == organisation).values(**values))


def reference_of(tx: Transaction, organisation: str) -> str:
    """Custody record of the city that was last said of an organisation; empty: none was."""
    query = select(organisations.c.city_reference).where(organisations.c.id == organisation)
    return str(tx.execute(query).scalar() or "")


def cities_of(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Cities of those of the organisations of whom one was said."""
    table, found = organisations.c, {}
    query = select(table.id, table.city).where(table.city != "")
    for at in range(0, len(ids), _NAMED_MAX):
        for row in tx.execute(query.where(table.id.in_(ids[at : at + _NAMED_MAX]))):
            found[row.id] = row.city
    return found
