"""The table of what was said of places; `yunhe.compute.limits.store` alone reads and writes it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from yunhe.storage.schema import Code, Id, Instant, metadata
from yunhe.storage.schema import Sequence as Number

limit_table = Table(
    "compute_limit",  # the last row about a subject holds; none is ever changed
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("what", Code, nullable=False),  # data, award, organisation, pool
    Column("subject", Text, nullable=False),
    Column("jurisdictions", Text, nullable=False),  # a list; an empty one lifts what was said
    Column("reason", Text, nullable=False),
    Column("by", Id, nullable=False),  # empty: it came with what the data was made of
    Column("at_us", Instant, nullable=False),
    Index(None, "what", "subject"),
)
