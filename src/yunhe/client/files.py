"""Files to and from the server: read in pieces, written whole or not at all, checked by digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.kernel.ids import new_id

PIECE_BYTES = 1 << 20
"""Bytes of a file in memory at a time."""


class Reading:
    """A file as it is sent; `pieces` may be asked for again, and `digest` is of the last time."""

    def __init__(self, path: Path) -> None:
        """Errors: `NotFound` ``client.no_file``; `Invalid` ``client.is_folder``."""
        if path.is_dir():
            raise Invalid("client.is_folder", path=str(path))
        if not path.is_file():
            raise NotFound("client.no_file", path=str(path))
        self._path = path
        self.digest = ""

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in order."""
        hashed = hashlib.sha256()
        with self._path.open("rb") as source:
            while piece := source.read(PIECE_BYTES):
                hashed.update(piece)
                yield piece
        self.digest = f"sha256:{hashed.hexdigest()}"


class Holding:
    """Bytes as they are sent, in the form of a `Reading`."""

    def __init__(self, data: bytes) -> None:
        """They stay in memory."""
        self._data = data
        self.digest = sha256(data)

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in order."""
        yield self._data


def write(pieces: Iterable[bytes], target: Path, *, digest: str, bytes_max: int = 0) -> None:
    """Put the pieces together in ``target``, which appears (or changes) only whole and right.

    Errors: `Unavailable` ``client.digest_differs``, retryable, when the bytes do not have
    ``digest`` (empty: any will do); ``client.file_large`` beyond ``bytes_max`` (0: any length);
    ``OSError`` of the disk.
    """
    part = target.with_name(f".{target.name[:100]}.{new_id('part')}")
    try:
        hashed = hashlib.sha256()
        with part.open("xb") as sink:
            for piece in pieces:
                if bytes_max and sink.tell() + len(piece) > bytes_max:
                    raise Unavailable("client.file_large", most=bytes_max)
                hashed.update(piece)
                sink.write(piece)
            sink.flush()
            os.fsync(sink.fileno())
        if digest not in ("", f"sha256:{hashed.hexdigest()}"):
            raise Unavailable("client.digest_differs", digest=digest, retryable=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
