"""Events as they happen: Server-Sent Events that can be taken up again where they broke off.

Every event carries its number as ``id:``; a browser (and `yunhe.client`) sends the last one back
as ``Last-Event-ID``. Comments keep the connection alive. A stream ends with the event that ends
what it is about; asked for again after that, it answers 204, upon which browsers stop asking. After
`STREAM_SECONDS_MAX` it ends by itself, so that the caller's key is looked at again.

Source: WHATWG HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from yunhe.api.requests import facts_of
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Exhausted, Invalid, Unavailable, YunheError
from yunhe.storage import events
from yunhe.storage.database import Transaction
from yunhe.storage.events import Event

MEDIA_TYPE = "text/event-stream"
"""Of these answers."""
STREAMS_MAX = 500
"""Streams open in one process."""
STREAMS_MAX_EACH = 20
"""Streams open for one member."""
STREAM_SECONDS_MAX = 900.0
"""Longest stream."""
HEARTBEAT_SECONDS = 15.0
"""How long a stream is silent at most."""
LOOK_SECONDS = 0.25
"""How often all open streams together are looked after."""


_Result = TypeVar("_Result")
Show = Callable[[Event], Mapping[str, Json]]
"""The particulars of an event as its readers see them."""


class Look(Protocol):
    """Reads a few rows."""

    async def __call__(self, work: Callable[[Transaction], _Result], /) -> _Result:
        """What the work read."""
        ...


@dataclass(slots=True, eq=False)
class Follower:
    """One open stream."""

    stream: str
    """Its name; empty for one that looks for itself."""
    member: str
    """Who reads it."""
    after: int
    """Number of the last event they have."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be more."""


class Streams:
    """Every open stream of this process, woken by one look for all of them."""

    def __init__(self, look: Look) -> None:
        """Nothing is looked for while no stream is open; ``look`` reads from the database."""
        self._look_at = look
        self._open: set[Follower] = set()
        self._looking: asyncio.Task[None] | None = None

    def follow(
        self, stream: str, *, member: str, after: int, show: Show, ended: Callable[[Event], bool]
    ) -> Response:
        """The events of a stream after a number, until one of which ``ended`` is true."""
        return _EventStream(self, Follower(stream, member, after), show, ended)

    def join(self, follower: Follower) -> None:
        """Count a stream that is about to be written.

        Errors: `Unavailable` ``api.streams_busy``; `Exhausted` ``api.streams_too_many``.
        """
        if len(self._open) >= STREAMS_MAX:
            raise Unavailable("api.streams_busy", most=STREAMS_MAX, retryable=True)
        if sum(each.member == follower.member for each in self._open) >= STREAMS_MAX_EACH:
            raise Exhausted("api.streams_too_many", most=STREAMS_MAX_EACH, retryable=True)
        self._open.add(follower)

    async def next(self, follower: Follower) -> list[Event]:
        """The events that follow; empty when there are none within `HEARTBEAT_SECONDS`."""
        found = await self._read(follower)
        if not found:
            self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await follower.news.wait()
            found = await self._read(follower)
        return found

    def leave(self, follower: Follower) -> None:
        """Close it; again does nothing."""
        self._open.discard(follower)

    async def _read(self, follower: Follower) -> list[Event]:
        follower.news.clear()
        found = await self._look_at(lambda tx: events.after(tx, follower.stream, follower.after))
        if found:
            follower.after = found[-1].seq
        return found

    def _look(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_after_all())

    async def _look_after_all(self) -> None:
        while self._open:
            with suppress(YunheError):  # e.g. the database restarts: look again
                latest = await self._look_at(self._latest)
                for each in self._open:
                    if latest.get(each.stream, 0) > each.after:
                        each.news.set()
            await asyncio.sleep(LOOK_SECONDS)

    def _latest(self, tx: Transaction) -> dict[str, int]:
        return events.latest(tx, {each.stream for each in self._open})


class Stream(Response):
    """Writes events until their end, the caller's leaving, or the longest time."""

    def __init__(self, streams: Streams, follower: Follower) -> None:
        super().__init__(None, 200, {"cache-control": "no-store", "x-accel-buffering": "no"})
        self._streams, self._follower = streams, follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, as ASGI 3 asks."""
        self._streams.join(self._follower)
        facts_of(scope).unbounded()
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        headers.append((b"content-type", b"text/event-stream; charset=utf-8"))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            writing = asyncio.create_task(self.write(send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (writing, leaving):
                    task.cancel()
                await asyncio.gather(writing, leaving, return_exceptions=True)
            with suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._streams.leave(self._follower)

    async def write(self, send: Send) -> None:
        """Send what there is as it comes; return at the end."""
        raise NotImplementedError


class _EventStream(Stream):
    def __init__(
        self, streams: Streams, follower: Follower, show: Show, ended: Callable[[Event], bool]
    ) -> None:
        super().__init__(streams, follower)
        self._show, self._ended = show, ended

    async def write(self, send: Send) -> None:
        until = time.monotonic() + STREAM_SECONDS_MAX
        while time.monotonic() < until:
            found = await self._streams.next(self._follower)
            text = b"".join(written(each, self._show) for each in found) or b":\n\n"
            await send({"type": "http.response.body", "body": text, "more_body": True})
            if any(map(self._ended, found)):
                return


async def _left(receive: Receive) -> None:
    """Return when the caller is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def written(event: Event, show: Show) -> bytes:
    """One event as text: when it happened, as everywhere else, and what there is to say."""
    body = json.dumps({"at": iso(event.at_us), **show(event)}, ensure_ascii=False)
    return f"id: {event.seq}\nevent: {event.name}\ndata: {body}\n\n".encode()


def resumed_at(headers: Mapping[bytes, bytes], after: int) -> int:
    """The number to go on after: ``Last-Event-ID``, else what the query said.

    Errors: `Invalid` ``api.event_id`` for anything but a number.
    """
    given = headers.get(b"last-event-id", b"").strip()
    if not given:
        return after
    if not given.isdigit() or len(given) > 15:
        raise Invalid("api.event_id")
    return int(given)
