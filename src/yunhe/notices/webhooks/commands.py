"""Commands about webhooks; who may give them is decided by the caller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Exhausted, NotFound
from yunhe.kernel.ids import new_id
from yunhe.notices.choosing import known_kinds
from yunhe.notices.domain import AddedWebhook, Delivery, Webhook
from yunhe.notices.sending import store as deliveries
from yunhe.notices.ways import Ways
from yunhe.notices.webhooks import signing, store
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.vault import service as vault

WEBHOOKS_MAX = 20
"""Most webhooks of one organisation."""
OLD_SECRET_SECONDS = 24 * 3_600
"""How long deliveries are signed with the previous secret too, after it was changed."""
DELIVERIES_LIMIT_MAX = 201
"""Most deliveries one question returns: the longest page and one that tells whether more follow."""
_SHELF = "/webhooks"  # no project is called so, and no workload can name a secret there


def add_webhook(
    storage: Storage,
    ways: Ways,
    *,
    organisation: str,
    url: str,
    kinds: Collection[str],
    member: str,
) -> AddedWebhook:
    """Send an organisation's notices of some kinds to an address; the secret is told only now.

    The address is checked now and at every delivery. Errors: those of `Guard.check`; `Invalid`
    ``notices.invalid``; `NotFound` for an unknown organisation; `Exhausted`
    ``notices.webhooks_too_many``; those of `vault.service.put`.
    """
    known_kinds(kinds)
    checked = checked_url(ways, url)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        return add_webhook_in(
            tx,
            ways,
            organisation=organisation,
            url=checked,
            kinds=kinds,
            member=member,
            at_us=now_us,
        )


def checked_url(ways: Ways, url: str) -> str:
    """The address as it is kept, if the platform may send there. Errors: those of `Guard.check`.

    It asks the network for the address of a name, so not inside a transaction.
    """
    return ways.outbound.guard.check(url).url


def add_webhook_in(
    tx: Transaction,
    ways: Ways,
    *,
    organisation: str,
    url: str,
    kinds: Collection[str],
    member: str,
    at_us: int,
) -> AddedWebhook:
    """As `add_webhook`, for an address that `checked_url` gave, in the caller's transaction."""
    added = Webhook(
        id=new_id("hook"),
        organisation=organisation,
        url=url,
        kinds=known_kinds(kinds),
        state="active",
        failures=0,
        failing_since_us=None,
        old_secret_until_us=None,
        at_us=at_us,
    )
    secret = signing.new_secret()
    identity.organisation(tx, organisation)
    if store.count(tx, organisation) >= WEBHOOKS_MAX:
        raise Exhausted("notices.webhooks_too_many", most=WEBHOOKS_MAX)
    store.add(tx, added, member=member)
    _keep(tx, ways, added, added.id, secret=secret, member=member, at_us=at_us)
    return AddedWebhook(added, secret)


def webhooks(tx: Transaction, organisation: str) -> list[Webhook]:
    """An organisation's webhooks, oldest first."""
    return store.of_organisations(tx, [organisation])


def webhook(tx: Transaction, webhook_id: str, *, organisation: str) -> Webhook:
    """One of them. Errors: `NotFound` ``notices.webhook_unknown``, also for somebody else's."""
    hook = store.webhook(tx, webhook_id, organisation=organisation)
    if hook is None:
        raise NotFound("notices.webhook_unknown", webhook=webhook_id[:64])
    return hook


def found(tx: Transaction, webhook_id: str) -> Webhook:
    """The webhook, whose ever it is. Errors: as `webhook`."""
    hook = store.webhook(tx, webhook_id)
    if hook is None:
        raise NotFound("notices.webhook_unknown", webhook=webhook_id[:64])
    return hook


def remove_webhook(tx: Transaction, webhook_id: str, *, organisation: str, at_us: int) -> None:
    """Send nothing there any more, and destroy its secret. Errors: as `webhook`."""
    hook = webhook(tx, webhook_id, organisation=organisation)
    kept = {item.name for item in vault.names(tx, organisation, _SHELF)}
    for name in (hook.id, _old(hook.id)):
        if name in kept:
            vault.remove(tx, organisation=organisation, project=_SHELF, name=name)
    store.remove(tx, hook.id)
    deliveries.drop_waiting(tx, hook.id, at_us=at_us)


def rotate_webhook(
    tx: Transaction, ways: Ways, webhook_id: str, *, organisation: str, member: str, at_us: int
) -> AddedWebhook:
    """A new secret; for `OLD_SECRET_SECONDS` deliveries carry a signature by the old one too.

    Errors: as `webhook`; those of the vault.
    """
    hook = webhook(tx, webhook_id, organisation=organisation)
    (present,) = secrets_of(tx, ways, replace(hook, old_secret_until_us=None), now_us=at_us)
    _keep(tx, ways, hook, _old(hook.id), secret=present, member=member, at_us=at_us)
    secret = signing.new_secret()
    _keep(tx, ways, hook, hook.id, secret=secret, member=member, at_us=at_us)
    until_us = at_us + OLD_SECRET_SECONDS * SECOND_US
    store.change(tx, hook.id, old_secret_until_us=until_us)
    return AddedWebhook(replace(hook, old_secret_until_us=until_us), secret)


def resume_webhook(tx: Transaction, webhook_id: str, *, organisation: str, at_us: int) -> Webhook:
    """Send to a paused webhook again, what still waits for it at once.

    Errors: as `webhook`; `Conflict` ``notices.webhook_gone`` when its receiver asked for no more.
    """
    hook = webhook(tx, webhook_id, organisation=organisation)
    if hook.state == "gone":
        raise Conflict("notices.webhook_is_gone", webhook=hook.id)
    if hook.state == "paused":
        store.change(tx, hook.id, state="active", failures=0, failing_since_us=None)
        deliveries.hasten(tx, hook.id, at_us=at_us)
    return webhook(tx, webhook_id, organisation=organisation)


def deliveries_of(
    tx: Transaction, webhook_id: str, *, organisation: str, after: str = "", limit: int = 50
) -> list[Delivery]:
    """What was or will be sent to a webhook, newest first, from behind the one with id ``after``.

    Errors: as `webhook`.
    """
    hook = webhook(tx, webhook_id, organisation=organisation)
    return deliveries.listed(
        tx, hook.id, after=after, limit=max(1, min(limit, DELIVERIES_LIMIT_MAX))
    )


def redeliver(
    tx: Transaction, delivery_id: str, *, organisation: str, webhook_id: str = "", at_us: int
) -> Delivery:
    """Send once more, under the same id, whatever became of it before.

    With a ``webhook_id`` only what goes there.

    Errors: `NotFound` ``notices.delivery_unknown``, also for somebody else's; `Conflict`
    ``notices.delivery_under_way``.
    """
    item = deliveries.delivery(tx, delivery_id)
    hook = store.webhook(tx, item.target, organisation=organisation) if item else None
    if item is None or hook is None or webhook_id not in ("", hook.id):
        raise NotFound("notices.delivery_unknown", delivery=delivery_id[:64])
    if not deliveries.restart(tx, item.id, at_us=at_us):
        raise Conflict("notices.delivery_under_way", delivery=item.id, retryable=True)
    return replace(item, state="waiting", attempts=0, next_at_us=at_us, ended_at_us=None)


def secrets_of(tx: Transaction, ways: Ways, hook: Webhook, *, now_us: int) -> list[str]:
    """The secrets that deliveries are signed with now, the present one first.

    Errors: those of `vault.service.reveal`.
    """
    names = [hook.id]
    if hook.old_secret_until_us is not None and hook.old_secret_until_us > now_us:
        names.append(_old(hook.id))
    opened = vault.reveal(
        tx, ways.vault, organisation=hook.organisation, project=_SHELF, names=names
    )
    return [opened[name].decode() for name in names]


def _old(webhook_id: str) -> str:
    return f"old_{webhook_id}"


def _keep(
    tx: Transaction, ways: Ways, hook: Webhook, name: str, *, secret: str, member: str, at_us: int
) -> None:
    vault.put(
        tx,
        ways.vault,
        organisation=hook.organisation,
        project=_SHELF,
        name=name,
        value=secret.encode(),
        member=member,
        at_us=at_us,
    )
