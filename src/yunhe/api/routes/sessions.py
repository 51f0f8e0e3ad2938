"""Sign-in of browsers: by the provider or by a key, what a page needs to know, and sign-out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import RedirectResponse, Response

from yunhe.api.call import Call, Caller
from yunhe.api.limits import LOOPBACK, host_name
from yunhe.api.paths import JSON, Routes
from yunhe.api.requests import cookie
from yunhe.client.wire import credentials as wire
from yunhe.identity import domain
from yunhe.identity import service as identity
from yunhe.identity.service import oidc
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.storage.database import Transaction

routes = Routes("identity")
"""Of the identity floor, as far as browsers are concerned."""
Given = Annotated[str, Query(max_length=4_096)]
"""A value that the provider sends along with the browser."""


@routes.add("GET /v1/session", wire.Session)
async def get_session(call: Caller) -> wire.Session:
    """The session of this browser, with the token its page must send back."""
    _require_session(call)
    who = call.who
    return wire.Session(
        id=who.key,
        member=who.member,
        expires_at=None if who.expires_at_us is None else iso(who.expires_at_us),
        csrf=identity.csrf_token(call.facts.secret),
    )


@routes.add("POST /v1/session", wire.Session)
async def open_session(call: Caller, _: wire.Nothing) -> Response:
    """Sign this browser in by a key; the session never goes beyond it."""
    _require_safe(call)
    at_us, old = call.now_us(), cookie(call.facts.headers, _name(call))
    if call.facts.way == "session":
        raise NotAllowed("api.session_by_key")

    def make(tx: Transaction) -> domain.OpenedSession:
        return identity.open_session(
            tx,
            member=call.who.member,
            hours=call.runtime.settings.session_hours,
            at_us=at_us,
            by=call.who,
            replaces=old,
        )

    made = await call.write(make)
    shown = wire.Session(
        id=made.id, member=made.member, expires_at=iso(made.expires_at_us), csrf=made.csrf
    )
    answer = Response(shown.model_dump_json(), media_type=JSON)
    _set_session(answer, call, made)
    return answer


@routes.add("POST /auth/logout", status=204)
async def log_out(call: Caller) -> Response:
    """End the session of this browser."""
    _require_session(call)
    at_us = call.now_us()
    await call.write(lambda tx: identity.end_session(tx, call.facts.secret, at_us=at_us))
    answer = Response(status_code=204)
    _set_cookie(answer, call, _name(call), "", seconds=0)
    return answer


@routes.add("GET /auth/login", status=303)
async def begin_sign_in(call: Caller, return_to: Given = "/", invitation: Given = "") -> Response:
    """Send this browser to the sign-in provider."""
    _require_safe(call)
    provider = _provider(call)
    begun = await call.apart(
        lambda: oidc.begin(
            call.runtime.storage, provider, return_to=return_to, invitation=invitation
        )
    )
    answer = RedirectResponse(begun.url, 303)
    _set_sign_in(answer, call, begun.cookie_state)
    return answer


@routes.add("POST /auth/link", wire.SignInBegun)
async def link_sign_in(call: Caller, _: wire.Nothing) -> Response:
    """Begin a sign-in that binds the provider's account to the member who asks."""
    _require_safe(call)
    provider = _provider(call)
    begun = await call.apart(lambda: oidc.begin(call.runtime.storage, provider, by=call.who))
    answer = Response(wire.SignInBegun(url=begun.url).model_dump_json(), media_type=JSON)
    _set_sign_in(answer, call, begun.cookie_state)
    return answer


@routes.add("GET /auth/callback", status=303)
async def end_sign_in(
    call: Caller,
    state: Given = "",
    code: Given = "",
    iss: Given | None = None,
    error: Given = "",
) -> Response:
    """Where the provider sends the browser back to; opens the session."""
    _require_safe(call)
    provider = _provider(call)
    signed_in = await call.apart(
        lambda: oidc.complete(
            call.runtime.storage,
            provider,
            code=code,
            state=state,
            cookie_state=cookie(call.facts.headers, _sign_in_name(call)),
            issuer=iss,
            error=error,
            replaces=cookie(call.facts.headers, _name(call)),
        )
    )
    answer = RedirectResponse(signed_in.return_to, 303)
    _set_cookie(answer, call, _sign_in_name(call), "", seconds=0)
    _set_session(answer, call, signed_in.session)
    return answer


def _provider(call: Call) -> oidc.Provider:
    found = call.runtime.platform.sign_in
    if found is None:
        raise NotFound("api.no_sign_in")
    return found


def _require_session(call: Call) -> None:
    if call.facts.way != "session":
        raise NotAllowed("api.session_missing")


def _require_safe(call: Call) -> None:
    """Cookies go over TLS, or nowhere beyond this machine."""
    host = host_name(call.facts.headers.get(b"host", b"").decode("latin-1"))
    if not call.facts.https and host not in LOOPBACK:
        raise NotAllowed("api.session_needs_tls")


def _name(call: Call) -> str:
    return identity.COOKIE if call.facts.https else identity.COOKIE_PLAIN


def _sign_in_name(call: Call) -> str:
    return oidc.COOKIE if call.facts.https else oidc.COOKIE_PLAIN


def _set_session(answer: Response, call: Call, made: domain.OpenedSession) -> None:
    seconds = max(0, made.expires_at_us - call.now_us()) // 1_000_000
    _set_cookie(answer, call, _name(call), made.secret, seconds=seconds)


def _set_sign_in(answer: Response, call: Call, value: str) -> None:
    _set_cookie(answer, call, _sign_in_name(call), value, seconds=oidc.SIGN_IN_SECONDS)


def _set_cookie(answer: Response, call: Call, name: str, value: str, *, seconds: int) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/",
        secure=call.facts.https,
        httponly=True,
        samesite="lax",
    )
