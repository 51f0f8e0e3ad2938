"""How an invitation reaches the invited person, and who is told that it is open."""

from __future__ import annotations

import logging
from urllib.parse import quote

from starlette.responses import Response

from yunhe.api.call import Call
from yunhe.client.wire.credentials import Invited
from yunhe.identity import service as identity
from yunhe.identity.domain import Invitation
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import YunheError
from yunhe.notices import service as notices
from yunhe.storage.database import Transaction

_logger = logging.getLogger("yunhe.api")


def tell(tx: Transaction, made: Invitation, *, at_us: int) -> None:
    """Tell the administrators of the organisation it leads into; a new one has none yet."""
    if made.organisation:
        notices.notify(
            tx,
            key=_key(made.id),
            kind="invitation",
            organisation=made.organisation,
            role="administrator",
            subject=made.id,
            params={"until": iso(made.expires_at_us)},
            at_us=at_us,
        )


def tell_entry(tx: Transaction, made: Invitation, *, at_us: int) -> None:
    """Tell the member and the administrators that somebody can act as that member by a token."""
    for role, member in ((None, made.member), ("administrator", None)):
        notices.notify(
            tx,
            key=f"entry:{made.id}:{role or 'member'}",
            kind="entry_opened",
            organisation=made.organisation,
            role=role,
            member=member,
            subject=made.member,
            params={"until": iso(made.expires_at_us)},
            at_us=at_us,
        )


def untell(tx: Transaction, invitation: str, *, at_us: int) -> None:
    """It is open no more."""
    notices.withdraw(tx, _key(invitation), at_us=at_us)


async def mailed(call: Call, answer: Response) -> Response:
    """The answer to whoever invited, after the link was mailed to the guest if that is set up.

    The invitation holds whatever becomes of the mail: the answer says whether it was sent. A
    repeated answer mails nothing.
    """
    if "idempotency-replayed" in answer.headers:
        return answer
    made = Invited.model_validate_json(bytes(answer.body))
    try:
        sent = await call.apart(lambda: _mail(call, made))
    except YunheError as error:
        _logger.warning("invitation %s was not mailed: %s", made.invitation.id, error.code)
        sent = False
    if not sent:
        return answer
    body = made.model_copy(update={"mailed": True}).model_dump_json()
    return Response(body, answer.status_code, media_type=answer.media_type)


def _mail(call: Call, made: Invited) -> bool:
    found, platform = made.invitation, call.runtime.platform
    name = found.new_name
    if found.organisation:
        with call.runtime.storage.database.read() as tx:
            name = identity.organisation(tx, found.organisation).name
    return notices.mail_invitation(
        platform.ways,
        invitation=found.id,
        to=found.contact,
        organisation=name,
        link=_link(call, made.token),
        until=found.expires_at,
        at_us=call.now_us(),
    )


def _link(call: Call, token: str) -> str:
    """Where the guest signs in; without a provider, a page with the token where no server sees it.

    Browsers keep what follows ``#`` to themselves, so it is in no log on the way.
    """
    address = call.runtime.settings.address()
    if call.runtime.platform.sign_in is not None:
        return f"{address}/auth/login?invitation={quote(token, safe='')}"
    return f"{address}/#invitation={quote(token, safe='')}"


def _key(invitation: str) -> str:
    return f"invitation:{invitation}"
