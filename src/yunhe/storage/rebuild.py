"""Fills an empty database from a dump; until it is finished no platform opens on it.

`begin` makes the tables the dump was taken from and writes `upgrade.RESTORING` where the revision
stands, `upgrade` then refuses the database. Killed at any point, the next `begin` starts anew.
"""

from __future__ import annotations

from sqlalchemy import MetaData, inspect, text

from yunhe.kernel.errors import Conflict
from yunhe.storage import dialect
from yunhe.storage import upgrade as schema
from yunhe.storage.database import Database, Transaction
from yunhe.storage.dump import VERSION_TABLE


def check_empty(database: Database) -> None:
    """Nothing that could be lost may lie in the database.

    Errors: `Conflict` ``storage.not_empty``.
    """
    with database.read() as tx:
        _check_empty(tx, database.where)


def is_empty(database: Database) -> bool:
    """Whether there is no table at all."""
    with database.read() as tx:
        return not inspect(tx).get_table_names()


def begun(database: Database) -> bool:
    """Whether a restore was begun there and not finished."""
    with database.read() as tx:
        return _restoring(tx)


def begin(database: Database, revision: str) -> None:
    """Make the empty tables of that revision, in place of those of an interrupted restore.

    Errors: `Conflict` ``storage.not_empty``; ``storage.newer`` for a revision we don't know.
    """
    if revision > schema.HEAD:
        raise Conflict("storage.newer", where=database.where, found=revision, known=schema.HEAD)
    with database.begin() as tx:
        _check_empty(tx, database.where)
        dialect.check_server(tx, database.where)
        dialect.without_time_limit(tx)
        _drop(tx)
        schema.migrate(tx, revision)
        _write(tx, schema.RESTORING)


def to_newest(database: Database, revision: str) -> None:
    """Bring the loaded rows from that revision to the newest."""
    with database.begin() as tx:
        dialect.without_time_limit(tx)
        _write(tx, revision)
        schema.migrate(tx, schema.HEAD)
        _write(tx, schema.RESTORING)


def finish(database: Database) -> None:
    """Let platforms open on it from now on."""
    with database.begin() as tx:
        _write(tx, schema.HEAD)


def undo(database: Database) -> None:
    """Take everything away again; a database that no restore began is left alone."""
    with database.begin() as tx:
        if _restoring(tx):
            dialect.without_time_limit(tx)
            _drop(tx)


def _check_empty(tx: Transaction, where: str) -> None:
    if inspect(tx).get_table_names() and not _restoring(tx):
        raise Conflict("storage.not_empty", where=where)


def _restoring(tx: Transaction) -> bool:
    if not inspect(tx).has_table(VERSION_TABLE):
        return False
    found = tx.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return bool(found == schema.RESTORING)


def _drop(tx: Transaction) -> None:
    found = MetaData()
    found.reflect(tx)
    found.drop_all(tx)


def _write(tx: Transaction, revision: str) -> None:
    tx.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = :to"), {"to": revision})  # noqa: S608
