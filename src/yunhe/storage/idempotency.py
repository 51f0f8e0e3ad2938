"""Makes a repeated request harmless: its first answer is remembered and given again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Index, Table, Text, bindparam, delete, select

from yunhe.kernel.canonical import Json, canonical_bytes, digest_of
from yunhe.kernel.errors import Conflict
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Digest, Id, Instant, metadata

remembered = Table(
    "storage_idempotency",
    metadata,
    Column("tenant", Id, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_digest", Digest, nullable=False),
    Column("answer", Text, nullable=False),
    Column("at_us", Instant, nullable=False),
    Index(None, "at_us"),
)
PURGE_MAX = 5_000
"""Answers forgotten by one call of `purge`."""
# Built once: putting it together costs more than running it.
_KNOWN = select(remembered.c.request_digest, remembered.c.answer).where(
    remembered.c.tenant == bindparam("tenant"), remembered.c.key == bindparam("key")
)
_KEEP = remembered.insert()
# Pairs in an IN would make SQLite read the whole table; two lists let it use the primary key, for
# every tenant with every key, so they are kept short.
_KNOWN_OF = select(remembered).where(
    remembered.c.tenant.in_(bindparam("tenants", expanding=True)),
    remembered.c.key.in_(bindparam("keys", expanding=True)),
)
_NAMED_MAX = 32


def recall(tx: Transaction, *, tenant: str, key: str, request: Json) -> tuple[Json] | None:
    """The answer given when this key was first used, in a one-tuple; None for a new key.

    Errors: `Conflict` ``storage.key_reused`` when the key came with another request before.
    """
    row = tx.execute(_KNOWN, {"tenant": tenant, "key": key}).one_or_none()
    if row is None:
        return None
    if row.request_digest != digest_of(request):
        raise Conflict("storage.key_reused", key=key)
    return (json.loads(row.answer),)


def remember(
    tx: Transaction, *, tenant: str, key: str, request: Json, answer: Json, at_us: int
) -> None:
    """Keep the answer in the transaction that has the effect, so both happen or neither does.

    The transaction must write alone (`Database.begin`), so that of two with one key the later sees
    what the earlier kept.
    """
    tx.execute(
        _KEEP,
        {
            "tenant": tenant,
            "key": key,
            "request_digest": digest_of(request),
            "answer": canonical_bytes(answer).decode(),
            "at_us": at_us,
        },
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """One keyed request of several, with its answer."""

    tenant: str
    """Whose key it is."""
    key: str
    """The key."""
    request: Json
    """What was asked."""
    answer: Json
    """What was answered."""


def recall_many(
    tx: Transaction, asked: Sequence[tuple[str, str, Json]]
) -> list[tuple[Json] | Conflict | None]:
    """As `recall`, for many of tenant, key and request at once; what it raises is given back."""
    names = sorted({(tenant, key) for tenant, key, _ in asked})
    known = {
        (row.tenant, row.key): row
        for start in range(0, len(names), _NAMED_MAX)
        for row in tx.execute(_KNOWN_OF, _named(names[start : start + _NAMED_MAX]))
    }
    found: list[tuple[Json] | Conflict | None] = []
    for tenant, key, request in asked:
        row = known.get((tenant, key))
        if row is None:
            found.append(None)
        elif row.request_digest != digest_of(request):
            found.append(Conflict("storage.key_reused", key=key))
        else:
            found.append((json.loads(row.answer),))
    return found


def _named(names: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"tenants": sorted({name[0] for name in names}), "keys": [name[1] for name in names]}


def remember_many(tx: Transaction, answered: Sequence[Answered], *, at_us: int) -> None:
    """As `remember`, for many at once."""
    rows = [
        {
            "tenant": each.tenant,
            "key": each.key,
            "request_digest": digest_of(each.request),
            "answer": canonical_bytes(each.answer).decode(),
            "at_us": at_us,
        }
        for each in answered
    ]
    if rows:
        tx.execute(_KEEP, rows)


def purge(tx: Transaction, *, before_us: int, limit: int = PURGE_MAX) -> int:
    """Forget up to ``limit`` answers older than ``before_us``; returns how many.

    A key that is used again afterwards counts as new.
    """
    oldest = (
        select(remembered.c.tenant, remembered.c.key)
        .where(remembered.c.at_us < before_us)
        .order_by(remembered.c.at_us, remembered.c.tenant, remembered.c.key)
        .limit(limit)
    )
    gone = 0
    for row in tx.execute(oldest).all():
        gone += tx.execute(
            delete(remembered).where(remembered.c.tenant == row.tenant, remembered.c.key == row.key)
        ).rowcount
    return gone
