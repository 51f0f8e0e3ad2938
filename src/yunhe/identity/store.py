"""Rows of organisations, members, roles and keys."""

from __future__ import annotations

from sqlalchemy import Column, Index, Row, Table, Text, or_, select, update

from yunhe.identity.domain import Member, Organisation
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Id, Instant, metadata

organisations = Table(
    "identity_organisation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
)

members = Table(
    "identity_member",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
)

roles = Table(
    "identity_role",
    metadata,
    Column("member", Id, primary_key=True),
    Column("role", Code, primary_key=True),
    Column("at_us", Instant, nullable=False),
)

keys = Table(
    "identity_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("member", Id, nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_hash", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("expires_at_us", Instant),
    Column("revoked_at_us", Instant),
    Index(None, "member", "label"),
)


def add_organisation(tx: Transaction, added: Organisation, *, at_us: int) -> None:
    """Insert unless its id is taken."""
    row = {"id": added.id, "name": added.name, "kind": added.kind, "at_us": at_us}
    dialect.insert_new(tx, organisations, [row])


def organisation(tx: Transaction, organisation_id: str) -> Organisation | None:
    """The organisation, if there is one."""
    row = tx.execute(select(organisations).where(organisations.c.id == organisation_id)).first()
    return None if row is None else Organisation(row.id, row.name, row.kind)


def add_member(tx: Transaction, added: Member, *, at_us: int) -> None:
    """Insert unless its id is taken."""
    row = {
        "id": added.id,
        "organisation": added.organisation,
        "name": added.name,
        "at_us": at_us,
    }
    dialect.insert_new(tx, members, [row])


def member(tx: Transaction, member_id: str) -> Member | None:
    """The member, if there is one."""
    row = tx.execute(select(members).where(members.c.id == member_id)).first()
    return None if row is None else Member(row.id, row.organisation, row.name)


def add_role(tx: Transaction, *, member_id: str, role: str, at_us: int) -> None:
    """Insert unless the member has it."""
    dialect.insert_new(tx, roles, [{"member": member_id, "role": role, "at_us": at_us}])


def roles_of(tx: Transaction, member_id: str) -> frozenset[str]:
    """Every role of a member."""
    return frozenset(tx.execute(select(roles.c.role).where(roles.c.member == member_id)).scalars())


def members_with_role(tx: Transaction, role: str) -> list[Member]:
    """Every member with the role, the first to get it first."""
    query = (
        select(members)
        .join(roles, roles.c.member == members.c.id)
        .where(roles.c.role == role)
        .order_by(roles.c.at_us, members.c.id)
    )
    return [Member(row.id, row.organisation, row.name) for row in tx.execute(query)]


def add_key(
    tx: Transaction,
    *,
    key_id: str,
    member_id: str,
    label: str,
    secret_hash: str,
    expires_at_us: int | None,
    at_us: int,
) -> None:
    """Insert a key."""
    tx.execute(
        keys.insert().values(
            id=key_id,
            member=member_id,
            label=label,
            secret_hash=secret_hash,
            expires_at_us=expires_at_us,
            at_us=at_us,
        )
    )


def revoke(tx: Transaction, *, key_id: str, at_us: int) -> None:
    """Mark a key revoked; the first revocation's time stays."""
    tx.execute(
        update(keys)
        .where(keys.c.id == key_id, keys.c.revoked_at_us.is_(None))
        .values(revoked_at_us=at_us)
    )


def revoke_labelled(tx: Transaction, *, member_id: str, label: str, at_us: int) -> None:
    """Mark every live key of that member and label revoked."""
    tx.execute(
        update(keys)
        .where(
            keys.c.member == member_id,
            keys.c.label == label,
            keys.c.revoked_at_us.is_(None),
            or_(keys.c.expires_at_us.is_(None), keys.c.expires_at_us > at_us),
        )
        .values(revoked_at_us=at_us)
    )


def key(tx: Transaction, key_id: str) -> Row[tuple[object, ...]] | None:
    """The key's row joined with its member's organisation."""
    return tx.execute(
        select(keys, members.c.organisation)
        .join(members, members.c.id == keys.c.member)
        .where(keys.c.id == key_id)
    ).first()
