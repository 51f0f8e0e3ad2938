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
    Select,
    Table,
    Text,
    UniqueConstraint,
    and_,
    func,
    or_,
    select,
    update,
)

from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage import dialect, tally
from yunhe.storage.database import Transaction
from yunhe.storage.owner import is_gone, is_here, this_process
from yunhe.storage.schema import Code, Id, Instant, metadata
from yunhe.storage.service import Storage
from yunhe.storage.tally import Tally

LEASE_SECONDS = 30
"""How long a claim holds without a heartbeat."""
CLOCKS_APART_SECONDS_MAX = 300
"""How far clocks of machines may differ. A lease that ends later than a claim made now plus this
was left behind by a clock that has since gone back, and counts as run out."""

WORK_TABLE = "storage_work"
"""Name of the table of items."""
work = Table(
    WORK_TABLE,
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
    return enqueue_many(tx, [(kind, key, payload)], at_us=at_us)[0]


def enqueue_many(
    tx: Transaction, items: Sequence[tuple[str, str, JsonObject]], *, at_us: int
) -> list[str]:
    """`enqueue` for many of kind, key and payload, in one statement."""
    rows: list[dict[str, object]] = [
        {
            "id": derived_id("work", kind, key),
            "kind": kind,
            "key": key,
            "payload": canonical_bytes(payload).decode(),
            "state": "ready",
            "attempts": 0,
            "created_at_us": at_us,
        }
        for kind, key, payload in items
    ]
    dialect.insert_new(tx, work, rows)
    return [str(row["id"]) for row in rows]


def claim(storage: Storage, kinds: Sequence[str], *, key: str | None = None) -> Claim | None:
    """Take the oldest item that waits or whose worker is gone; None when there is none.

    ``key`` narrows the choice to one item. Workers that ask at once get different items without
    waiting for each other, where the database can do that. Cost: one write transaction, two reads.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin_shared() as tx:
        query = _free(tx, kinds, now_us).limit(1).with_for_update(skip_locked=True)
        if key is not None:
            query = query.where(work.c.key == key)
        row = tx.execute(query).one_or_none()
        return None if row is None else _take(tx, row, now_us)


def anything(tx: Transaction, kinds: Sequence[str], *, now_us: int) -> bool:
    """Whether `claim` would find something now; a read, for whoever looks often."""
    return tx.execute(_free(tx, kinds, now_us).limit(1)).first() is not None


def _free(tx: Transaction, kinds: Sequence[str], now_us: int) -> Select[tuple[object, ...]]:
    """The items nobody works on, as far as can be known from here, the oldest first."""
    wanted, running = work.c.kind.in_(kinds), work.c.state == "running"
    # Few: each is a process that works, or one that died since.
    owners: list[str] = [
        row.owner for row in tx.execute(select(work.c.owner).where(wanted, running).distinct())
    ]
    gone = [owner for owner in owners if is_gone(owner)]
    here = [owner for owner in owners if is_here(owner)]
    latest_us = now_us + (LEASE_SECONDS + CLOCKS_APART_SECONDS_MAX) * SECOND_US
    left = or_(
        work.c.lease_until_us <= now_us,
        work.c.owner.in_(gone),
        and_(work.c.lease_until_us > latest_us, work.c.owner.not_in(here)),
    )
    unfinished = work.c.state.in_(("ready", "running"))  # said for the index
    free = or_(work.c.state == "ready", and_(running, left))
    return select(work).where(wanted, unfinished, free).order_by(work.c.created_at_us, work.c.id)


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
    with storage.database.begin_shared() as tx:
        renew(tx, held, now_us=storage.clock.now_us())


def renew(tx: Transaction, held: Claim, *, now_us: int) -> None:
    """`heartbeat` within the caller's transaction."""
    _change(tx, held, lease_until_us=now_us + LEASE_SECONDS * SECOND_US)


def finish(tx: Transaction, held: Claim, *, result: JsonObject) -> None:
    """Close the item in the transaction that applies its result; error as `heartbeat`."""
    _change(tx, held, state="done", result=canonical_bytes(result).decode(), token=None)


def hand_back(tx: Transaction, held: Claim) -> None:
    """Put the item back for another worker; error as `heartbeat`."""
    _change(tx, held, state="ready", token=None, owner=None, lease_until_us=None)


def revoke(tx: Transaction, *, kind: str, key: str, result: str) -> None:
    """Close an item whoever holds it: its holder finds the claim lost, and nobody takes it again.

    One that is finished, or not there, stays as it is.
    """
    tx.execute(
        update(work)
        .where(work.c.kind == kind, work.c.key == key, work.c.state != "done")
        .values(
            state="done",
            token=None,
            owner=None,
            lease_until_us=None,
            result=canonical_bytes({"outcome": result}).decode(),
        )
    )


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


def empty(tx: Transaction, *, kind: str, key: str) -> JsonObject:
    """Remove what the item's worker needed to know; returns it. The item keeps its state."""
    this = work.c.kind == kind, work.c.key == key
    payload: JsonObject = json.loads(tx.execute(select(work.c.payload).where(*this)).scalar_one())
    tx.execute(update(work).where(*this).values(payload="{}"))
    return payload


def holder_of(tx: Transaction, *, kind: str, key: str) -> str | None:
    """Who works on the item now (as `owner.this_process` names it); None when nobody does."""
    owner: str | None = tx.scalar(
        select(work.c.owner).where(
            work.c.kind == kind, work.c.key == key, work.c.state == "running"
        )
    )
    return owner


def signs(tx: Transaction, *, kind: str) -> dict[str, tuple[int, int | None]]:
    """What changes of each item of a kind, by key, whenever somebody claims or holds it."""
    query = select(work.c.key, work.c.attempts, work.c.lease_until_us).where(work.c.kind == kind)
    return {key: (attempts, until_us) for key, attempts, until_us in tx.execute(query)}


def depths(tx: Transaction) -> dict[tuple[str, str], Tally]:
    """Kind and state of unfinished items with how many there are and since when the oldest waits.

    Cost: a scan of the unfinished part of an index.
    """
    unfinished = {work.c.state: ("ready", "running")}
    columns = [work.c.kind, work.c.state]
    found = tally.by(tx, columns, oldest=work.c.created_at_us, among=unfinished)
    return {(kind, state): tally for (kind, state), tally in found.items()}


def abandoned(tx: Transaction, *, before_us: int) -> int:
    """How many items are called running though their lease ran out before that time."""
    query = select(func.count()).where(work.c.state == "running", work.c.lease_until_us < before_us)
    return tx.execute(query).scalar_one()


def unfinished_naming(tx: Transaction, word: str, *, prefix: str) -> list[str]:
    """Keys of unfinished items, of kinds with that prefix, whose payload holds the word."""
    query = select(work.c.key).where(
        work.c.state.in_(("ready", "running")),
        work.c.kind.startswith(prefix, autoescape=True),
        work.c.payload.contains(word, autoescape=True),
    )
    return list(tx.scalars(query))
