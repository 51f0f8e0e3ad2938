"""Reads CSV: in bulk with Arrow, and record by record only where a block has a fault or damage."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from pyarrow import csv as arrow_csv

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN, as_utf8, recover, worse
from yunhe.corpus.errors import Named, column_missing, input_faulty, place
from yunhe.corpus.readers.blocks import LINE_BYTES_MAX, Block, QuotedCut, Stream, blocks
from yunhe.corpus.readers.parsed import Opened, Parsed, Rows, Task, from_columns, refused
from yunhe.kernel.errors import Finding

# The module's own bound of 128 KiB for a field is process-wide; ours is the bound on records.
csv.field_size_limit(LINE_BYTES_MAX)
_ODD = re.compile("[\0\udc80-\udcff]")  # NUL, and bytes that could not be read


@dataclass(frozen=True, slots=True)
class _Layout:
    path: Named
    columns: Columns
    encoding: str
    header: tuple[str, ...]
    delimiter: str


def tasks(
    path: Named, stream: Stream, columns: Columns, *, head: bytes, encoding: str, delimiter: str
) -> Opened:
    """One task for each block of the stream; the first record names the columns.

    Errors: `Invalid` ``corpus.input_faulty`` at once when a mapped column is missing or named
    twice.
    """
    text = head.decode(encoding, errors="replace")
    header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    wanted = [name for name in (columns.id, columns.text, columns.label) if name is not None]
    findings = [column_missing(path, name, header) for name in wanted if name not in header]
    findings += [
        Finding(place(path, 1), "corpus.column_twice", (("column", name),))
        for name in wanted
        if header.count(name) > 1
    ]
    if findings:
        raise input_faulty(path, findings)
    layout = _Layout(path, columns, encoding, tuple(header), delimiter)

    def each() -> Iterator[Task]:
        for number, block in enumerate(blocks(stream, QuotedCut())):
            yield partial(_parse, block, layout, skip=int(number == 0))
            if (
                block.too_long
            ):  # most likely a quotation mark never closed: what follows is not to be trusted
                return

    return Opened(each(), tuple(header))


def _parse(block: Block, layout: _Layout, *, skip: int) -> Parsed:
    if block.too_long:
        return refused(Finding(place(layout.path, block.line), "corpus.record_too_long"))
    return _in_bulk(block, layout, skip=skip) or _row_by_row(block, layout, skip=skip)


def _in_bulk(block: Block, layout: _Layout, *, skip: int) -> Parsed | None:
    if b"\0" in block.data:
        return None
    data = as_utf8(block.data, layout.encoding)
    if data is None:
        return None
    columns = layout.columns
    wanted = [name for name in (columns.id, columns.text, columns.label) if name is not None]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,
                column_names=list(layout.header),
                skip_rows_after_names=skip,
            ),
            arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None

    def column(name: str | None) -> pa.Array | None:
        return None if name is None else table.column(name).combine_chunks()

    return from_columns(column(columns.id), column(columns.text), column(columns.label))


def _row_by_row(block: Block, layout: _Layout, *, skip: int) -> Parsed:
    rows = Rows()
    text = block.data.decode(layout.encoding, errors="surrogateescape")
    records = csv.reader(io.StringIO(text, newline=""), delimiter=layout.delimiter, strict=True)
    names = (layout.columns.id, layout.columns.text, layout.columns.label)
    places = [None if name is None else layout.header.index(name) for name in names]
    line = block.line
    try:
        for number, record in enumerate(records):
            where, line = place(layout.path, line), block.line + records.line_num
            if not record or number < skip:
                continue
            if len(record) != len(layout.header):
                counts = (("there", len(record)), ("expected", len(layout.header)))
                rows.fault(Finding(where, "corpus.fields_wrong", counts))
                continue
            _add(rows, [None if at is None else record[at] for at in places], layout.encoding)
    except csv.Error:
        rows.fault(Finding(place(layout.path, line), "corpus.record_broken"))
    return rows.parsed()


def _add(rows: Rows, record: list[str | None], encoding: str) -> None:
    damage, values = CLEAN, []
    for value in record:
        kept = value
        if value is not None and _ODD.search(value):
            kept, found = recover(value.encode(encoding, "surrogateescape"), encoding=encoding)
            damage = worse(damage, found)
        values.append(kept)
    rows.add(values, damage)
