"""Tables of reviews, their items, and the slots in which items are judged."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

reviews = Table(
    "corpus_review",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Code, nullable=False),
    Column("round", Integer, nullable=False),
    Column("certificate", Id, nullable=False),
    Column("holder", Id, nullable=False, index=True),
    Column("standard", Text, nullable=False),
    Column("rules_version", Text, nullable=False),
    Column("dataset_digest", Digest, nullable=False),
    Column("sample_digest", Digest, nullable=False, index=True),
    Column("population", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("strata", Text, nullable=False),
    Column("adjudicator", Id, nullable=False),
    Column("opened_by", Id, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("organisations", Text, nullable=False),
    Column("state", Code, nullable=False),
    Column("opened_at_us", Instant, nullable=False),
    Column("ended_at_us", Instant),
    Column("result", Text),
    Column("reference", Id),
    Column("request_digest", Digest, nullable=False),
    UniqueConstraint("certificate", "kind", "round"),
)
"""One row for each review of a certified dataset."""

invited = Table(
    "corpus_review_invited",
    metadata,
    Column("review", Id, primary_key=True),
    Column("organisation", Id, primary_key=True, index=True),
)
"""Organisations that may review although the dataset is not theirs."""

items = Table(
    "corpus_review_item",
    metadata,
    Column("review", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("stratum", Integer, nullable=False),
    Column("settled", Code, nullable=False),  # "" → pass, fail or erased
    Index(None, "review", "settled"),
)
"""One row for each item drawn; what it says is in the sample's blob."""

slots = Table(
    "corpus_review_slot",
    metadata,
    Column("review", Id, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("reviewer", Id),
    Column("lease_until_us", Instant, nullable=False),
    Column("verdict", Code, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("at_us", Instant),
    UniqueConstraint("review", "number", "reviewer"),
    Index(None, "review", "verdict", "number"),
)
"""Two places for judgements on each item, and a third where they differ."""
