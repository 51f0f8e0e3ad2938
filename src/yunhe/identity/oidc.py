"""Sign-in of people through a provider: OpenID Connect, authorization code with PKCE.

The doors do four things with it. ``GET /auth/login``: call `begin`, set ``Redirect.cookie_state``
as a cookie (HttpOnly, SameSite=Lax, for `SIGN_IN_SECONDS`) and redirect to ``Redirect.url``.
``GET /auth/callback``: call `complete` with the query's ``code``, ``state``, ``iss`` and ``error``
and that cookie, delete that cookie, set ``SignedIn.session.secret`` as the session's cookie and
redirect to ``SignedIn.return_to``. An invitation's link leads to ``/auth/login`` with its token.
Binding a member who is signed in by key is a POST with the CSRF token: `begin` with ``by``.

State, nonce and PKCE verifier are computed from the cookie's secret, of which the platform keeps
only the hash: nothing in its rows lets anybody finish a sign-in, and none is finished in another
browser, twice, or late.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from yunhe.identity import checks
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity.credentials import invitations, sessions, store
from yunhe.identity.credentials.id_token import Claims
from yunhe.identity.credentials.provider import Fetch, Fetched, Provider, word
from yunhe.identity.domain import ALL_SCOPES, Invitation, OpenedSession, Principal
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Finding, NotAllowed
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "COOKIE",
    "COOKIE_PLAIN",
    "SIGN_IN_SECONDS",
    "Fetch",
    "Fetched",
    "Provider",
    "Redirect",
    "SignedIn",
    "begin",
    "complete",
]

SIGN_IN_SECONDS = 600
"""How long a person may take at the provider."""
COOKIE = "__Host-yunhe-sign-in"
"""Name of the cookie of a sign-in under way."""
COOKIE_PLAIN = "yunhe-sign-in"
"""Its name on loopback without TLS."""
RETURN_LETTERS_MAX = 1_000
"""Longest path to return to."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where to send the browser, and what it must bring back."""

    url: str = field(repr=False)
    """At the provider; holds state and nonce."""
    cookie_state: str = field(repr=False)
    """Value of a cookie that lives `SIGN_IN_SECONDS`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that came to its end."""

    session: OpenedSession
    """Its secret is the value of the session's cookie."""
    member: str
    """Who signed in."""
    return_to: str
    """Path on this site, as `begin` was given it."""


def begin(
    storage: Storage,
    provider: Provider,
    *,
    return_to: str = "/",
    invitation: str = "",
    by: Principal | None = None,
) -> Redirect:
    """Begin a sign-in. ``invitation`` is a token to accept with it; ``by`` a member to bind.

    Errors: `Invalid` ``identity.invalid`` for a ``return_to`` that is no path of this site;
    `NotFound` ``identity.invitation_unknown``; `NotAllowed` ``identity.key_beyond_issuer``
    for a key that can do less than its member;
    `Unavailable` ``identity.provider_away``, ``identity.provider_wrong``.
    """
    checks.refuse(_return_faults(return_to))
    if by is not None:
        _require_whole(by)
    now_us = storage.clock.now_us()
    sign_in_id = new_id("lgn")
    cookie = secrets_of_keys.new_secret(sign_in_id)
    url = provider.authorization_url(
        state=secrets_of_keys.derived(cookie, "state"),
        nonce=secrets_of_keys.derived(cookie, "nonce"),
        verifier=secrets_of_keys.derived(cookie, "pkce"),
        now_us=now_us,
    )
    with storage.database.begin() as tx:
        invited = invitations.offered(tx, invitation).id if invitation else ""
        store.add_sign_in(
            tx,
            {
                "id": sign_in_id,
                "secret_hash": secrets_of_keys.hash_of(cookie),
                "return_to": return_to,
                "invitation": invited,
                "member": "" if by is None else by.member,
                "at_us": now_us,
                "expires_at_us": now_us + SIGN_IN_SECONDS * SECOND_US,
            },
        )
    return Redirect(url, cookie)


def complete(
    storage: Storage,
    provider: Provider,
    *,
    code: str,
    state: str,
    cookie_state: str,
    issuer: str | None = None,
    error: str = "",
    replaces: str = "",
) -> SignedIn:
    """Finish a sign-in that this browser began: once, in time, by who is bound or invited.

    ``issuer`` and ``error`` are what the provider put beside the code (``iss``, ``error``);
    ``replaces`` is the secret of this browser's earlier session. The provider is asked outside any
    transaction.

    Errors: `NotAllowed` ``identity.sign_in_unknown`` for anything but a sign-in under way of this
    browser; ``identity.sign_in_refused``, ``identity.token_refused``, ``identity.not_invited``,
    ``identity.address_differs``, ``identity.several_invitations``, ``identity.invitation_ended``,
    ``identity.no_sessions``; `Conflict` ``identity.already_linked``; `Unavailable` as `begin`.
    """
    now_us = storage.clock.now_us()
    under_way = _claim(storage, state=state, cookie_state=cookie_state)
    if error:
        raise NotAllowed("identity.sign_in_refused", reason=word(error))
    provider.check_issuer(issuer, now_us=now_us)
    redeemed = provider.redeem(
        code,
        verifier=secrets_of_keys.derived(cookie_state, "pkce"),
        nonce=secrets_of_keys.derived(cookie_state, "nonce"),
        now_us=now_us,
    )
    link = derived_id("lnk", provider.issuer, redeemed.claims.subject)
    with storage.database.read() as tx:
        known = under_way.member or store.member_linked(tx, link)
    # Who is known already needs no address, and signs in even if that endpoint is away.
    claims = redeemed.claims if known else provider.profile(redeemed, now_us=now_us)
    with storage.database.begin() as tx:
        member = _member(tx, under_way, link, claims=claims, at_us=now_us)
        session = sessions.open_session(
            tx, member=member, hours=provider.session_hours, at_us=now_us, replaces=replaces
        )
    return SignedIn(session, member, under_way.return_to)


def _claim(storage: Storage, *, state: str, cookie_state: str) -> store.Found:
    """The sign-in of this cookie, which nobody can use after this."""
    now_us = storage.clock.now_us()
    sign_in_id = secrets_of_keys.row_of(cookie_state, "lgn")
    with storage.database.begin() as tx:
        row = None if sign_in_id is None else store.sign_in(tx, sign_in_id)
        stored = secrets_of_keys.NO_HASH if row is None else row.secret_hash
        genuine = secrets_of_keys.matches(cookie_state, stored)
        fits = secrets_of_keys.is_derived(state, cookie_state, "state")
        if row is None or not genuine or not fits or row.expires_at_us <= now_us:
            raise NotAllowed("identity.sign_in_unknown")
        if not store.use_sign_in(tx, row.id, at_us=now_us):
            raise NotAllowed("identity.sign_in_unknown")
    return row


def _member(
    tx: Transaction, under_way: store.Found, link: str, *, claims: Claims, at_us: int
) -> str:
    """Who signs in: the member bound to this person, or one who becomes so now."""
    known = store.member_linked(tx, link)
    if under_way.member:  # a member who is signed in by key binds a way to sign in
        if known is None:
            _bind(tx, link, under_way.member, at_us=at_us)
        elif known != under_way.member:
            raise Conflict("identity.already_linked")
        return str(under_way.member)
    if known is not None:
        if under_way.invitation:
            _require_accepted_by(tx, under_way.invitation, known)
        return known
    invitation = _invitation(tx, under_way.invitation, claims, now_us=at_us)
    guest = invitations.admit(
        tx,
        invitation,
        name=_name(claims, otherwise=invitation.id),
        contact=_contact(claims),
        at_us=at_us,
    )
    _bind(tx, link, guest.id, at_us=at_us)
    return guest.id


def _invitation(tx: Transaction, invitation_id: str, claims: Claims, *, now_us: int) -> Invitation:
    """The invitation that lets this person in: the one whose token was shown, or by address."""
    mine = invitations.address(claims.email)
    if invitation_id:
        found = store.invitation(tx, invitation_id)
        if found is None:
            raise NotAllowed("identity.invitation_ended", invitation=invitation_id)
        if found[0].contact and found[0].contact != mine:
            raise NotAllowed("identity.address_differs")
        return found[0]
    waiting = store.invitations_open_for(tx, mine, now_us=now_us) if mine else []
    if not waiting:
        raise NotAllowed("identity.not_invited")
    if len(waiting) > 1:
        raise NotAllowed("identity.several_invitations")
    return waiting[0]


def _require_accepted_by(tx: Transaction, invitation_id: str, member: str) -> None:
    """Who follows an accepted invitation's link again signs in; another's is not taken over."""
    found = store.invitation(tx, invitation_id)
    if found is None or found[0].member != member:
        raise Conflict("identity.already_linked")


def _bind(tx: Transaction, link: str, member: str, *, at_us: int) -> None:
    if not store.add_link(tx, link=link, member=member, at_us=at_us):
        raise Conflict("identity.already_linked")


def _name(claims: Claims, *, otherwise: str) -> str:
    for name in (claims.name, claims.email):
        if not checks.text("name", name):
            return name
    return otherwise


def _contact(claims: Claims) -> str:
    return "" if checks.contact("contact", claims.email) else claims.email


def _require_whole(by: Principal) -> None:
    """Who signs in can do all a member may: a key that can do less must not lead there."""
    findings = []
    if not by.may(ALL_SCOPES):
        params = (("scopes", ALL_SCOPES),)
        findings.append(Finding("scopes", "identity.beyond_scopes", params))
    if by.project:
        findings.append(Finding("project", "identity.beyond_project", (("project", by.project),)))
    if findings:
        raise NotAllowed("identity.key_beyond_issuer", findings=findings)


def _return_faults(path: str) -> list[Finding]:
    """A path that leads elsewhere would send people who just signed in to a stranger's page."""
    local = path.startswith("/") and not path.startswith(("//", "/\\")) and "\\" not in path
    if local and path.isprintable() and len(path) <= RETURN_LETTERS_MAX:
        return []
    return [Finding("return_to", "identity.no_local_path")]
