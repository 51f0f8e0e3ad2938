"""Versions of keyword libraries: checked whole, kept with who and when, the newest in use."""

from __future__ import annotations

from pathlib import Path

from yunhe.corpus.risk import library, tables
from yunhe.corpus.risk.coverage import coverage
from yunhe.corpus.risk.tables import LibraryVersion
from yunhe.kernel.errors import Conflict, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = ["LibraryVersion", "current", "library_unknown", "newest", "put", "version", "write"]


def library_unknown(library: str) -> NotFound:
    """The same whether it does not exist or is somebody else's."""
    return NotFound("corpus.library_unknown", library=library[:64])


def put(
    storage: Storage, *, key: str, organisation: str, name: str, digest: str, member: str
) -> LibraryVersion:
    """Put a library among the blobs in use for an organisation; the same key does it once.

    Errors: those of `yunhe.corpus.risk.library.parse`; `Conflict` ``corpus.request_differs``.
    """
    named = derived_id("library", organisation, key)
    with storage.database.read() as tx:
        before = tables.by_id(tx, named)
    if before is None:
        read = library.parse(storage.blobs.read(digest), name=name)
        at_us = storage.clock.now_us()
        counted = coverage(read, updated_us=at_us, now_us=at_us).as_json()
        made = LibraryVersion(named, organisation, name, digest, len(read), counted, member, at_us)
        with storage.database.begin() as tx:
            before = tables.by_id(tx, named)  # another may have come first
            if before is None:
                tables.add(tx, made)
                return made
    if (before.digest, before.name) != (digest, name):
        raise Conflict("corpus.request_differs", key=key)
    return before


def version(tx: Transaction, library: str) -> LibraryVersion:
    """One version. Errors: `NotFound` ``corpus.library_unknown``."""
    found = tables.by_id(tx, library)
    if found is None:
        raise library_unknown(library)
    return found


def newest(
    tx: Transaction,
    *,
    organisation: str | None,
    after: tuple[int, str] = (0, ""),
    limit: int = 50,
) -> list[LibraryVersion]:
    """Versions of one organisation, or of anybody, newest first."""
    return tables.newest(tx, organisation=organisation, after=after, limit=limit)


def current(tx: Transaction, organisation: str) -> LibraryVersion | None:
    """The version in use; None where the organisation has none."""
    return next(iter(newest(tx, organisation=organisation, limit=1)), None)


def write(storage: Storage, version: LibraryVersion, folder: Path) -> Path:
    """Write a version into a folder, for the option ``library`` of the step ``risk``."""
    target = folder / f"{version.id}{Path(version.name).suffix.lower()}"
    target.write_bytes(storage.blobs.read(version.digest))
    return target
