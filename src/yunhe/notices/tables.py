"""The tables of notices, their deliveries and webhooks; the three ``store.py`` use them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from yunhe.storage.schema import Code, Id, Instant, metadata

notices = Table(
    "notices_notice",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),
    Column("roles", Text, nullable=False),  # " one another ", with spaces around each
    Column("member", Id, nullable=False),
    Column("subject", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("spread_at_us", Instant),  # when its deliveries were made
    Column("withdrawn_at_us", Instant),
    Index(None, "organisation", "at_us"),
    Index(None, "spread_at_us", "at_us"),
)

reads = Table(
    "notices_read",
    metadata,
    Column("member", Id, primary_key=True),
    Column("notice", Id, primary_key=True),
    Column("at_us", Instant, nullable=False),
    Index(None, "notice"),
)

preferences = Table(
    "notices_preference",
    metadata,
    Column("member", Id, primary_key=True),
    Column("kind", Code, primary_key=True),
    Column("feed", Boolean, nullable=False),
    Column("mail", Boolean, nullable=False),
)

webhooks = Table(
    "notices_webhook",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("added_by", Id, nullable=False),
    Column("state", Code, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failing_since_us", Instant),
    Column("old_secret_until_us", Instant),
    Column("at_us", Instant, nullable=False),
)

deliveries = Table(
    "notices_delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("notice", Id, nullable=False, index=True),
    Column("way", Code, nullable=False),
    Column("target", Id, nullable=False),
    Column("state", Code, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at_us", Instant, nullable=False),
    Column("token", Id),
    Column("owner", Text),
    Column("lease_until_us", Instant),
    Column("status", Integer, nullable=False),
    Column("problem", Code, nullable=False),
    Column("created_at_us", Instant, nullable=False),
    Column("ended_at_us", Instant),
    Index(None, "state", "next_at_us"),
    Index(None, "target", "created_at_us"),
)
