"""Rows of webhooks; their secrets lie in the vault."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Row, func, select, update

from yunhe.notices.domain import KINDS, Kind, Webhook
from yunhe.notices.tables import webhooks
from yunhe.storage.database import Transaction

_AnyRow = Row[tuple[object, ...]]


def add(tx: Transaction, added: Webhook, *, member: str) -> None:
    """Insert."""
    tx.execute(
        webhooks.insert().values(
            id=added.id,
            organisation=added.organisation,
            url=added.url,
            kinds=json.dumps(added.kinds),
            added_by=member,
            state=added.state,
            failures=added.failures,
            failing_since_us=added.failing_since_us,
            old_secret_until_us=added.old_secret_until_us,
            at_us=added.at_us,
        )
    )


def webhook(tx: Transaction, webhook_id: str, *, organisation: str | None = None) -> Webhook | None:
    """The webhook, if there is one (and it is that organisation's)."""
    query = select(webhooks).where(webhooks.c.id == webhook_id)
    if organisation is not None:
        query = query.where(webhooks.c.organisation == organisation)
    row = tx.execute(query).first()
    return None if row is None else _webhook(row)


def of_organisations(tx: Transaction, organisations: Collection[str]) -> list[Webhook]:
    """Their webhooks, oldest first."""
    query = select(webhooks).where(webhooks.c.organisation.in_(sorted(organisations)))
    rows = tx.execute(query.order_by(webhooks.c.at_us, webhooks.c.id))
    return [_webhook(row) for row in rows]


def organisations_with(tx: Transaction) -> Sequence[str]:
    """Every organisation that has a webhook."""
    query = select(webhooks.c.organisation).distinct().order_by(webhooks.c.organisation)
    return tx.execute(query).scalars().all()


def count(tx: Transaction, organisation: str) -> int:
    """How many it has."""
    query = select(func.count()).select_from(webhooks)
    return tx.execute(query.where(webhooks.c.organisation == organisation)).scalar_one()


def change(tx: Transaction, webhook_id: str, **values: object) -> None:
    """Set columns of one webhook."""
    tx.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


def failed(tx: Transaction, webhook_id: str, *, at_us: int) -> None:
    """Count an attempt that failed."""
    since = func.coalesce(webhooks.c.failing_since_us, at_us)
    change(tx, webhook_id, failures=webhooks.c.failures + 1, failing_since_us=since)


def remove(tx: Transaction, webhook_id: str) -> None:
    """Delete."""
    tx.execute(webhooks.delete().where(webhooks.c.id == webhook_id))


def _webhook(row: _AnyRow) -> Webhook:
    chosen = set(json.loads(row.kinds))
    kinds: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind in chosen)
    return Webhook(
        id=row.id,
        organisation=row.organisation,
        url=row.url,
        kinds=kinds,
        state=row.state,
        failures=row.failures,
        failing_since_us=row.failing_since_us,
        old_secret_until_us=row.old_secret_until_us,
        at_us=row.at_us,
    )
