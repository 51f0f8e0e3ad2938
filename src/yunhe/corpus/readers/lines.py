"""Reads JSON lines: in bulk with Arrow, line by line only where a block has a fault or damage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import DAMAGED, NULS, as_utf8, recover, worse
from yunhe.corpus.errors import Named, column_missing, input_faulty, place
from yunhe.corpus.readers.blocks import Block, LineCut, Stream, blocks
from yunhe.corpus.readers.nested import column_of, kind_of, schema_of, value_of
from yunhe.corpus.readers.parsed import Opened, Parsed, Rows, Task, from_columns, refused
from yunhe.kernel.errors import Finding

HEAD_LINES = 100
"""Lines looked at to learn which columns there are and what they hold."""
_OPEN = ord("{")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ARROW_TYPES = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


@dataclass(frozen=True, slots=True)
class _Layout:
    path: Named
    columns: Columns
    encoding: str
    schema: pa.Schema | None  # None where the bulk parser cannot say what a column holds


def tasks(path: Named, stream: Stream, columns: Columns, *, head: bytes, encoding: str) -> Opened:
    """One task for each block of the stream.

    Errors: `Invalid` ``corpus.input_faulty`` at once when a mapped column is in none of the first
    `HEAD_LINES` records; faults of single lines come with the blocks.
    """
    layout, names = _layout(path, columns, head=head, encoding=encoding)

    def each() -> Iterator[Task]:
        for block in blocks(stream, LineCut()):
            yield partial(_parse, block, layout)

    return Opened(each(), names)


def _layout(
    path: Named, columns: Columns, *, head: bytes, encoding: str
) -> tuple[_Layout, tuple[str, ...]]:
    wanted = [name for name in (columns.id, columns.text, columns.label) if name is not None]
    kinds: dict[str, type] = {}
    there: dict[str, None] = {}
    for line in head.split(b"\n")[:HEAD_LINES]:
        try:
            record = json.loads(recover(line, encoding=encoding)[0])
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            there.update(dict.fromkeys(record))
            for name in wanted:
                value = value_of(record, name)
                if value is not None:
                    kinds.setdefault(name, type(value))
    missing = [name for name in wanted if there and not (name in there or name in kinds)]
    if missing:
        raise input_faulty(path, [column_missing(path, name, list(there)) for name in missing])
    layout = _Layout(path, columns, encoding, _schema(wanted, kinds, list(there)))
    return layout, tuple(there)


def _schema(wanted: list[str], kinds: Mapping[str, type], there: list[str]) -> pa.Schema | None:
    fields = {name: _ARROW_TYPES.get(kinds.get(name, str)) for name in wanted}
    # A name of which another is a part holds columns, so it is no text: the careful path says so.
    within = any(one.startswith(f"{other}.") for one in wanted for other in wanted)
    return None if within or None in fields.values() else schema_of(fields, there)


def _parse(block: Block, layout: _Layout) -> Parsed:
    if block.too_long:
        where = place(layout.path, block.line, block.byte)
        return refused(Finding(where, "corpus.line_too_long"))
    return _in_bulk(block, layout) or _line_by_line(block, layout)


def _in_bulk(block: Block, layout: _Layout) -> Parsed | None:
    """All rows at once; None when anything is unusual, so that the careful path decides."""
    if layout.schema is None or b"\0" in block.data:
        return None
    data = as_utf8(block.data, layout.encoding)
    if data is None or not (lines := _records(data)):
        return None
    options = arrow_json.ParseOptions(
        explicit_schema=layout.schema, unexpected_field_behavior="ignore"
    )
    reading = arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    try:
        table = arrow_json.read_json(pa.BufferReader(data), reading, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if len(table) != lines or not pa.types.is_string(kind_of(layout.schema, layout.columns.text)):
        return None
    batch = table.combine_chunks().to_batches()[0]

    def column(name: str | None) -> pa.Array | None:
        return None if name is None else column_of(batch, name).cast(pa.string())

    names = layout.columns
    id_, texts, label = column(names.id), column(names.text), column(names.label)
    escaped_nul = _has_nul(id_) or _has_nul(texts) or _has_nul(label)
    return None if escaped_nul else from_columns(id_, texts, label)


def _has_nul(column: pa.Array | None) -> bool:
    values = None if column is None else column.buffers()[2]
    return values is not None and b"\0" in memoryview(values).tobytes()


def _records(data: bytes) -> int:
    """How many lines there are when each begins with a record, else 0.

    Arrow takes two records on one line, and a null at the top ends the process (26.0.1).
    """
    codes = np.frombuffer(data, np.uint8)
    heads = np.flatnonzero(codes == ord("\n")) + 1
    if len(heads) and heads[-1] == len(codes):
        heads = heads[:-1]
    return len(heads) + 1 if data and codes[0] == _OPEN and (codes[heads] == _OPEN).all() else 0


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
        value = None if name is None else value_of(record, name)
        plain = value if isinstance(value, str) or value is None else _plain(value)
        as_it_is = plain is value
        if not as_it_is and (plain is None or name == layout.columns.text):
            return rows.fault(Finding(where, "corpus.value_not_text", (("column", str(name)),)))
        if plain is not None and _SURROGATE.search(plain):
            plain, damage = _SURROGATE.sub("\ufffd", plain), DAMAGED
        if plain is not None and "\0" in plain:
            plain, damage = plain.replace("\0", "\ufffd"), worse(damage, NULS)
        values.append(plain)
    return rows.add(values, damage)


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None
