"""The corpus floor's tables: what each cleansing left, and blobs that must go after an erasure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Table,
    Text,
    and_,
    delete,
    or_,
    select,
    update,
)

from yunhe.storage import dialect
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

doomed = Table(
    "corpus_doomed",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("at_us", Instant, nullable=False),
)
"""Blobs that were replaced or given up by an erasure and may still lie in the store."""


def by_key(tx: Transaction, key: str) -> Mapping[str, object] | None:
    """The row of a cleansing; None for a key that has not finished one."""
    found = tx.execute(select(cleansings).where(cleansings.c.key == key)).one_or_none()
    return None if found is None else found._asdict()


def by_source(tx: Transaction, source_id: str) -> Mapping[str, object] | None:
    """The row of the cleansing of that source; None when there is none."""
    found = tx.execute(select(cleansings).where(cleansings.c.source_id == source_id)).one_or_none()
    return None if found is None else found._asdict()


def by_certificate(tx: Transaction, certificate_id: str) -> Mapping[str, object] | None:
    """The row of the cleansing that ended with that certificate; None when there is none."""
    where = cleansings.c.certificate_id == certificate_id
    found = tx.execute(select(cleansings).where(where)).one_or_none()
    return None if found is None else found._asdict()


def newest(
    tx: Transaction, *, holder: str | None, after: tuple[int, str], limit: int
) -> list[Mapping[str, object]]:
    """Rows of one holder or of all, newest first, from behind the time and certificate given."""
    at_us, name = cleansings.c.at_us, cleansings.c.certificate_id
    query = select(cleansings)
    if holder is not None:
        query = query.where(cleansings.c.holder == holder)
    if after[1]:
        query = query.where(or_(at_us < after[0], and_(at_us == after[0], name < after[1])))
    rows = tx.execute(query.order_by(at_us.desc(), name.desc()).limit(limit))
    return [row._asdict() for row in rows]


def replace(
    tx: Transaction, source_id: str, digests: Mapping[str, str], *, doom: Iterable[str], at_us: int
) -> None:
    """Point to other tables in place of those that were replaced, and note which blobs must go."""
    if digests:
        where = cleansings.c.source_id == source_id
        tx.execute(update(cleansings).where(where).values(**digests))
    dialect.insert_new(tx, doomed, [{"digest": each, "at_us": at_us} for each in doom])


def doomed_blobs(tx: Transaction) -> list[str]:
    """Blobs noted as to go, in order."""
    found = tx.execute(select(doomed.c.digest).order_by(doomed.c.digest))
    return list(found.scalars())


def is_artefact(tx: Transaction, digest: str) -> bool:
    """Whether a cleansing left these bytes, and not only took them in."""
    left = (
        cleansings.c.output_digest,
        cleansings.c.certificate_digest,
        cleansings.c.decisions_digest,
        cleansings.c.spans_digest,
        cleansings.c.sample_digest,
    )
    query = select(cleansings.c.key).where(or_(*(column == digest for column in left))).limit(1)
    return tx.execute(query).first() is not None


def are_gone(tx: Transaction, digests: Iterable[str]) -> None:
    """Note that these blobs were removed."""
    tx.execute(delete(doomed).where(doomed.c.digest.in_(list(digests))))


def insert(tx: Transaction, row: Mapping[str, object]) -> None:
    """Keep a finished cleansing."""
    tx.execute(cleansings.insert().values(**row))
