"""Brings a database to the schema this version knows, or says why it can't."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from yunhe.kernel.errors import Conflict
from yunhe.storage import dialect
from yunhe.storage.database import Database

HEAD = "0005"
"""The newest revision; a test holds it equal to the newest file under ``migrations/versions``."""
RESTORING = "restoring"
"""Stands in the revision's place until a restored database has been verified."""


def upgrade(database: Database, *, to: str = HEAD) -> None:
    """Run the migrations that are missing; nothing is written when none is.

    All of them run in one transaction that writes alone, so a killed upgrade leaves the old schema
    and of several processes that start at once one upgrades. Errors: `Conflict` ``storage.newer``
    when a newer version of Yunhe wrote the database, ``storage.restoring`` when a restore is at
    work or was interrupted; those of `dialect.check_server`.
    Cost: one read when up to date; Alembic is loaded only when there is something to do.
    """
    with database.read() as tx:
        found = _revision(tx)
    if found == to:
        return
    if found == RESTORING:
        raise Conflict("storage.restoring", where=database.where)
    if found is not None and found > HEAD:
        raise Conflict("storage.newer", where=database.where, found=found, known=HEAD)
    with database.begin() as tx:
        if _revision(tx) != to:  # another process may have upgraded while we waited to write
            dialect.check_server(tx, database.where)
            dialect.without_time_limit(tx)
            migrate(tx, to)


def revision(database: Database) -> str | None:
    """The revision of the schema that is there; None for an empty database."""
    with database.read() as tx:
        return _revision(tx)


def _revision(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    row = tx.execute(text("SELECT version_num FROM alembic_version")).one_or_none()
    return None if row is None else str(row[0])


def migrate(tx: Connection, to: str) -> None:
    """Run the migrations up to ``to`` in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 (half a second that most starts do not need)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = tx
    command.upgrade(config, to)
