"""Which policies were in force; `policy.store` alone uses it."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from yunhe.storage.schema import Code, Id, Instant, metadata
from yunhe.storage.schema import Sequence as Number

policy_table = Table(
    "compute_policy",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),  # the last one is in force
    Column("name", Code, nullable=False),
    Column("said_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("reference", Text, nullable=False),  # custody
)
