"""What machines ask about this process: is it alive, is it ready, how is it doing.

| Path | Answer | For whom |
|---|---|---|
| ``/healthz`` | 200 while the process answers at all | everybody |
| ``/readyz`` | 200, or 503 with codes; this machine and operators also read why | everybody |
| ``/metrics`` | figures for Prometheus | this machine; else a key with ``operations:read`` |

"This machine" means a connection from a loopback address for a loopback name and without the marks
of a proxy: a request that a proxy on the same machine passes on is not one of ours.
"""

from __future__ import annotations

import asyncio
import json

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yunhe.api import faults
from yunhe.api.listening import is_loopback
from yunhe.api.requests import Facts, attach, headers_of
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid, NotAllowed, YunheError
from yunhe.operations.service import CONTENT_TYPE, Health, Metrics
from yunhe.storage.service import Storage

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""The addresses answered here."""
SCOPE = "operations:read"
"""What a key needs for figures and sentences."""
_PROXY_MARKS = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"via")


class Probes:
    """An ASGI application for `PATHS`."""

    def __init__(self, storage: Storage, *, health: Health, metrics: Metrics) -> None:
        """Reads nothing yet."""
        self._storage, self._health, self._metrics = storage, health, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = headers_of(scope)
        facts = attach(scope, client="", https=False, headers=headers)
        try:
            response = await self._response(scope, facts)
        except YunheError as error:
            response = faults.response(error, facts)
        response.headers["x-request-id"] = facts.id
        await response(scope, receive, send)

    async def _response(self, scope: Scope, facts: Facts) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            params = {"method": scope["method"][:16], "allowed": "GET, HEAD"}
            raise Invalid("api.method_not_allowed", path=scope["path"], **params)
        if scope["path"] == "/healthz":
            return _json({"status": "ok"})
        near = _is_near(scope, facts.headers)
        if scope["path"] == "/readyz":
            full = near or await asyncio.to_thread(self._is_operator, facts.secret)
            report = await asyncio.to_thread(self._health.report)
            shown = _json(report.as_json(facts.language, full=full), 200 if report.ready else 503)
            if not report.ready:
                shown.headers["retry-after"] = "1"
            return shown
        if not near:
            await asyncio.to_thread(self._require, facts.secret)
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, media_type=None, headers={"content-type": CONTENT_TYPE})

    def _require(self, secret: str) -> None:
        if not secret:
            raise Invalid("api.credential_missing")
        with self._storage.database.read() as tx:
            now_us = self._storage.clock.now_us()
            principal = identity.authenticate(tx, secret, now_us=now_us)
        if principal.kind != "operator":
            raise NotAllowed("api.operator_only")
        if not principal.may(SCOPE):
            raise NotAllowed("api.scope_missing", scope=SCOPE)

    def _is_operator(self, secret: str) -> bool:
        try:
            self._require(secret)
        except YunheError:
            return False
        return True


def _is_near(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether the caller is on this machine and came by itself."""
    client = scope.get("client")
    if client is None or not is_loopback(client[0]) or any(m in headers for m in _PROXY_MARKS):
        return False
    host = headers.get(b"host", b"").decode("latin-1")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


def _json(value: object, status: int = 200) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    headers = {"cache-control": "no-store"}
    return Response(body, status, headers, media_type="application/json")
