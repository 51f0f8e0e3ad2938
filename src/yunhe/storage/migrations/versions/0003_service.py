"""The service: what 0.2.0 adds to the tables of 0.1.0."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns."""
    _corpus()
    _identity()
    _models()
    _notices()
    _operations()
    _storage()
    _vault()
    _compute()
    _evaluation()


def _corpus() -> None:
    op.create_table(
        "corpus_doomed",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_corpus_doomed")),
    )


def _identity() -> None:
    op.create_table(
        "identity_first_token",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("used_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_first_token")),
    )
    op.create_table(
        "identity_invitation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("new_name", sa.Text(), nullable=False),
        sa.Column("new_kind", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("project_roles", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.String(length=64), nullable=False),
        sa.Column("inviting_organisation", sa.String(length=64), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at_us", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at_us", sa.BigInteger(), nullable=True),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_invitation")),
    )
    with op.batch_alter_table("identity_invitation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_invitation_contact"), ["contact"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_identity_invitation_inviting_organisation"),
            ["inviting_organisation"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_identity_invitation_organisation"), ["organisation"], unique=False
        )
    op.create_table(
        "identity_link",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_link")),
        sa.UniqueConstraint("member", name=op.f("uq_identity_link_member")),
    )
    op.create_table(
        "identity_project",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_project")),
    )
    with op.batch_alter_table("identity_project", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_project_organisation"), ["organisation"], unique=False
        )
    op.create_table(
        "identity_project_role",
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("granted_by", sa.String(length=64), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("member", "project", "role", name=op.f("pk_identity_project_role")),
    )
    with op.batch_alter_table("identity_project_role", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_identity_project_role_project"), ["project"], unique=False
        )
    op.create_table(
        "identity_session",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("used_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_session")),
    )
    with op.batch_alter_table("identity_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_session_key"), ["key"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_session_member"), ["member"], unique=False)
    op.create_table(
        "identity_sign_in",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("return_to", sa.Text(), nullable=False),
        sa.Column("invitation", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("used_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_sign_in")),
    )
    with op.batch_alter_table("identity_sign_in", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_sign_in_member"), ["member"], unique=False)
    with op.batch_alter_table("identity_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scopes", sa.Text(), server_default="*", nullable=False))
        batch_op.add_column(
            sa.Column("project", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.add_column(
            sa.Column("issued_by", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("used_at_us", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column("renews", sa.String(length=64), server_default="", nullable=False)
        )
    with op.batch_alter_table("identity_member", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=64), server_default="person", nullable=False)
        )
        batch_op.add_column(sa.Column("contact", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("ended_at_us", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("erased_at_us", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("identity_role", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("granted_by", sa.String(length=64), server_default="", nullable=False)
        )


def _models() -> None:
    op.create_table(
        "models_review",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version", "organisation", name=op.f("pk_models_review")),
    )
    with op.batch_alter_table("models_review", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_models_review_organisation"), ["organisation"], unique=False
        )
    with op.batch_alter_table("models_answer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("member", sa.String(length=64), nullable=True))
        batch_op.create_index(batch_op.f("ix_models_answer_at_us"), ["at_us"], unique=False)
        batch_op.create_index(batch_op.f("ix_models_answer_member"), ["member"], unique=False)
    with op.batch_alter_table("models_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("project", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("registered_by", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("trained_by", sa.String(length=64), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_models_version_owner_at_us_id"), ["owner", "at_us", "id"], unique=False
        )


def _notices() -> None:
    op.create_table(
        "notices_delivery",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("notice", sa.String(length=64), nullable=False),
        sa.Column("way", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at_us", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(length=64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_delivery")),
    )
    with op.batch_alter_table("notices_delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_delivery_notice"), ["notice"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_notices_delivery_state_next_at_us"),
            ["state", "next_at_us"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_notices_delivery_target_created_at_us"),
            ["target", "created_at_us"],
            unique=False,
        )
    op.create_table(
        "notices_notice",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("spread_at_us", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_notice")),
    )
    with op.batch_alter_table("notices_notice", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notices_notice_organisation_at_us"),
            ["organisation", "at_us"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_notices_notice_spread_at_us_at_us"),
            ["spread_at_us", "at_us"],
            unique=False,
        )
    op.create_table(
        "notices_preference",
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("feed", sa.Boolean(), nullable=False),
        sa.Column("mail", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("member", "kind", name=op.f("pk_notices_preference")),
    )
    op.create_table(
        "notices_read",
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("notice", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("member", "notice", name=op.f("pk_notices_read")),
    )
    with op.batch_alter_table("notices_read", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_read_notice"), ["notice"], unique=False)
    op.create_table(
        "notices_webhook",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since_us", sa.BigInteger(), nullable=True),
        sa.Column("old_secret_until_us", sa.BigInteger(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices_webhook")),
    )
    with op.batch_alter_table("notices_webhook", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notices_webhook_organisation"), ["organisation"], unique=False
        )


def _operations() -> None:
    op.create_table(
        "operations_duty",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("next_due_at_us", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(length=64), nullable=False),
        sa.Column("mark_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_operations_duty")),
    )
    op.create_table(
        "operations_erasure",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations_erasure")),
    )
    with op.batch_alter_table("operations_erasure", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_operations_erasure_subject"), ["subject"], unique=False
        )


def _storage() -> None:
    op.create_table(
        "storage_erased",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_storage_erased")),
    )
    op.create_table(
        "storage_event",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "seq", name=op.f("pk_storage_event")),
    )
    with op.batch_alter_table("storage_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_event_at_us"), ["at_us"], unique=False)
    op.create_table(
        "storage_operation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_us", sa.BigInteger(), nullable=True),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cancel_asked", sa.Boolean(), nullable=False),
        sa.Column("workers_lost", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_operation")),
    )
    with op.batch_alter_table("storage_operation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_storage_operation_created_at_us_id"),
            ["created_at_us", "id"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_storage_operation_member"), ["member"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_storage_operation_organisation_created_at_us_id"),
            ["organisation", "created_at_us", "id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_storage_operation_state_organisation_created_at_us"),
            ["state", "organisation", "created_at_us"],
            unique=False,
        )
    op.create_table(
        "storage_quota",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "holder", name=op.f("pk_storage_quota")),
    )
    op.create_table(
        "storage_stream",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_storage_stream")),
    )
    op.create_table(
        "storage_upload",
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "digest", name=op.f("pk_storage_upload")),
    )
    with op.batch_alter_table("storage_upload", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_upload_member"), ["member"], unique=False)
    with op.batch_alter_table("storage_idempotency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_idempotency_at_us"), ["at_us"], unique=False)


def _vault() -> None:
    op.create_table(
        "vault_key",
        sa.Column("slot", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slot", name=op.f("pk_vault_key")),
    )
    op.create_table(
        "vault_secret",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("changed_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_secret")),
        sa.UniqueConstraint(
            "organisation",
            "project",
            "name",
            name=op.f("uq_vault_secret_organisation_project_name"),
        ),
    )
    with op.batch_alter_table("vault_secret", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_vault_secret_key"), ["key"], unique=False)


def _compute() -> None:
    with op.batch_alter_table("compute_workload", schema=None) as batch_op:
        batch_op.add_column(sa.Column("project", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("member", sa.String(length=64), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_compute_workload_organisation_number"),
            ["organisation", "number"],
            unique=False,
        )


def _evaluation() -> None:
    with op.batch_alter_table("evaluation_split", schema=None) as batch_op:
        batch_op.add_column(sa.Column("organisation", sa.String(length=64), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_evaluation_split_organisation_at_us_id"),
            ["organisation", "at_us", "id"],
            unique=False,
        )
