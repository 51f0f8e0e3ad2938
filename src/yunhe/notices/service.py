"""The face of notices: tell, read, choose, subscribe, send.

`notify` and `withdraw` are for the floors above, in their own transactions; `deliver` is for the
worker; the rest is for the doors, which decide who may ask.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement

from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Invalid
from yunhe.notices import letters, store, tables
from yunhe.notices.choosing import prefer, preferences
from yunhe.notices.domain import REACH, Notice
from yunhe.notices.sending.passing import deliver
from yunhe.notices.telling import notice_id, notify, withdraw
from yunhe.notices.ways import Ways
from yunhe.notices.webhooks.commands import (
    add_webhook,
    add_webhook_in,
    checked_url,
    deliveries_of,
    redeliver,
    remove_webhook,
    resume_webhook,
    rotate_webhook,
    webhook,
    webhooks,
)
from yunhe.storage import tally
from yunhe.storage.database import Transaction
from yunhe.storage.tally import Tally

__all__ = [
    "Ways",
    "add_webhook",
    "add_webhook_in",
    "checked_url",
    "deliver",
    "deliveries_counted",
    "deliveries_of",
    "feed",
    "forget_member",
    "mail_invitation",
    "mark_read",
    "notice_id",
    "notify",
    "prefer",
    "preferences",
    "purge",
    "redeliver",
    "remove_webhook",
    "resume_webhook",
    "rotate_webhook",
    "webhook",
    "webhooks",
    "withdraw",
]

FEED_LIMIT_MAX = 201
"""Most notices one question returns: the longest page and one that tells whether more follow."""
READ_AT_ONCE_MAX = 200
"""Most notices marked as read at once."""


def feed(
    tx: Transaction,
    member: str,
    *,
    after: str = "",
    limit: int = 50,
    unread_only: bool = False,
    project: str = "",
) -> list[Notice]:
    """Notices for a member, newest first; ``after`` is the id of the last one already seen.

    Kinds that the member keeps out of the feed are left out. With a ``project`` only what concerns
    it. Errors: `NotFound`
    ``identity.member_unknown``.
    """
    chosen = preferences(tx, member)
    return store.feed(
        tx,
        _whose(tx, member, project),
        member=member,
        hidden={item.kind for item in chosen if not item.feed},
        after=after,
        limit=max(1, min(limit, FEED_LIMIT_MAX)),
        unread_only=unread_only,
    )


def mark_read(
    tx: Transaction, member: str, ids: Sequence[str], *, at_us: int, project: str = ""
) -> int:
    """Note that a member has read these; returns how many were unread before.

    Ids that are unknown or somebody else's change nothing, so they cannot be told apart. Errors:
    `Invalid` ``notices.too_many``; `NotFound` ``identity.member_unknown``.
    """
    if len(ids) > READ_AT_ONCE_MAX:
        raise Invalid("notices.too_many", most=READ_AT_ONCE_MAX)
    whose = _whose(tx, member, project)
    return store.mark_read(tx, whose, member=member, notice_ids=ids, at_us=at_us)


def deliveries_counted(tx: Transaction) -> dict[str, Tally]:
    """How many mails and webhook calls are in each state. Cost: a scan of the index of states."""
    column = tables.deliveries.c.state
    return {state: found for (state,), found in tally.by(tx, [column]).items()}


def purge(tx: Transaction, *, now_us: int, days: int) -> int:
    """Delete notices that are ``days`` old and read by somebody or withdrawn; returns how many.

    Unread ones go after twice as long, so that nothing grows for ever. Deliveries go with them.
    """
    before_us = now_us - days * DAY_US
    return store.purge(tx, before_us=before_us, unread_before_us=before_us - days * DAY_US)


def forget_member(tx: Transaction, member: str) -> int:
    """Delete what was told to this member alone, what they read and chose; how many rows."""
    return store.forget_member(tx, member)


def mail_invitation(
    ways: Ways, *, invitation: str, to: str, organisation: str, link: str, until: str, at_us: int
) -> bool:
    """Mail an invitation now; False where no mail server is set, so that it is shown instead.

    ``link`` holds the token, which is kept nowhere: hence it is not put off, nor tried again.
    Outside any transaction. Errors: `Unavailable` ``notices.mail_failed`` or
    ``notices.mail_no_tls``; `Invalid` ``notices.mail_refused``.
    """
    from yunhe.notices.mail import Letter, Refused  # noqa: PLC0415 - only where mail is sent

    if ways.mailer is None:
        return False
    params = {"organisation": organisation, "link": link, "until": until}
    subject, said = letters.of_invitation(params)
    try:
        ways.mailer.send(Letter(invitation, to, subject, said, at_us))
    except Refused as refused:
        raise Invalid("notices.mail_refused", status=refused.status) from None
    return True


def _whose(tx: Transaction, member_id: str, project: str) -> ColumnElement[bool]:
    member = identity.member(tx, member_id)
    kind = identity.organisation(tx, member.organisation).kind
    organisations = {member.organisation, *(word for word in REACH if REACH[word] == kind)}
    roles: dict[str, set[str]] = {}
    for held in identity.roles_held(tx, member_id):
        roles.setdefault(held.project, set()).add(held.role)
    return store.addressed(
        member=member_id, organisations=organisations, roles=roles, project=project
    )
