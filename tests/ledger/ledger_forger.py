"""Changes rows behind the ledger's back, with the database's own rules switched off."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from yunhe.storage.database import Database

_CHECKS = (
    "SELECT conrelid::regclass::text, conname FROM pg_constraint"
    " WHERE contype = 'c' AND conrelid::regclass::text LIKE 'ledger_%'"
)


def forge(database: Database, statements: Sequence[str]) -> None:
    """Run the statements; each must change something."""
    if database.url.startswith("sqlite"):
        _forge_sqlite(database.url.removeprefix("sqlite:///"), statements)
    else:
        _forge_postgresql(database.url, statements)


def _forge_sqlite(path: str, statements: Sequence[str]) -> None:
    with closing(sqlite3.connect(path)) as connection:  # foreign keys are off unless asked for
        connection.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.commit()


def _forge_postgresql(url: str, statements: Sequence[str]) -> None:
    import psycopg  # noqa: PLC0415 (tests on SQLite do without)

    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # foreign keys are triggers
        for table, name in connection.execute(_CHECKS).fetchall():
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount > 0
