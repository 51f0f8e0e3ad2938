"""Counts what a webhook fails, and stops sending to one that nobody answers any more."""

from __future__ import annotations

from yunhe.kernel.clock import SECOND_US
from yunhe.notices.domain import Delivery, Kind
from yunhe.notices.sending import store as deliveries
from yunhe.notices.telling import notify
from yunhe.notices.webhooks import store
from yunhe.storage.database import Transaction

_FIRST_US = 3_600 * SECOND_US  # a first attempt may come a while after the delivery was made


def note_success(tx: Transaction, webhook_id: str) -> None:
    """Forget earlier failures."""
    store.change(tx, webhook_id, failures=0, failing_since_us=None)


def note_failure(
    tx: Transaction, item: Delivery, *, gone: bool, given_up: bool, at_us: int
) -> None:
    """Count one; pause the webhook when a delivery was given up and nothing arrived meanwhile.

    A delivery is given up after more than a day of attempts, so a pause means a whole day without
    one answer. The organisation's administrators are told.
    """
    store.failed(tx, item.target, at_us=at_us)
    hook = store.webhook(tx, item.target)
    if hook is None or hook.state != "active" or hook.failing_since_us is None:
        return
    if not gone and not (given_up and hook.failing_since_us <= item.created_at_us + _FIRST_US):
        return
    store.change(tx, hook.id, state="gone" if gone else "paused")
    if gone:
        deliveries.drop_waiting(tx, hook.id, at_us=at_us)
    kind: Kind = "webhook_gone" if gone else "webhook_paused"
    notify(
        tx,
        key=f"{kind}:{hook.id}:{hook.failing_since_us}",
        kind=kind,
        organisation=hook.organisation,
        role="administrator",
        subject=hook.id,
        params={"failures": hook.failures},
        at_us=at_us,
    )
