"""Content-addressed blobs: the name is the digest of the bytes, so none is overwritten."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotFound, Unavailable

LEFT_OVER_SECONDS = 3_600
"""A half-written file that has not changed for so long has no writer any more."""
_CHUNK_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored blob."""

    digest: str
    """``sha256:<hex>`` of its bytes."""
    size_bytes: int
    """Its length."""


class Blobs(Protocol):
    """Where artefacts live; local files here, S3 by the same five verbs."""

    def put(self, data: bytes) -> Blob:
        """Store bytes; storing the same bytes twice is one blob."""
        ...

    def put_file(self, path: Path) -> Blob:
        """Store a file's bytes without holding them in memory."""
        ...

    def read(self, digest: str) -> bytes:
        """The bytes, checked against the digest."""
        ...

    def fetch(self, digest: str, target: Path) -> Path:
        """Copy the bytes into ``target``, checked against the digest on the way."""
        ...

    def exists(self, digest: str) -> bool:
        """Whether the blob is there; its bytes are not read."""
        ...


class LocalBlobs:
    """Blobs as read-only files under one folder, fanned out by the first byte of the digest."""

    def __init__(self, root: Path) -> None:
        """``root`` is created when the first blob is stored."""
        self.root = root

    def sweep(self, *, now_us: int) -> int:
        """Remove what killed writers left half-written; returns how many files.

        Only files older than `LEFT_OVER_SECONDS` go, so no writer at work loses its own.
        """
        swept = 0
        for left in self.root.glob(".incoming-*"):
            with suppress(OSError):  # its writer, or another sweep, was faster
                if now_us - left.stat().st_mtime_ns // 1_000 > LEFT_OVER_SECONDS * SECOND_US:
                    left.unlink()
                    swept += 1
        return swept

    def path(self, digest: str) -> Path:
        """Where the blob lies (whether or not it exists).

        Errors: `Invalid` ``storage.digest_invalid`` for anything but ``sha256:`` and 64 hex digits.
        """
        algorithm, _, hexadecimal = digest.partition(":")
        if algorithm != "sha256" or len(hexadecimal) != 64 or set(hexadecimal) - _HEX:
            raise Invalid("storage.digest_invalid", digest=digest[:80])
        return self.root / hexadecimal[:2] / hexadecimal[2:]

    def put(self, data: bytes) -> Blob:
        """Store bytes; they are on disk when this returns."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        with self._incoming() as temporary:
            temporary.write(data)
            self._keep(temporary, digest)
        return Blob(digest, len(data))

    def put_file(self, path: Path) -> Blob:
        """Store a copy of a file, with the digest taken of what was really copied."""
        hasher, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._incoming() as temporary:
            while chunk := source.read(_CHUNK_BYTES):
                hasher.update(chunk)
                temporary.write(chunk)
                size += len(chunk)
            digest = "sha256:" + hasher.hexdigest()
            self._keep(temporary, digest)
        return Blob(digest, size)

    def read(self, digest: str) -> bytes:
        """The bytes.

        Errors: `NotFound` ``storage.blob_missing``, `Unavailable` ``storage.blob_damaged``.
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise NotFound("storage.blob_missing", digest=digest) from None
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise Unavailable("storage.blob_damaged", digest=digest, where=str(path))
        return data

    def fetch(self, digest: str, target: Path) -> Path:
        """Copy to ``target``, which appears only when whole; errors as `read`."""
        source = self.path(digest)
        hasher = hashlib.sha256()
        partial = target.with_name(target.name + ".partial")
        try:
            with source.open("rb") as reader, partial.open("wb") as writer:
                while chunk := reader.read(_CHUNK_BYTES):
                    hasher.update(chunk)
                    writer.write(chunk)
        except FileNotFoundError:
            partial.unlink(missing_ok=True)
            raise NotFound("storage.blob_missing", digest=digest) from None
        if "sha256:" + hasher.hexdigest() != digest:
            partial.unlink()
            raise Unavailable("storage.blob_damaged", digest=digest, where=str(source))
        return partial.replace(target)

    def exists(self, digest: str) -> bool:
        """Whether the file is there."""
        return self.path(digest).is_file()

    @contextmanager
    def _incoming(self) -> Iterator[IO[bytes]]:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=self.root, prefix=".incoming-", delete=False
            ) as handle:
                try:
                    yield handle
                finally:
                    Path(handle.name).unlink(missing_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.root) from error

    def _keep(self, temporary: IO[bytes], digest: str) -> None:
        temporary.flush()
        os.fsync(temporary.fileno())
        os.fchmod(temporary.fileno(), 0o444)
        path = self.path(digest)
        path.parent.mkdir(exist_ok=True)
        Path(temporary.name).replace(path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def explain_os_error(error: OSError, where: Path) -> Unavailable:
    """The error a person should see when a disk refuses."""
    path = str(where)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(where).free if where.exists() else 0
        return Unavailable("storage.disk_full", where=path, free_bytes=free)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return Unavailable("storage.read_only", where=path)
    return Unavailable("storage.disk_failed", where=f"{path}: {error.strerror or error}")
