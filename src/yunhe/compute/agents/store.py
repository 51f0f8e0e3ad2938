"""What is kept of agents, of the work offered to them, and of what they report."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, RowMapping, Table, delete, func, select, update

from yunhe.compute.agents.domain import Place
from yunhe.compute.agents.tables import (
    agent_table,
    offer_table,
    output_table,
    piece_table,
    stretch_table,
)
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction


def _at(table: Table, place: Place) -> tuple[ColumnElement[bool], ...]:
    return table.c.organisation == place.organisation, table.c.site == place.site


def _named(place: Place) -> dict[str, object]:
    return {"organisation": place.organisation, "site": place.site}


def agent(tx: Transaction, place: Place) -> RowMapping | None:
    """Who has a site."""
    query = select(agent_table).where(*_at(agent_table, place))
    return tx.execute(query).mappings().one_or_none()


def set_agent(tx: Transaction, place: Place, **values: object) -> None:
    """Keep who has it; all columns the first time."""
    if agent(tx, place) is None:
        dialect.insert_new(tx, agent_table, [{**_named(place), **values}])
    else:
        tx.execute(update(agent_table).where(*_at(agent_table, place)).values(**values))


def offer(
    tx: Transaction,
    place: Place,
    job: str,
    *,
    asked: str = "",
    devices: int = 0,
    chip: str = "",
    at_us: int,
) -> RowMapping:
    """Offer a job unless its name is there; what is there then. Nothing asked: a name called off.

    The first of two that come at once counts.
    """
    row: dict[str, object] = {
        **_named(place),
        "job": job,
        "asked": asked,
        "devices": devices,
        "chip": chip,
        "phase": "offered" if asked else "stopped",
        "run": 0,
        "fence": 0,
        "cancelled": 0 if asked else 1,
        "forgotten": 0,
        "at_us": at_us,
    }
    dialect.insert_new(tx, offer_table, [row])
    [found] = some(tx, place, [job])
    return found


def some(tx: Transaction, place: Place, jobs: Collection[str]) -> Sequence[RowMapping]:
    """Those of the jobs that are there."""
    query = select(offer_table).where(*_at(offer_table, place), offer_table.c.job.in_(jobs))
    return tx.execute(query.order_by(offer_table.c.job)).mappings().all()


def open_offers(tx: Transaction, place: Place) -> Sequence[RowMapping]:
    """Jobs that are to be run or are being run, the oldest first."""
    table = offer_table
    query = select(table).where(
        *_at(table, place), table.c.phase.in_(("offered", "handed", "running"))
    )
    return tx.execute(query.order_by(table.c.at_us, table.c.job)).mappings().all()


def change(tx: Transaction, place: Place, job: str, **values: object) -> None:
    """Set columns of one job."""
    table = offer_table
    tx.execute(update(table).where(*_at(table, place), table.c.job == job).values(**values))


def result(row: RowMapping) -> JsonObject | None:
    """What the agent said of its end."""
    return None if row["result"] is None else json.loads(row["result"])


def text(value: JsonObject) -> str:
    """The form in which objects are kept."""
    return canonical_bytes(value).decode()


def add_stretch(tx: Transaction, place: Place, job: str, **values: object) -> None:
    """Keep a run's usage; the first one said counts."""
    dialect.insert_new(tx, stretch_table, [{**_named(place), "job": job, **values}])


def stretches(tx: Transaction, place: Place, jobs: Collection[str]) -> Sequence[RowMapping]:
    """The usage of every run of the jobs."""
    table = stretch_table
    query = select(table).where(*_at(table, place), table.c.job.in_(jobs))
    return tx.execute(query.order_by(table.c.job, table.c.run)).mappings().all()


def add_piece(tx: Transaction, place: Place, job: str, **values: object) -> None:
    """Keep a piece of a log; one that begins where another does is that one."""
    dialect.insert_new(tx, piece_table, [{**_named(place), "job": job, **values}])


def pieces(
    tx: Transaction, place: Place, job: str, *, run: int, stream: str
) -> Sequence[RowMapping]:
    """The pieces of one stream in order."""
    table = piece_table
    named = (table.c.job == job, table.c.run == run, table.c.stream == stream)
    query = select(table).where(*_at(table, place), *named)
    return tx.execute(query.order_by(table.c.start_bytes)).mappings().all()


def printed_bytes(tx: Transaction, place: Place, job: str, *, run: int, stream: str) -> int:
    """Where the last piece of a stream ends."""
    table = piece_table
    end = func.max(table.c.start_bytes + table.c.size_bytes)
    named = (table.c.job == job, table.c.run == run, table.c.stream == stream)
    return int(tx.execute(select(end).where(*_at(table, place), *named)).scalar() or 0)


def set_output(
    tx: Transaction, place: Place, job: str, *, run: int, name: str, digest: str
) -> None:
    """Keep a file that a run wrote; sent again under its name it replaces the former."""
    table = output_table
    named = (table.c.job == job, table.c.run == run, table.c.name == name)
    tx.execute(delete(table).where(*_at(table, place), *named))
    row = {**_named(place), "job": job, "run": run, "name": name, "digest": digest}
    dialect.insert_new(tx, table, [row])


def outputs(tx: Transaction, place: Place, job: str, *, run: int) -> Mapping[str, str]:
    """The files that a run sent."""
    table = output_table
    query = select(table).where(*_at(table, place), table.c.job == job, table.c.run == run)
    return {row["name"]: row["digest"] for row in tx.execute(query).mappings()}


def forget(tx: Transaction, place: Place, job: str) -> None:
    """Keep that there was such a job, and nothing of what it printed or left."""
    for table in (piece_table, output_table):
        tx.execute(delete(table).where(*_at(table, place), table.c.job == job))
    change(tx, place, job, forgotten=1)


def asked(row: RowMapping) -> JsonObject:
    """What a job asks for; nothing of one that was called off before it came."""
    found: JsonObject = json.loads(row["asked"]) if row["asked"] else {}
    return found
