"""The floors above: compute, corpus, exchange, models, evaluation, governance, plans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _compute()
    _corpus()
    _evaluation()
    _exchange()
    _governance()
    _models()
    _plans()


def _compute() -> None:
    op.create_table(
        "compute_approval",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("module", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "digest", name=op.f("pk_compute_approval")),
    )
    op.create_table(
        "compute_award",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("lapsed_ms", sa.BigInteger(), nullable=False),
        sa.Column("transfer", sa.String(length=64), nullable=False),
        sa.Column("awarded_by", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_award")),
    )
    op.create_index(
        op.f("ix_compute_award_organisation_chip"),
        "compute_award",
        ["organisation", "chip"],
        unique=False,
    )
    op.create_table(
        "compute_draw",
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("award", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("held_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workload", "award", name=op.f("pk_compute_draw")),
    )
    op.create_index(op.f("ix_compute_draw_award"), "compute_draw", ["award"], unique=False)
    op.create_table(
        "compute_pool",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("price_minor_per_device_hour", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_pool")),
    )
    op.create_table(
        "compute_voucher",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("share_percent", sa.Integer(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_voucher")),
    )
    op.create_index(
        op.f("ix_compute_voucher_organisation_currency"),
        "compute_voucher",
        ["organisation", "currency"],
        unique=False,
    )
    op.create_table(
        "compute_workload",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("entry_point", sa.String(length=64), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("wall_seconds_max", sa.Integer(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("spec_digest", sa.String(length=71), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("blocked", sa.Integer(), nullable=False),
        sa.Column("cancel_asked", sa.Integer(), nullable=False),
        sa.Column("submitted_at_us", sa.BigInteger(), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=True),
        sa.Column("voucher", sa.String(length=64), nullable=True),
        sa.Column("placements", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("provider_failures", sa.Integer(), nullable=False),
        sa.Column("device_hold", sa.String(length=64), nullable=True),
        sa.Column("voucher_hold", sa.String(length=64), nullable=True),
        sa.Column("cash_hold", sa.String(length=64), nullable=True),
        sa.Column("held_voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_cash_minor", sa.BigInteger(), nullable=False),
        sa.Column("holds_until_us", sa.BigInteger(), nullable=True),
        sa.Column("used_voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("usage", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("log", sa.String(length=71), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_workload")),
        sa.UniqueConstraint("id", name=op.f("uq_compute_workload_id")),
    )
    op.create_index(
        op.f("ix_compute_workload_pool_state"), "compute_workload", ["pool", "state"], unique=False
    )
    op.create_index(
        op.f("ix_compute_workload_state_number"),
        "compute_workload",
        ["state", "number"],
        unique=False,
    )


def _corpus() -> None:
    op.create_table(
        "corpus_cleansing",
        sa.Column("certificate_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("source_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), nullable=False),
        sa.Column("source_reference", sa.Text(), nullable=False),
        sa.Column("certificate_reference", sa.Text(), nullable=False),
        sa.Column("input_digest", sa.String(length=71), nullable=False),
        sa.Column("output_digest", sa.String(length=71), nullable=False),
        sa.Column("certificate_digest", sa.String(length=71), nullable=False),
        sa.Column("decisions_digest", sa.String(length=71), nullable=False),
        sa.Column("spans_digest", sa.String(length=71), nullable=False),
        sa.Column("sample_digest", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_corpus_cleansing")),
        sa.UniqueConstraint("key", name=op.f("uq_corpus_cleansing_key")),
    )
    op.create_index(
        op.f("ix_corpus_cleansing_holder"), "corpus_cleansing", ["holder"], unique=False
    )


def _evaluation() -> None:
    op.create_table(
        "evaluation_run",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("split", sa.String(length=64), nullable=False),
        sa.Column("heldout_digest", sa.String(length=71), nullable=False),
        sa.Column("results_digest", sa.String(length=71), nullable=False),
        sa.Column("metric", sa.String(length=64), nullable=False),
        sa.Column("score", sa.Text(), nullable=False),
        sa.Column("score_low", sa.Text(), nullable=False),
        sa.Column("score_high", sa.Text(), nullable=False),
        sa.Column("baseline", sa.String(length=64), nullable=False),
        sa.Column("baseline_score", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_run")),
    )
    op.create_index(
        op.f("ix_evaluation_run_model_version"), "evaluation_run", ["model_version"], unique=False
    )
    op.create_table(
        "evaluation_split",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("train_digest", sa.String(length=71), nullable=False),
        sa.Column("heldout_digest", sa.String(length=71), nullable=False),
        sa.Column("grant_reference", sa.String(length=64), nullable=False),
        sa.Column("held_out_percent", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("groups", sa.Integer(), nullable=False),
        sa.Column("groups_heldout", sa.Integer(), nullable=False),
        sa.Column("documents_train", sa.Integer(), nullable=False),
        sa.Column("documents_heldout", sa.Integer(), nullable=False),
        sa.Column("documents_unlabelled", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluation_split")),
    )
    op.create_index(
        op.f("ix_evaluation_split_dataset_digest"),
        "evaluation_split",
        ["dataset_digest"],
        unique=False,
    )


def _exchange() -> None:
    op.create_table(
        "exchange_access",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exchange_access")),
        sa.UniqueConstraint("id", name=op.f("uq_exchange_access_id")),
    )
    op.create_index(
        op.f("ix_exchange_access_grant_id"), "exchange_access", ["grant_id"], unique=False
    )
    op.create_table(
        "exchange_agreement",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_agreement")),
    )
    op.create_table(
        "exchange_grant",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=False),
        sa.Column("agreement", sa.String(length=64), nullable=False),
        sa.Column("listing", sa.String(length=64), nullable=False),
        sa.Column("buyer", sa.String(length=64), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("transfer", sa.String(length=64), nullable=False),
        sa.Column("granted_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_grant")),
        sa.UniqueConstraint("order_id", name=op.f("uq_exchange_grant_order_id")),
    )
    op.create_index(op.f("ix_exchange_grant_buyer"), "exchange_grant", ["buyer"], unique=False)
    op.create_index(
        op.f("ix_exchange_grant_dataset_digest"), "exchange_grant", ["dataset_digest"], unique=False
    )
    op.create_table(
        "exchange_listing",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.String(length=64), nullable=False),
        sa.Column("certificate_reference", sa.String(length=64), nullable=False),
        sa.Column("dataset_digest", sa.String(length=71), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_listing")),
    )
    op.create_index(
        op.f("ix_exchange_listing_holder"), "exchange_listing", ["holder"], unique=False
    )
    op.create_table(
        "exchange_order",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("agreement", sa.String(length=64), nullable=False),
        sa.Column("listing", sa.String(length=64), nullable=False),
        sa.Column("buyer", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("hold", sa.String(length=64), nullable=False),
        sa.Column("hold_expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("transfer", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_order")),
    )
    op.create_index(op.f("ix_exchange_order_buyer"), "exchange_order", ["buyer"], unique=False)


def _governance() -> None:
    op.create_table(
        "governance_approval",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("approver", sa.String(length=64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("decision", sa.String(length=64), nullable=False),
        sa.Column("evaluation_reference", sa.String(length=64), nullable=False),
        sa.Column("risk", sa.String(length=64), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_approval")),
        sa.UniqueConstraint(
            "model_version",
            "approver",
            "round",
            name=op.f("uq_governance_approval_model_version_approver_round"),
        ),
    )
    op.create_table(
        "governance_evidence",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("risk", sa.String(length=64), nullable=False),
        sa.Column("measure", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_evidence")),
    )
    op.create_index(
        op.f("ix_governance_evidence_risk_measure_at_us"),
        "governance_evidence",
        ["risk", "measure", "at_us"],
        unique=False,
    )
    op.create_table(
        "governance_release",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("evaluation_reference", sa.String(length=64), nullable=False),
        sa.Column("risk", sa.String(length=64), nullable=False),
        sa.Column("approvals", sa.Text(), nullable=False),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_release")),
    )
    op.create_index(
        op.f("ix_governance_release_model_version"),
        "governance_release",
        ["model_version"],
        unique=False,
    )
    op.create_table(
        "governance_risk",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("model_reference", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column("grading", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_governance_risk")),
    )
    op.create_index(
        op.f("ix_governance_risk_model_version"), "governance_risk", ["model_version"], unique=False
    )


def _models() -> None:
    op.create_table(
        "models_answer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("deployment", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=71), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("request_commitment", sa.String(length=71), nullable=False),
        sa.Column("response_commitment", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models_answer")),
    )
    op.create_index(
        op.f("ix_models_answer_deployment_at_us"),
        "models_answer",
        ["deployment", "at_us"],
        unique=False,
    )
    op.create_table(
        "models_deployment",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models_deployment")),
    )
    op.create_table(
        "models_route",
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("deployment", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("route", name=op.f("pk_models_route")),
    )
    op.create_table(
        "models_version",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("manifest_digest", sa.String(length=71), nullable=False),
        sa.Column("card_digest", sa.String(length=71), nullable=False),
        sa.Column("train_digest", sa.String(length=71), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=True),
        sa.Column("state_at_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models_version")),
    )


def _plans() -> None:
    op.create_table(
        "plans_run",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_digest", sa.String(length=71), nullable=False),
        sa.Column("input_digest", sa.String(length=71), nullable=False),
        sa.Column("input_path", sa.Text(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_at_us", sa.BigInteger(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans_run")),
    )
    op.create_table(
        "plans_stage",
        sa.Column("run", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "stage", name=op.f("pk_plans_stage")),
    )
