"""The tables of forwarded jobs; `yunhe.compute.forwarding.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from yunhe.storage.schema import Digest, Id, Instant, metadata

forwarded_table = Table(
    "compute_forwarded",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("job", Text, primary_key=True),  # the other platform's name of it
    Column("workload", Id, nullable=False),  # ours; derived, so known before it is there
    Column("origin", Text, nullable=False),  # the log of the platform it comes from
    Column("cancelled", Integer, nullable=False),
    Column("forgotten", Integer, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "workload"),
)
input_table = Table(
    "compute_forwarded_input",
    metadata,
    Column("organisation", Id, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("digest", Digest, primary_key=True),  # sent for such jobs and for nothing else
    Column("member", Id, nullable=False),  # who sends it
    Index(None, "organisation", "digest"),
)
