"""Rows of registered sources and their samples."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    Row,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)

from yunhe.corpus.sources.domain import Facts, Sample, Source
from yunhe.corpus.sources.judging import judge
from yunhe.corpus.sources.licences import terms
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

sources = Table(
    "corpus_source",
    metadata,
    Column("id", Id, primary_key=True),
    Column("request_digest", Digest, nullable=False),
    Column("holder", Id, nullable=False, index=True),
    Column("facts", Text, nullable=False),
    Column("state", Code, nullable=False),
    Column("looked", BigInteger, nullable=False),
    Column("illegal", BigInteger, nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("registered_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("decided_by", Id, nullable=False),
    Column("decided_at_us", Instant),
    Column("reference", Id, nullable=False),
)
"""One row for each registered source."""

samples = Table(
    "corpus_source_sample",
    metadata,
    Column("source", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Id, nullable=False, unique=True),
    Column("looked", BigInteger, nullable=False),
    Column("illegal", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("labelled_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
)
"""One row for each look at a source."""


def add(tx: Transaction, source: Source, *, request: str) -> None:
    """Keep a new source; ``request`` is the digest of what was asked."""
    facts = {name: getattr(source.facts, name) for name in Facts.__dataclass_fields__}
    facts["declared"] = dict(source.facts.declared)
    values = {
        "id": source.id,
        "request_digest": request,
        "holder": source.holder,
        "facts": json.dumps(facts, ensure_ascii=False, sort_keys=True),
        "state": source.state,
        "looked": 0,
        "illegal": 0,
        "decisions": 0,
        "registered_by": source.registered_by,
        "at_us": source.at_us,
        "decided_by": "",
        "decided_at_us": None,
        "reference": "",
    }
    tx.execute(sources.insert().values(**values))


def by_id(tx: Transaction, source: str) -> Source | None:
    """The source, or None."""
    row = tx.execute(select(sources).where(sources.c.id == source)).one_or_none()
    return None if row is None else _source(row)


def request_of(tx: Transaction, source: str) -> str | None:
    """The digest of what was asked when it was registered."""
    found: str | None = tx.scalar(select(sources.c.request_digest).where(sources.c.id == source))
    return found


def newest(
    tx: Transaction, *, holder: str | None, state: str, after: tuple[int, str], limit: int
) -> list[Source]:
    """Sources of one holder or of all, newest first, from behind the time and id given."""
    query = select(sources)
    if holder is not None:
        query = query.where(sources.c.holder == holder)
    if state:
        query = query.where(sources.c.state == state)
    if after[1]:
        at_us, name = sources.c.at_us, sources.c.id
        query = query.where(or_(at_us < after[0], and_(at_us == after[0], name < after[1])))
    ordered = query.order_by(sources.c.at_us.desc(), sources.c.id.desc()).limit(limit)
    return [_source(row) for row in tx.execute(ordered)]


def change(tx: Transaction, source: str, **values: object) -> None:
    """Set columns of one source."""
    tx.execute(update(sources).where(sources.c.id == source).values(**values))


def decisions(tx: Transaction, source: str) -> int:
    """How many decisions there were on it."""
    return int(tx.scalar(select(sources.c.decisions).where(sources.c.id == source)) or 0)


def add_sample(tx: Transaction, source: str, sample: Sample, *, key: str) -> None:
    """Keep a sample and add it to the source's totals."""
    row: dict[str, object] = {
        "source": source,
        "number": sample.number,
        "key": key,
        "looked": sample.looked,
        "illegal": sample.illegal,
        "method": sample.method,
        "labelled_by": sample.labelled_by,
        "at_us": sample.at_us,
    }
    tx.execute(samples.insert().values(**row))
    change(
        tx,
        source,
        looked=sources.c.looked + sample.looked,
        illegal=sources.c.illegal + sample.illegal,
    )


def sample_by_key(tx: Transaction, key: str) -> tuple[str, Sample] | None:
    """The source and the sample that this key made, or None."""
    row = tx.execute(select(samples).where(samples.c.key == key)).one_or_none()
    return None if row is None else (str(row.source), _sample(row))


def samples_of(tx: Transaction, source: str) -> list[Sample]:
    """All samples of a source, in order."""
    query = select(samples).where(samples.c.source == source).order_by(samples.c.number)
    return [_sample(row) for row in tx.execute(query)]


def count_samples(tx: Transaction, source: str) -> int:
    """How many samples there are."""
    query = select(func.count()).select_from(samples).where(samples.c.source == source)
    return int(tx.scalar(query) or 0)


def _source(row: Row[tuple[object, ...]]) -> Source:
    kept: Mapping[str, object] = json.loads(row.facts)
    facts = Facts(**{**kept, "languages": tuple(kept["languages"])})  # type: ignore[arg-type]
    return Source(
        id=row.id,
        holder=row.holder,
        facts=facts,
        state=row.state,
        judgement=judge(row.illegal, row.looked),
        terms=terms(facts.licence, facts.declared),
        registered_by=row.registered_by,
        at_us=row.at_us,
        decided_by=row.decided_by,
        decided_at_us=row.decided_at_us,
        reference=row.reference,
    )


def _sample(row: Row[tuple[object, ...]]) -> Sample:
    return Sample(row.number, row.looked, row.illegal, row.method, row.labelled_by, row.at_us)
