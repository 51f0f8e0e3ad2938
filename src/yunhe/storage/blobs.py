"""Content-addressed blobs: the name is the digest of the bytes, so none is overwritten."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
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
    """Where artefacts live: local files here, S3 in `yunhe.storage.s3`, one behaviour.

    What every kind keeps to is checked by `yunhe.storage.blob_trial.check_blobs`. Errors of every
    verb: `Invalid` ``storage.digest_invalid``; `Unavailable` when the place itself does not answer,
    in which case nothing half-written can be seen and the same call may be made again.
    """

    def put(self, data: bytes) -> Blob:
        """Store bytes; storing the same bytes twice is one blob."""
        ...

    def put_file(self, path: Path) -> Blob:
        """Store a file's bytes without holding them in memory."""
        ...

    def put_stream(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        """Store what the chunks make together, without holding it in memory.

        Errors: `Invalid` ``storage.too_large`` as soon as there is more than ``bytes_max``; what
        the chunks raise. Either way nothing is stored.
        """
        ...

    def read(self, digest: str) -> bytes:
        """The bytes, checked against the digest."""
        ...

    def stream(self, digest: str) -> Iterator[bytes]:
        """The bytes in pieces; wrong ones raise ``storage.blob_damaged`` after the last piece."""
        ...

    def fetch(self, digest: str, target: Path) -> Path:
        """Copy the bytes into ``target``, checked against the digest on the way."""
        ...

    def exists(self, digest: str) -> bool:
        """Whether the blob is there; its bytes are not read."""
        ...

    def stamp(self, digest: str) -> str:
        """A word that changes when the stored bytes were written again; empty: no such blob.

        Cheap: no bytes are read. Between two equal stamps a verified copy in memory stays good.
        """
        ...

    def delete(self, digest: str) -> None:
        """Remove the blob; one that is not there changes nothing."""
        ...

    def digests(self) -> Iterator[str]:
        """Every blob there is, each once; what is half-written is left out."""
        ...

    def presigned(self, digest: str, *, seconds: int) -> str | None:
        """An address that gives the bytes to whoever has it, for so long; None: not offered here.

        It is not checked whether the blob is there.
        """
        ...

    def sweep(self, *, now_us: int) -> int:
        """Remove what killed writers left half-written; returns how many pieces."""
        ...

    def probe(self) -> None:
        """Return when the place can be used now, else raise `Unavailable` saying why not."""
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
        """Where the blob lies (whether or not it exists)."""
        hexadecimal = hex_of(digest)
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

    def put_stream(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        """Store what the chunks make together."""
        hasher, size = hashlib.sha256(), 0
        try:
            with self._incoming() as temporary:
                for chunk in _unmixed(chunks):
                    size += len(chunk)
                    if size > bytes_max:
                        raise Invalid("storage.too_large", bytes_max=bytes_max)
                    hasher.update(chunk)
                    temporary.write(chunk)
                digest = "sha256:" + hasher.hexdigest()
                self._keep(temporary, digest)
        except _SourceFailed as failed:
            raise failed.why from None
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

    def stream(self, digest: str) -> Iterator[bytes]:
        """The bytes in pieces of a mebibyte; errors as `read`."""
        path, hasher = self.path(digest), hashlib.sha256()
        try:
            with path.open("rb") as reader:
                while chunk := reader.read(_CHUNK_BYTES):
                    hasher.update(chunk)
                    yield chunk
        except FileNotFoundError:
            raise NotFound("storage.blob_missing", digest=digest) from None
        if "sha256:" + hasher.hexdigest() != digest:
            raise Unavailable("storage.blob_damaged", digest=digest, where=str(path))

    def fetch(self, digest: str, target: Path) -> Path:
        """Copy to ``target``, which appears only when whole; errors as `read`."""
        return write_whole(target, self.stream(digest))

    def exists(self, digest: str) -> bool:
        """Whether the file is there."""
        return self.path(digest).is_file()

    def stamp(self, digest: str) -> str:
        """The file's metadata, ctime included: whoever writes to a file cannot set that back."""
        try:
            found = self.path(digest).stat()
        except OSError:
            return ""
        parts = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return " ".join(map(str, parts))

    def delete(self, digest: str) -> None:
        """Remove the file; it is gone from the disk when this returns."""
        path = self.path(digest)
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)
        except OSError as error:
            raise explain_os_error(error, path) from error

    def digests(self) -> Iterator[str]:
        """Every file that lies where its digest says, sorted."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            for name in sorted(path.name for path in folder.iterdir()):
                hexadecimal = folder.name + name
                if len(hexadecimal) == 64 and not set(hexadecimal) - _HEX:
                    yield "sha256:" + hexadecimal

    def presigned(self, digest: str, *, seconds: int) -> str | None:  # noqa: ARG002 (the protocol's)
        """Never: a folder has no addresses."""
        hex_of(digest)
        return None

    def probe(self) -> None:
        """Whether this process may write there; a folder still to be made is made by its parent."""
        place = self.root
        while not place.exists() and place != place.parent:
            place = place.parent
        if not os.access(place, os.W_OK | os.X_OK):
            raise Unavailable("storage.read_only", where=str(self.root))

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


def open_blobs(place: str, *, folder: Path, endpoint: str = "", region: str = "us-east-1") -> Blobs:
    """The blobs at ``place``: empty for local files in ``folder``, or ``s3://bucket/prefix``.

    Nothing is connected to yet. Errors: `Invalid` ``storage.s3_extra`` where the extra for S3 is
    not installed, ``storage.s3_address_invalid``, ``storage.s3_credentials_missing``.
    """
    if not place:
        return LocalBlobs(folder)
    try:
        from yunhe.storage.s3 import open_s3  # noqa: PLC0415 (an extra, only where it is used)
    except ImportError:
        raise Invalid("storage.s3_extra") from None
    return open_s3(place, endpoint=endpoint, region=region)


def hex_of(digest: str) -> str:
    """The 64 hex digits of a digest.

    Errors: `Invalid` ``storage.digest_invalid`` for anything but ``sha256:`` and 64 hex digits.
    """
    algorithm, _, hexadecimal = digest.partition(":")
    if algorithm != "sha256" or len(hexadecimal) != 64 or set(hexadecimal) - _HEX:
        raise Invalid("storage.digest_invalid", digest=digest[:80])
    return hexadecimal


def write_whole(target: Path, chunks: Iterator[bytes]) -> Path:
    """Write the chunks to ``target``, which appears only when the last one was good."""
    partial = target.with_name(target.name + ".partial")
    try:
        with partial.open("wb") as writer:
            for chunk in chunks:
                writer.write(chunk)
        return partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


class _SourceFailed(Exception):
    """Carries what a source of chunks raised past the handler of our own disk's errors."""

    def __init__(self, why: OSError) -> None:
        self.why = why


def _unmixed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except OSError as error:  # e.g. the connection a client sends them over
        raise _SourceFailed(error) from error


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
