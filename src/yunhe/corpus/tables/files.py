"""Reads and writes tables: CSV and Parquet, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from yunhe.corpus import errors
from yunhe.kernel.errors import Finding, Invalid

BYTES_MAX = 4 << 30
"""Largest file; a table is held in memory, about three times over."""
FORMATS = (".csv", ".parquet")
"""Endings of names."""


def read(path: Path) -> pa.Table:
    """The table in a file; values of CSV stay text, so that codes keep their zeros.

    Errors: `NotFound` ``corpus.input_missing``; `Invalid` ``corpus.table_invalid`` with the place;
    `Unavailable` ``corpus.input_unreadable``.
    """
    _known(path)
    try:
        if path.stat().st_size > BYTES_MAX:
            bound = (("bytes_max", BYTES_MAX),)
            raise invalid(path.name, [Finding(path.name, "corpus.table_large", bound)])
        found = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except FileNotFoundError:
        raise errors.input_missing(path) from None
    except OSError as error:
        raise errors.input_unreadable(path, error.strerror or "") from None
    names = found.column_names
    if len(set(names)) != len(names):
        raise invalid(path.name, [Finding(path.name, "corpus.table_column_twice")])
    if not found.num_rows:
        raise invalid(path.name, [Finding(path.name, "corpus.table_empty")])
    return found


def _csv(path: Path) -> pa.Table:
    lines = csv.ParseOptions(newlines_in_values=True)
    try:
        with csv.open_csv(path, parse_options=lines) as begun:
            names = begun.schema.names
        kept = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
            quoted_strings_can_be_null=True,
        )
        return csv.read_csv(path, parse_options=lines, convert_options=kept)
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        row = str(error).partition("Row #")[2].partition(":")[0]
        where = f"{path.name}:{row}" if row.isdigit() else path.name
        raise invalid(path.name, [Finding(where, "corpus.table_csv")]) from None


def _parquet(path: Path) -> pa.Table:
    try:
        return parquet.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # Arrow calls a broken footer one, too
            raise
        raise invalid(path.name, [Finding(path.name, "corpus.table_parquet")]) from None


def write(table: pa.Table, path: Path) -> None:
    """Write a table; the file appears when it is whole.

    Errors: `Invalid` ``corpus.table_invalid`` for an unknown ending, `Unavailable`
    ``corpus.input_unreadable``.
    """
    _known(path)
    work = path.with_name(f".{path.name}.work")
    try:
        if path.suffix.lower() == ".parquet":
            parquet.write_table(table, work)
        else:
            csv.write_csv(table if table.num_columns > 1 else _quoted(table), work)
        work.replace(path)
    except OSError as error:
        raise errors.input_unreadable(path, error.strerror or "") from None
    finally:
        work.unlink(missing_ok=True)


def _quoted(table: pa.Table) -> pa.Table:
    """A table of one column whose nulls are empty texts: an empty line would be no row."""
    texts = [pc.fill_null(column.cast(pa.string()), "") for column in table.columns]
    return pa.table(texts, names=table.column_names)


def invalid(where: str, findings: list[Finding]) -> Invalid:
    """The table or what is asked of it is wrong in these places."""
    return Invalid("corpus.table_invalid", where=where, findings=findings)


def _known(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        known = (("known", ", ".join(FORMATS)),)
        raise invalid(path.name, [Finding(path.name, "corpus.library_format", known)])
