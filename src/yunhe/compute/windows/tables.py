"""The table of guaranteed windows; `store` alone reads and writes it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from yunhe.storage.schema import Code, Id, Instant, metadata

guarantee_table = Table(
    "compute_guarantee",
    metadata,
    Column("id", Id, primary_key=True),
    Column("award", Id, nullable=False),  # or application
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),  # empty: all
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("pool", Id, nullable=False),  # empty: any
    Column("site", Text, nullable=False),  # empty: any
    Column("from_us", Instant, nullable=False),
    Column("until_us", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("given_by", Id, nullable=False),
    Column("given_at_us", Instant, nullable=False),
    Column("ended_at_us", Instant),
    Column("ended_by", Id, nullable=False),
    Column("ended_reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Index(None, "until_us"),
    Index(None, "organisation", "id"),
)
