"""What is known of a request before anything is asked: its id, language, sender and secret."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, cast

from yunhe.identity import service as identity
from yunhe.identity.domain import Principal
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.ids import new_id
from yunhe.kernel.language import Language

Scope = MutableMapping[str, object]
"""What ASGI says about a connection."""
Headers = list[tuple[bytes, bytes]]
"""Header fields as ASGI carries them."""

_FACTS = "yunhe"  # key in the scope
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_ACCEPT_LETTERS_MAX = 500


@dataclass(slots=True, eq=False)
class Facts:
    """One request, as every layer sees it; layers add the headers of the answer here."""

    id: str
    """Names it in the answer and in the log."""
    method: str
    """In capitals."""
    path: str
    """Decoded; without the query."""
    language: Language
    """For the sentences of an error."""
    headers: dict[bytes, bytes]
    """Request headers by lower-case name; of a repeated one, the last."""
    client: str
    """Address of the caller, behind trusted proxies the one they forward."""
    https: bool
    """Whether the caller reached the platform over TLS."""
    secret: str = field(repr=False)
    """The bearer's key or the session's secret, not yet checked; empty when there is none."""
    way: Literal["key", "session", "none"]
    """Whether the secret came as a key or as a cookie."""
    answer: Headers = field(default_factory=list)
    """Headers that layers add to the answer."""
    timeout: asyncio.Timeout | None = None
    """The bound on the whole request; long answers move it."""
    route: str = ""
    """``METHOD /path`` of the route, once found: for logs and metrics, which count no ids."""
    member: str = ""
    """Who asked, once known: for logs."""
    principal: Principal | None = None
    """Who asked, once found out."""
    failure: Exception | None = None
    """What the answer already tells, so that it is logged once."""
    refusal: NotAllowed | None = None
    """Why it was not found out who asked."""

    @property
    def unsafe(self) -> bool:
        """Whether the method may change something. Source: RFC 9110 section 9.2.1."""
        return self.method not in ("GET", "HEAD", "OPTIONS")

    def unbounded(self) -> None:
        """Lift the bound on the whole request; the route has one of its own."""
        if self.timeout is not None:
            self.timeout.reschedule(None)


def facts_of(scope: Scope) -> Facts:
    """What `attach` left."""
    return cast("Facts", scope[_FACTS])


def attach(scope: Scope, *, client: str, https: bool, headers: dict[bytes, bytes]) -> Facts:
    """Read the head of a request and leave what it says in the scope."""
    secret, way = _credential(headers, https=https)
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    made = Facts(
        id=given if _REQUEST_ID.fullmatch(given) else new_id("req"),
        method=str(scope["method"]),
        path=str(scope["path"]),
        language=_language(headers.get(b"accept-language", b"").decode("latin-1")),
        headers=headers,
        client=client,
        https=https,
        secret=secret,
        way=way,
    )
    scope[_FACTS] = made
    return made


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Request headers by name; a field that was sent twice keeps both values, after a comma."""
    headers: dict[bytes, bytes] = {}
    for name, value in cast("Iterable[tuple[bytes, bytes]]", scope["headers"]):
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def _credential(
    headers: dict[bytes, bytes], *, https: bool
) -> tuple[str, Literal["key", "session", "none"]]:
    """The bearer's key (RFC 6750 section 2.1), else the session's cookie.

    Over TLS only the cookie counts that nobody between can have set (its ``__Host-`` prefix).
    """
    given = headers.get(b"authorization")
    if given is not None:
        scheme, _, secret = given.decode("latin-1").partition(" ")
        return (secret.strip(), "key") if scheme.lower() == "bearer" else ("", "none")
    value = cookie(headers, identity.COOKIE if https else identity.COOKIE_PLAIN)
    return (value, "session") if value else ("", "none")


def cookie(headers: dict[bytes, bytes], wanted: str) -> str:
    """Value of the first cookie of that name; empty when there is none."""
    for pair in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value
    return ""


@lru_cache(maxsize=256)
def _language(accepted: str) -> Language:
    """The language the caller prefers among ours. Source: RFC 9110 section 12.5.4."""
    best: tuple[float, Language] = (0.0, "en")
    for item in accepted[:_ACCEPT_LETTERS_MAX].split(","):
        name, _, quality = item.replace(" ", "").partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        primary = name.lower().split("-")[0]
        if primary in ("zh", "en") and weight > best[0]:
            best = (weight, "zh" if primary == "zh" else "en")
    return best[1]


@lru_cache(maxsize=256)
def accepts(accepted: str, media_type: str) -> bool:
    """Whether an Accept header takes the media type. Source: RFC 9110 section 12.5.1."""
    if not accepted.strip():
        return True
    family = media_type.partition("/")[0] + "/*"
    found: dict[str, float] = {}
    for item in accepted[:_ACCEPT_LETTERS_MAX].split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found[name] = max(weight, found.get(name, 0.0))
    for name in (media_type, family, "*/*"):  # the most specific one decides
        if name in found:
            return found[name] > 0
    return False
