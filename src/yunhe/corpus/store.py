"""The corpus floor's one table: what each cleansing left, by its key."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import BigInteger, Boolean, Column, Table, Text, select

from yunhe.storage.database import Transaction
from yunhe.storage.schema import Digest, Id, Instant, metadata

cleansings = Table(
    "corpus_cleansing",
    metadata,
    Column("certificate_id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("request_digest", Digest, nullable=False),
    Column("source_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("holder", Id, nullable=False, index=True),
    Column("licence", Text, nullable=False),
    Column("synthetic", Boolean(create_constraint=False), nullable=False),
    Column("input_bytes", BigInteger, nullable=False),
    Column("source_reference", Text, nullable=False),
    Column("certificate_reference", Text, nullable=False),
    Column("input_digest", Digest, nullable=False),
    Column("output_digest", Digest, nullable=False),
    Column("certificate_digest", Digest, nullable=False),
    Column("decisions_digest", Digest, nullable=False),
    Column("spans_digest", Digest, nullable=False),
    Column("sample_digest", Digest, nullable=False),
    Column("at_us", Instant, nullable=False),
)
"""One row for each cleansing that was finished; an unfinished one has none."""


def by_key(tx: Transaction, key: str) -> Mapping[str, object] | None:
    """The row of a cleansing; None for a key that has not finished one."""
    found = tx.execute(select(cleansings).where(cleansings.c.key == key)).one_or_none()
    return None if found is None else found._asdict()


def insert(tx: Transaction, row: Mapping[str, object]) -> None:
    """Keep a finished cleansing."""
    tx.execute(cleansings.insert().values(**row))
