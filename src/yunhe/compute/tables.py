"""The tables of compute; `yunhe.compute.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata
from yunhe.storage.schema import Sequence as Number

pool_table = Table(
    "compute_pool",
    metadata,
    Column("id", Id, primary_key=True),
    Column("provider", Id, nullable=False),
    Column("site", Text, nullable=False),
    Column("adapter", Code, nullable=False),
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("price_minor_per_device_hour", Minor, nullable=False),
    Column("currency", Code, nullable=False),
    Column("created_at_us", Instant, nullable=False),
)
award_table = Table(
    "compute_award",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("chip", Code, nullable=False),
    Column("device_ms", Minor, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("lapsed_ms", Minor, nullable=False),
    Column("transfer", Id, nullable=False),
    Column("awarded_by", Id, nullable=False),
    Column("reference", Text, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Index(None, "organisation", "chip"),
)
voucher_table = Table(
    "compute_voucher",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("currency", Code, nullable=False),
    Column("amount_minor", Minor, nullable=False),
    Column("share_percent", Integer, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Index(None, "organisation", "currency"),
)
approval_table = Table(
    "compute_approval",
    metadata,
    Column("name", Code, primary_key=True),
    Column("digest", Digest, primary_key=True),
    Column("module", Text, nullable=False),
    Column("approved_by", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
)
workload_table = Table(
    "compute_workload",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("entry_point", Code, nullable=False),
    Column("chip", Code, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("wall_seconds_max", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("spec_digest", Digest, nullable=False),
    Column("state", Code, nullable=False),
    Column("why", Text),
    Column("blocked", Integer, nullable=False),  # 1: `why` is not the scheduler's
    Column("cancel_asked", Integer, nullable=False),
    Column("submitted_at_us", Instant, nullable=False),
    Column("pool", Id),
    Column("voucher", Id),
    Column("placements", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("provider_failures", Integer, nullable=False),
    Column("device_hold", Id),
    Column("voucher_hold", Id),
    Column("cash_hold", Id),
    Column("held_voucher_minor", Minor, nullable=False),
    Column("held_cash_minor", Minor, nullable=False),
    Column("holds_until_us", Instant),
    Column("used_voucher_minor", Minor, nullable=False),
    Column("outputs", Text),
    Column("usage", Text),
    Column("reference", Text),
    Column("log", Digest),
    Column("ended_at_us", Instant),
    UniqueConstraint("id"),
    Index(None, "state", "number"),
    Index(None, "pool", "state"),
)
draw_table = Table(
    "compute_draw",
    metadata,
    Column("workload", Id, primary_key=True),
    Column("award", Id, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("held_ms", Minor, nullable=False),
    Column("used_ms", Minor, nullable=False),
    Index(None, "award"),
)
