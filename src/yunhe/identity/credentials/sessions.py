"""Sessions of browsers: an idle and an absolute end, and a token against forged requests."""

from __future__ import annotations

from yunhe.identity import authority
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import store as parties
from yunhe.identity.credentials import store
from yunhe.identity.credentials.keys import principal
from yunhe.identity.domain import ALL_SCOPES, OpenedSession, Principal
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.ids import new_id
from yunhe.storage.database import Transaction

IDLE_SECONDS = 3_600
"""A session that is not used for so long has ended."""
COOKIE = "__Host-yunhe"
"""Name of the cookie: browsers take one with this prefix only over TLS, for one host, path /.
Source: RFC 6265bis §4.1.3.2."""
COOKIE_PLAIN = "yunhe"
"""Name of the cookie on loopback without TLS, where browsers refuse the prefix."""
CSRF_HEADER = "x-csrf-token"
"""Lower-case name of the header that carries the token."""
_CSRF = "csrf"


def open_session(
    tx: Transaction,
    *,
    member: str,
    hours: int,
    at_us: int,
    by: Principal | None = None,
    replaces: str = "",
) -> OpenedSession:
    """Sign a person in; every call makes a new secret, so none that was known before is taken over.

    ``hours`` is its length at most. ``by`` is the key it is opened with, if it is: the session then
    has the key's scopes, project and end, and ends when the key is revoked. ``replaces`` is the
    secret of an earlier session of the same browser, which ends now.

    Errors: `NotFound` ``identity.member_unknown``; `NotAllowed` ``identity.member_ended``,
    ``identity.no_sessions`` for a service account.
    """
    found = parties.locked(tx, member)
    if found is None or (by is not None and by.member != member):
        raise NotFound("identity.member_unknown", member=member)
    if found.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member)
    if found.service:
        raise NotAllowed("identity.no_sessions", member=member)
    _end_replaced(tx, replaces, at_us=at_us)
    ends_us = at_us + hours * 3_600 * SECOND_US
    if by is not None and by.expires_at_us is not None:
        ends_us = min(ends_us, by.expires_at_us)
    session_id = new_id("ses")
    secret = secrets_of_keys.new_secret(session_id)
    store.add_session(
        tx,
        {
            "id": session_id,
            "member": member,
            "secret_hash": secrets_of_keys.hash_of(secret),
            "scopes": ALL_SCOPES if by is None else store.column(by.scopes),
            "project": "" if by is None else by.project,
            "key": by.key if by is not None and by.key.startswith("key_") else "",
            "at_us": at_us,
            "used_at_us": at_us,
            "expires_at_us": ends_us,
        },
    )
    return OpenedSession(session_id, member, ends_us, secret, csrf_token(secret))


def _end_replaced(tx: Transaction, secret: str, *, at_us: int) -> None:
    session_id = secrets_of_keys.row_of(secret, "ses")
    row = None if session_id is None else store.session(tx, session_id)
    if row is not None and secrets_of_keys.matches(secret, row.secret_hash):
        store.end_session(tx, row.id, at_us=at_us)


def authenticate_session(tx: Transaction, secret: str, *, now_us: int) -> Principal:
    """Who presents the cookie ``secret``, checked against the stored hash in constant time.

    Errors: `NotAllowed` ``identity.session_unknown`` for anything that is no secret of a session,
    ``identity.session_expired`` for one that was ended, expired or stood idle for `IDLE_SECONDS`.
    Cost: two look-ups by primary key.
    """
    session_id = secrets_of_keys.row_of(secret, "ses")
    row = None if session_id is None else store.session(tx, session_id)
    stored = secrets_of_keys.NO_HASH if row is None else row.secret_hash
    genuine = secrets_of_keys.matches(secret, stored)
    if row is None or not genuine:
        raise NotAllowed("identity.session_unknown")
    idle = now_us - row.used_at_us >= IDLE_SECONDS * SECOND_US
    over = row.ended_at_us is not None or row.left_at_us is not None
    if over or idle or row.expires_at_us <= now_us:
        raise NotAllowed("identity.session_expired")
    return principal(row, parties.roles_held(tx, row.member))


def end_session(tx: Transaction, secret: str, *, at_us: int) -> None:
    """Sign out: the session of that cookie ends now; anything else changes nothing."""
    _end_replaced(tx, secret, at_us=at_us)


def end_sessions(tx: Transaction, by: Principal, *, at_us: int) -> None:
    """Sign the member out everywhere."""
    authority.require_scope(by)
    store.end_sessions(tx, by.member, at_us=at_us)


def csrf_token(secret: str) -> str:
    """What a page of this session must send in ``X-CSRF-Token``; another for every session.

    It is computed from the cookie's secret, which scripts can't read and other sites don't know,
    and it doesn't give that secret away.
    """
    return secrets_of_keys.derived(secret, _CSRF)


def check_csrf(secret: str, token: str) -> None:
    """Return only if the token belongs to the session of that cookie, in constant time.

    Asked for every request that a cookie authenticates and that is not GET, HEAD or OPTIONS.
    Errors: `NotAllowed` ``identity.csrf``.
    """
    if not secrets_of_keys.is_derived(token, secret, _CSRF):
        raise NotAllowed("identity.csrf")
