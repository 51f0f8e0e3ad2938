"""The ground floors: storage, custody, identity, ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _custody()
    _identity()
    _ledger()
    _storage()


def _custody() -> None:
    op.create_table(
        "custody_checkpoint",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_custody_checkpoint")),
    )
    op.create_index(op.f("ix_custody_checkpoint_key"), "custody_checkpoint", ["key"], unique=False)
    op.create_index(
        op.f("ix_custody_checkpoint_size"), "custody_checkpoint", ["size"], unique=False
    )
    op.create_table(
        "custody_leaf",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("reference", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("links", sa.Text(), nullable=True),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_custody_leaf")),
        sa.UniqueConstraint("kind", "subject", name=op.f("uq_custody_leaf_kind_subject")),
        sa.UniqueConstraint("leaf_index", name=op.f("uq_custody_leaf_leaf_index")),
        sa.UniqueConstraint("reference", name=op.f("uq_custody_leaf_reference")),
    )
    op.create_table(
        "custody_log",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_log")),
    )
    op.create_table(
        "custody_node",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_custody_node")),
    )


def _identity() -> None:
    op.create_table(
        "identity_key",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_key")),
    )
    op.create_index(
        op.f("ix_identity_key_member_label"), "identity_key", ["member", "label"], unique=False
    )
    op.create_table(
        "identity_member",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("organisation", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_member")),
    )
    op.create_index(
        op.f("ix_identity_member_organisation"), "identity_member", ["organisation"], unique=False
    )
    op.create_table(
        "identity_organisation",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_organisation")),
    )
    op.create_table(
        "identity_role",
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("member", "role", name=op.f("pk_identity_role")),
    )


def _ledger() -> None:
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("overdraft", sa.Boolean(), nullable=False),
        sa.Column("debits", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "debits >= 0 AND credits >= 0", name=op.f("ck_ledger_account_totals_not_negative")
        ),
        sa.CheckConstraint(
            "overdraft OR credits >= debits", name=op.f("ck_ledger_account_not_overdrawn")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint("id", "unit", name=op.f("uq_ledger_account_id_unit")),
        sa.UniqueConstraint(
            "owner", "unit", "purpose", name=op.f("uq_ledger_account_owner_unit_purpose")
        ),
    )
    op.create_table(
        "ledger_transfer",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("memo", sa.Text(), nullable=False),
        sa.Column("closes", sa.String(length=64), nullable=True),
        sa.Column("refunds", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["closes"],
            ["ledger_transfer.id"],
            name=op.f("fk_ledger_transfer_closes_ledger_transfer"),
        ),
        sa.ForeignKeyConstraint(
            ["refunds"],
            ["ledger_transfer.id"],
            name=op.f("fk_ledger_transfer_refunds_ledger_transfer"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_transfer")),
        sa.UniqueConstraint("closes", name=op.f("uq_ledger_transfer_closes")),
        sa.UniqueConstraint("id", name=op.f("uq_ledger_transfer_id")),
    )
    op.create_index(
        op.f("ix_ledger_transfer_refunds"), "ledger_transfer", ["refunds"], unique=False
    )
    op.create_table(
        "ledger_entry",
        sa.Column("transfer", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("debit", sa.String(length=64), nullable=False),
        sa.Column("credit", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_entry_amount_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_entry_two_accounts")),
        sa.CheckConstraint("line >= 0", name=op.f("ck_ledger_entry_line_not_negative")),
        sa.ForeignKeyConstraint(
            ["credit", "unit"],
            ["ledger_account.id", "ledger_account.unit"],
            name=op.f("fk_ledger_entry_credit_unit_ledger_account"),
        ),
        sa.ForeignKeyConstraint(
            ["debit", "unit"],
            ["ledger_account.id", "ledger_account.unit"],
            name=op.f("fk_ledger_entry_debit_unit_ledger_account"),
        ),
        sa.ForeignKeyConstraint(
            ["transfer"],
            ["ledger_transfer.id"],
            name=op.f("fk_ledger_entry_transfer_ledger_transfer"),
        ),
        sa.PrimaryKeyConstraint("transfer", "line", name=op.f("pk_ledger_entry")),
    )
    op.create_index(op.f("ix_ledger_entry_credit"), "ledger_entry", ["credit"], unique=False)
    op.create_index(op.f("ix_ledger_entry_debit"), "ledger_entry", ["debit"], unique=False)
    op.create_table(
        "ledger_hold",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'captured', 'released', 'expired')",
            name=op.f("ck_ledger_hold_state_known"),
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_hold_amount_positive")),
        sa.ForeignKeyConstraint(
            ["account", "unit"],
            ["ledger_account.id", "ledger_account.unit"],
            name=op.f("fk_ledger_hold_account_unit_ledger_account"),
        ),
        sa.ForeignKeyConstraint(
            ["id"], ["ledger_transfer.id"], name=op.f("fk_ledger_hold_id_ledger_transfer")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_hold")),
    )
    op.create_index(
        op.f("ix_ledger_hold_account_state"), "ledger_hold", ["account", "state"], unique=False
    )
    op.create_index(
        op.f("ix_ledger_hold_state_expires_at_us"),
        "ledger_hold",
        ["state", "expires_at_us"],
        unique=False,
    )


def _storage() -> None:
    op.create_table(
        "storage_idempotency",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.String(length=71), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_storage_idempotency")),
    )
    op.create_table(
        "storage_work",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=True),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_storage_work")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_storage_work_kind_key")),
    )
    op.create_index(
        op.f("ix_storage_work_kind_state_created_at_us"),
        "storage_work",
        ["kind", "state", "created_at_us"],
        unique=False,
    )
