"""Lays a working folder out from its manifest, whole and as it was sent, and follows no link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yunhe.client.folders.manifest import MANIFEST_BYTES_MAX, PART_BYTES_MAX, File, Manifest, read
from yunhe.kernel.errors import Invalid
from yunhe.storage.blobs import Blobs

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def manifest_of(blobs: Blobs, digest: str) -> Manifest:
    """The manifest with that digest.

    Errors: `Invalid` ``compute.folder_invalid``; `NotFound` ``storage.blob_missing``.
    """
    return read(_limited(blobs, digest, MANIFEST_BYTES_MAX))


def lay_out(manifest: Manifest, folder: Path, *, blobs: Blobs) -> None:
    """Write every file below ``folder``, which is empty, readable and writable by its owner alone.

    *Cost*: one part of at most 64 MiB in memory. Errors: `Invalid` ``compute.folder_invalid`` when
    the blobs do not make up the files; what the blobs raise; ``OSError`` of the disk, also for a
    link that somebody put in the way.
    """
    packs = _Packs(blobs)
    for file in manifest.files:
        *folders, name = file.path.split("/")
        with _inside(folder, folders) as handle:
            mode = 0o700 if file.executable else 0o600
            written = os.open(name, _FILE_FLAGS, mode, dir_fd=handle)
            with os.fdopen(written, "wb") as sink:
                hashed = hashlib.sha256()
                for data in packs.of(file):
                    hashed.update(data)
                    sink.write(data)
        if f"sha256:{hashed.hexdigest()}" != file.digest:
            raise Invalid("compute.folder_invalid")


class _Packs:
    """Blobs as files need them; the last one stays, as files of one pack follow each other."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._digest, self._data = "", b""

    def of(self, file: File) -> Iterator[bytes]:
        for part in file.parts:
            if part.blob != self._digest:
                self._data = _limited(self._blobs, part.blob, PART_BYTES_MAX)
                self._digest = part.blob
            data = self._data[part.offset : part.offset + part.size_bytes]
            if len(data) != part.size_bytes:
                raise Invalid("compute.folder_invalid")
            yield data


def _limited(blobs: Blobs, digest: str, bytes_max: int) -> bytes:
    data = bytearray()
    for piece in blobs.stream(digest):
        data += piece
        if len(data) > bytes_max:
            raise Invalid("compute.folder_invalid")
    return bytes(data)


@contextmanager
def _inside(root: Path, names: list[str]) -> Iterator[int]:
    """A folder below the root, made where it is not there, no part of the way a link."""
    handle = os.open(root, _FOLDER_FLAGS)
    try:
        for name in names:
            with suppress(FileExistsError):  # of another file
                os.mkdir(name, 0o700, dir_fd=handle)
            below = os.open(name, _FOLDER_FLAGS, dir_fd=handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)
