"""Artefacts that were removed on a person's request: that they are missing is as it should be."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, Table, select

from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Digest, Instant, metadata

_IN_MAX = 1_000  # values per IN list, far below what any database takes

erased = Table(
    "storage_erased",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("at_us", Instant, nullable=False),
)


def note(tx: Transaction, digests: Collection[str], *, at_us: int) -> None:
    """Write down that these go, before they do."""
    rows = [{"digest": digest, "at_us": at_us} for digest in sorted(digests)]
    dialect.insert_new(tx, erased, rows)


def among(tx: Transaction, digests: Collection[str]) -> set[str]:
    """Those of the digests that were erased."""
    wanted = sorted(digests)
    found: set[str] = set()
    for start in range(0, len(wanted), _IN_MAX):
        part = erased.c.digest.in_(wanted[start : start + _IN_MAX])
        found.update(tx.execute(select(erased.c.digest).where(part)).scalars())
    return found
