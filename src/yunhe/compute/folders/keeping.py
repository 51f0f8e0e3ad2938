"""What is kept of a job's working folder: the files that the workload's patterns describe.

The job may have left anything there, so no link is followed and nothing odd is opened.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from yunhe.client.folders.manifest import path_faults, shown
from yunhe.client.folders.patterns import matches
from yunhe.compute.reasons import Why
from yunhe.storage.blobs import Blobs

KEPT_FILES_MAX = 1_000
"""Most files of a folder that are kept."""
OUTPUT_LETTERS_MAX = 800
"""Longest name of an output, as `output_name` writes it: nine letters for each Chinese one."""
_LOOKED_AT_MAX = 200_000
_LOOK_SECONDS = 5
_PORTION_BYTES = 1 << 20


def output_name(path: str) -> str:
    """The name of an output that was a file of the folder: safe as a key and in an address."""
    return quote(path, safe="")


def path_of(name: str) -> str:
    """The path that `output_name` wrote as a name."""
    return unquote(name)


def keep(
    folder: Path, patterns: Sequence[str], *, blobs: Blobs, bytes_max: int
) -> tuple[dict[str, str], Why | None]:
    """Digests by name of the files that a pattern describes, or why they cannot be taken.

    A pattern that describes nothing is no fault. *Cost*: a look at every file of the folder.
    Errors: what the blobs raise; ``OSError`` of the disk.
    """
    paths: list[str] = []
    for path, plain in _walk(folder):
        if not any(matches(pattern, path) for pattern in patterns):
            continue
        if not plain or any(path_faults(path)) or len(output_name(path)) > OUTPUT_LETTERS_MAX:
            return {}, Why("compute.failed_output_kind", (("name", shown(path)),))
        paths.append(path)
        if len(paths) > KEPT_FILES_MAX:
            params = (("found", len(paths)), ("most", KEPT_FILES_MAX))
            return {}, Why("compute.failed_output_count", params)
    left, kept = bytes_max, {}
    for path in sorted(paths):
        handle = _open(folder, path)
        if handle is None:
            return {}, Why("compute.failed_output_kind", (("name", shown(path)),))
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            left -= size
            if left < 0:
                return {}, Why("compute.failed_output_size", (("bytes_max", bytes_max),))
            blob = blobs.put_stream(_portions(file, size), bytes_max=bytes_max)
        kept[output_name(path)] = blob.digest
    return kept, None


def _portions(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """So much of a file and no more, should something still write to it."""
    while size_bytes and (data := file.read(min(_PORTION_BYTES, size_bytes))):
        size_bytes -= len(data)
        yield data


class Growth:
    """Watches how large a working folder becomes beyond what it was at the start."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        """``bytes_max``: what it may grow by."""
        self._folder = folder
        self._bytes_max = size_of(folder) + bytes_max
        self._looked_at = time.monotonic()
        self.exceeded = False

    def too_large(self) -> bool:
        """Whether it has grown too large; looked at every few seconds, answered at once."""
        now = time.monotonic()
        if not self.exceeded and now - self._looked_at >= _LOOK_SECONDS:
            self.exceeded = size_of(self._folder) > self._bytes_max
            self._looked_at = time.monotonic()
        return self.exceeded


def size_of(folder: Path) -> int:
    """Bytes of the files below a folder, as far as they can be seen; a look at every file."""
    return sum(found.st_size for _, found in _entries(folder) if stat.S_ISREG(found.st_mode))


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    for path, found in _entries(folder):
        yield path, stat.S_ISREG(found.st_mode)


def _entries(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder that is no folder, without following a link."""
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError:
            continue  # gone meanwhile, or closed to us by the job
        for entry in entries:
            seen += 1
            if seen > _LOOKED_AT_MAX:
                return
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(found.st_mode):
                folders.append(path)
            else:
                yield path, found


def _open(root: Path, path: str) -> int | None:
    """A handle of a plain file below the root, no part of the way a link."""
    *folders, name = path.split("/")
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = below
        found = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    if stat.S_ISREG(os.fstat(found).st_mode):
        return found
    os.close(found)
    return None
