"""Tables as files: CSV and Parquet, in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

DIGITS = 12
"""Decimals of an amount in CSV at most; zeros at the end are left out."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a formula of a spreadsheet can begin with."""


def parquet(rows: pa.Table) -> bytes:
    """The table as one Parquet file, types and all."""
    from pyarrow import parquet as files  # noqa: PLC0415

    out = io.BytesIO()
    files.write_table(rows, out, compression="zstd")
    return out.getvalue()


def csv(rows: pa.Table) -> bytes:
    """The table as CSV: times as ISO 8601 in UTC to the second, decimals without needless zeros.

    Texts are `harmless`; the Parquet file has them as they are.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute as pc  # noqa: PLC0415
    from pyarrow import csv as files  # noqa: PLC0415

    columns = {}
    for name in rows.column_names:
        column = rows.column(name)
        if pa.types.is_timestamp(column.type):
            seconds = column.cast(pa.timestamp("s", tz="UTC"), safe=False)
            column = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_decimal(column.type):
            column = pa.chunked_array(
                [[_plain(value) for value in column.to_pylist()]], pa.string()
            )
        elif pa.types.is_string(column.type):
            risky = pc.starts_with(column, FORMULA[0])
            for sign in FORMULA[1:]:
                risky = pc.or_(risky, pc.starts_with(column, sign))
            column = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
        columns[name] = column
    out = io.BytesIO()
    files.write_csv(pa.table(columns), out, files.WriteOptions(quoting_style="needed"))
    return out.getvalue()


def harmless(value: str) -> str:
    """A text with an apostrophe before it where a spreadsheet would take it for a formula.

    *Source*: OWASP, "CSV Injection"; the signs of full width count in East Asian editions.
    """
    return f"'{value}" if value.startswith(FORMULA) else value


def _plain(value: object) -> str | None:
    if value is None:
        return None
    said = f"{value:f}"
    if "." not in said:
        return said
    kept = said.rstrip("0")
    return f"{kept}0" if kept.endswith(".") else kept  # so that who guesses types guesses no int
