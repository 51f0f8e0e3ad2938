"""Background work that survives its workers: claim, heartbeat, and an apply only its holder makes.

A worker claims an item for a while, does the work outside any transaction, and applies the result
in a transaction that holds only if its token still does. A killed worker's item is taken over at
once when its process is known to be gone, else when the lease runs out; what the late worker then
applies is refused, so nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    or_,
    select,
    update,
)

from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.owner import is_gone, this_process
from yunhe.storage.schema import Code, Id, Instant, metadata
from yunhe.storage.service import Storage

LEASE_SECONDS = 30
"""How long a claim holds without a heartbeat."""
_SCAN_LIMIT = 100  # items looked at per claim

work = Table(
    "storage_work",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("key", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Code, nullable=False),  # ready → running → done
    Column("attempts", Integer, nullable=False),
    Column("token", Id),
    Column("owner", Text),
    Column("lease_until_us", Instant),
    Column("created_at_us", Instant, nullable=False),
    Column("result", Text),
    UniqueConstraint("kind", "key"),
    Index(None, "kind", "state", "created_at_us"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do one item of work, until the lease ends."""

    id: str
    """The item."""
    kind: str
    """What sort of work it is."""
    key: str
    """What it is about; unique within the kind."""
    payload: JsonObject
    """What the worker needs to know."""
    token: str
    """Proof of this very claim; a later claim has another."""
    attempt: int
    """1 for the first worker, 2 for the one after it …"""


def enqueue(tx: Transaction, *, kind: str, key: str, payload: JsonObject, at_us: int) -> str:
    """Ask for work; the same kind and key is the same item for ever. Returns its id."""
    item = derived_id("work", kind, key)
    dialect.insert_new(
        tx,
        work,
        [
            {
                "id": item,
                "kind": kind,
                "key": key,
                "payload": canonical_bytes(payload).decode(),
                "state": "ready",
                "attempts": 0,
                "created_at_us": at_us,
            }
        ],
    )
    return item


def claim(storage: Storage, kinds: Sequence[str], *, key: str | None = None) -> Claim | None:
    """Take the oldest item that waits or whose worker is gone; None when there is none.

    ``key`` narrows the choice to one item. Cost: one write transaction, at most 100 items read.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        query = (
            select(work)
            .where(work.c.kind.in_(kinds), or_(work.c.state == "ready", work.c.state == "running"))
            .order_by(work.c.created_at_us, work.c.id)
            .limit(_SCAN_LIMIT)
            .with_for_update(skip_locked=True)
        )
        if key is not None:
            query = query.where(work.c.key == key)
        for row in tx.execute(query):
            if row.state == "running" and row.lease_until_us > now_us and not is_gone(row.owner):
                continue
            return _take(tx, row, now_us)
    return None


def _take(tx: Transaction, row: Row[tuple[object, ...]], now_us: int) -> Claim:
    token = new_id("claim")
    tx.execute(
        update(work)
        .where(work.c.id == row.id)
        .values(
            state="running",
            token=token,
            owner=this_process(),
            attempts=row.attempts + 1,
            lease_until_us=now_us + LEASE_SECONDS * SECOND_US,
        )
    )
    return Claim(row.id, row.kind, row.key, json.loads(row.payload), token, row.attempts + 1)


def heartbeat(storage: Storage, held: Claim) -> None:
    """Extend the lease.

    Errors: `Conflict` ``storage.claim_lost`` when another worker has taken over: stop working.
    """
    until_us = storage.clock.now_us() + LEASE_SECONDS * SECOND_US
    with storage.database.begin() as tx:
        _change(tx, held, lease_until_us=until_us)


def finish(tx: Transaction, held: Claim, *, result: JsonObject) -> None:
    """Close the item in the transaction that applies its result; error as `heartbeat`."""
    _change(tx, held, state="done", result=canonical_bytes(result).decode(), token=None)


def hand_back(tx: Transaction, held: Claim) -> None:
    """Put the item back for another worker; error as `heartbeat`."""
    _change(tx, held, state="ready", token=None, owner=None, lease_until_us=None)


def _change(tx: Transaction, held: Claim, **values: object) -> None:
    changed = tx.execute(
        update(work)
        .where(work.c.id == held.id, work.c.token == held.token, work.c.state == "running")
        .values(**values)
    )
    if changed.rowcount != 1:
        raise Conflict("storage.claim_lost", what=f"{held.kind} {held.key}")


def result_of(tx: Transaction, *, kind: str, key: str) -> JsonObject | None:
    """What a finished item left, or None while it is not finished."""
    row = tx.execute(
        select(work.c.result).where(work.c.kind == kind, work.c.key == key, work.c.state == "done")
    ).one_or_none()
    return None if row is None else json.loads(row.result)


def holder_of(tx: Transaction, *, kind: str, key: str) -> str | None:
    """Who works on the item now (as `owner.this_process` names it); None when nobody does."""
    owner: str | None = tx.scalar(
        select(work.c.owner).where(
            work.c.kind == kind, work.c.key == key, work.c.state == "running"
        )
    )
    return owner
