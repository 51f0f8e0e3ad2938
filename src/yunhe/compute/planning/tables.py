"""Plans that were made; `planning.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from yunhe.storage.schema import Code, Instant, metadata
from yunhe.storage.schema import Sequence as Number

plan_table = Table(
    "compute_plan",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("at_us", Instant, nullable=False),
    Column("until_us", Instant, nullable=False),
    Column("state", Code, nullable=False),
    Column("reason", Text, nullable=False),
    Column("figures", Text, nullable=False),  # JSON: the rest of what was made
    Column("guide", Text, nullable=False),  # JSON; empty where it has none
    Column("usual", Text, nullable=False),  # JSON: what was usually asked of a node then
)
