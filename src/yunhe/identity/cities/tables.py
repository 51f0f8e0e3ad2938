"""The table of cities; `yunhe.identity.cities.store` alone reads and writes it."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from yunhe.storage.schema import Code, Id, Instant, metadata

city_table = Table(
    "identity_city",
    metadata,
    Column("code", Code, primary_key=True),
    Column("name", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("added_by", Id, nullable=False),  # empty: the platform itself
    Column("reference", Text, nullable=False),  # custody
)
