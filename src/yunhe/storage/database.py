"""One database, opened by address: transactions that are all-or-nothing and say why they failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from yunhe.kernel.errors import Invalid
from yunhe.storage import dialect

Transaction = Connection
"""What a face takes when it joins its caller's transaction."""


class Database:
    """Gives out transactions; one code path for SQLite and PostgreSQL, chosen by the address."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        """``url`` is SQLAlchemy's, e.g. ``sqlite:////srv/yunhe.db``; nothing is opened yet."""
        self.url = url
        try:
            self.where = make_url(url).render_as_string(hide_password=True)
            self._engine = dialect.open_engine(url, durable=durable)
        except (ArgumentError, ImportError) as error:
            # The address itself may hold a password, so only the reason is told.
            reason = str(error.args[0]).splitlines()[0].replace(url, "…")[:200]
            raise Invalid("storage.address_invalid", reason=reason) from None

    @classmethod
    def at(cls, path: Path, *, durable: bool = True) -> Database:
        """The SQLite database in the file ``path``; its folder must exist."""
        return cls(f"sqlite:///{path.resolve()}", durable=durable)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that may write: committed when the block ends, undone when it raises.

        Errors: `Unavailable` for a full, read-only or damaged disk, `Conflict` when other writers
        kept the database busy for `dialect.BUSY_TIMEOUT_MS`.
        """
        with (
            self._explained(),
            self._engine.connect() as connection,
            dialect.for_writing(connection).begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one consistent state and must not write."""
        with self._explained(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            known = dialect.explain(error, self.where)
            if known is None:
                raise
            raise known from error

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()
