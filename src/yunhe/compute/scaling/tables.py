"""The tables of services; `yunhe.compute.scaling.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Id, Instant, Minor, metadata

service_table = Table(
    "compute_service",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),  # empty: the organisation's own
    Column("name", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("asked", Text, nullable=False),  # the policy it was created with: for the same key again
    Column("state", Code, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("why", Text),
    Column("member", Id),
    Column("next_number", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("retry_at_us", Instant, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Column("seen_at_us", Instant, nullable=False),
    Index(None, "organisation", "id"),
    Index(None, "state", "id"),
)
replica_table = Table(
    "compute_service_replica",
    metadata,
    Column("service", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("workload", Id, nullable=False),
    Column("state", Code, nullable=False),
    Column("replaces", Integer),
    Column("running_since_us", Instant),
    Column("gone_at_us", Instant),
    UniqueConstraint("workload"),
    Index(None, "service", "state"),
    Index(None, "state", "gone_at_us"),
)
load_table = Table(
    "compute_service_load",
    metadata,
    Column("service", Id, primary_key=True),
    Column("id", Code, primary_key=True),
    Column("source", Code, nullable=False),
    Column("from_us", Instant, nullable=False),
    Column("until_us", Instant, nullable=False),
    Column("requests", Minor, nullable=False),
    Column("tokens", Minor, nullable=False),
    Column("queue", Minor, nullable=False),
    Column("latency_ms", Integer),
    Column("service_ms", Integer),
    Index(None, "service", "until_us"),
    Index(None, "until_us"),
)
