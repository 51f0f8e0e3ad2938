"""Compute on demand: supply, applications and awards, statements, jobs at distant providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns."""
    _compute_affiliation()
    _compute_agent()
    _compute_agent_2()
    _compute_application()
    _compute_application_2()
    _compute_award()
    _compute_bandwidth()
    _compute_correction()
    _compute_document()
    _compute_forwarded()
    _compute_guarantee()
    _compute_journal()
    _compute_left()
    _compute_limit()
    _compute_live()
    _compute_live_2()
    _compute_pass()
    _compute_payment()
    _compute_period()
    _compute_plan()
    _compute_policy()
    _compute_pool()
    _compute_pool_2()
    _compute_provider()
    _compute_rate()
    _compute_remote()
    _compute_remote_2()
    _compute_service()
    _compute_service_2()
    _compute_used()
    _compute_weight()
    _identity_city()
    _compute_draw()
    _compute_workload()
    _identity_organisation()


def _compute_affiliation() -> None:
    op.create_table(
        "compute_affiliation",
        sa.Column("first", sa.String(length=64), nullable=False),
        sa.Column("second", sa.String(length=64), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", "second", name=op.f("pk_compute_affiliation")),
    )
    with op.batch_alter_table("compute_affiliation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_compute_affiliation_second"), ["second"], unique=False)


def _compute_agent() -> None:
    op.create_table(
        "compute_agent",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ahead_us", sa.BigInteger(), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "site", name=op.f("pk_compute_agent")),
    )
    op.create_table(
        "compute_agent_job",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("handed_at_us", sa.BigInteger(), nullable=True),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("cancelled_at_us", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("forgotten", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "site", "job", name=op.f("pk_compute_agent_job")),
    )
    with op.batch_alter_table("compute_agent_job", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_agent_job_organisation_site_phase"),
            ["organisation", "site", "phase"],
            unique=False,
        )


def _compute_agent_2() -> None:
    op.create_table(
        "compute_agent_log",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("start_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation",
            "site",
            "job",
            "run",
            "stream",
            "start_bytes",
            name=op.f("pk_compute_agent_log"),
        ),
    )
    op.create_table(
        "compute_agent_output",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation", "site", "job", "run", "name", name=op.f("pk_compute_agent_output")
        ),
    )
    op.create_table(
        "compute_agent_usage",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("said_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation", "site", "job", "run", name=op.f("pk_compute_agent_usage")
        ),
    )


def _compute_application() -> None:
    op.create_table(
        "compute_application",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("programme", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("concerns", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("proposal", sa.Text(), nullable=False),
        sa.Column("proposal_digest", sa.String(length=71), nullable=False),
        sa.Column("first_digest", sa.String(length=71), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("ruling", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column("rules_digest", sa.String(length=71), nullable=False),
        sa.Column("contract", sa.String(length=71), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("hours", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=64), nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=True),
        sa.Column("applied_by", sa.String(length=64), nullable=False),
        sa.Column("applied_at_us", sa.BigInteger(), nullable=False),
        sa.Column("waits_since_us", sa.BigInteger(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger(), nullable=True),
        sa.Column("reminded", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_application")),
        sa.UniqueConstraint("id", name=op.f("uq_compute_application_id")),
    )


def _compute_application_2() -> None:
    with op.batch_alter_table("compute_application", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_application_concerns"), ["concerns"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_application_contract"), ["contract"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_application_organisation_number"),
            ["organisation", "number"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_application_state_due_at_us"),
            ["state", "due_at_us"],
            unique=False,
        )
    op.create_table(
        "compute_application_step",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "number", name=op.f("pk_compute_application_step")),
    )
    op.create_table(
        "compute_application_vote",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("vote", sa.String(length=64), nullable=False),
        sa.Column("hours", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "application", "round", "member", name=op.f("pk_compute_application_vote")
        ),
    )


def _compute_award() -> None:
    op.create_table(
        "compute_award_window",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("carried", sa.Integer(), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("starts_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_at_us", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("award", sa.String(length=64), nullable=False),
        sa.Column("moved_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("accepts", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(
            "application", "position", "carried", name=op.f("pk_compute_award_window")
        ),
    )
    with op.batch_alter_table("compute_award_window", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_compute_award_window_award"), ["award"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_compute_award_window_closed_ends_at_us"),
            ["closed", "ends_at_us"],
            unique=False,
        )
    with op.batch_alter_table("compute_award", schema=None) as batch_op:
        batch_op.add_column(sa.Column("priority_max", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("accepts", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("used_ms", sa.BigInteger(), nullable=True))


def _compute_bandwidth() -> None:
    op.create_table(
        "compute_bandwidth",
        sa.Column("from_site", sa.Text(), nullable=False),
        sa.Column("to_site", sa.Text(), nullable=False),
        sa.Column("megabit_per_second", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("from_site", "to_site", name=op.f("pk_compute_bandwidth")),
    )


def _compute_correction() -> None:
    op.create_table(
        "compute_correction",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("corrects", sa.String(length=64), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("cash_minor", sa.BigInteger(), nullable=False),
        sa.Column("drawn_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("corrected_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_correction")),
    )
    with op.batch_alter_table("compute_correction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_compute_correction_at_us"), ["at_us"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_compute_correction_workload"), ["workload"], unique=False
        )


def _compute_document() -> None:
    op.create_table(
        "compute_document",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("party", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("idle_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("cash_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_at_us", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("normalised", sa.Text(), nullable=True),
        sa.Column("unrated_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_document")),
        sa.UniqueConstraint("kind", "number", name=op.f("uq_compute_document_kind_number")),
    )
    with op.batch_alter_table("compute_document", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_document_party_kind_period"),
            ["party", "kind", "period"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_compute_document_period"), ["period"], unique=False)


def _compute_forwarded() -> None:
    op.create_table(
        "compute_forwarded",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("forgotten", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "job", name=op.f("pk_compute_forwarded")),
    )
    with op.batch_alter_table("compute_forwarded", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_forwarded_workload"), ["workload"], unique=False
        )
    op.create_table(
        "compute_forwarded_input",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(
            "organisation", "job", "digest", name=op.f("pk_compute_forwarded_input")
        ),
    )
    with op.batch_alter_table("compute_forwarded_input", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_forwarded_input_organisation_digest"),
            ["organisation", "digest"],
            unique=False,
        )


def _compute_guarantee() -> None:
    op.create_table(
        "compute_guarantee",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("award", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_by", sa.String(length=64), nullable=False),
        sa.Column("given_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=False),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_guarantee")),
    )
    with op.batch_alter_table("compute_guarantee", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_guarantee_organisation_id"), ["organisation", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_guarantee_until_us"), ["until_us"], unique=False
        )


def _compute_journal() -> None:
    op.create_table(
        "compute_journal",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_journal")),
    )


def _compute_left() -> None:
    op.create_table(
        "compute_left_for",
        sa.Column("beneficiary", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("placements", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("milli", sa.Integer(), nullable=True),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("nodes", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("beneficiary", "id", name=op.f("pk_compute_left_for")),
    )


def _compute_limit() -> None:
    op.create_table(
        "compute_limit",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("jurisdictions", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_limit")),
    )
    with op.batch_alter_table("compute_limit", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_limit_what_subject"), ["what", "subject"], unique=False
        )


def _compute_live() -> None:
    op.create_table(
        "compute_live_chunk",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "start", name=op.f("pk_compute_live_chunk")),
    )
    with op.batch_alter_table("compute_live_chunk", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_compute_live_chunk_at_us"), ["at_us"], unique=False)
    op.create_table(
        "compute_live_exec",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("command_digest", sa.String(length=71), nullable=False),
        sa.Column("tty", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=64), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("end_asked", sa.Integer(), nullable=False),
        sa.Column("input_done", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_live_exec")),
    )
    with op.batch_alter_table("compute_live_exec", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_live_exec_ended_at_us"), ["ended_at_us"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_live_exec_state_workload"), ["state", "workload"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_live_exec_workload_id"), ["workload", "id"], unique=False
        )


def _compute_live_2() -> None:
    op.create_table(
        "compute_live_input",
        sa.Column("exec", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("exec", "seq", name=op.f("pk_compute_live_input")),
    )
    op.create_table(
        "compute_live_place",
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job", "stream", name=op.f("pk_compute_live_place")),
    )


def _compute_pass() -> None:
    op.create_table(
        "compute_pass",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=False),
        sa.Column("journal", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_compute_pass")),
    )


def _compute_payment() -> None:
    op.create_table(
        "compute_payment",
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("hold", sa.String(length=64), nullable=False),
        sa.Column("lapses_at_us", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("confirmed_by", sa.String(length=64), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("transfer", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", "number", name=op.f("pk_compute_payment")),
    )
    with op.batch_alter_table("compute_payment", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_payment_state_lapses_at_us"),
            ["state", "lapses_at_us"],
            unique=False,
        )
    op.create_table(
        "compute_payment_evidence",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "digest", "application", "number", name=op.f("pk_compute_payment_evidence")
        ),
    )
    with op.batch_alter_table("compute_payment_evidence", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_payment_evidence_application_number"),
            ["application", "number"],
            unique=False,
        )


def _compute_period() -> None:
    op.create_table(
        "compute_period",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("closed_at_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_compute_period")),
    )


def _compute_plan() -> None:
    op.create_table(
        "compute_plan",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("guide", sa.Text(), nullable=False),
        sa.Column("usual", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_plan")),
    )


def _compute_policy() -> None:
    op.create_table(
        "compute_policy",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("said_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_policy")),
    )


def _compute_pool() -> None:
    op.create_table(
        "compute_pool_maintenance",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("cancelled_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_pool_maintenance")),
    )
    with op.batch_alter_table("compute_pool_maintenance", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_pool_maintenance_pool_from_us"),
            ["pool", "from_us"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_pool_maintenance_until_us"), ["until_us"], unique=False
        )
    op.create_table(
        "compute_pool_node",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("cpu_milli", sa.Integer(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("domain", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("pool", "position", name=op.f("pk_compute_pool_node")),
    )


def _compute_pool_2() -> None:
    op.create_table(
        "compute_pool_price",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("term", sa.String(length=64), nullable=False),
        sa.Column("price_minor_per_device_hour", sa.BigInteger(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("set_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_pool_price")),
    )
    with op.batch_alter_table("compute_pool_price", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_pool_price_pool_term_from_us"),
            ["pool", "term", "from_us"],
            unique=False,
        )
    op.create_table(
        "compute_pool_standing",
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("jurisdiction", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_compute_pool_standing")),
    )
    op.create_table(
        "compute_pool_step",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("pool", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_compute_pool_step")),
    )
    with op.batch_alter_table("compute_pool_step", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_pool_step_pool_number"), ["pool", "number"], unique=False
        )


def _compute_provider() -> None:
    op.create_table(
        "compute_provider_statement",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("form", sa.String(length=64), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_provider_statement")),
    )
    with op.batch_alter_table("compute_provider_statement", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_provider_statement_provider_period"),
            ["provider", "period"],
            unique=False,
        )


def _compute_rate() -> None:
    op.create_table(
        "compute_rate_card",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("rates", sa.Text(), nullable=False),
        sa.Column("provenance", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("published_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_rate_card")),
        sa.UniqueConstraint("version", name=op.f("uq_compute_rate_card_version")),
    )
    with op.batch_alter_table("compute_rate_card", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_compute_rate_card_from_us"), ["from_us"], unique=False)
    op.create_table(
        "compute_rate_dispute",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("chip", sa.String(length=64), nullable=False),
        sa.Column("workload_class", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_rate_dispute")),
    )
    with op.batch_alter_table("compute_rate_dispute", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_rate_dispute_card_chip_workload_class"),
            ["card", "chip", "workload_class"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_rate_dispute_organisation"), ["organisation"], unique=False
        )


def _compute_remote() -> None:
    op.create_table(
        "compute_remote_job",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("phase", sa.String(length=64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("running_since_us", sa.BigInteger(), nullable=True),
        sa.Column("missing_since_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_seen_us", sa.BigInteger(), nullable=True),
        sa.Column("cancel_sent", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at_us", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("forgotten", sa.Integer(), nullable=False),
        sa.Column("receipt", sa.String(length=71), nullable=True),
        sa.Column("use_sum", sa.BigInteger(), nullable=True),
        sa.Column("use_samples", sa.BigInteger(), nullable=True),
        sa.Column("use_until_us", sa.BigInteger(), nullable=True),
        sa.Column("use_latest", sa.Integer(), nullable=True),
        sa.Column("use_cpu_ms", sa.BigInteger(), nullable=True),
        sa.Column("use_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_remote_job")),
    )
    with op.batch_alter_table("compute_remote_job", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_remote_job_adapter_open"), ["adapter", "open"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_remote_job_workload"), ["workload"], unique=False
        )


def _compute_remote_2() -> None:
    op.create_table(
        "compute_remote_site",
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("capacity_at_us", sa.BigInteger(), nullable=False),
        sa.Column("own", sa.Text(), nullable=True),
        sa.Column("clock_ahead_us", sa.BigInteger(), nullable=False),
        sa.Column("clock_error_us", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("isolation", sa.String(length=64), nullable=True),
        sa.Column("images", sa.Text(), nullable=True),
        sa.Column("refuses", sa.Text(), nullable=True),
        sa.Column("pushes", sa.Integer(), nullable=True),
        sa.Column("watched_at_us", sa.BigInteger(), nullable=True),
        sa.Column("watch_error", sa.Text(), nullable=True),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("adapter", name=op.f("pk_compute_remote_site")),
    )
    op.create_table(
        "compute_remote_usage",
        sa.Column("adapter", sa.String(length=64), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("content", sa.String(length=71), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Integer(), nullable=False),
        sa.Column("finding", sa.String(length=64), nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "adapter", "event", "content", name=op.f("pk_compute_remote_usage")
        ),
    )
    with op.batch_alter_table("compute_remote_usage", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_remote_usage_finding"), ["finding"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_compute_remote_usage_job"), ["job"], unique=False)


def _compute_service() -> None:
    op.create_table(
        "compute_service",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        sa.Column("member", sa.String(length=64), nullable=True),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at_us", sa.BigInteger(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compute_service")),
    )
    with op.batch_alter_table("compute_service", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_service_organisation_id"), ["organisation", "id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_service_state_id"), ["state", "id"], unique=False
        )
    op.create_table(
        "compute_service_load",
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.BigInteger(), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("service_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("service", "id", name=op.f("pk_compute_service_load")),
    )


def _compute_service_2() -> None:
    with op.batch_alter_table("compute_service_load", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_service_load_service_until_us"),
            ["service", "until_us"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_service_load_until_us"), ["until_us"], unique=False
        )
    op.create_table(
        "compute_service_replica",
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("workload", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("replaces", sa.Integer(), nullable=True),
        sa.Column("running_since_us", sa.BigInteger(), nullable=True),
        sa.Column("gone_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("service", "number", name=op.f("pk_compute_service_replica")),
        sa.UniqueConstraint("workload", name=op.f("uq_compute_service_replica_workload")),
    )
    with op.batch_alter_table("compute_service_replica", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_compute_service_replica_service_state"),
            ["service", "state"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_service_replica_state_gone_at_us"),
            ["state", "gone_at_us"],
            unique=False,
        )


def _compute_used() -> None:
    op.create_table(
        "compute_used",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "project", name=op.f("pk_compute_used")),
    )


def _compute_weight() -> None:
    op.create_table(
        "compute_weight",
        sa.Column("city", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("said_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "city", "kind", "organisation", "project", name=op.f("pk_compute_weight")
        ),
    )


def _identity_city() -> None:
    op.create_table(
        "identity_city",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_identity_city")),
    )


def _compute_draw() -> None:
    with op.batch_alter_table("compute_draw", schema=None) as batch_op:
        batch_op.add_column(sa.Column("raw_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("per_thousand", sa.Integer(), nullable=True))
        batch_op.drop_index(batch_op.f("ix_compute_draw_award"))
        batch_op.create_index(
            batch_op.f("ix_compute_draw_award_held_ms"), ["award", "held_ms"], unique=False
        )


def _compute_workload() -> None:
    with op.batch_alter_table("compute_workload", schema=None) as batch_op:
        batch_op.add_column(sa.Column("price_held_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("waits_for", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("replicas", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("milli", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("nodes", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("priority", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("saves_seconds", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("push_asked_us", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("pushed_for", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("pushed_out", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("attained_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("saved", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("stretch_of", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("reported_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("busy_ms", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("term", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("running_since_us", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("start_by_us", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_compute_workload_ended_at_us"), ["ended_at_us"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_compute_workload_state_chip_waits_for"),
            ["state", "chip", "waits_for"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_compute_workload_state_organisation_number"),
            ["state", "organisation", "number"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_compute_workload_voucher"), ["voucher"], unique=False)


def _identity_organisation() -> None:
    with op.batch_alter_table("identity_organisation", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("city", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("city_reference", sa.Text(), server_default="", nullable=False)
        )
