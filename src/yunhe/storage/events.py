"""What happened, as numbered streams that a reader can take up again where it stopped."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Column, Index, Row, Table, Text, delete, select, update

from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Id, Instant, Minor, metadata

LIMIT_DEFAULT = 200
"""Events given at once."""
PURGE_MAX = 5_000
"""Events removed by one call of `purge`."""

streams = Table(
    "storage_stream",
    metadata,
    Column("stream", Id, primary_key=True),
    Column("seq", Minor, nullable=False),
)
"""The last number of each stream. It outlives purged events, so that no number comes twice."""
events = Table(
    "storage_event",
    metadata,
    Column("stream", Id, primary_key=True),
    Column("seq", Minor, primary_key=True, autoincrement=False),
    Column("name", Code, nullable=False),
    Column("body", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "at_us"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    stream: str
    """What it happened to, e.g. the id of an operation."""
    seq: int
    """Its place in the stream, from 1 without gaps."""
    name: str
    """What sort of thing."""
    body: JsonObject
    """What there is to say about it."""
    at_us: int
    """When, by the writer's clock."""


def append(tx: Transaction, *, stream: str, name: str, body: JsonObject, at_us: int) -> int:
    """Write the next event of the stream; returns its number.

    Writers of one stream wait for each other until they commit, so a reader that has seen a number
    has seen all before it.
    """
    dialect.insert_new(tx, streams, [{"stream": stream, "seq": 0}])
    tx.execute(update(streams).where(streams.c.stream == stream).values(seq=streams.c.seq + 1))
    seq = int(tx.execute(select(streams.c.seq).where(streams.c.stream == stream)).scalar_one())
    tx.execute(
        events.insert().values(
            stream=stream,
            seq=seq,
            name=name,
            body=canonical_bytes(body).decode(),
            at_us=at_us,
        )
    )
    return seq


def after(tx: Transaction, stream: str, seq: int, *, limit: int = LIMIT_DEFAULT) -> list[Event]:
    """The events after number ``seq``, oldest first; purged ones are left out."""
    found = tx.execute(
        select(events)
        .where(events.c.stream == stream, events.c.seq > seq)
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [_event(row) for row in found]


def latest(tx: Transaction, names: Collection[str]) -> dict[str, int]:
    """The number of the last event of each of the streams; one without events is left out."""
    query = select(streams.c.stream, streams.c.seq).where(streams.c.stream.in_(sorted(names)))
    return {row.stream: row.seq for row in tx.execute(query)}


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(row.stream, row.seq, row.name, json.loads(row.body), row.at_us)


def purge(tx: Transaction, *, before_us: int, limit: int = PURGE_MAX) -> int:
    """Remove up to ``limit`` events older than ``before_us``, the oldest first; how many went."""
    oldest = (
        select(events.c.stream, events.c.seq)
        .where(events.c.at_us < before_us)
        .order_by(events.c.at_us, events.c.stream, events.c.seq)
        .limit(limit)
    )
    gone = 0
    for row in tx.execute(oldest).all():
        gone += tx.execute(
            delete(events).where(events.c.stream == row.stream, events.c.seq == row.seq)
        ).rowcount
    return gone


def forget(tx: Transaction, stream: str) -> int:
    """Remove every event of the stream; how many went. Its numbers go on where they were."""
    return tx.execute(delete(events).where(events.c.stream == stream)).rowcount
