"""Opens an input of any format as a stream of parsing tasks; names all that is wrong with it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from yunhe.corpus import errors
from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import detect
from yunhe.corpus.readers import delimited, lines, parquet
from yunhe.corpus.readers.blocks import BLOCK_BYTES
from yunhe.corpus.readers.parsed import Parsed, Task, refused
from yunhe.kernel.errors import Finding, Invalid

FORMATS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Endings that are read; all but the last may be followed by ``.gz``."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Input:
    """An open input."""

    encoding: str
    """``utf-8``, ``gb18030`` or ``parquet``."""
    tasks: Iterator[Task]
    """Its blocks in order."""


@contextmanager
def open_input(path: Path, columns: Columns) -> Iterator[Input]:
    """The input as tasks that may be run in any thread; memory is bounded by `readers.blocks`.

    Errors: `NotFound` ``corpus.input_missing``, `Invalid` ``corpus.input_is_folder``,
    ``corpus.format_unknown``, or ``corpus.input_faulty`` with all findings about the file as a
    whole; `Unavailable` ``corpus.input_unreadable``. Faults of single records come with their
    task's result.
    """
    if path.is_dir():
        raise errors.input_is_folder(path)
    if not path.exists():
        raise errors.input_missing(path)
    kind = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if kind not in FORMATS or (kind == ".parquet" and path.suffix == ".gz"):
        raise Invalid("corpus.format_unknown", where=path.name, known=" ".join(FORMATS))
    try:
        if path.stat().st_size == 0:
            raise errors.input_faulty(path, [Finding(path.name, "corpus.input_empty")])
        if kind == ".parquet":
            yield Input("parquet", parquet.tasks(path, columns))
        else:
            with _bytes(path) as stream:
                yield _text_input(path, stream, columns, kind=kind)
    except (PermissionError, IsADirectoryError) as error:
        raise errors.input_unreadable(path, error.strerror or str(error)) from None


@contextmanager
def _bytes(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as raw:
        if path.suffix != ".gz":
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            yield unpacked  # type: ignore[misc]


def _text_input(path: Path, stream: IO[bytes], columns: Columns, *, kind: str) -> Input:
    try:
        head = stream.read(BLOCK_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise errors.input_faulty(path, [_gzip_damaged(path)]) from None
    encoding = detect(head)
    if encoding == "utf-16":
        raise errors.input_faulty(path, [Finding(path.name, "corpus.encoding_unsupported")])
    head = head.removeprefix(_BOM)
    if not head.strip():
        raise errors.input_faulty(path, [Finding(path.name, "corpus.input_empty")])
    # A file that somebody keeps writing to would otherwise never end; that it grew is noticed
    # after.
    left = path.stat().st_size - stream.tell() if path.suffix != ".gz" else None
    whole = _Rejoined(head, stream, left)
    if kind in (".csv", ".tsv"):
        delimiter = "\t" if kind == ".tsv" else ","
        tasks = delimited.tasks(
            path, whole, columns, head=head, encoding=encoding, delimiter=delimiter
        )
    else:
        tasks = lines.tasks(path, whole, columns, head=head, encoding=encoding)
    return Input(encoding, _guarded(path, tasks))


class _Rejoined:
    """The bytes that were looked at, then the rest of the stream, at most ``left`` bytes of it."""

    def __init__(self, head: bytes, rest: IO[bytes], left: int | None) -> None:
        self._head, self._rest, self._left = head, rest, left

    def read(self, size: int, /) -> bytes:
        """The next bytes; the first time, those that were looked at, however many."""
        if self._head:
            head, self._head = self._head, b""
            return head
        data = self._rest.read(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(data)
        return data


def _guarded(path: Path, tasks: Iterator[Task]) -> Iterator[Task]:
    """The tasks; a compressed stream that breaks off becomes a last task with that fault."""
    try:
        yield from tasks
    except (EOFError, gzip.BadGzipFile, zlib.error):
        broken: Parsed = refused(_gzip_damaged(path))
        yield lambda: broken


def _gzip_damaged(path: Path) -> Finding:
    return Finding(path.name, "corpus.gzip_damaged")
