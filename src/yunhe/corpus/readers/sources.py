"""Opens a file of any place as a stream of its bytes: a path, standard input, an object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from yunhe.corpus.errors import input_is_folder, input_missing, input_unreadable
from yunhe.corpus.inputs import BUCKET, STANDARD_INPUT, InputFile
from yunhe.corpus.readers.blocks import Stream

Tap = Callable[[bytes], object]
"""Is shown the bytes of a file as they lie there, in order, each once."""


class Raw:
    """The bytes as they lie there; counts them, and shows them to a tap."""

    def __init__(self, stream: Stream, *, tap: Tap | None = None, left: int | None = None) -> None:
        """``left``: read no more than so many, so that a file that grows has an end."""
        self._stream, self._tap, self._left = stream, tap, left
        self.byte = 0
        """How many were read."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        data = self._stream.read(size if self._left is None else min(size, self._left))
        self.byte += len(data)
        if self._left is not None:
            self._left -= len(data)
        if self._tap is not None:
            self._tap(data)
        return data


@contextmanager
def opened(file: InputFile, tap: Tap | None = None) -> Iterator[Raw]:
    """The file's bytes.

    Errors: `NotFound` ``corpus.input_missing``, `Invalid` ``corpus.input_is_folder``, `Unavailable`
    ``corpus.input_unreadable``.
    """
    if file.where == STANDARD_INPUT:
        yield Raw(sys.stdin.buffer, tap=tap)
        return
    if file.where.startswith(BUCKET):
        from yunhe.corpus.readers import bucket  # noqa: PLC0415 (an extra, and slow to import)

        yield Raw(bucket.opened(file.where), tap=tap)
        return
    path = Path(file.where)
    if path.is_dir():
        raise input_is_folder(path)
    try:
        with path.open("rb") as stream:
            # A file that somebody keeps writing to would otherwise never end; a pipe has no size.
            left = path.stat().st_size if path.is_file() else None
            yield Raw(stream, tap=tap, left=left)
    except FileNotFoundError:
        raise input_missing(path) from None
    except (PermissionError, IsADirectoryError) as error:
        raise input_unreadable(path, error.strerror or str(error)) from None
