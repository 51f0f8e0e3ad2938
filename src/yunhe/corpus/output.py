"""Tables as Parquet and JSON lines whose bytes depend on nothing but their rows."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from yunhe.corpus.kernels.hashing import mix
from yunhe.corpus.kernels.quoting import quoted

ROW_GROUP_ROWS = 16_384
"""Rows of a row group; fixed, because where groups end is part of the bytes."""
ROW_GROUP_BYTES = 64 << 20
"""Text after which a row group ends although it has fewer rows; bounds the memory."""

DATASET = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("label", pa.string()), ("group", pa.string())]
)
"""Released documents; ``group`` is the id of the first of their kind."""
DECISIONS = pa.schema(
    [
        ("document", pa.string()),
        ("row", pa.int64()),
        ("step", pa.string()),
        ("version", pa.int64()),
        ("action", pa.string()),
        ("reason", pa.string()),
        ("score", pa.int32()),
        ("of", pa.string()),
    ]
)
"""One row for every repair and every drop; ``row`` is the document's number in its file, from 1;
``of`` is the id of the document that stayed, where this one is a duplicate of it, else null."""
SPANS = pa.schema(
    [
        ("document", pa.string()),
        ("type", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("score", pa.int32()),
        ("reason", pa.string()),
    ]
)
"""One row for every personal detail in a released document: where and what, never its value."""
REMOVED = pa.schema(
    [
        ("document", pa.string()),
        ("step", pa.string()),
        ("kind", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
"""One row for every other place that a step took out of a released document."""


def with_source(schema: pa.Schema) -> pa.Schema:
    """The schema with the file's name as last column, for what comes from many files."""
    return schema.append(pa.field("source", pa.string()))


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as one Parquet file: the same rows give the same bytes, however chunked."""
    sink = io.BytesIO()
    write_parquet(sink, table.schema, [table])
    return sink.getvalue()


def write_parquet(sink: Path | IO[bytes], schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """The tables one after the other as one Parquet file, as `parquet_bytes` would write them all.

    Memory: one row group.
    """
    where = str(sink) if isinstance(sink, Path) else sink
    with parquet.ParquetWriter(
        where, schema, compression="zstd", use_dictionary=False, store_schema=False
    ) as writer:
        empty = True
        for group in _row_groups(schema, tables):
            empty = False
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
        if empty:
            writer.write_table(schema.empty_table(), row_group_size=ROW_GROUP_ROWS)
        if schema.metadata:  # left out with the schema itself, which would name Arrow's version
            writer.add_key_value_metadata(schema.metadata)


def _row_groups(schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    held = schema.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        while (end := _first_group(held)) is not None:
            yield held.slice(0, end).combine_chunks()
            held = held.slice(end)
    if len(held):
        yield held.combine_chunks()


def _first_group(table: pa.Table) -> int | None:
    """Where the first row group ends; None when it may go on."""
    end = ROW_GROUP_ROWS if len(table) >= ROW_GROUP_ROWS else None
    if "text" in table.schema.names and table.nbytes >= ROW_GROUP_BYTES:
        first = table.column("text").slice(0, ROW_GROUP_ROWS)
        sizes = pc.fill_null(pc.cast(pc.binary_length(first), pa.int64()), 0)
        total = np.cumsum(sizes.to_numpy())
        at = int(np.searchsorted(total, ROW_GROUP_BYTES)) + 1
        if at <= len(total):
            return at
    return end


def write_json_lines(path: Path, tables: Iterable[pa.Table]) -> None:
    """The tables one after the other as JSON lines, packed with Zstandard; columns are text."""
    with pa.output_stream(str(path), compression="zstd") as sink:
        for table in tables:
            for batch in table.to_batches(max_chunksize=ROW_GROUP_ROWS):
                sink.write(_json_lines(batch))


def _json_lines(batch: pa.RecordBatch) -> pa.Buffer:
    pieces: list[pa.Array | pa.Scalar] = []
    for number, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        head = f'{"," if number else "{"}"{name}":'
        pieces += [pa.scalar(head, pa.large_string()), _json_values(column)]
    pieces.append(pa.scalar("}\n", pa.large_string()))
    lines = pc.binary_join_element_wise(*pieces, pa.scalar("", pa.large_string()))
    start, end = (int(np.frombuffer(lines.buffers()[1], np.int64)[at]) for at in (0, len(lines)))
    return lines.buffers()[2].slice(start, end - start)


def _json_values(column: pa.Array) -> pa.Array:
    null = column.is_null()
    texts = quoted(pc.fill_null(column, "").cast(pa.large_string()))
    if not column.null_count:
        return texts
    return pc.if_else(null, pa.scalar("null", pa.large_string()), texts)


def drawn(count: int, *, documents_max: int, digest: str) -> NDArray[np.int64]:
    """int64[m], rising: which of ``count`` documents are drawn for review.

    The draw comes from the digest of the whole dataset, so nobody can arrange beforehand which
    documents are looked at, and everybody can repeat it.
    """
    seed = np.uint64(int(digest.removeprefix("sha256:")[:16], 16))
    lots = mix(np.arange(1, count + 1, dtype=np.uint64) ^ seed)
    return np.sort(np.argsort(lots, kind="stable")[:documents_max])


def some_rows(path: Path, rows: NDArray[np.int64]) -> pa.Table:
    """Rows of a Parquet file by number, rising. Memory: one row group and the rows."""
    opened = parquet.ParquetFile(path)
    found, start = [opened.schema_arrow.empty_table()], 0
    for number in range(opened.num_row_groups):
        size = opened.metadata.row_group(number).num_rows
        low, high = np.searchsorted(rows, (start, start + size))
        if low < high:
            group = opened.read_row_group(number, use_threads=False)
            found.append(group.take(pa.array(rows[low:high] - start)))
        start += size
    return pa.concat_tables(found).combine_chunks()
