"""Notices, what one gets of them, and webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.idempotency import answered
from yunhe.api.paths import Routes
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import notices as wire
from yunhe.client.wire.credentials import Nothing
from yunhe.client.wire.shapes import Page
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language
from yunhe.notices import domain
from yunhe.notices import service as notices
from yunhe.storage.database import Transaction

routes = Routes("notices")
"""Of the notices floor."""
_Unread = Annotated[bool, Query(description="Only those one has not read.")]


@routes.add("GET /v1/notices", Page[wire.Notice])
async def list_notices(
    call: Caller, *, unread: _Unread = False, after: After = None, limit: Limit = 50
) -> Page[wire.Notice]:
    """What one is to know, newest first."""
    [last] = call.place(after, like=("",), unread=unread)
    who = call.who
    found = await call.look(
        lambda tx: notices.feed(
            tx,
            who.member,
            after=last,
            limit=limit + 1,
            unread_only=unread,
            project=who.project,
        )
    )
    language = call.facts.language
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _notice(each, language),
        place=lambda each: (each.id,),
        unread=unread,
    )


@routes.add("POST /v1/notices/read", wire.Counted)
async def read_notices(call: Caller, body: wire.Seen) -> wire.Counted:
    """Note that one has read notices; again changes nothing."""
    who, at_us = call.who, call.now_us()

    def read(tx: Transaction) -> wire.Counted:
        count = notices.mark_read(tx, who.member, body.ids, at_us=at_us, project=who.project)
        return wire.Counted(read=count)

    return await call.write(read)


@routes.add("GET /v1/notices/preferences", Page[wire.Preference])
async def list_preferences(call: Caller) -> Page[wire.Preference]:
    """By which ways one gets each kind of notice; one page holds them all."""
    member = call.who.member
    return _chosen(await call.look(lambda tx: notices.preferences(tx, member)))


@routes.add("PUT /v1/notices/preferences", Page[wire.Preference])
async def set_preferences(call: Caller, body: wire.Choices) -> Page[wire.Preference]:
    """Choose the ways of some kinds; the answer holds them all."""
    member = call.who.member

    def choose(tx: Transaction) -> Page[wire.Preference]:
        for each in body.choices:
            notices.prefer(tx, member, kind=each.kind, feed=each.feed, mail=each.mail)
        return _chosen(notices.preferences(tx, member))

    return await call.write(choose)


@routes.add("GET /v1/webhooks", Page[wire.Webhook])
async def list_webhooks(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Webhook]:
    """One's organisation's webhooks, oldest first."""
    place = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[domain.Webhook]:
        if not whole(call):
            return []
        found = notices.webhooks(tx, call.who.organisation)  # twenty at most
        return [each for each in found if _place(each) > place][: limit + 1]

    return page(call, await call.look(look), limit=limit, shown=_webhook, place=_place)


@routes.add("POST /v1/webhooks", wire.WebhookWithSecret, status=201)
async def create_webhook(call: Caller, key: Key, body: wire.NewWebhook) -> Response:
    """Send one's organisation's notices to an address; the secret is shown once."""
    require_whole(call)
    attempt = call.attempt(key, body, sealed=True)
    before = await call.look(lambda tx: answered(tx, attempt))
    if before is not None:  # whatever the network says of the address by now
        return call.answer(before)
    who, at_us, ways = call.who, call.now_us(), call.runtime.platform.ways
    url = await call.apart(lambda: notices.checked_url(ways, body.url))

    def make(tx: Transaction, _: str) -> wire.WebhookWithSecret:
        return _with_secret(
            notices.add_webhook_in(
                tx,
                ways,
                organisation=who.organisation,
                url=url,
                kinds=body.kinds,
                member=who.member,
                at_us=at_us,
            )
        )

    return await call.create(key, body, make, sealed=True)


@routes.add("GET /v1/webhooks/{webhook}", wire.Webhook)
async def get_webhook(call: Caller, webhook: PathId) -> wire.Webhook:
    """One webhook; never its secret."""
    return _webhook(await call.look(lambda tx: _reached(tx, call, webhook)))


@routes.add("DELETE /v1/webhooks/{webhook}", status=204)
async def remove_webhook(call: Caller, webhook: PathId) -> None:
    """Send nothing there any more, and destroy its secret."""
    at_us = call.now_us()

    def remove(tx: Transaction) -> None:
        found = _reached(tx, call, webhook)
        notices.remove_webhook(tx, found.id, organisation=found.organisation, at_us=at_us)

    await call.write(remove)


@routes.add("POST /v1/webhooks/{webhook}/rotate", wire.WebhookWithSecret, status=201)
async def rotate_webhook(call: Caller, key: Key, webhook: PathId) -> Response:
    """A new secret, shown once; for a day deliveries carry a signature by the old one too."""
    at_us, ways = call.now_us(), call.runtime.platform.ways

    def rotate(tx: Transaction, _: str) -> wire.WebhookWithSecret:
        found = _reached(tx, call, webhook)
        return _with_secret(
            notices.rotate_webhook(
                tx,
                ways,
                found.id,
                organisation=found.organisation,
                member=call.who.member,
                at_us=at_us,
            )
        )

    return await call.create(key, Nothing(), rotate, sealed=True)


@routes.add("POST /v1/webhooks/{webhook}/resume", wire.Webhook)
async def resume_webhook(call: Caller, webhook: PathId) -> wire.Webhook:
    """Send to a paused webhook again, what still waits for it at once."""
    at_us = call.now_us()

    def resume(tx: Transaction) -> wire.Webhook:
        found = _reached(tx, call, webhook)
        return _webhook(
            notices.resume_webhook(tx, found.id, organisation=found.organisation, at_us=at_us)
        )

    return await call.write(resume)


@routes.add("GET /v1/webhooks/{webhook}/deliveries", Page[wire.Delivery])
async def list_deliveries(
    call: Caller, webhook: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Delivery]:
    """What was or will be sent to a webhook, newest first."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[domain.Delivery]:
        found = _reached(tx, call, webhook)
        return notices.deliveries_of(
            tx, found.id, organisation=found.organisation, after=last, limit=limit + 1
        )

    found = await call.look(look)
    return page(call, found, limit=limit, shown=_delivery, place=lambda each: (each.id,))


@routes.add("POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver", wire.Delivery)
async def redeliver(call: Caller, webhook: PathId, delivery: PathId) -> wire.Delivery:
    """Send once more, under the same id, whatever became of it before."""
    at_us = call.now_us()

    def again(tx: Transaction) -> wire.Delivery:
        hook = _reached(tx, call, webhook)
        return _delivery(
            notices.redeliver(
                tx,
                delivery,
                organisation=hook.organisation,
                webhook_id=hook.id,
                at_us=at_us,
            )
        )

    return await call.write(again)


def _reached(tx: Transaction, call: Call, webhook: str) -> domain.Webhook:
    if not whole(call):
        raise NotFound("notices.webhook_unknown", webhook=webhook)
    return notices.webhook(tx, webhook, organisation=call.who.organisation)


def _place(found: domain.Webhook) -> tuple[int, str]:
    return found.at_us, found.id


def _notice(found: domain.Notice, language: Language) -> wire.Notice:
    return wire.Notice(
        id=found.id,
        kind=found.kind,
        organisation=found.organisation,
        project=found.project,
        subject=found.subject,
        message=found.message(language),
        params=dict(found.params),
        at=iso(found.at_us),
        read_at=_time(found.read_at_us),
    )


def _chosen(found: list[domain.Preference]) -> Page[wire.Preference]:
    items = [wire.Preference(kind=each.kind, feed=each.feed, mail=each.mail) for each in found]
    return Page[wire.Preference](items=items, next=None)


def _webhook(found: domain.Webhook) -> wire.Webhook:
    return wire.Webhook(
        id=found.id,
        url=found.url,
        kinds=list(found.kinds),
        state=found.state,
        failures=found.failures,
        failing_since=_time(found.failing_since_us),
        old_secret_until=_time(found.old_secret_until_us),
        created_at=iso(found.at_us),
    )


def _with_secret(made: domain.AddedWebhook) -> wire.WebhookWithSecret:
    return wire.WebhookWithSecret(webhook=_webhook(made.webhook), secret=made.secret)


def _delivery(found: domain.Delivery) -> wire.Delivery:
    return wire.Delivery(
        id=found.id,
        notice=found.notice,
        state=found.state,
        attempts=found.attempts,
        next_at=iso(found.next_at_us) if found.state == "waiting" else None,
        problem=found.problem,
        status=found.status,
        created_at=iso(found.created_at_us),
        ended_at=_time(found.ended_at_us),
    )


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
