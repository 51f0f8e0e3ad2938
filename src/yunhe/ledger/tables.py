"""The ledger's tables: what cannot be written at all.

The database itself refuses an unbalanced posting (an entry is one row with both sides), an entry
that crosses units (both sides refer to account and unit), an amount of zero or less, an overdrawn
account, a second transfer with the same key, and a second closing of a hold.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    select,
)

from yunhe.storage import schema
from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata

account = Table(
    "ledger_account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Id, nullable=False),
    Column("unit", Text, nullable=False),
    Column("purpose", Code, nullable=False),
    Column("overdraft", Boolean, nullable=False),
    Column("debits", Minor, nullable=False),
    Column("credits", Minor, nullable=False),
    UniqueConstraint("owner", "unit", "purpose"),
    UniqueConstraint("id", "unit"),
    CheckConstraint("debits >= 0 AND credits >= 0", name="totals_not_negative"),
    CheckConstraint("overdraft OR credits >= debits", name="not_overdrawn"),
)
transfer = Table(
    "ledger_transfer",
    metadata,
    Column("number", schema.Sequence, primary_key=True),
    Column("id", Id, nullable=False, unique=True),  # derived from the key, so the key is unique too
    Column("key", Text, nullable=False),
    Column("kind", Code, nullable=False),
    Column("request_digest", Digest, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("memo", Text, nullable=False),
    Column("closes", Id, ForeignKey("ledger_transfer.id"), unique=True),
    Column("refunds", Id, ForeignKey("ledger_transfer.id"), index=True),
)
entry = Table(
    "ledger_entry",
    metadata,
    Column("transfer", Id, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("debit", Id, nullable=False, index=True),
    Column("credit", Id, nullable=False, index=True),
    Column("unit", Text, nullable=False),
    Column("amount", Minor, nullable=False),
    ForeignKeyConstraint(["debit", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    ForeignKeyConstraint(["credit", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("debit <> credit", name="two_accounts"),
    CheckConstraint("line >= 0", name="line_not_negative"),
)
hold = Table(
    "ledger_hold",
    metadata,
    Column("id", Id, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("account", Id, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", Minor, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("state", Code, nullable=False),
    ForeignKeyConstraint(["account", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("state IN ('open', 'captured', 'released', 'expired')", name="state_known"),
    Index(None, "state", "expires_at_us"),
    Index(None, "account", "state"),
)

available_to = select(
    account.c.owner, account.c.unit, account.c.purpose, account.c.credits - account.c.debits
).where(account.c.owner.in_(bindparam("owners", expanding=True)))
