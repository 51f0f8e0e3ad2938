"""Tables of duties and of erasures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnClause,
    Index,
    Row,
    Table,
    Text,
    column,
    select,
    update,
)
from sqlalchemy import table as table_of

from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.owner import this_process
from yunhe.storage.schema import Code, Id, Instant, metadata

duties = Table(
    "operations_duty",
    metadata,
    Column("name", Code, primary_key=True),
    Column("next_due_at_us", Instant, nullable=False),
    Column("turn", BigInteger, nullable=False),  # counts up with every taking
    Column("owner", Text),
    Column("lease_until_us", Instant),
    Column("ended_at_us", Instant),
    Column("problem", Code, nullable=False),
    Column("mark_us", Instant, nullable=False),  # how far a duty that walks has come
)
erasures = Table(
    "operations_erasure",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("subject", Text, nullable=False),
    Column("asked_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("report", Text, nullable=False),
    Index(None, "subject"),
)


@dataclass(frozen=True, slots=True)
class Due:
    """Where a periodic duty stands."""

    name: str
    """Which."""
    next_due_at_us: int
    """When it is due next."""
    turn: int
    """How often it was taken; proof of the present taking."""
    owner: str | None
    """Who does it now, as `storage.owner` names processes."""
    lease_until_us: int | None
    """Until when nobody else does."""
    ended_at_us: int | None
    """When it was done last."""
    problem: str
    """Code of what went wrong then; empty when nothing did."""
    mark_us: int
    """How far it has come, for one that walks along times."""


def add_duties(tx: Transaction, names: Sequence[str]) -> None:
    """Write down duties that are not yet; they are due at once."""
    rows = [
        {"name": name, "next_due_at_us": 0, "turn": 0, "problem": "", "mark_us": 0}
        for name in names
    ]
    dialect.insert_new(tx, duties, rows)


def all_duties(tx: Transaction) -> list[Due]:
    """Every duty, by name."""
    return [_due(row) for row in tx.execute(select(duties).order_by(duties.c.name))]


def take(tx: Transaction, seen: Due, *, lease_until_us: int) -> Due | None:
    """Take a duty as it was seen; None when somebody was faster."""
    turn = seen.turn + 1
    taken = tx.execute(
        update(duties)
        .where(duties.c.name == seen.name, duties.c.turn == seen.turn)
        .values(turn=turn, owner=this_process(), lease_until_us=lease_until_us)
    )
    if taken.rowcount != 1:
        return None
    return _due(tx.execute(select(duties).where(duties.c.name == seen.name)).one())


def renew(tx: Transaction, held: Due, *, lease_until_us: int) -> bool:
    """Keep a duty for longer; whether it was still held."""
    return _change(tx, held, lease_until_us=lease_until_us)


def release(
    tx: Transaction, held: Due, *, next_due_at_us: int, ended_at_us: int, problem: str
) -> bool:
    """Let go of a duty that was done; whether it was still held."""
    return _change(
        tx,
        held,
        owner=None,
        lease_until_us=None,
        next_due_at_us=next_due_at_us,
        ended_at_us=ended_at_us,
        problem=problem[:64],
    )


def _change(tx: Transaction, held: Due, **values: object) -> bool:
    where = duties.c.name == held.name, duties.c.turn == held.turn
    return tx.execute(update(duties).where(*where).values(**values)).rowcount == 1


def mark(tx: Transaction, name: str) -> int:
    """How far a walking duty has come; 0 at first."""
    found: int | None = tx.scalar(select(duties.c.mark_us).where(duties.c.name == name))
    return found or 0


def set_mark(tx: Transaction, name: str, mark_us: int) -> None:
    """Note how far it has come."""
    add_duties(tx, [name])
    tx.execute(update(duties).where(duties.c.name == name).values(mark_us=mark_us))


def _due(row: Row[tuple[object, ...]]) -> Due:
    return Due(**row._mapping)  # noqa: SLF001 (the public way to a row by names)


def texts(tx: Transaction, table: str, columns: Sequence[str]) -> Iterator[str]:
    """What stands in these columns of any floor's table, row by row; nothing for what is empty."""
    wanted: list[ColumnClause[str]] = [column(name, Text) for name in columns]
    for row in tx.execute(select(*wanted).select_from(table_of(table))):
        yield from (str(value) for value in row if value)


def add_erasure(
    tx: Transaction,
    *,
    erasure: str,
    kind: str,
    subject: str,
    asked_by: str,
    report: JsonObject,
    at_us: int,
) -> None:
    """Keep what an erasure did, unless it is kept already."""
    row = {
        "id": erasure,
        "kind": kind,
        "subject": subject,
        "asked_by": asked_by,
        "at_us": at_us,
        "report": canonical_bytes(report).decode(),
    }
    dialect.insert_new(tx, erasures, [row])


def erasure(tx: Transaction, erasure_id: str) -> JsonObject | None:
    """The report of an erasure; None when there was none."""
    found = tx.scalar(select(erasures.c.report).where(erasures.c.id == erasure_id))
    if found is None:
        return None
    report: JsonObject = json.loads(found)
    return report
