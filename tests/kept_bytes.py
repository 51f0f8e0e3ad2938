"""Everything a platform keeps, as bytes to search: for tests about what must be nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import MetaData

from yunhe.storage.database import Database


def kept_bytes(folder: Path, database: Database) -> Iterator[tuple[str, bytes]]:
    """Every file below ``folder``, and every row of a database that is no file."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
    if database.url.startswith("sqlite"):
        return
    with database.read() as tx:
        tables = MetaData()
        tables.reflect(tx)
        for table in tables.sorted_tables:
            for row in tx.execute(table.select()):
                for value in row:
                    shown = value if isinstance(value, bytes) else str(value).encode()
                    yield table.name, shown
