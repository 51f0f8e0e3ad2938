"""Long operations: what was asked for, how far it is, and how it ended, for whoever waits for it.

The row says what people may see; the item in `yunhe.storage.leases` says who works on it. Both
change in one transaction, and only the holder of the claim may report, end or hand back.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)

from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes, digest_of
from yunhe.kernel.errors import Conflict, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage import dialect, events, leases
from yunhe.storage.database import Transaction
from yunhe.storage.leases import Claim
from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata

State = Literal["waiting", "running", "done", "failed", "cancelled"]
"""Where an operation stands; the last three are ends."""
ENDS: frozenset[State] = frozenset({"done", "failed", "cancelled"})
"""States that never change again."""
WORK_PREFIX = "operation:"
"""An operation of kind ``k`` is a work item of kind ``operation:k``."""

operations = Table(
    "storage_operation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),
    Column("member", Id, nullable=False),
    Column("request_digest", Digest, nullable=False),
    Column("state", Code, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Column("started_at_us", Instant),
    Column("ended_at_us", Instant),
    Column("done", Minor, nullable=False),
    Column("total", Minor),
    Column("step", Text, nullable=False),
    Column("result", Text),
    Column("error", Text),
    Column("cancel_asked", Boolean, nullable=False),
    Column("workers_lost", Integer, nullable=False),
    Index(None, "organisation", "created_at_us", "id"),
    Index(None, "created_at_us", "id"),
    Index(None, "member"),
    Index(None, "state", "organisation", "created_at_us"),
)

_ONE = select(operations).where(operations.c.id == bindparam("operation"))
_LOCKED = _ONE.with_for_update()


@dataclass(frozen=True, slots=True)
class Operation:
    """A long piece of work as people see it."""

    id: str
    """Also the name of its stream of events."""
    kind: str
    """What it does, e.g. ``plans.run``."""
    organisation: str
    """Whose it is."""
    project: str
    """The project it belongs to; empty for none."""
    member: str
    """Who asked for it."""
    state: State
    """Where it stands."""
    created_at_us: int
    """When it was asked for."""
    started_at_us: int | None
    """When a worker first began."""
    ended_at_us: int | None
    """When it ended."""
    done: int
    """Units of the present step that are finished."""
    total: int | None
    """Units of the present step; None when nobody knows."""
    step: str
    """The present step: a locale key or a plain noun."""
    result: JsonObject | None
    """What came of it, once done."""
    error: JsonObject | None
    """`YunheError` without its sentences, once failed: kind, code, params, findings, retryable."""
    cancel_asked: bool
    """Somebody asked for it to be stopped; it may still end as done."""
    workers_lost: int
    """How many workers vanished while they had it."""

    @property
    def ended(self) -> bool:
        """Whether it will never change again."""
        return self.state in ENDS


def work_kind(kind: str) -> str:
    """The kind of the work item behind an operation of ``kind``."""
    return WORK_PREFIX + kind


def create(
    tx: Transaction,
    *,
    kind: str,
    key: str,
    organisation: str,
    member: str,
    project: str = "",
    payload: JsonObject,
    at_us: int,
) -> Operation:
    """Ask for an operation; an organisation's same kind and key again is the same operation.

    The payload holds ids and digests, never content or secrets. Errors: `Conflict`
    ``storage.key_reused`` when the key came with another payload before.
    """
    identity = derived_id("operation", organisation, kind, key)
    request = digest_of({"payload": payload, "project": project})
    row = {
        "id": identity,
        "kind": kind,
        "organisation": organisation,
        "project": project,
        "member": member,
        "request_digest": request,
        "state": "waiting",
        "created_at_us": at_us,
        "done": 0,
        "step": "",
        "cancel_asked": False,
        "workers_lost": 0,
    }
    if dialect.insert_new(tx, operations, [row]):
        leases.enqueue(tx, kind=work_kind(kind), key=identity, payload=payload, at_us=at_us)
        events.append(tx, stream=identity, name="waiting", body={}, at_us=at_us)
    found = _row(tx, identity)
    if found.request_digest != request:
        raise Conflict("storage.key_reused", key=key)
    return _operation(found)


def find(tx: Transaction, operation: str) -> Operation:
    """The operation.

    Errors: `NotFound` ``storage.operation_unknown``.
    """
    return _operation(_row(tx, operation))


def listed(
    tx: Transaction,
    *,
    organisation: str | None,
    after: str = "",
    limit: int = 50,
    project: str | None = None,
) -> list[Operation]:
    """Operations, newest first, from behind the one named ``after``.

    ``organisation`` None lists everybody's. Errors: `NotFound` ``storage.operation_unknown`` when
    ``after`` names none that would be listed.
    """
    shown = []
    if organisation is not None:
        shown.append(operations.c.organisation == organisation)
    if project is not None:
        shown.append(operations.c.project == project)
    query = select(operations).where(*shown)
    if after:
        place = tx.execute(
            select(operations.c.created_at_us).where(operations.c.id == after, *shown)
        ).one_or_none()
        if place is None:
            raise NotFound("storage.operation_unknown", operation=after)
        older = operations.c.created_at_us < place.created_at_us
        beside = and_(
            operations.c.created_at_us == place.created_at_us,
            operations.c.id < after,
        )
        query = query.where(or_(older, beside))
    newest = operations.c.created_at_us.desc(), operations.c.id.desc()
    return [_operation(row) for row in tx.execute(query.order_by(*newest).limit(limit))]


def fairest(tx: Transaction, kinds: Collection[str]) -> Operation | None:
    """The operation that should be next: of those who have least running, the one waiting longest.

    So nobody who asks for a thousand at once holds up those who ask for one.
    """
    of_kinds = operations.c.kind.in_(sorted(kinds))
    busy = (
        select(operations.c.organisation, func.count().label("running"))
        .where(operations.c.state == "running", of_kinds)
        .group_by(operations.c.organisation)
        .subquery()
    )
    query = (
        select(operations)
        .outerjoin(busy, busy.c.organisation == operations.c.organisation)
        .where(operations.c.state == "waiting", of_kinds)
        .order_by(func.coalesce(busy.c.running, 0), operations.c.created_at_us, operations.c.id)
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _operation(row)


def ask_cancel(tx: Transaction, operation: str, *, at_us: int) -> Operation:
    """Stop it: at once while it waits, as soon as its worker hears of it while it runs.

    One that has ended stays as it is. Errors: `NotFound` ``storage.operation_unknown``.
    """
    row = _row(tx, operation, lock=True)
    if row.state == "waiting":
        return _end(tx, row.id, state="cancelled", at_us=at_us)
    if row.state == "running" and not row.cancel_asked:
        _change(tx, row.id, cancel_asked=True)
        events.append(tx, stream=row.id, name="cancelling", body={}, at_us=at_us)
    return find(tx, operation)


def begin(tx: Transaction, held: Claim, *, workers_lost_max: int, at_us: int) -> Operation | None:
    """Mark a claimed operation running; None when there is nothing to do, and the item is closed.

    There is nothing to do when it ended, and when more than ``workers_lost_max`` workers vanished
    with it: it then failed with ``storage.workers_lost``. One that was to be cancelled when its
    worker vanished is given out once more, so that what it began is put away. Errors: `Conflict`
    ``storage.claim_lost``.
    """
    row = _row(tx, held.key, lock=True)
    if row.state in ENDS:
        leases.finish(tx, held, result={"state": row.state})
        return None
    lost = row.workers_lost + (row.state == "running")  # nobody handed it back
    if lost > workers_lost_max:
        _change(tx, row.id, workers_lost=lost)
        error: JsonObject = {
            "kind": "unavailable",
            "code": "storage.workers_lost",
            "params": {"times": lost},
            "findings": [],
            "retryable": False,
        }
        end(tx, held, state="failed", error=error, at_us=at_us)
        return None
    started_us = at_us if row.started_at_us is None else row.started_at_us
    _change(tx, row.id, state="running", started_at_us=started_us, workers_lost=lost)
    events.append(tx, stream=row.id, name="running", body={"attempt": held.attempt}, at_us=at_us)
    return find(tx, row.id)


def report(
    tx: Transaction,
    held: Claim,
    *,
    step: str,
    done: int,
    total: int | None,
    at_us: int,
) -> bool:
    """Say how far it is, which also renews the claim; returns whether it should stop.

    Errors: `Conflict` ``storage.claim_lost``.
    """
    leases.renew(tx, held, now_us=at_us)
    _change(tx, held.key, step=step, done=done, total=total)
    body: dict[str, Json] = {"step": step, "done": done, "total": total}
    events.append(tx, stream=held.key, name="progress", body=body, at_us=at_us)
    return find(tx, held.key).cancel_asked


def end(
    tx: Transaction,
    held: Claim,
    *,
    state: State,
    result: JsonObject | None = None,
    error: JsonObject | None = None,
    at_us: int,
) -> Operation:
    """Close it in the transaction that applies what came of it.

    Errors: `Conflict` ``storage.claim_lost`` when another worker has it now; nothing is kept then.
    """
    leases.finish(tx, held, result={"state": state})
    return _end(tx, held.key, state=state, result=result, error=error, at_us=at_us)


def hand_back(tx: Transaction, held: Claim, *, at_us: int) -> None:
    """Put it back for another worker; error as `end`."""
    leases.hand_back(tx, held)
    _change(tx, held.key, state="waiting")
    events.append(tx, stream=held.key, name="waiting", body={}, at_us=at_us)


def started_by(tx: Transaction, member: str) -> list[Operation]:
    """What a member asked for, oldest first."""
    found = tx.execute(
        select(operations)
        .where(operations.c.member == member)
        .order_by(operations.c.created_at_us, operations.c.id)
    )
    return [_operation(row) for row in found]


def forget(tx: Transaction, operation: str) -> JsonObject:
    """Remove what an ended operation was given, said and left; returns what it was given.

    The row stays with its state and times. Errors: `NotFound` ``storage.operation_unknown``.
    """
    row = _row(tx, operation, lock=True)
    payload = leases.empty(tx, kind=work_kind(row.kind), key=row.id)
    _change(tx, row.id, result=None, error=None, step="")
    events.forget(tx, row.id)
    return payload


def _end(
    tx: Transaction,
    operation: str,
    *,
    state: State,
    result: JsonObject | None = None,
    error: JsonObject | None = None,
    at_us: int,
) -> Operation:
    body: JsonObject = {"result": result} if result is not None else {}
    if error is not None:
        body = {"error": error}
    _change(
        tx,
        operation,
        state=state,
        ended_at_us=at_us,
        result=None if result is None else canonical_bytes(result).decode(),
        error=None if error is None else canonical_bytes(error).decode(),
    )
    events.append(tx, stream=operation, name=state, body=body, at_us=at_us)
    return find(tx, operation)


def _change(tx: Transaction, operation: str, **values: object) -> None:
    tx.execute(update(operations).where(operations.c.id == operation).values(**values))


def _row(tx: Transaction, operation: str, *, lock: bool = False) -> Row[tuple[object, ...]]:
    row = tx.execute(_LOCKED if lock else _ONE, {"operation": operation}).one_or_none()
    if row is None:
        raise NotFound("storage.operation_unknown", operation=operation)
    return row


def _operation(row: Row[tuple[object, ...]]) -> Operation:
    return Operation(
        id=row.id,
        kind=row.kind,
        organisation=row.organisation,
        project=row.project,
        member=row.member,
        state=cast("State", row.state),
        created_at_us=row.created_at_us,
        started_at_us=row.started_at_us,
        ended_at_us=row.ended_at_us,
        done=row.done,
        total=row.total,
        step=row.step,
        result=None if row.result is None else json.loads(row.result),
        error=None if row.error is None else json.loads(row.error),
        cancel_asked=bool(row.cancel_asked),
        workers_lost=row.workers_lost,
    )
