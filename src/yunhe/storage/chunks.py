"""Bytes on their way: passed on piece by piece, counted, hashed and held to what was agreed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.storage.blobs import Blob

PIECE_BYTES = 1 << 20
"""What is read of a file at once."""


class Tap:
    """Passes chunks on, counting and hashing them; remembers why it stopped."""

    def __init__(self, chunks: Iterable[bytes], bytes_max: int, *, expected: str = "") -> None:
        """``expected``: the digest they must turn out to have, if it is known before.

        Errors, while it is read: `Invalid` ``storage.too_large`` beyond ``bytes_max``;
        `Unavailable` ``storage.file_changed`` in place of it, and for another digest, where one is
        expected.
        """
        self.failure: Exception | None = None
        """What ended it before its end: obstore passes on only some of what is raised in it."""
        self._chunks = (chunk for chunk in chunks if chunk)  # obstore ends at an empty one
        self._bytes_max = bytes_max
        self._expected = expected
        self._hasher, self._size = hashlib.sha256(), 0
        self._kept = b""

    def again(self, start: bytes) -> None:
        """Give ``start``, which was taken before, once more."""
        self._kept = start

    def blob(self) -> Blob:
        """What has passed."""
        return Blob("sha256:" + self._hasher.hexdigest(), self._size)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._kept:
            kept, self._kept = self._kept, b""
            return kept
        try:
            return self._checked()
        except StopIteration:
            raise
        except Exception as error:
            self.failure = error
            raise

    def _checked(self) -> bytes:
        chunk = next(self._chunks, None)
        changed = Unavailable("storage.file_changed", retryable=True)
        if chunk is None:
            if self._expected and self.blob().digest != self._expected:
                raise changed
            raise StopIteration
        self._hasher.update(chunk)
        self._size += len(chunk)
        if self._size > self._bytes_max:
            raise (
                changed
                if self._expected
                else Invalid("storage.too_large", bytes_max=self._bytes_max)
            )
        return chunk


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time."""
    with path.open("rb") as source:
        while chunk := source.read(PIECE_BYTES):
            yield chunk
