"""Brings a database to the schema this version knows, or says why it can't."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from yunhe.kernel.errors import Conflict
from yunhe.storage.database import Database

HEAD = "0002"
"""The newest revision; a test holds it equal to the newest file under ``migrations/versions``."""


def upgrade(database: Database, *, to: str = HEAD) -> None:
    """Run the migrations that are missing; nothing is written when none is.

    All of them run in one transaction, so a killed upgrade leaves the old schema.
    Errors: `Conflict` ``storage.newer`` when a newer version of Yunhe wrote the database.
    Cost: one read when up to date; Alembic is loaded only when there is something to do.
    """
    with database.read() as tx:
        found = _revision(tx)
    if found == to:
        return
    if found is not None and found > HEAD:
        raise Conflict("storage.newer", where=database.where, found=found, known=HEAD)
    with database.begin() as tx:
        if _revision(tx) != to:  # another process may have upgraded while we waited to write
            _migrate(tx, to)


def _revision(tx: Connection) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    row = tx.execute(text("SELECT version_num FROM alembic_version")).one_or_none()
    return None if row is None else str(row[0])


def _migrate(tx: Connection, to: str) -> None:
    from alembic import command  # noqa: PLC0415 (half a second that most starts do not need)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = tx
    command.upgrade(config, to)
