"""Rows of secrets, and which key they are to be sealed with."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)

from yunhe.kernel.ids import derived_id
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Id, Instant, metadata
from yunhe.vault.domain import Secret

_PRESENT = "present"

keys = Table(
    "vault_key",
    metadata,
    Column("slot", Code, primary_key=True),  # one row: its lock is the lock of whoever seals
    Column("key", Code, nullable=False),
    Column("at_us", Instant, nullable=False),
)
secrets = Table(
    "vault_secret",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation", Id, nullable=False),
    Column("project", Id, nullable=False),  # empty: the organisation's
    Column("name", Code, nullable=False),
    Column("version", Integer, nullable=False),
    Column("key", Code, nullable=False),
    Column("sealed", Text, nullable=False),  # base64 of nonce, sealed value and tag
    Column("changed_by", Id, nullable=False),
    Column("changed_at_us", Instant, nullable=False),
    UniqueConstraint("organisation", "project", "name"),
    Index(None, "key"),
)


def key_to_seal_with(tx: Transaction) -> str | None:
    """Id of the key everything new is sealed with; nobody changes it until ``tx`` has ended."""
    query = select(keys.c.key).where(keys.c.slot == _PRESENT).with_for_update()
    key: str | None = tx.scalar(query)
    return key


def any_key(tx: Transaction) -> str | None:
    """As `key_to_seal_with`, for a transaction that only reads."""
    key: str | None = tx.scalar(select(keys.c.key).where(keys.c.slot == _PRESENT))
    return key


def set_key(tx: Transaction, key: str, *, at_us: int) -> None:
    """Seal everything new with this key from now on."""
    row: dict[str, object] = {"slot": _PRESENT, "key": key, "at_us": at_us}
    if not dialect.insert_new(tx, keys, [row]):
        tx.execute(update(keys).where(keys.c.slot == _PRESENT).values(key=key, at_us=at_us))


def secret(tx: Transaction, organisation: str, project: str, name: str) -> Secret | None:
    """What is known of a secret but its value."""
    found = sealed(tx, organisation, project, name)
    return None if found is None else found[0]


def sealed(
    tx: Transaction, organisation: str, project: str, name: str
) -> tuple[Secret, str] | None:
    """As `secret`, with the sealed value, both of the same moment."""
    query = select(secrets).where(secrets.c.id == _id(organisation, project, name))
    row = tx.execute(query).one_or_none()
    return None if row is None else (_secret(row), row.sealed)


def listed(tx: Transaction, organisation: str, project: str) -> list[Secret]:
    """Every secret of a project, or of the organisation outside its projects, by name."""
    query = (
        select(secrets)
        .where(secrets.c.organisation == organisation, secrets.c.project == project)
        .order_by(secrets.c.name)
    )
    return [_secret(row) for row in tx.execute(query)]


def count(tx: Transaction, organisation: str, project: str) -> int:
    """How many `listed` would give."""
    query = select(func.count()).where(
        secrets.c.organisation == organisation, secrets.c.project == project
    )
    return int(tx.execute(query).scalar_one())


def keep(tx: Transaction, kept: Secret, sealed_value: str) -> None:
    """Insert a secret, or put its new value in the place of the old."""
    values: dict[str, object] = {
        "version": kept.version,
        "key": kept.key,
        "sealed": sealed_value,
        "changed_by": kept.changed_by,
        "changed_at_us": kept.changed_at_us,
    }
    row: dict[str, object] = {
        "id": _id(kept.organisation, kept.project, kept.name),
        "organisation": kept.organisation,
        "project": kept.project,
        "name": kept.name,
        **values,
    }
    if not dialect.insert_new(tx, secrets, [row]):
        tx.execute(update(secrets).where(secrets.c.id == row["id"]).values(**values))


def remove(tx: Transaction, kept: Secret) -> None:
    """Delete a secret."""
    secret_id = _id(kept.organisation, kept.project, kept.name)
    tx.execute(delete(secrets).where(secrets.c.id == secret_id))


def sealed_with_others(tx: Transaction, key: str, *, limit: int) -> Sequence[tuple[Secret, str]]:
    """Secrets not sealed with ``key``, with their sealed values; theirs alone until ``tx`` ends."""
    query = (
        select(secrets)
        .where(secrets.c.key != key)
        .order_by(secrets.c.id)
        .limit(limit)
        .with_for_update()
    )
    return [(_secret(row), row.sealed) for row in tx.execute(query)]


def count_by_key(tx: Transaction) -> dict[str, int]:
    """How many secrets are sealed with each key."""
    query = select(secrets.c.key, func.count().label("sealed")).group_by(secrets.c.key)
    return {row.key: int(row.sealed) for row in tx.execute(query.order_by(secrets.c.key))}


def _id(organisation: str, project: str, name: str) -> str:
    return derived_id("secret", organisation, project, name)


def _secret(row: Row[tuple[object, ...]]) -> Secret:
    return Secret(
        row.organisation,
        row.project,
        row.name,
        row.version,
        row.key,
        row.changed_by,
        row.changed_at_us,
    )
