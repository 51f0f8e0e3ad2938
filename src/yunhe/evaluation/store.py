"""Rows of splits and evaluations; the results themselves are a blob."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    select,
    tuple_,
)

from yunhe.evaluation.domain import Evaluation, Split
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

splits = Table(
    "evaluation_split",
    metadata,
    Column("id", Id, primary_key=True),
    Column("request_digest", Digest, nullable=False),
    Column("reference", Id, nullable=False),
    Column("dataset_digest", Digest, nullable=False, index=True),
    Column("train_digest", Digest, nullable=False),
    Column("heldout_digest", Digest, nullable=False),
    Column("grant_reference", Id, nullable=False),
    Column("held_out_percent", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("groups_heldout", Integer, nullable=False),
    Column("documents_train", Integer, nullable=False),
    Column("documents_heldout", Integer, nullable=False),
    Column("documents_unlabelled", Integer, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("organisation", Id),  # null: before 0.2.0
    Index(None, "organisation", "at_us", "id"),
)

runs = Table(
    "evaluation_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("request_digest", Digest, nullable=False),
    Column("reference", Id, nullable=False),
    Column("model_version", Id, nullable=False, index=True),
    Column("model_digest", Digest, nullable=False),
    Column("split", Id, nullable=False),
    Column("heldout_digest", Digest, nullable=False),
    Column("results_digest", Digest, nullable=False),
    Column("metric", Code, nullable=False),
    Column("score", Text, nullable=False),
    Column("score_low", Text, nullable=False),
    Column("score_high", Text, nullable=False),
    Column("baseline", Code, nullable=False),
    Column("baseline_score", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("at_us", Instant, nullable=False),
)

_SPLIT = tuple(field.name for field in fields(Split))
_RUN = tuple(field.name for field in fields(Evaluation) if field.name != "results")


def add_split(tx: Transaction, made: Split, *, request_digest: str) -> None:
    """Insert a split."""
    values = {name: getattr(made, name) for name in _SPLIT}
    tx.execute(splits.insert().values(request_digest=request_digest, **values))


def find_split(tx: Transaction, split_id: str) -> tuple[Split, str] | None:
    """The split and the digest of what it was made from, if there is one."""
    row = tx.execute(select(splits).where(splits.c.id == split_id)).first()
    return None if row is None else (_split(row), row.request_digest)


def list_splits(tx: Transaction, *, dataset_digest: str | None) -> list[Split]:
    """Splits, oldest first; of one dataset when it is named."""
    query = select(splits).order_by(splits.c.at_us, splits.c.id)
    if dataset_digest is not None:
        query = query.where(splits.c.dataset_digest == dataset_digest)
    return [_split(row) for row in tx.execute(query)]


def splits_page(
    tx: Transaction, *, organisation: str | None, after: tuple[int, str], limit: int
) -> list[Split]:
    """Splits of an organisation (or all), oldest first, from behind a place."""
    query = select(splits).where(tuple_(splits.c.at_us, splits.c.id) > tuple_(*after))
    if organisation is not None:
        query = query.where(splits.c.organisation == organisation)
    found = tx.execute(query.order_by(splits.c.at_us, splits.c.id).limit(limit))
    return [_split(row) for row in found]


def add_run(tx: Transaction, made: Evaluation, *, request_digest: str) -> None:
    """Insert an evaluation; its results are a blob already."""
    values = {name: getattr(made, name) for name in _RUN}
    tx.execute(runs.insert().values(request_digest=request_digest, **values))


def find_run(tx: Transaction, run_id: str) -> tuple[Evaluation, str] | None:
    """The evaluation with empty results, and the digest of what was asked, if there is one."""
    row = tx.execute(select(runs).where(runs.c.id == run_id)).first()
    return None if row is None else (_run(row), row.request_digest)


def list_runs(tx: Transaction, *, model_version: str | None) -> list[Evaluation]:
    """Evaluations with empty results, oldest first; of one model version when it is named."""
    query = select(runs).order_by(runs.c.at_us, runs.c.id)
    if model_version is not None:
        query = query.where(runs.c.model_version == model_version)
    return [_run(row) for row in tx.execute(query)]


def runs_page(
    tx: Transaction, *, model_version: str, after: tuple[int, str], limit: int
) -> list[Evaluation]:
    """Evaluations of a version with empty results, oldest first, from behind a place."""
    query = select(runs).where(
        runs.c.model_version == model_version,
        tuple_(runs.c.at_us, runs.c.id) > tuple_(*after),
    )
    return [_run(row) for row in tx.execute(query.order_by(runs.c.at_us, runs.c.id).limit(limit))]


def _split(row: Row[tuple[object, ...]]) -> Split:
    values = {name: row._mapping[name] for name in _SPLIT}  # noqa: SLF001
    return Split(**{**values, "organisation": values["organisation"] or ""})


def _run(row: Row[tuple[object, ...]]) -> Evaluation:
    return Evaluation(results={}, **{name: row._mapping[name] for name in _RUN})  # noqa: SLF001
