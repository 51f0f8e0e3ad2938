"""The tables of supply; `yunhe.compute.supply.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata
from yunhe.storage.schema import Sequence as Number

standing_table = Table(
    "compute_pool_standing",  # a pool without a row is open
    metadata,
    Column("pool", Id, primary_key=True),
    Column("state", Code, nullable=False),
    Column("jurisdiction", Code, nullable=False),
)
node_table = Table(
    "compute_pool_node",  # a pool without nodes is one flat node
    metadata,
    Column("pool", Id, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("devices", Integer, nullable=False),
    Column("cpu_milli", Integer, nullable=False),
    Column("memory_mib", Integer, nullable=False),
    Column("domain", Integer, nullable=False),
    Column("state", Code, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Id, nullable=False),  # empty: as registered
    Column("at_us", Instant, nullable=False),
    Column("batch", Id, nullable=False),  # likewise
)
price_table = Table(
    "compute_pool_price",
    metadata,
    Column("id", Id, primary_key=True),
    Column("pool", Id, nullable=False),
    Column("term", Code, nullable=False),
    Column("price_minor_per_device_hour", Minor, nullable=False),
    Column("from_us", Instant, nullable=False),
    Column("until_us", Instant),
    Column("set_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "pool", "term", "from_us"),
)
maintenance_table = Table(
    "compute_pool_maintenance",
    metadata,
    Column("id", Id, primary_key=True),
    Column("pool", Id, nullable=False),
    Column("from_us", Instant, nullable=False),
    Column("until_us", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("planned_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("cancelled_at_us", Instant),
    Index(None, "pool", "from_us"),
    Index(None, "until_us"),
)
step_table = Table(
    "compute_pool_step",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("pool", Id, nullable=False),
    Column("what", Code, nullable=False),
    Column("detail", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "pool", "number"),
)
rate_card_table = Table(
    "compute_rate_card",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("reference", Code, nullable=False),
    Column("from_us", Instant, nullable=False),
    Column("rates", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("published_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    UniqueConstraint("version"),
    Index(None, "from_us"),
)
dispute_table = Table(
    "compute_rate_dispute",
    metadata,
    Column("id", Id, primary_key=True),
    Column("card", Id, nullable=False),
    Column("chip", Code, nullable=False),
    Column("workload_class", Code, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("state", Code, nullable=False),
    Column("decision", Text, nullable=False),
    Column("decided_by", Id, nullable=False),  # empty while it is open
    Column("decided_at_us", Instant),
    Index(None, "card", "chip", "workload_class"),
    Index(None, "organisation"),
)
