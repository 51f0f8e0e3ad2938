"""Makes a repeated request harmless: its first answer is remembered and given again."""

from __future__ import annotations

import json

from sqlalchemy import Column, Table, Text, select

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
)


def recall(tx: Transaction, *, tenant: str, key: str, request: Json) -> tuple[Json] | None:
    """The answer given when this key was first used, in a one-tuple; None for a new key.

    Errors: `Conflict` ``storage.key_reused`` when the key came with another request before.
    """
    row = tx.execute(
        select(remembered).where(remembered.c.tenant == tenant, remembered.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    if row.request_digest != digest_of(request):
        raise Conflict("storage.key_reused", key=key)
    return (json.loads(row.answer),)


def remember(
    tx: Transaction, *, tenant: str, key: str, request: Json, answer: Json, at_us: int
) -> None:
    """Keep the answer in the transaction that has the effect, so both happen or neither does."""
    tx.execute(
        remembered.insert().values(
            tenant=tenant,
            key=key,
            request_digest=digest_of(request),
            answer=canonical_bytes(answer).decode(),
            at_us=at_us,
        )
    )
