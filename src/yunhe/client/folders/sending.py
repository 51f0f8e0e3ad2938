"""Sends a working folder: packs of small files and pieces of large ones, each only if it is new.

A pack ends where a file's name says so, never by count, so one changed file changes one pack. What
was sent before an interruption is there afterwards, so sending again goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yunhe.client.folders.manifest import PART_BYTES_MAX, File, Part, written
from yunhe.client.folders.scanning import Found, scan
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import Conflict
from yunhe.kernel.progress import Progress, Silent

PACK_BYTES = 4 << 20
"""A file from here on travels alone, and a pack ends when it is as large."""
PIECE_BYTES = 32 << 20
"""How a large file is cut."""
_PACK_ENDS = 64  # of so many names one ends a pack


class Store(Protocol):
    """Where blobs go."""

    def has(self, digest: str) -> bool:
        """Whether the blob is there, as one of ours."""
        ...

    def put(self, data: bytes) -> str:
        """Keep the bytes; their digest."""
        ...


@dataclass(frozen=True, slots=True)
class SentFolder:
    """A folder that is there."""

    digest: str
    """Of its manifest."""
    files: int
    """How many it has."""
    size_bytes: int
    """Of all of them."""
    sent_bytes: int
    """What had to travel; the rest was there."""


def send(root: Path, store: Store, *, progress: Progress | None = None) -> SentFolder:
    """Send the folder; the same folder again is the same digest, and nothing travels twice.

    Errors: those of `scan`; `Conflict` ``client.folder_changed`` when a file changed meanwhile;
    what the store raises, after which another call goes on.
    """
    found = scan(root)
    total, done, sent = sum(each.size_bytes for each in found), 0, 0
    heard = progress or Silent()
    files: list[File] = []

    def keep(data: bytes) -> str:
        nonlocal done, sent
        digest = sha256(data)
        if not store.has(digest):
            store.put(data)
            sent += len(data)
        done += len(data)
        heard.step("client.folder", done=done, total=total)
        return digest

    for group in _groups(found):
        files += _large(root, group[0], keep) if _alone(group[0]) else _packed(root, group, keep)
    manifest = written(files)
    digest = keep(manifest)
    return SentFolder(digest, len(files), total, sent)


def _alone(each: Found) -> bool:
    return each.size_bytes >= PACK_BYTES


def _groups(found: Sequence[Found]) -> Iterator[list[Found]]:
    """Files that travel together: a large one alone, small ones up to a name that ends a pack."""
    pack: list[Found] = []
    size = 0
    for each in found:
        if _alone(each):
            yield [each]
            continue
        pack.append(each)
        size += each.size_bytes
        ends = hashlib.sha256(each.path.encode()).digest()[0] % _PACK_ENDS == 0
        if size >= PACK_BYTES or ends:
            yield pack
            pack, size = [], 0
    if pack:
        yield pack


def _packed(root: Path, group: Sequence[Found], keep: Callable[[bytes], str]) -> list[File]:
    contents = [b"".join(_bytes(root, each)) for each in group]
    whole = b"".join(contents)
    blob = keep(whole) if whole else ""
    files, offset = [], 0
    for each, content in zip(group, contents, strict=True):
        size = len(content)
        parts = [Part(blob=blob, offset=offset, size_bytes=size)] if size else []
        files.append(_file(each, sha256(content), parts))
        offset += size
    return files


def _large(root: Path, each: Found, keep: Callable[[bytes], str]) -> list[File]:
    whole, parts = hashlib.sha256(), []
    for piece in _bytes(root, each):
        whole.update(piece)
        parts.append(Part(blob=keep(piece), offset=0, size_bytes=len(piece)))
    return [_file(each, f"sha256:{whole.hexdigest()}", parts)]


def _file(each: Found, digest: str, parts: list[Part]) -> File:
    return File(
        path=each.path,
        digest=digest,
        size_bytes=each.size_bytes,
        executable=each.executable,
        parts=parts,
    )


def _bytes(root: Path, each: Found) -> Iterator[bytes]:
    """The file's bytes as they were counted, in pieces; a link put in its place is not followed."""
    assert PIECE_BYTES <= PART_BYTES_MAX  # noqa: S101 - a piece is a part
    try:
        handle = os.open(root / each.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise Conflict("client.folder_changed", path=each.path, retryable=True) from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Conflict("client.folder_changed", path=each.path, retryable=True)
        left = each.size_bytes
        while left:
            piece = file.read(min(PIECE_BYTES, left))
            if not piece:
                break
            left -= len(piece)
            yield piece
        if left or file.read(1):
            raise Conflict("client.folder_changed", path=each.path, retryable=True)
