"""The tables of settlement; `yunhe.compute.statements.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint, func, select

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata

period_table = Table(
    "compute_period",
    metadata,
    Column("name", Code, primary_key=True),
    Column("closed_at_us", Instant, nullable=False),
    Column("closed_by", Id, nullable=False),
)
document_table = Table(
    "compute_document",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("number", Integer, nullable=False),
    Column("party", Id, nullable=False),
    Column("period", Code, nullable=False),
    Column("currency", Code, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("device_ms", Minor, nullable=False),
    Column("idle_ms", Minor, nullable=False),
    Column("cost_minor", Minor, nullable=False),
    Column("voucher_minor", Minor, nullable=False),
    Column("cash_minor", Minor, nullable=False),
    Column("issued_at_us", Instant, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("reference", Text, nullable=False),
    Column("normalised", Text),  # as of its issue; null: issued before there was such a thing
    Column("unrated_ms", Minor),  # likewise
    UniqueConstraint("kind", "number"),
    Index(None, "party", "kind", "period"),
    Index(None, "period"),
)
statement_table = Table(
    "compute_provider_statement",
    metadata,
    Column("id", Id, primary_key=True),
    Column("provider", Id, nullable=False),
    Column("period", Code, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("form", Code, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("amount_minor", Minor, nullable=False),
    Column("received_at_us", Instant, nullable=False),
    Column("received_by", Id, nullable=False),
    Index(None, "provider", "period"),
)
correction_table = Table(
    "compute_correction",
    metadata,
    Column("id", Id, primary_key=True),
    Column("workload", Id, nullable=False),
    Column("corrects", Code, nullable=False),
    Column("device_ms", Minor, nullable=False),
    Column("cost_minor", Minor, nullable=False),
    Column("voucher_minor", Minor, nullable=False),
    Column("cash_minor", Minor, nullable=False),
    Column("drawn_ms", Minor),  # given back to an award for several chips; null: `device_ms`
    Column("reason", Text, nullable=False),
    Column("corrected_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("reference", Text, nullable=False),
    Index(None, "workload"),
    Index(None, "at_us"),
)
_this, _before = correction_table.c, correction_table.alias("earlier").c
EARLIER_MS = (
    select(func.coalesce(func.sum(_before.device_ms), 0))
    .where(
        _before.workload == _this.workload,
        (_before.at_us < _this.at_us) | ((_before.at_us == _this.at_us) & (_before.id < _this.id)),
    )
    .scalar_subquery()
    .label("earlier_ms")
)
"""Device time that the corrections of the same workload before this one came to."""
