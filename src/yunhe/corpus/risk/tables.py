"""Rows of the versions of keyword libraries."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Row, Table, Text, and_, or_, select

from yunhe.kernel.canonical import JsonObject
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Digest, Id, Instant, metadata

libraries = Table(
    "corpus_library",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("member", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
)
"""One row for each version; the newest of an organisation is the one in use."""


@dataclass(frozen=True, slots=True)
class LibraryVersion:
    """A version of an organisation's keyword library."""

    id: str
    """Names it."""
    organisation: str
    """Whose it is."""
    name: str
    """The file's name."""
    digest: str
    """Of the file, which lies among the blobs."""
    entries: int
    """Words in it."""
    coverage: JsonObject
    """As counted when it was put in use."""
    member: str
    """Who put it in use."""
    at_us: int
    """When."""


def add(tx: Transaction, version: LibraryVersion) -> None:
    """Keep a version."""
    row: dict[str, object] = {
        "id": version.id,
        "organisation": version.organisation,
        "name": version.name,
        "digest": version.digest,
        "entries": version.entries,
        "coverage": json.dumps(version.coverage, sort_keys=True),
        "member": version.member,
        "at_us": version.at_us,
    }
    tx.execute(libraries.insert().values(**row))


def by_id(tx: Transaction, library: str) -> LibraryVersion | None:
    """The version, or None."""
    row = tx.execute(select(libraries).where(libraries.c.id == library)).one_or_none()
    return None if row is None else _version(row)


def newest(
    tx: Transaction, *, organisation: str | None, after: tuple[int, str], limit: int
) -> list[LibraryVersion]:
    """Versions of one organisation or of all, newest first, from behind the time and id given."""
    query = select(libraries)
    if organisation is not None:
        query = query.where(libraries.c.organisation == organisation)
    if after[1]:
        at_us, name = libraries.c.at_us, libraries.c.id
        query = query.where(or_(at_us < after[0], and_(at_us == after[0], name < after[1])))
    ordered = query.order_by(libraries.c.at_us.desc(), libraries.c.id.desc()).limit(limit)
    return [_version(row) for row in tx.execute(ordered)]


def _version(row: Row[tuple[object, ...]]) -> LibraryVersion:
    kept = row._asdict()
    return LibraryVersion(**{**kept, "coverage": json.loads(row.coverage)})
