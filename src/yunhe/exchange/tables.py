"""The tables of the exchange; `yunhe.exchange.store` alone reads and writes them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table, Text

from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, Sequence, metadata

listings = Table(
    "exchange_listing",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Id, nullable=False),
    Column("certificate", Id, nullable=False),
    Column("certificate_reference", Id, nullable=False),
    Column("dataset_digest", Digest, nullable=False),
    Column("title", Text, nullable=False),
    Column("holder", Id, nullable=False, index=True),
    Column("licence", Text, nullable=False),
    Column("price_minor", Minor, nullable=False),
    Column("unit", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("state", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
)

agreements = Table(
    "exchange_agreement",
    metadata,
    Column("id", Id, primary_key=True),
    Column("terms", Text, nullable=False),
    Column("digest", Digest, nullable=False),
    Column("at_us", Instant, nullable=False),
)

orders = Table(
    "exchange_order",
    metadata,
    Column("id", Id, primary_key=True),
    Column("agreement", Id, nullable=False),
    Column("listing", Id, nullable=False),
    Column("buyer", Id, nullable=False, index=True),
    Column("member", Id, nullable=False),
    Column("state", Code, nullable=False),
    Column("hold", Id, nullable=False),
    Column("hold_expires_at_us", Instant, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("transfer", Id, nullable=False),
    Column("at_us", Instant, nullable=False),
)

grants = Table(
    "exchange_grant",
    metadata,
    Column("id", Id, primary_key=True),
    Column("reference", Id, nullable=False),
    Column("order_id", Id, nullable=False, unique=True),
    Column("agreement", Id, nullable=False),
    Column("listing", Id, nullable=False),
    Column("buyer", Id, nullable=False, index=True),
    Column("dataset_digest", Digest, nullable=False, index=True),
    Column("transfer", Id, nullable=False),
    Column("granted_at_us", Instant, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("revoked_at_us", Instant),
)

accesses = Table(
    "exchange_access",
    metadata,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("grant_id", Id, nullable=False, index=True),
    Column("organisation", Id, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("reasons", Text, nullable=False),
)
