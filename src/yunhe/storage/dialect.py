"""The one module that knows which database is underneath; no other writes SQL for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from yunhe.kernel.errors import Conflict, Unavailable, YunheError

BUSY_TIMEOUT_MS = 30_000
"""How long a writer waits for another before it gives up."""
_WRITES = "yunhe_writes"


def open_engine(url: str, *, durable: bool) -> Engine:
    """An engine whose transactions are serialisable for writers and durable at commit.

    ``durable=False`` lets SQLite skip the flush at commit; only scratch databases ask for it.
    """
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, durable=durable)
    return engine


def _prepare_sqlite(engine: Engine, *, durable: bool) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own transaction handling would commit behind our back around DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # erased content must not linger in free pages
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that writes after it read fails at once when another wrote
        # meanwhile; IMMEDIATE makes writers queue instead.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def for_writing(connection: Connection) -> Connection:
    """``connection``, set up so that its next transaction takes the writer's place."""
    return connection.execution_options(**{_WRITES: True})


def insert_new(tx: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Insert the rows whose unique keys are new, leave the others; returns how many went in."""
    if not rows:
        return 0
    if tx.dialect.name == "sqlite":
        statement: sqlite.Insert | postgresql.Insert = sqlite.insert(table)
    else:
        statement = postgresql.insert(table)
    inserted = 0
    for row in rows:
        inserted += tx.execute(statement.values(**row).on_conflict_do_nothing()).rowcount
    return inserted


_KNOWN: tuple[tuple[str, type[YunheError], str], ...] = (
    ("disk is full", Unavailable, "storage.disk_full"),
    ("no space left", Unavailable, "storage.disk_full"),
    ("readonly", Unavailable, "storage.read_only"),
    ("read-only", Unavailable, "storage.read_only"),
    ("unable to open", Unavailable, "storage.cannot_open"),
    ("malformed", Unavailable, "storage.damaged"),
    ("not a database", Unavailable, "storage.damaged"),
    ("locked", Conflict, "storage.busy"),
    ("disk i/o error", Unavailable, "storage.disk_failed"),
)


def explain(error: DBAPIError, where: str) -> YunheError | None:
    """The error a person should see for a failure of the database itself, if it is a known one."""
    said = str(error.orig).lower()
    for words, kind, code in _KNOWN:
        if words in said:
            return kind(code, where=where, retryable=kind is Conflict)
    return None
