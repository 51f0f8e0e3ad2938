"""Reads Parquet by record batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN, recover, worse
from yunhe.corpus.errors import Named, column_missing, input_faulty, place
from yunhe.corpus.readers.blocks import LINE_BYTES_MAX
from yunhe.corpus.readers.nested import column_of, kind_of
from yunhe.corpus.readers.parsed import Opened, Parsed, Rows, Task, from_columns, refused
from yunhe.kernel.errors import Finding

if TYPE_CHECKING:
    from yunhe.corpus.readers.bucket import Seekable

BATCH_ROWS = 8192
"""Rows read at a time; with the pages they lie in, that is what is held."""
PART_BYTES_MAX = 8 << 20
"""Text handed on at a time, unless one document is longer."""


def tasks(path: Named, source: str | Seekable, columns: Columns) -> Opened:
    """One task for each batch of the file at ``source``, which is called as ``path`` is.

    Errors: `Invalid` ``corpus.input_faulty`` at once when the file is no whole Parquet file, or a
    mapped column is missing or holds no text; what is damaged further in is a fault that names the
    row group, and the groups after it are read.
    """
    try:
        opened = parquet.ParquetFile(source, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError):
        finding = Finding(path.name, "corpus.parquet_unopened")
        raise input_faulty(path, [finding]) from None
    schema = opened.schema_arrow
    wanted = _wanted(columns)
    kinds = {name: kind_of(schema, name) for name in wanted}
    findings = [column_missing(path, n, schema.names) for n in wanted if kinds[n] is None]
    twice = [name for name in wanted if schema.names.count(name) > 1]
    findings += [Finding(path.name, "corpus.column_twice", (("column", n),)) for n in twice]
    for name in (each for each in wanted if each not in twice):
        kind = kinds[name]
        if kind is not None and not (_textual(kind) or (name != columns.text and _plain(kind))):
            params = (("column", name), ("kind", str(kind)))
            findings.append(Finding(path.name, "corpus.column_not_text", params))
    if findings:
        raise input_faulty(path, findings)
    return Opened(_batches(path, opened, columns), tuple(schema.names))


def _wanted(columns: Columns) -> list[str]:
    names = (columns.id, columns.text, columns.label)
    return list(dict.fromkeys(name for name in names if name is not None))


def _textual(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value)
        or pa.types.is_large_string(value)
        or pa.types.is_binary(value)
        or pa.types.is_large_binary(value)
    )


def _plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def _batches(path: Named, opened: parquet.ParquetFile, columns: Columns) -> Iterator[Task]:
    before = 0
    for group in range(opened.num_row_groups):
        rows, read = opened.metadata.row_group(group).num_rows, 0
        try:
            for batch in opened.iter_batches(
                BATCH_ROWS, row_groups=[group], columns=_wanted(columns), use_threads=False
            ):
                for part in _parts(batch):
                    yield partial(_parse, part, columns, path, first=before + read)
                    read += len(part)
        except (pa.ArrowException, OSError):
            lost = (("group", group + 1), ("row", before + read + 1), ("last", before + rows))
            yield partial(_the, refused(Finding(path.name, "corpus.parquet_damaged", lost)))
        before += rows


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in halves, quarters … until each part is small enough for 32-bit offsets."""
    if batch.nbytes <= PART_BYTES_MAX or len(batch) < 2:
        yield batch
        return
    half = len(batch) // 2
    yield from _parts(batch.slice(0, half))
    yield from _parts(batch.slice(half))


def _the(parsed: Parsed) -> Parsed:
    return parsed


def _parse(batch: pa.RecordBatch, columns: Columns, path: Named, *, first: int) -> Parsed:
    texts = _bytes(column_of(batch, columns.text))
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    if (lengths > LINE_BYTES_MAX).any():
        row = first + int((lengths > LINE_BYTES_MAX).argmax()) + 1
        return refused(Finding(place(path, row), "corpus.document_too_long"))
    ids = None if columns.id is None else _bytes(column_of(batch, columns.id))
    labels = None if columns.label is None else _bytes(column_of(batch, columns.label))
    if pc.any(pc.match_substring(texts, b"\0")).as_py():
        return _row_by_row(ids, texts, labels)
    try:
        return from_columns(
            None if ids is None else ids.cast(pa.string()),
            texts.cast(pa.large_string()),
            None if labels is None else labels.cast(pa.string()),
        )
    except pa.ArrowInvalid:  # some text is no UTF-8
        return _row_by_row(ids, texts, labels)


def _row_by_row(ids: pa.Array | None, texts: pa.Array, labels: pa.Array | None) -> Parsed:
    rows = Rows()
    nothing = [None] * len(texts)
    columns = [nothing if each is None else each.to_pylist() for each in (ids, texts, labels)]
    for record in zip(*columns, strict=True):
        found = [(None, CLEAN) if data is None else recover(data) for data in record]
        rows.add([text for text, _ in found], reduce(worse, (damage for _, damage in found)))
    return rows.parsed()


def _bytes(column: pa.Array) -> pa.Array:
    """large_binary[n]: the column's text, not yet trusted to be any."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _plain(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        column = column.cast(pa.binary())
    return column.cast(pa.large_binary())
