"""The one module that knows which database is underneath; no other writes SQL for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry

from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.storage.bulk import add_many, insert_many, insert_new, update_many
from yunhe.storage.door import Door
from yunhe.storage.failures import explain

__all__ = [
    "Turn",
    "add_many",
    "check_server",
    "count_on",
    "explain",
    "insert_many",
    "insert_new",
    "open_engine",
    "scrub",
    "turned",
    "update_many",
    "without_time_limit",
]

Turn = Literal["alone", "shared", "read"]
"""What a transaction is for: to write with nobody else writing; to write beside others of its kind
(and never beside one that writes alone); or to read one consistent state."""

BUSY_TIMEOUT_MS = 30_000
"""How long a writer waits for another, or for a locked row, before it gives up."""
CACHE_KIB = 16_384
"""Pages that a connection to SQLite keeps at most. With the 2 MiB that it keeps unless told, a
transaction of 500 placements writes pages and reads them back seven times as often."""
CACHES_KIB = 262_144
"""What the connections that a process keeps open keep together at most; 2 MiB each in any case."""
STATEMENT_TIMEOUT_MS = 120_000
"""How long a statement may run on PostgreSQL; migrations may run longer."""
IDLE_TIMEOUT_MS = 60_000
"""How long a writer may keep PostgreSQL waiting between statements: a process that was stopped in
the middle of a transaction must not keep the writer's turn for ever."""
READ_IDLE_TIMEOUT_MS = 3_600_000
"""The same for a reader, which holds nobody up: a backup works for a while on what it read."""
CONNECT_SECONDS = 10
"""How long a connection to PostgreSQL may take to come about."""
POSTGRESQL_OLDEST = 15
"""The oldest major version of PostgreSQL that the tests run on."""
_SQLITE_BUSY = 5  # also in the lowest byte of extended codes. Source: SQLite, Result Codes
_TURN = "yunhe_turn"
_TURN_LOCK = 0x79756E6865  # "yunhe"; the number of the writers' advisory lock


def open_engine(url: URL, *, durable: bool, connections: int) -> Engine:
    """An engine for that address; ``durable=False`` lets the database skip the flush at commit.

    Errors: `ImportError` when the driver is not installed.
    """
    # An error that ends up in a log must not carry what people wrote.
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, pool_size=connections)
        _prepare_sqlite(engine, durable=durable, cache_kib=_cache_kib(connections))
    else:
        engine = _open_postgresql(url, durable=durable, connections=connections)
    event.listen(engine, "handle_error", _clean)
    return engine


def embedded(engine: Engine) -> bool:
    """Whether the database is a file that this process reads itself."""
    return engine.dialect.name == "sqlite"


def version(connection: Connection) -> int:
    """A number that changes when another connection has committed; for embedded databases.

    Source: SQLite, PRAGMA data_version. No transaction may be open.
    """
    driver: Any = connection.connection.driver_connection
    return int(driver.execute("PRAGMA data_version").fetchone()[0])


def turned(connection: Connection, turn: Turn) -> Connection:
    """``connection``, set up so that its next transaction takes that turn."""
    return connection.execution_options(**{_TURN: turn})


def _turn_of(connection: Connection) -> Turn:
    turn: Turn = connection.get_execution_options().get(_TURN, "read")
    return turn


# SQLite


def _cache_kib(connections: int) -> int:
    """For each of so many connections."""
    return max(min(CACHE_KIB, CACHES_KIB // max(connections, 1)), 2_048)


def _prepare_sqlite(engine: Engine, *, durable: bool, cache_kib: int) -> None:
    door = Door()

    @event.listens_for(engine, "connect")
    def _connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # The driver's own transaction handling would commit behind our back around DDL.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA cache_size=-{cache_kib}")
        cursor.execute("PRAGMA secure_delete=ON")  # erased content must not linger in free pages
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that writes after it read fails at once when another wrote
        # meanwhile; IMMEDIATE makes writers queue instead.
        if _turn_of(connection) == "read":
            driver: Any = connection.connection.driver_connection
            driver.execute("BEGIN")  # takes no lock yet, so there is nothing that can go wrong
        else:
            _begin_alone(connection, door)

    @event.listens_for(engine, "before_cursor_execute")
    def _refuse_nul(*sent: Any) -> None:  # noqa: ANN401 (whatever SQLAlchemy sends)
        # PostgreSQL has no such character; what one database takes, the other must take too.
        parameters, many = sent[3], sent[5]
        for row in parameters if many else (parameters,):
            for value in row:
                if value.__class__ is str and "\0" in value:
                    raise Invalid("storage.text_unstorable")


def _begin_alone(connection: Connection, door: Door) -> None:
    """Begin to write once no other does. Errors: the driver's, if others took too long."""
    driver: Any = connection.connection.driver_connection

    def look() -> bool:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except driver.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == _SQLITE_BUSY:
                return False
            raise
        return True

    driver.execute("PRAGMA busy_timeout=0")  # SQLite itself would look ever more seldom
    try:
        with suppress(driver.Error):
            if door.enter(look, patience_seconds=BUSY_TIMEOUT_MS / 1_000):
                return
        # Raises as all other statements do, unless it is free in this moment.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


# PostgreSQL


def _open_postgresql(url: URL, *, durable: bool, connections: int) -> Engine:
    import psycopg  # noqa: PLC0415 (an extra: only who uses PostgreSQL has it)

    prepared = url.query.get("prepared_statements", "on") != "off"
    engine = create_engine(
        url.difference_update_query(["prepared_statements"]),
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        pool_use_lifo=True,
        connect_args={
            **{name: value for name, value in _CONNECTING.items() if name not in url.query},
            # Transactions are opened by `_begin`, in one round trip with all their settings.
            "autocommit": True,
            "prepare_threshold": 5 if prepared else None,
        },
    )
    openings = {turn: _opening(turn, durable=durable) for turn in _LOCKS}

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        try:
            driver.execute(openings[_turn_of(connection)], prepare=False)
        except psycopg.Error as error:
            lost = bool(driver.closed)
            if lost:
                connection.invalidate()
            raise DBAPIError(
                "BEGIN", None, error, hide_parameters=True, connection_invalidated=lost
            ) from None

    return engine


_CONNECTING: Mapping[str, object] = {
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    "application_name": "yunhe",
    # Without these a server that vanished from the network is waited for for hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_LOCKS: Mapping[Turn, str] = {
    "alone": f"; SELECT pg_advisory_xact_lock({_TURN_LOCK})",
    "shared": f"; SELECT pg_advisory_xact_lock_shared({_TURN_LOCK})",
    "read": "",
}


def _opening(turn: Turn, *, durable: bool) -> str:
    """What begins a transaction. All of it is local to the transaction, as connection poolers need.

    Writers read what is committed at each statement, so that whatever the writer before them did
    is seen once the lock is theirs; readers see the state of one moment.
    """
    idle_ms = READ_IDLE_TIMEOUT_MS if turn == "read" else IDLE_TIMEOUT_MS
    mode = "REPEATABLE READ READ ONLY" if turn == "read" else "READ COMMITTED"
    opening = (
        f"BEGIN ISOLATION LEVEL {mode}; SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS};"
        f" SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS};"
        f" SET LOCAL idle_in_transaction_session_timeout = {idle_ms}"
    )
    if turn != "read" and durable:
        opening += (
            "; SELECT set_config('synchronous_commit', 'on', true)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
    elif turn != "read":
        opening += "; SET LOCAL synchronous_commit = off"
    return opening + _LOCKS[turn]


def _in_code_point_order(
    type_: String, compiler: postgresql.base.PGTypeCompiler, **given: object
) -> str:
    """Text columns that sort by code point, as SQLite's and Python's do.

    The order by language rules that a server may have as its default changes with the operating
    system's version, which damages indexes without a word.
    """
    if isinstance(type_, Text):
        written = str(compiler.visit_TEXT(type_, **given))
    else:
        written = str(compiler.visit_VARCHAR(type_, **given))
    is_column = isinstance(given.get("type_expression"), Column)
    return f'{written} COLLATE "C"' if is_column and not type_.collation else written


for _text in (String, Text):
    compiles(_text, "postgresql")(_in_code_point_order)


# Both


def without_time_limit(tx: Connection) -> None:
    """Let the statements of this transaction take as long as they need: a migration, a restore."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("SET LOCAL statement_timeout = 0")


def count_on(tx: Connection, tables: Sequence[Table]) -> None:
    """Let the database's own counters go on after the rows there are.

    For whoever wrote numbers that the database would have given: a restore.
    """
    if tx.dialect.name != "postgresql":
        return  # SQLite goes on after the largest number by itself
    for table in tables:
        column = table.autoincrement_column
        if column is None or column.autoincrement is False:
            continue
        name, of = tx.dialect.identifier_preparer.format_table(table), column.name
        tx.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{name}', '{of}'),"  # noqa: S608 (our own names)
            f" coalesce(max({of}), 0) + 1, false) FROM {name}"
        )


def check_server(tx: Connection, where: str) -> None:
    """Refuse a PostgreSQL that cannot hold what Yunhe writes; SQLite is always right.

    Errors: `Unavailable` ``storage.server_too_old``; `Invalid` ``storage.encoding``.
    """
    if tx.dialect.name != "postgresql":
        return
    query = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')"
    version, encoding = tx.exec_driver_sql(query).one()
    if version // 10_000 < POSTGRESQL_OLDEST:
        found = str(version // 10_000)
        raise Unavailable(
            "storage.server_too_old", where=where, found=found, oldest=POSTGRESQL_OLDEST
        )
    if encoding != "UTF8":
        raise Invalid("storage.encoding", where=where, found=encoding)


def scrub(engine: Engine) -> None:
    """Give up the space of deleted rows; outside any transaction."""
    raw = engine.raw_connection()
    try:
        vacuum = "PRAGMA wal_checkpoint(TRUNCATE)" if engine.dialect.name == "sqlite" else "VACUUM"
        raw.cursor().execute(vacuum)
    finally:
        raw.close()


def _clean(context: ExceptionContext) -> None:
    """What no driver can write is the caller's fault; what others can't, names no values."""
    error = context.original_exception
    if isinstance(error, UnicodeEncodeError):
        raise Invalid("storage.text_unstorable") from None
    if isinstance(error, OverflowError):
        raise Invalid("storage.number_unstorable") from None
    if isinstance(context.sqlalchemy_exception, DBAPIError):
        # PostgreSQL's second line shows the row, and with it what people wrote.
        said = str(error).partition("\n")[0]
        error.args = (said,)
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        context.sqlalchemy_exception.args = (f"({name}) {said}",)
