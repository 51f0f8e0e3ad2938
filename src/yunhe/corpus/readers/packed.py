"""Unpacks gzip and Zstandard; what comes before damage is still handed on."""

from __future__ import annotations

import zlib

import pyarrow as pa

from yunhe.corpus.readers.blocks import Stream
from yunhe.corpus.readers.sources import Raw

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""What packed files begin with."""
_PACKED_BYTES = 256 << 10  # read at a time
_UNPACKED_BYTES = 64 << 10  # handed on at a time by the library, so also what damage can take along
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Damaged(Exception):
    """The packed bytes cannot be right, or end too early; the reader makes a finding of it."""

    def __init__(self, byte: int) -> None:
        """``byte``: how many packed bytes had been read."""
        super().__init__(byte)
        self.byte = byte


class Gunzip:
    """Members one after the other, as gzip itself and many tools write them; zeros may follow.

    Source: RFC 1952, section 2.2.
    """

    def __init__(self, raw: Raw) -> None:
        """``raw``: the packed bytes."""
        self._raw, self._held, self._ended = raw, b"", False
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._started, self._broken = False, False

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end.

        Errors: `Damaged` once all before the damage was handed on.
        """
        pieces, got = [], 0
        while got < size and not self._ended and not self._broken:
            try:
                piece = self._next(size - got)
            except zlib.error:
                self._broken = True
                break
            pieces.append(piece)
            got += len(piece)
        if self._broken and not got:
            raise Damaged(self._raw.byte - len(self._held))
        return b"".join(pieces)

    def _next(self, size: int) -> bytes:
        if self._member.eof:
            self._held = self._member.unused_data.lstrip(b"\0") or self._zeros_passed()
            if not self._held:
                self._ended = True
                return b""
            self._member = zlib.decompressobj(_GZIP_WINDOW)
        packed = self._held or self._raw.read(_PACKED_BYTES)
        if not packed:
            self._broken, self._ended = self._started, not self._started
            return b""
        self._started = True
        data = self._member.decompress(packed, size)
        self._held = b"" if self._member.eof else self._member.unconsumed_tail
        return data

    def _zeros_passed(self) -> bytes:
        while packed := self._raw.read(_PACKED_BYTES):
            if rest := packed.lstrip(b"\0"):
                return rest
        return b""


class Unzstd:
    """Frames one after the other."""

    def __init__(self, raw: Raw) -> None:
        """``raw``: the packed bytes."""
        self._raw = raw
        self._stream = pa.CompressedInputStream(pa.PythonFile(_Closable(raw), "r"), "zstd")
        self._broken = False

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end.

        Errors: `Damaged` once all before the damage was handed on, but for at most 64 KiB.
        """
        pieces, got = [], 0
        while got < size and not self._broken:
            try:
                piece = self._stream.read(min(_UNPACKED_BYTES, size - got))
            except OSError:
                self._broken = True
                break
            if not piece:
                break
            pieces.append(piece)
            got += len(piece)
        if self._broken and not got:
            raise Damaged(self._raw.byte)
        return b"".join(pieces)


class _Closable:
    """What Arrow expects of a Python file besides reading."""

    closed = False

    def __init__(self, raw: Raw) -> None:
        self._raw = raw

    def read(self, size: int, /) -> bytes:
        return self._raw.read(size)

    def close(self) -> None:
        """Leave the stream to whoever opened it."""


class Rejoined:
    """Bytes that were looked at, then the rest of the stream."""

    def __init__(self, head: bytes, rest: Stream) -> None:
        """``head``: what was read of ``rest`` so far."""
        self._head, self._rest = head, rest

    def read(self, size: int, /) -> bytes:
        """The next bytes, never more than ``size``: a library writes them where it has as much."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)


def unpacked(raw: Raw, name: str) -> Stream:
    """The stream as it was before packing, by the file's ending and by its first bytes.

    Errors: `Damaged` when the ending says packed and the bytes do not.
    """
    start = raw.read(_PACKED_BYTES)
    again = _Again(raw, start)
    if name.lower().endswith(".gz") or start.startswith(GZIP):
        if not start.startswith(GZIP) and start:
            raise Damaged(0)
        return Gunzip(again)
    if name.lower().endswith(".zst") or start.startswith(ZSTANDARD):
        return Unzstd(again)
    return again


class _Again(Raw):
    """The raw bytes, from their beginning again."""

    def __init__(self, raw: Raw, head: bytes) -> None:
        super().__init__(Rejoined(head, raw))
