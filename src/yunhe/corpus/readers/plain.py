"""Reads plain text: one document a file, a line, or a paragraph between blank lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from yunhe.corpus.encoding import as_utf8, recover, recover_lines
from yunhe.corpus.errors import Named, place
from yunhe.corpus.readers.blocks import LINE_BYTES_MAX, Block, LineCut, Stream, blocks
from yunhe.corpus.readers.parsed import Parsed, Rows, Task, from_columns, refused
from yunhe.kernel.errors import Finding

_BLANK = re.compile(rb"\n[ \t\r]*\n")
_APART = re.compile(rb"(?:\A|\n)(?:[ \t\r]*\n)+|\n[ \t\r]*\Z")
_BLANK_BYTES_MAX = 256  # of spaces in a blank line that two reads share


@dataclass(frozen=True, slots=True)
class _Layout:
    file: Named
    encoding: str
    paragraphs: bool


class ParagraphCut:
    """Records end with a blank line; more blank lines after it make empty records."""

    def __init__(self) -> None:
        """Starts within a line."""
        self._tail = b""

    def __call__(self, chunk: bytes) -> tuple[int, int]:
        """See `yunhe.corpus.readers.blocks.Cut`; remembers a line feed at the end of the chunk."""
        held, whole = len(self._tail), self._tail + chunk
        ends = [match.end() - held for match in _BLANK.finditer(whole)]
        feed = whole.rfind(b"\n")
        begun = feed >= 0 and not whole[feed:].strip() and len(whole) - feed < _BLANK_BYTES_MAX
        self._tail = whole[feed:] if begun else b""
        return (ends[0], ends[-1]) if ends else (0, 0)


def each(file: Named, stream: Stream, *, encoding: str, paragraphs: bool) -> Iterator[Task]:
    """One document for each line that is not blank, or for each paragraph."""
    layout = _Layout(file, encoding, paragraphs)
    for block in blocks(stream, ParagraphCut() if paragraphs else LineCut()):
        yield partial(_parse, block, layout)


def whole(file: Named, stream: Stream, *, encoding: str) -> Iterator[Task]:
    """The file as one document, called by its name."""
    data = gathered(stream)
    yield partial(_one, file, encoding, data)


def gathered(stream: Stream) -> bytes | None:
    """All bytes of a stream that is one document; None if they are more than a document may be."""
    pieces, held = [], 0
    while piece := stream.read(1 << 20):
        pieces.append(piece)
        held += len(piece)
        if held > LINE_BYTES_MAX:
            return None
    return b"".join(pieces)


def _one(file: Named, encoding: str, data: bytes | None) -> Parsed:
    if data is None:
        return refused(Finding(file.name, "corpus.document_too_long"))
    rows = Rows()
    text, damage = recover_lines(data, encoding=encoding)
    rows.add((file.name, text.replace("\r\n", "\n"), None), damage)
    return rows.parsed()


def _parse(block: Block, layout: _Layout) -> Parsed:
    if block.too_long:
        where = place(layout.file, block.line, block.byte)
        return refused(Finding(where, "corpus.line_too_long"))
    return _in_bulk(block, layout) or _one_by_one(block, layout)


def _in_bulk(block: Block, layout: _Layout) -> Parsed | None:
    if layout.paragraphs or b"\0" in block.data:
        return None
    data = as_utf8(block.data, layout.encoding)
    if data is None:
        return None
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    whole = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data))
    lines = pc.utf8_rtrim(pc.split_pattern(whole, "\n").values, "\r")
    solid = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
    return from_columns(None, lines.filter(solid), None)


def _one_by_one(block: Block, layout: _Layout) -> Parsed:
    rows = Rows()
    for data in _APART.split(block.data) if layout.paragraphs else block.data.split(b"\n"):
        bare = data.strip(b"\r\n") if layout.paragraphs else data.rstrip(b"\r")
        text, damage = recover(bare, encoding=layout.encoding)
        text = text.replace("\r\n", "\n")
        if text.strip():
            rows.add((None, text, None), damage)
    return rows.parsed()
