"""Cleansing: the register of sources, libraries of risk words, reviews by people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns."""
    _corpus()


def _corpus() -> None:
    op.create_table(
        "corpus_library",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpus_library")),
    )
    with op.batch_alter_table("corpus_library", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_corpus_library_organisation"), ["organisation"], unique=False
        )
    op.create_table(
        "corpus_review",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("sample_digest", sa.String(length=71), nullable=False),
        sa.Column("population", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("strata", sa.Text(), nullable=False),
        sa.Column("adjudicator", sa.String(length=64), nullable=False),
        sa.Column("opened_by", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("organisations", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("opened_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpus_review")),
        sa.UniqueConstraint(
            "certificate", "kind", "round", name=op.f("uq_corpus_review_certificate_kind_round")
        ),
    )
    with op.batch_alter_table("corpus_review", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_corpus_review_holder"), ["holder"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_corpus_review_sample_digest"), ["sample_digest"], unique=False
        )
    op.create_table(
        "corpus_review_invited",
        sa.Column("review", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("review", "organisation", name=op.f("pk_corpus_review_invited")),
    )
    with op.batch_alter_table("corpus_review_invited", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_corpus_review_invited_organisation"), ["organisation"], unique=False
        )
    op.create_table(
        "corpus_review_item",
        sa.Column("review", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("stratum", sa.Integer(), nullable=False),
        sa.Column("settled", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("review", "number", name=op.f("pk_corpus_review_item")),
    )
    with op.batch_alter_table("corpus_review_item", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_corpus_review_item_review_settled"), ["review", "settled"], unique=False
        )
    op.create_table(
        "corpus_review_slot",
        sa.Column("review", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reviewer", sa.String(length=64), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=64), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("review", "number", "slot", name=op.f("pk_corpus_review_slot")),
        sa.UniqueConstraint(
            "review",
            "number",
            "reviewer",
            name=op.f("uq_corpus_review_slot_review_number_reviewer"),
        ),
    )
    with op.batch_alter_table("corpus_review_slot", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_corpus_review_slot_review_verdict_number"),
            ["review", "verdict", "number"],
            unique=False,
        )
    op.create_table(
        "corpus_source",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("illegal", sa.BigInteger(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("registered_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at_us", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpus_source")),
    )
    with op.batch_alter_table("corpus_source", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_corpus_source_holder"), ["holder"], unique=False)
    op.create_table(
        "corpus_source_sample",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("looked", sa.BigInteger(), nullable=False),
        sa.Column("illegal", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("labelled_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "number", name=op.f("pk_corpus_source_sample")),
        sa.UniqueConstraint("key", name=op.f("uq_corpus_source_sample_key")),
    )
