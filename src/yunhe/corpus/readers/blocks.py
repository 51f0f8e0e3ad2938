"""Cuts a stream of bytes into blocks of whole records without ever holding more than the bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK_BYTES = 2 << 20
"""Read at a time; also about the text one batch holds, small enough for a processor's cache."""
LINE_BYTES_MAX = 64 << 20
"""Longest record that is read; a longer one is refused while it streams by."""


class Stream(Protocol):
    """Bytes in order."""

    def read(self, size: int, /) -> bytes:
        """About that many of the next bytes; none at the end."""
        ...


Cut = Callable[[bytes], tuple[int, int]]
"""Of the next chunk: (end of the first record, end of the last whole record), 0 if none ends."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, in the order of the file."""

    data: bytes
    """Their bytes."""
    line: int
    """Line of the file on which they start, from 1."""
    byte: int
    """Byte of the file at which they start, from 0."""
    too_long: bool = False
    """The record that starts here is longer than `LINE_BYTES_MAX`; ``data`` is empty."""


class LineCut:
    """Records end at a line feed."""

    def __call__(self, chunk: bytes) -> tuple[int, int]:
        """See `Cut`."""
        return chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1


class QuotedCut:
    """Records end at a line feed outside quotation marks, as in CSV.

    A line feed is inside when an odd number of marks came before it (doubled marks count twice, so
    they cancel).
    Source: RFC 4180, section 2, rules 5 to 7.
    """

    def __init__(self) -> None:
        """Starts outside."""
        self._inside = 0

    def __call__(self, chunk: bytes) -> tuple[int, int]:
        """See `Cut`; remembers whether the chunk ended inside."""
        codes = np.frombuffer(chunk, np.uint8)
        marks = np.flatnonzero(codes == ord('"'))
        feeds = np.flatnonzero(codes == ord("\n"))
        outside = feeds[(np.searchsorted(marks, feeds) + self._inside) % 2 == 0]
        self._inside = (self._inside + len(marks)) % 2
        if not len(outside):
            return 0, 0
        return int(outside[0]) + 1, int(outside[-1]) + 1


def blocks(
    stream: Stream,
    cut: Cut,
    *,
    block_bytes: int = BLOCK_BYTES,
    line_bytes_max: int = LINE_BYTES_MAX,
) -> Iterator[Block]:
    """Every record of the stream, in blocks; one over the bound is a block marked ``too_long``.

    Memory: one block and at most ``line_bytes_max`` of an unfinished record. What follows the end
    of a record that was too long is read again as usual.
    """
    held: list[bytes] = []
    held_bytes, line, byte, skipping = 0, 1, 0, False
    while chunk := stream.read(block_bytes):
        first, last = cut(chunk)
        unfinished = held_bytes + (first or len(chunk))
        if not skipping and unfinished > line_bytes_max:
            yield Block(b"", line, byte, too_long=True)
            skipping = True
        if skipping:
            passed = sum(map(len, held)) + (first or len(chunk))
            line += sum(part.count(b"\n") for part in held) + chunk.count(b"\n", 0, first or None)
            byte, held, held_bytes = byte + passed, [], 0
            if not first:
                continue
            chunk, last, skipping = chunk[first:], last - first, False
        if last:
            data = b"".join((*held, chunk[:last]))
            yield Block(data, line, byte)
            line, byte = line + data.count(b"\n"), byte + len(data)
            held, held_bytes, chunk = [], 0, chunk[last:]
        if chunk:
            held.append(chunk)
            held_bytes += len(chunk)
    if held:
        yield Block(b"".join(held), line, byte)
