"""One database, opened by address: transactions that are all-or-nothing and say why they failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, RootTransaction, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.storage import dialect
from yunhe.storage.dialect import Turn
from yunhe.storage.door import GAP_SECONDS
from yunhe.storage.failures import explain

Transaction = Connection
"""What a face takes when it joins its caller's transaction."""
Observer = Callable[[Turn], AbstractContextManager[object]]
"""Gives what surrounds a transaction of that kind, e.g. a clock."""
CONNECTIONS = 10
"""Connections a process keeps open at most, unless it is told otherwise."""
_CARRIED = "yunhe_"
_Result = TypeVar("_Result")

_NOTHING: AbstractContextManager[object] = nullcontext()


class Database:
    """Gives out transactions; one code path for SQLite and PostgreSQL, chosen by the address.

    Writers take turns on both (docs/decisions/0006): a command that looks before it writes finds
    what it saw still true when it writes.
    """

    def __init__(self, url: str, *, durable: bool = True, connections: int = CONNECTIONS) -> None:
        """``url`` is ``sqlite:////srv/yunhe.db`` or ``postgresql://role@host/name``.

        Nothing is opened yet. ``durable=False`` is for scratch databases: commits need not reach
        the disk. Errors: `Invalid` ``storage.address_invalid`` and ``storage.driver_missing``.
        """
        self.url = url
        self._observer: Observer = _unobserved
        try:
            parsed = _parsed(url)
            self.where = _shown(parsed)
            self._engine = dialect.open_engine(parsed, durable=durable, connections=connections)
        except ImportError as error:
            raise Invalid("storage.driver_missing", module=error.name or "psycopg") from None
        except (ArgumentError, ValueError) as error:
            # The address itself may hold a password, so only the reason is told.
            reason = str(error.args[0]).splitlines()[0].replace(url, "…")[:200]
            raise Invalid("storage.address_invalid", reason=reason) from None

    @classmethod
    def at(cls, path: Path, *, durable: bool = True) -> Database:
        """The SQLite database in the file ``path``; its folder must exist."""
        return cls(f"sqlite:///{path.resolve()}", durable=durable)

    @property
    def embedded(self) -> bool:
        """Whether it lies in a file of this machine: a look-up waits for no network, no writer."""
        return dialect.embedded(self._engine)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that writes alone: committed when the block ends, undone when it raises.

        Nobody else writes until it ends, so what it reads stays true. Errors: `Unavailable` for a
        full, read-only or damaged disk and for a server that does not answer; `Conflict`
        ``storage.busy`` when other writers did not come to an end within
        `dialect.BUSY_TIMEOUT_MS`; `Unavailable` ``storage.server_lost`` when the connection broke
        off, by when it is not known whether the end was reached: repeat it with the same key.
        """
        with self._transaction("alone") as tx:
            yield tx

    @contextmanager
    def begin_shared(self) -> Iterator[Transaction]:
        """As `begin`, but beside other shared writers where the database can do that.

        Only for commands that stay right then: they rest on unique keys, on one conditional change
        of one row, or on rows that only `begin` changes. Errors as `begin`.
        """
        with self._transaction("shared") as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one consistent state and must not write; errors as `begin`."""
        with self._transaction("read") as tx:
            yield tx

    @contextmanager
    def _transaction(self, turn: Turn) -> Iterator[Transaction]:
        with self._observer(turn):
            with self._explained(turn, begun=False):
                connection, transaction = self._open(turn)
            with self._explained(turn, begun=True), connection, transaction:
                yield connection

    def _open(self, turn: Turn) -> tuple[Connection, RootTransaction]:
        """A connection whose transaction has begun, on a new one if the server left the old one."""
        try:
            return self._open_once(turn)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        self._engine.dispose()  # the others that lie idle are no better
        return self._open_once(turn)

    def _open_once(self, turn: Turn) -> tuple[Connection, RootTransaction]:
        connection = self._engine.connect()
        try:
            return connection, dialect.turned(connection, turn).begin()
        except BaseException:
            connection.close()
            raise

    @contextmanager
    def _explained(self, turn: Turn, *, begun: bool) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            known = explain(error, self.where, reads=turn == "read", begun=begun)
            if known is None:
                raise
            # What the driver raises when it can't connect holds the password.
            raise known from (error if begun else None)
        except NoneFree:
            raise Unavailable(
                "storage.connections_busy", where=self.where, retryable=True
            ) from None

    def let_in(self) -> None:
        """Leave others a moment to begin, between two of one's own transactions in close order.

        Whoever writes so would otherwise come first again and again: those who wait look only now
        and then. A server gives out turns in order by itself.
        """
        if self.embedded:
            time.sleep(GAP_SECONDS)

    def reader(self) -> Reader:
        """A way to look things up again and again from one thread; close it with the thread."""
        return Reader(self._connect_reader, observed=self._observed, explain=self._explain_read)

    def _connect_reader(self) -> Connection:
        with self._explained("read", begun=True):
            return dialect.turned(self._engine.connect(), "read")

    def _observed(self) -> AbstractContextManager[object]:
        return self._observer("read")

    def _explain_read(self, error: DBAPIError) -> None:
        with self._explained("read", begun=True):
            raise error

    def watch(self, observer: Observer) -> None:
        """Let every transaction from now on happen within what ``observer`` gives for it."""
        self._observer = observer

    def carry(self, **beside: object) -> None:
        """Let every transaction from now on carry what belongs to this platform: see `carried`."""
        self._engine.update_execution_options(**{_CARRIED + k: v for k, v in beside.items()})

    def connections_in_use(self) -> int:
        """Connections that are not idle now."""
        count = getattr(self._engine.pool, "checkedout", None)
        return int(count()) if callable(count) else 0

    def scrub(self) -> None:
        """Make what was deleted vanish from the files as well, as far as the database can.

        On SQLite the write-ahead log, which still holds pages as they were, is emptied; readers
        that are at work keep it until the next call. On PostgreSQL dead rows are vacuumed; its own
        write-ahead log and what archives it are the operator's. Cost: SQLite little; PostgreSQL
        reads every table.
        """
        with self._explained("read", begun=False):
            dialect.scrub(self._engine)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()


class Reader:
    """Looks things up for one thread, on a connection it keeps: a third of the cost of `read`.

    For embedded databases: elsewhere a kept connection may be gone when it is needed.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        observed: Callable[[], AbstractContextManager[object]],
        explain: Callable[[DBAPIError], None],
    ) -> None:
        self._connect, self._observed, self._explain = connect, observed, explain
        self._connection: Connection | None = None

    def run(self, work: Callable[[Transaction], _Result]) -> _Result:
        """What the work read in one consistent state; errors as `Database.read`."""
        connection = self._connection or self._held()
        try:
            with self._observed(), connection.begin():
                return work(connection)
        except DBAPIError as error:
            self.close()
            self._explain(error)
            raise

    def version(self) -> int:
        """A number that changes whenever anybody else, in any process, has committed."""
        return dialect.version(self._held())

    def close(self) -> None:
        """Let go of the connection; the next look-up takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _held(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection


def _unobserved(_: Turn) -> AbstractContextManager[object]:
    return _NOTHING


def _parsed(url: str) -> URL:
    parsed = make_url(url)
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise ArgumentError(f"{parsed.drivername} is not sqlite or postgresql")
    return parsed


def _shown(url: URL) -> str:
    """The address without what is nobody's business: passwords may also stand in the query."""
    place = url.query.get("host")
    return url.set(query={"host": place} if place else {}).render_as_string(hide_password=True)


def carried(tx: Transaction, name: str) -> object:
    """What the transaction's database was given with `Database.carry`; None if nothing was."""
    return tx.get_execution_options().get(_CARRIED + name)
