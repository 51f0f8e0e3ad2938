"""Connections that cannot be held open for nothing: what uvicorn leaves out about slow callers.

uvicorn bounds how long an idle connection is kept, but a caller that sends its head or body byte by
byte, or never reads its answer, would hold a connection for ever. Here each of these has an end:

| what | bound | what happens |
|---|---|---|
| connect → complete head | `Bounds.head_seconds_max` | 408, closed |
| head | `Bounds.head_bytes_max` | 431, closed |
| body left over after the answer | `Bounds.rest_seconds_max` | closed |
| answer not read by the caller | `Bounds.write_seconds_max` | cut |
| requests sent ahead of their answers | `Bounds.pipeline_max` | 400, closed |
| connections | `Bounds.connections_max` | 503 with Retry-After, closed |

How long the body of a request may take is the application's business: it knows what is uploaded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from yunhe.kernel.errors import Invalid, Unavailable, YunheError

_PHRASES = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}
_ERRORS: dict[int, YunheError] = {
    400: Invalid("api.not_http"),
    408: Invalid("api.head_too_slow"),
    431: Invalid("api.head_too_large"),
    503: Unavailable("api.too_many_connections", retryable=True),
}
_LAST_LOOK_SECONDS = 0.5  # a busy loop reads what has come before it judges a caller slow
_GATHERED_BYTES_MAX = 65_536  # as much as a transport itself takes before it asks to wait
_FAREWELL_SECONDS = 2.0  # how long a refused caller may take to read why


@dataclass(frozen=True, slots=True)
class Bounds:
    """What callers together, and each of them, may take of the server."""

    connections_max: int = 16_384
    """Open connections; more are told to come back."""
    farewells_max: int = 256
    """Callers being told so at once; beyond, connections are cut without a word."""
    requests_max: int = 1_024
    """Requests at work at once; more are told to come back."""
    streams_max: int = 512
    """Event streams open at once."""
    head_seconds_max: float = 10.0
    """From connecting, or from a later request's first byte, to its complete head."""
    head_bytes_max: int = 65_536
    """Request line and header fields together."""
    rest_seconds_max: float = 5.0
    """For the rest of a body whose answer was already given."""
    write_seconds_max: float = 30.0
    """How long a caller may leave an answer unread."""
    pipeline_max: int = 32
    """Requests that wait on one connection for the answer before them."""


class Gathering:
    """A transport that sends what is written in one go of the event loop as one piece.

    uvicorn writes the head and the body of an answer one after the other; each write would be a
    call of the system and wake the other side.
    """

    __slots__ = ("_loop", "_parts", "_size", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (everything else is the transport's)
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send ``data`` soon: before the event loop waits, or at once when much has come."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _GATHERED_BYTES_MAX:
            self.flush()

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._transport.is_closing()

    def flush(self) -> None:
        """Hand over what was written."""
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            if not self._transport.is_closing():
                self._transport.write(b"".join(parts))

    def write_eof(self) -> None:
        """Send what was written, then the end."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what was written, then close."""
        self.flush()
        self._transport.close()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with an end to every kind of waiting."""

    bounds = Bounds()
    """Set by `guarded`."""
    refused: Callable[[], None] = staticmethod(lambda: None)
    """Told of every caller turned away."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """As uvicorn calls it."""
        super().__init__(config, server_state, app_state, _loop)
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._receiving = False
        self._refused = False
        self._head_bytes = 0
        self._piece_bytes = 0

    def connection_made(  # type: ignore[override]  # as uvicorn itself narrows it
        self, transport: asyncio.Transport
    ) -> None:
        """Start the clock of the first head, or turn the caller away."""
        super().connection_made(cast("asyncio.Transport", Gathering(transport, self.loop)))
        surplus = len(self.connections) - self.bounds.connections_max
        if surplus > 0:
            self._refuse(503)
            if surplus > self.bounds.farewells_max:
                self._close()
            return
        self._arm(self.bounds.head_seconds_max, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        self._disarm()
        if self._write_timer is not None:
            self._write_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what a welcome caller sent, as long as its head stays small."""
        if self._refused:
            return  # drained, so that closing does not throw our answer away
        self._piece_bytes = len(data)
        super().data_received(data)
        if not self._in_head or self._refused:
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.bounds.head_bytes_max:
            self._refuse(431)
        elif self._timer is None and not self.transport.is_closing():
            self._arm(self.bounds.head_seconds_max, self._head_late)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._receiving = True, True

    def on_headers_complete(self) -> None:
        """A head is complete; the body's time is the application's."""
        self._in_head, self._head_bytes = False, 0
        self._disarm()
        if len(self.pipeline) >= self.bounds.pipeline_max:
            raise ValueError("too many requests ahead of their answers")  # a 400 from uvicorn
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is whole; the next head may begin."""
        self._receiving, self._in_head = False, True
        self._head_bytes = -self._piece_bytes  # the end of a body is no part of the next head
        if self.cycle is not None and self.cycle.response_complete:
            self._disarm()
            self._unset_keepalive_if_required()
            self._keep_alive()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out; a body that still comes gets little time."""
        super().on_response_complete()
        if self._receiving and not self.pipeline and not self.transport.is_closing():
            self._arm(self.bounds.rest_seconds_max, self._close)

    def pause_writing(self) -> None:
        """The caller does not read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.bounds.write_seconds_max, self._abort)

    def resume_writing(self) -> None:
        """The caller reads again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the parser's own words)
        """What came is no HTTP, or too much of it."""
        self._refuse(400)

    def _keep_alive(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, then)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_late(self) -> None:
        self._arm(_LAST_LOOK_SECONDS, self._head_too_late)

    def _head_too_late(self) -> None:
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Say why, and close once the caller has had a moment to read it."""
        self._refused = True
        self.refused()
        if self.cycle is not None and not self.cycle.response_complete:
            self._close()  # an answer is under way: another between its bytes would be a lie
            return
        if self.transport.is_closing():
            return
        # Which language the caller reads stands in the head that was not taken.
        body = json.dumps(_ERRORS[status].as_json("en")).encode()
        retry = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"%sconnection: close\r\n\r\n%s" % (status, _PHRASES[status], len(body), retry, body)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(_FAREWELL_SECONDS, self._close)

    def _close(self) -> None:
        self._forget()
        self.transport.close()

    def _abort(self) -> None:
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        """Let what is at work for this caller know that nobody listens any more."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


def guarded(bounds: Bounds, *, refused: Callable[[], None]) -> type[GuardedProtocol]:
    """The protocol class with these bounds, for uvicorn's ``http=``."""
    made = {"bounds": bounds, "refused": staticmethod(refused)}
    return type("BoundedProtocol", (GuardedProtocol,), made)
