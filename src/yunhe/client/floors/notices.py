"""Notices, what one gets of them, and webhooks."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import notices as wire
from yunhe.client.wire.shapes import Page


class Notices(Floor):
    """What one is to know."""

    def listed(self, *, unread: bool = False) -> Iterator[wire.Notice]:
        """Notices, newest first."""
        return self._http.pages("/v1/notices", wire.Notice, {"unread": unread or None})

    def read(self, sent: wire.Seen) -> wire.Counted:
        """Note that one has read notices; again changes nothing."""
        return self._http.post("/v1/notices/read", wire.Counted, sent)

    def preferences(self) -> list[wire.Preference]:
        """By which ways one gets each kind of notice."""
        return list(self._http.pages("/v1/notices/preferences", wire.Preference))

    def prefer(self, sent: wire.Choices) -> list[wire.Preference]:
        """Choose the ways of some kinds; the answer holds them all."""
        return self._http.put("/v1/notices/preferences", Page[wire.Preference], sent).items

    def webhooks(self) -> Iterator[wire.Webhook]:
        """One's organisation's webhooks, oldest first."""
        return self._http.pages("/v1/webhooks", wire.Webhook)

    def webhook(self, webhook: str) -> wire.Webhook:
        """One webhook; never its secret."""
        return self._http.get(_at(webhook), wire.Webhook)

    def add_webhook(self, sent: wire.NewWebhook, *, key: str = "") -> wire.WebhookWithSecret:
        """Send one's organisation's notices to an address; the secret is shown this once."""
        return self._http.post("/v1/webhooks", wire.WebhookWithSecret, sent, key=key)

    def remove_webhook(self, webhook: str) -> None:
        """Send nothing there any more, and destroy its secret."""
        self._http.act("DELETE", _at(webhook))

    def rotate_webhook(self, webhook: str, *, key: str = "") -> wire.WebhookWithSecret:
        """A new secret, shown this once; for a day deliveries are signed with the old one too."""
        return self._http.post(f"{_at(webhook)}/rotate", wire.WebhookWithSecret, key=key)

    def resume_webhook(self, webhook: str) -> wire.Webhook:
        """Send to a paused webhook again, what still waits for it at once."""
        return self._http.post(f"{_at(webhook)}/resume", wire.Webhook)

    def deliveries(self, webhook: str) -> Iterator[wire.Delivery]:
        """What was or will be sent to a webhook, newest first."""
        return self._http.pages(f"{_at(webhook)}/deliveries", wire.Delivery)

    def redeliver(self, webhook: str, delivery: str) -> wire.Delivery:
        """Send once more, under the same id, whatever became of it before."""
        path = at(
            "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver",
            webhook=webhook,
            delivery=delivery,
        )
        return self._http.post(path, wire.Delivery)


def _at(webhook: str) -> str:
    return at("/v1/webhooks/{webhook}", webhook=webhook)
