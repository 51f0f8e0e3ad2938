"""Reads JSON lines: in bulk with Arrow, line by line only where a block has a fault or damage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
from pyarrow import json as arrow_json

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import DAMAGED, recover
from yunhe.corpus.errors import column_missing, input_faulty, place
from yunhe.corpus.readers.blocks import Block, LineCut, Stream, blocks
from yunhe.corpus.readers.parsed import Parsed, Rows, Task, from_columns, refused
from yunhe.kernel.errors import Finding

HEAD_LINES = 100
"""Lines looked at to learn which columns there are and what they hold."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ARROW_TYPES = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


@dataclass(frozen=True, slots=True)
class _Layout:
    path: Path
    columns: Columns
    encoding: str
    schema: pa.Schema | None  # None where the bulk parser cannot say what a column holds


def tasks(
    path: Path, stream: Stream, columns: Columns, *, head: bytes, encoding: str
) -> Iterator[Task]:
    """One task for each block of the stream.

    Errors: `Invalid` ``corpus.input_faulty`` at once when a mapped column is in none of the first
    `HEAD_LINES` records; faults of single lines come with the blocks.
    """
    layout = _layout(path, columns, head=head, encoding=encoding)

    def each() -> Iterator[Task]:
        for block in blocks(stream, LineCut()):
            yield partial(_parse, block, layout)

    return each()


def _layout(path: Path, columns: Columns, *, head: bytes, encoding: str) -> _Layout:
    kinds: dict[str, type] = {}
    there: dict[str, None] = {}
    for line in head.split(b"\n")[:HEAD_LINES]:
        try:
            record = json.loads(recover(line, encoding=encoding)[0])
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            there.update(dict.fromkeys(record))
            for name, value in record.items():
                if value is not None:
                    kinds.setdefault(name, type(value))
    wanted = [name for name in (columns.id, columns.text, columns.label) if name is not None]
    missing = [name for name in wanted if there and name not in there]
    if missing:
        raise input_faulty(path, [column_missing(path, name, list(there)) for name in missing])
    return _Layout(path, columns, encoding, _schema(wanted, kinds))


def _schema(wanted: list[str], kinds: Mapping[str, type]) -> pa.Schema | None:
    fields = {name: _ARROW_TYPES.get(kinds.get(name, str)) for name in wanted}
    if None in fields.values():
        return None
    return pa.schema(list(fields.items()))


def _parse(block: Block, layout: _Layout) -> Parsed:
    if block.too_long:
        where = place(layout.path, block.line, block.byte)
        return refused(Finding(where, "corpus.line_too_long"))
    return _in_bulk(block, layout) or _line_by_line(block, layout)


def _in_bulk(block: Block, layout: _Layout) -> Parsed | None:
    """All rows at once; None when anything is unusual, so that the careful path decides."""
    if layout.schema is None:
        return None
    try:
        text = block.data.decode(layout.encoding)
    except UnicodeDecodeError:
        return None
    data = block.data if layout.encoding == "utf-8" else text.encode()
    options = arrow_json.ParseOptions(
        explicit_schema=layout.schema, unexpected_field_behavior="ignore"
    )
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    try:
        table = arrow_json.read_json(pa.BufferReader(data), reading, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if len(table) != lines:
        return None

    def column(name: str | None) -> pa.Array | None:
        if name is None:
            return None
        return table.column(name).combine_chunks().cast(pa.string())

    texts = column(layout.columns.text)
    if not pa.types.is_string(layout.schema.field(layout.columns.text).type):
        return None
    return from_columns(column(layout.columns.id), texts, column(layout.columns.label))


def _line_by_line(block: Block, layout: _Layout) -> Parsed:
    rows, byte = Rows(), block.byte
    for number, line in enumerate(block.data.split(b"\n"), block.line):
        if line.strip():
            _add_line(rows, line, layout, where=place(layout.path, number, byte))
        byte += len(line) + 1
    return rows.parsed()


def _add_line(rows: Rows, line: bytes, layout: _Layout, *, where: str) -> None:
    text, damage = recover(line, encoding=layout.encoding)
    try:
        record = json.loads(text)
    except RecursionError:
        return rows.fault(Finding(where, "corpus.json_too_deep"))
    except ValueError as error:
        column = error.colno if isinstance(error, json.JSONDecodeError) else 1
        return rows.fault(Finding(where, "corpus.json_broken", (("column", column),)))
    if not isinstance(record, dict):
        return rows.fault(Finding(where, "corpus.json_no_object"))
    values: list[str | None] = []
    for name in (layout.columns.id, layout.columns.text, layout.columns.label):
        value = None if name is None else record.get(name)
        plain = value if isinstance(value, str) or value is None else _plain(value)
        as_it_is = plain is value
        if not as_it_is and (plain is None or name == layout.columns.text):
            return rows.fault(Finding(where, "corpus.value_not_text", (("column", str(name)),)))
        if plain is not None and _SURROGATE.search(plain):
            plain, damage = _SURROGATE.sub("\ufffd", plain), DAMAGED
        values.append(plain)
    return rows.add(values, damage)


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None
