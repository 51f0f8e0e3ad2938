"""Every row of a database as files that any other database can take in again.

One Parquet file (zstd) for each table, with the table's own columns, whatever version of the schema
they are of: the tables are looked up in the database, not in this program. Alembic's own table is
left out; the revision goes with the files instead.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    column,
    insert,
    select,
    table,
    text,
)
from sqlalchemy.types import TypeEngine

from yunhe.kernel.errors import Invalid
from yunhe.kernel.progress import Progress
from yunhe.storage import dialect
from yunhe.storage.database import Database, Transaction

ROWS_AT_ONCE = 2_000
"""Rows in memory at a time, on the way out and in."""
VERSION_TABLE = "alembic_version"
"""Where the revision of the schema stands."""
SUFFIX = ".parquet"
"""How a table's file is called after the table's name."""
# Order matters: a Boolean is told from an Integer, a text of any length from nothing.
_TYPES: tuple[tuple[type[TypeEngine[Any]], pa.DataType], ...] = (
    (Boolean, pa.bool_()),
    (Integer, pa.int64()),
    (LargeBinary, pa.binary()),
    (Float, pa.float64()),
    (String, pa.string()),
)
_BACK: Mapping[str, TypeEngine[Any]] = {
    "bool": Boolean(),
    "int64": BigInteger(),
    "binary": LargeBinary(),
    "double": Float(),
    "string": Text(),
}


@dataclass(frozen=True, slots=True)
class Dumped:
    """One file of a dump."""

    name: str
    """The table's."""
    rows: int
    """How many it holds."""
    digest: str
    """Of the file."""
    size_bytes: int
    """Of the file."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a database held at one moment."""

    revision: str
    """Of its schema."""
    tables: tuple[Dumped, ...]
    """Parents before children."""


def dump(tx: Transaction, folder: Path, progress: Progress) -> Dump:
    """Write every table into ``folder`` as ``tx`` sees it.

    ``tx`` sees one moment for as long as this takes (`Database.read`), and nobody waits for it.
    Files are on disk when this returns. Errors: ``OSError`` when the disk refuses. Cost: reads
    every row once; `ROWS_AT_ONCE` rows are in memory.
    """
    dialect.without_time_limit(tx)
    made: list[Dumped] = []
    rows = 0
    for each in _tables(tx):
        path = folder / (each.name + SUFFIX)
        written = 0
        for count in _write(tx, each, path):
            written += count
            progress.step("operations.backup.rows", done=rows + written)
        rows += written
        digest, size = digest_of_file(path)
        made.append(Dumped(each.name, written, digest, size))
    found = tx.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one()  # noqa: S608
    return Dump(str(found), tuple(made))


def load(database: Database, dumped: Dumped, path: Path) -> Iterator[int]:
    """Put the rows of one file into the empty table of its name; gives counts as it goes.

    One transaction for a table. Errors: `Invalid` ``storage.dump_unreadable`` when the file is none
    of ours or does not hold what it should; what the database says.
    """
    count = 0
    with database.begin() as tx:
        dialect.without_time_limit(tx)
        for batch in batches(path):
            types = [_BACK.get(str(each.type)) for each in batch.schema]
            if None in types:
                raise Invalid("storage.dump_unreadable", name=dumped.name)
            columns = zip(batch.schema.names, types, strict=True)
            into = table(dumped.name, *(column(name, type_) for name, type_ in columns))
            tx.execute(insert(into), batch.to_pylist())
            count += batch.num_rows
            yield batch.num_rows
        if count != dumped.rows:
            raise Invalid("storage.dump_unreadable", name=dumped.name)


def count_on(database: Database) -> None:
    """Let the database's own counters go on after the loaded rows."""
    with database.begin() as tx:
        dialect.count_on(tx, _tables(tx))


def batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a file, or some columns of them, a few thousand at a time.

    Errors: `Invalid` ``storage.dump_unreadable``.
    """
    try:
        with path.open("rb") as file, pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise Invalid("storage.dump_unreadable", name=path.name) from error


def digest_of_file(path: Path) -> tuple[str, int]:
    """Digest and size of a file, which is not held in memory."""
    hasher, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
            size += len(chunk)
    return "sha256:" + hasher.hexdigest(), size


def _tables(tx: Transaction) -> list[Table]:
    found = MetaData()
    found.reflect(tx)
    return [each for each in found.sorted_tables if each.name != VERSION_TABLE]


def _write(tx: Transaction, found: Table, path: Path) -> Iterator[int]:
    """Write one table in the order of its key, which for numbered rows is that of their coming."""
    schema = pa.schema([(each.name, _arrow_type(each)) for each in found.columns])
    query = select(found).order_by(*found.primary_key.columns)
    with path.open("wb") as file:
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            rows = tx.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
            for part in rows.partitions():
                columns = zip(zip(*part, strict=True), schema, strict=True)
                arrays = [pa.array(values, field.type) for values, field in columns]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
                yield len(part)
        file.flush()
        os.fsync(file.fileno())


def _arrow_type(found: Column[object]) -> pa.DataType:
    for kind, arrow in _TYPES:
        if isinstance(found.type, kind):
            return arrow
    raise TypeError(f"{found.table.name}.{found.name}: {found.type!r} has no portable form")
