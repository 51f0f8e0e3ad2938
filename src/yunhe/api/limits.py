"""Limits at the door, before a route is looked for: from where, how much, how long.

Pure ASGI; each layer raises an error of ours, which `yunhe.api.edge` turns into the answer.

| limit | set by | answer |
|---|---|---|
| Host is this server | ``public_url``, ``host``, loopback names | 421 ``api.host_unknown`` |
| Origin is its own page | ``public_url`` | 403 ``api.origin_refused`` |
| size of a body | ``body_bytes_max``, ``upload_bytes_max`` | 413 ``api.body_too_large`` |
| time of a body | `BODY_SECONDS`, `BODY_BYTES_PER_SECOND` | 408 ``api.body_too_slow`` |
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from collections.abc import Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api.requests import facts_of
from yunhe.kernel.errors import Invalid, NotAllowed
from yunhe.settings import Settings

BODY_SECONDS = 10.0
"""A body may take so long, and longer only as far as it keeps arriving at the next rate."""
BODY_BYTES_PER_SECOND = 16_384
"""The slowest a long body may arrive on average."""
UPLOADS = "/v1/uploads"
"""The one path whose bodies may be as long as ``upload_bytes_max``."""
_OUTPUTS = re.compile(r"/v1/agents/[^/]+/jobs/[^/]+/outputs/[^/]+")  # but for those of agents
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine for itself."""


class Hosts:
    """Answers only for names that are this server's.

    So a page of another site whose name was pointed here (DNS rebinding) reaches nothing.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """The names come from the settings."""
        self._app = app
        self._names, self._any = names_of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise `Invalid` ``api.host_unknown``."""
        host = facts_of(scope).headers.get(b"host", b"").decode("latin-1")
        if not self._any and host_name(host) not in self._names:
            raise Invalid("api.host_unknown", host=host[:100])
        await self._app(scope, receive, send)


def names_of(settings: Settings) -> tuple[Collection[str], bool]:
    """The host names that are this server's; the flag says that every name is taken.

    That is so only where the server listens beyond loopback and was not told its public address:
    then it can't know under which name it is reached.
    """
    public = urlsplit(settings.public_url).hostname
    if public is not None:
        return LOOPBACK | {public.lower(), settings.host.lower()}, False
    beyond = settings.host.lower() not in LOOPBACK
    return LOOPBACK | {settings.host.lower()}, beyond


def host_name(host: str) -> str:
    """The name or address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


class Origins:
    """Refuses what pages of other sites make a browser send; there is no CORS."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """The own origin is the public address, else the one the request was sent to."""
        self._app = app
        self._public = settings.public_url.rstrip("/").lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise `NotAllowed` ``api.origin_refused``.

        A browser that says nothing of the origin still says whether the request crosses sites
        (Sec-Fetch-Site); programs say neither. Source: W3C Fetch Metadata.
        """
        facts = facts_of(scope)
        origin = facts.headers.get(b"origin")
        if origin is not None:
            own = self._public or ("https://" if facts.https else "http://") + facts.headers.get(
                b"host", b""
            ).decode("latin-1")
            if origin.decode("latin-1").lower() != own.lower():
                raise NotAllowed("api.origin_refused", origin=origin.decode("latin-1")[:100])
        elif (
            facts.unsafe
            and facts.way == "session"
            and facts.headers.get(b"sec-fetch-site", b"none") not in (b"same-origin", b"none")
        ):
            raise NotAllowed("api.origin_refused", origin="")
        await self._app(scope, receive, send)


class Bodies:
    """Bounds the bytes and the time of a body while it is read, whoever reads it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """The bounds come from the settings."""
        self._app = app
        self._bytes_max = settings.body_bytes_max
        self._upload_bytes_max = settings.upload_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a ``receive`` that keeps the bounds.

        Errors: `Invalid` ``api.body_too_large``, at once for a body that says so itself;
        ``api.body_too_slow``.
        """
        facts = facts_of(scope)
        upload = facts.path == UPLOADS or _OUTPUTS.fullmatch(facts.path) is not None
        bytes_max = self._upload_bytes_max if upload else self._bytes_max
        stated = facts.headers.get(b"content-length", b"0")
        if len(stated) > 20 or (stated.isdigit() and int(stated) > bytes_max):
            raise Invalid("api.body_too_large", bytes_max=bytes_max)
        if facts.unsafe:
            receive = _Body(receive, bytes_max=bytes_max)
        await self._app(scope, receive, send)


class _Body:
    """A ``receive`` that counts."""

    def __init__(self, receive: Receive, *, bytes_max: int) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._size = 0
        self._whole = False
        self._started = time.monotonic()

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._whole:  # only the end of the connection can come now; it may take its time
            return await self._receive()
        until = self._started + BODY_SECONDS + self._size / BODY_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.001)):
                message = await self._receive()
        except TimeoutError:
            seconds = round(time.monotonic() - self._started)
            raise Invalid("api.body_too_slow", seconds=seconds) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > self._bytes_max:
                raise Invalid("api.body_too_large", bytes_max=self._bytes_max)
        return message


class Proxies:
    """Which peers are believed when they say for whom they forward."""

    def __init__(self, trusted: str) -> None:
        """``trusted``: addresses and networks, separated by commas.

        Errors: `Invalid` ``api.proxies_invalid`` for anything else.
        """
        try:
            self._networks = [
                ipaddress.ip_network(part.strip(), strict=False)
                for part in trusted.split(",")
                if part.strip()
            ]
        except ValueError as error:
            raise Invalid("api.proxies_invalid", why=str(error)) from None

    def sender(self, peer: str, headers: dict[bytes, bytes], *, https: bool) -> tuple[str, bool]:
        """Address of the caller, and whether it came over TLS.

        Of the addresses a chain of proxies lists, the last that is no trusted proxy counts: those
        before it are only what that caller says.
        """
        if not self._networks or not self._trusts(peer):
            return peer, https
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
        proto = headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[-1].strip()
        https = proto.lower() == "https" if proto else https
        for address in reversed([part.strip() for part in forwarded if part.strip()]):
            if not self._trusts(address):
                return address[:64], https
        return peer, https

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
