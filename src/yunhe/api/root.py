"""The one ASGI application of a server: whose request it is, how long it took, and when to stop.

It hands a request to the probes or to the API or gateway, counts it by its route's template, names
it (``X-Request-Id``), and turns callers away before the machine is overcome.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yunhe.api import faults
from yunhe.api.connections import Bounds
from yunhe.api.probes import PATHS, Probes
from yunhe.api.requests import attach, headers_of
from yunhe.kernel.errors import NotFound, Unavailable, YunheError
from yunhe.kernel.ids import new_id
from yunhe.kernel.redaction import redacted
from yunhe.operations.service import Metrics, traces

GATEWAY_PATHS = (
    (re.compile(r"/v1/routes/[^/]{1,64}/answers", re.ASCII), "/v1/routes/{route}/answers"),
    (re.compile(r"/v1/answers/[^/]{1,64}", re.ASCII), "/v1/answers/{answer}"),
    (re.compile(r"/v1/answers/[^/]{1,64}/receipt", re.ASCII), "/v1/answers/{answer}/receipt"),
    (re.compile(r"/v1/routes", re.ASCII), "/v1/routes"),
)
"""What the gateway answers, with the name each has in figures."""
ELSEWHERE = "other"
"""Route of requests for addresses that are not there."""
_GONE = 499  # nginx's status for a caller who went away before the answer
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_log = logging.getLogger("yunhe.api.access")


@dataclass(slots=True, eq=False)
class _Seen:
    """One request on its way."""

    id: str
    method: str
    status: int = 0
    started: float = field(default_factory=time.perf_counter)


class Root:
    """Everything that listens on one address."""

    def __init__(
        self,
        *,
        app: ASGIApp | None,
        logs_itself: bool,
        probes: Probes,
        metrics: Metrics,
        bounds: Bounds,
    ) -> None:
        """``app`` is the API or the gateway; None answers the probes only.

        ``logs_itself`` says that it writes a line about each request, knowing who asked.
        """
        self.failure: Exception | None = None
        """Why the application did not start, or not end, in good order."""
        self._app = _nowhere if app is None else app
        self._logs_itself = logs_itself
        self._probes, self._metrics, self._bounds = probes, metrics, bounds
        self._at_work = 0
        self._streams = 0
        self._stopping = False
        self._stop_seen = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def at_work(self) -> int:
        """Requests that are not answered yet, streams included; any thread may ask."""
        return self._at_work + self._streams

    def stop(self) -> None:
        """Take no new requests and end streams; those at work go on. Any thread may call it."""
        self._stopping = True
        self._tell(self._stop_seen.set)

    def beat(self, seconds_max: float) -> bool:
        """Whether the event loop answers within that time; for another thread to ask."""
        heard = threading.Event()
        return self._tell(heard.set) and heard.wait(seconds_max)

    def _tell(self, then: Callable[[], None]) -> bool:
        """Let the event loop do something; False when it does not run."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(then)
        except RuntimeError:  # it has ended
            return False
        return self._loop is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI 3 asks."""
        if scope["type"] == "lifespan":
            self._loop = asyncio.get_running_loop()
            await self._live(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass start and end on to the application, and keep why one of them failed."""
        ended: list[Message] = []

        async def sending(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                ended.append(message)  # the server ends at this word, so it waits for the rest
            else:
                await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 (the server itself logs no more than that)
            self.failure = error
            failed = {"type": "lifespan.startup.failed", "message": type(error).__name__}
            ended.append(failed)
        for message in ended[:1]:
            await send(message)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PATHS:
            await self._probes(scope, receive, send)
            return
        streams = _asks_for_stream(scope)
        if refusal := self._refusal(streams=streams):
            self._metrics.refused()
            await _answer_error(refusal, scope, receive, send)
            return
        seen = _Seen(_name(scope), scope["method"])
        structlog.contextvars.bind_contextvars(request_id=seen.id)
        self._count(1, streams=streams)
        self._metrics.began()
        try:
            await self._watched(seen, scope, self._ending(receive) if streams else receive, send)
        finally:
            self._count(-1, streams=streams)
            self._note(seen, scope)

    async def _watched(self, seen: _Seen, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                headers = [*message.get("headers", ())]
                if all(name.lower() != b"x-request-id" for name, _ in headers):
                    headers.append((b"x-request-id", seen.id.encode()))
                if self._stopping:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        try:
            if not traces.on():
                await self._app(scope, receive, sending)
                return
            told = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
            with traces.request_span(seen.method, told) as mark:
                await self._app(scope, receive, sending)
                route = _template(scope)
                mark.rename(f"{seen.method} {route}")
                about: dict[str, str | int] = {
                    "http.request.method": seen.method,
                    "http.route": route,
                    "http.response.status_code": seen.status,
                    "yunhe.request_id": seen.id,
                }
                mark.set(about)
                if seen.status >= 500:
                    mark.failed()
        except asyncio.CancelledError:
            if not self._stopping or seen.status:
                raise
            await _answer_error(_stopping(), scope, receive, sending)  # out of time, but told why

    def _refusal(self, *, streams: bool) -> YunheError | None:
        if self._stopping:
            return _stopping()
        most = self._bounds.streams_max if streams else self._bounds.requests_max
        if (self._streams if streams else self._at_work) >= most:
            return Unavailable("api.busy", most=most, retryable=True)
        return None

    def _count(self, change: int, *, streams: bool) -> None:
        if streams:
            self._streams += change
        else:
            self._at_work += change

    def _ending(self, receive: Receive) -> Receive:
        """A stream's view of its caller, who seems to leave once the server stops."""

        async def until_stopped() -> Message:
            said = asyncio.ensure_future(receive())
            stop = asyncio.ensure_future(self._stop_seen.wait())
            try:
                await asyncio.wait({said, stop}, return_when=asyncio.FIRST_COMPLETED)
                return said.result() if said.done() else {"type": "http.disconnect"}
            finally:
                stop.cancel()
                if not said.done():
                    said.cancel()

        return until_stopped

    def _note(self, seen: _Seen, scope: Scope) -> None:
        """Count and log the request."""
        seconds = time.perf_counter() - seen.started
        route = _template(scope)
        status = seen.status or _GONE
        self._metrics.ended(seen.method, route, status=status, seconds=seconds)
        if self._logs_itself:
            return
        told = {
            "request_id": seen.id,
            "method": seen.method[:16],
            "route": route,
            "status": status,
            "seconds": round(seconds, 6),
        }
        _log.info("%s %s %d", seen.method[:16], route, status, extra=told)


def _name(scope: Scope) -> str:
    """The request's id: the caller's own if it is a proper one; every layer below finds the same.

    A caller's own id only ever names its own request, so it may choose it.
    """
    headers = [*scope["headers"]]
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    made = new_id("req")
    kept = [pair for pair in headers if pair[0] != b"x-request-id"]
    scope["headers"] = [*kept, (b"x-request-id", made.encode())]
    return made


def _asks_for_stream(scope: Scope) -> bool:
    return any(n == b"accept" and b"text/event-stream" in v for n, v in scope["headers"])


def _template(scope: Scope) -> str:
    """The template of the route that was found; never a path, of which there is no end."""
    found = getattr(scope.get("route"), "path", "")
    if isinstance(found, str) and found:
        return found
    path = scope["path"]
    return next((name for pattern, name in GATEWAY_PATHS if pattern.fullmatch(path)), ELSEWHERE)


def _stopping() -> Unavailable:
    return Unavailable("api.stopping", retryable=True)


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands in for an application where this process has none."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    error = NotFound("api.path_of_others", path=redacted(str(scope["path"]))[:200])
    await _answer_error(error, scope, receive, send)


async def _answer_error(error: YunheError, scope: Scope, receive: Receive, send: Send) -> None:
    facts = attach(scope, client="", https=False, headers=headers_of(scope))
    response = faults.response(error, facts)
    response.headers["x-request-id"] = facts.id
    if error.code == "api.stopping":
        response.headers["connection"] = "close"
    await response(scope, receive, send)
