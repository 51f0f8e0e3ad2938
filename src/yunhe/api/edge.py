"""The outermost layer: knows each request, bounds its time, turns every error into an answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api import faults
from yunhe.api.limits import Proxies
from yunhe.api.requests import Facts, attach, headers_of
from yunhe.kernel.errors import Unavailable
from yunhe.settings import Settings

_log = logging.getLogger("yunhe.api.access")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Edge:
    """Everything of HTTP passes here; nothing below has to think of ids, errors or time."""

    def __init__(self, app: ASGIApp, settings: Settings, *, living: ASGIApp) -> None:
        """``app`` gets HTTP requests and may raise what it wants; ``living`` the lifespan."""
        self._app = app
        self._living = living
        self._seconds_max = settings.request_seconds_max
        self._proxies = Proxies(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI 3 asks; never raises for an HTTP request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._living(scope, receive, send)
            return
        headers = headers_of(scope)
        peer = scope.get("client")
        client, https = self._proxies.sender(
            str(peer[0]) if peer else "", headers, https=scope.get("scheme") == "https"
        )
        facts = attach(scope, client=client, https=https, headers=headers)
        answer = _Answer(send, facts)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_max) as facts.timeout:
                await self._app(scope, receive, answer)
        except TimeoutError:
            if facts.timeout is None or not facts.timeout.expired():
                raise
            await answer.fail(
                Unavailable("api.too_long", seconds=self._seconds_max, retryable=True)
            )
        except Exception as error:  # noqa: BLE001 (the edge of HTTP: a caller gets the one shape)
            await answer.fail(error)
        finally:
            _log.info(
                "%s %d",
                facts.route or facts.method,
                answer.status,
                extra={
                    "request_id": facts.id,
                    "method": facts.method,
                    "route": facts.route,
                    "status": answer.status,
                    "seconds": round(time.monotonic() - started, 6),
                    "member": facts.member,
                },
            )


class _Answer:
    """A ``send`` that adds what every answer carries."""

    def __init__(self, send: Send, facts: Facts) -> None:
        self._send = send
        self._facts = facts
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = list(message.get("headers", ()))
            headers += _ALWAYS
            headers.append((b"x-request-id", self._facts.id.encode()))
            headers += self._facts.answer
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answer with the error, unless an answer has begun: then the connection just ends."""
        if self.status:
            if self._facts.failure is not error:
                faults.explained(error, self._facts)  # for the log
            return
        answer = faults.response(faults.explained(error, self._facts), self._facts)
        scope = cast("Scope", {"type": "http", "method": self._facts.method})
        await answer(scope, _nothing, self)


async def _nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}
