"""Bytes as they come: Server-Sent Events whose number is the offset behind their last byte.

``event:`` names the stream (``stdout``, ``stderr``), the data holds the bytes as base64; ``gap``
says how many bytes are not kept any more; ``done`` comes last, with how it ended. Nothing is read
ahead of a slow reader. Taken up again as `yunhe.api.streams` says.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable

from starlette.types import Send

from yunhe.api.call import Call
from yunhe.api.streams import HEARTBEAT_SECONDS, STREAM_SECONDS_MAX, Follower, Stream
from yunhe.compute.service import live
from yunhe.kernel.canonical import Json
from yunhe.storage.database import Transaction

LOOK_SECONDS = 0.25
"""Between two looks for more."""
BUSY_SECONDS = 0.05
"""The same for a while after there was some."""
_BUSY_FOR_SECONDS = 3.0
_TOLD_SECONDS = 0.2
_TOLD_BYTES = 128 << 10

Read = Callable[[Transaction, str, int], live.Part]
"""What a subject said from a byte on."""
Given = Callable[[Transaction, int], None]
"""Told how far a reader is."""


class ByteStream(Stream):
    """Writes what a subject says until its end, the caller's leaving, or the longest time."""

    def __init__(
        self,
        call: Call,
        subject: str,
        *,
        offset: int,
        read: Read,
        given: Given | None = None,
    ) -> None:
        """``given`` is told now and then how far the reader is."""
        super().__init__(call.runtime.streams, Follower("", call.who.member, 0))
        self._call, self._subject = call, subject
        self._offset, self._read, self._given = offset, read, given
        self._told_at, self._told = 0.0, -1

    async def write(self, send: Send) -> None:
        """Look for more, often while there is some."""
        until = time.monotonic() + STREAM_SECONDS_MAX
        said_at = busy_at = time.monotonic()
        while time.monotonic() < until:
            part = await self._call.look(self._look)
            text = b"".join(self._events(part))
            now = time.monotonic()
            if text or now - said_at >= HEARTBEAT_SECONDS:
                said_at = now
                await send(
                    {"type": "http.response.body", "body": text or b":\n\n", "more_body": True}
                )
            await self._tell()
            if part.ended:
                return
            if text:
                busy_at = now
                continue
            busy = self._given is not None and now - busy_at < _BUSY_FOR_SECONDS
            await asyncio.sleep(BUSY_SECONDS if busy else LOOK_SECONDS)

    def _look(self, tx: Transaction) -> live.Part:
        return self._read(tx, self._subject, self._offset)

    def _events(self, part: live.Part) -> list[bytes]:
        found = []
        for piece in part.pieces:
            self._offset += piece.size
            if piece.left_out:
                found.append(event(self._offset, "gap", {"left_out": piece.left_out}))
            else:
                data = base64.b64encode(piece.data).decode()
                found.append(event(self._offset, piece.stream, {"data": data}))
        if part.ended:
            how: dict[str, Json] = {"state": part.state, "status": part.status, "why": part.why}
            found.append(event(self._offset + 1, "done", how))
        return found

    async def _tell(self) -> None:
        """Say how far the reader is: often while it reads, else each second as a sign of life."""
        given = self._given
        if given is None:
            return
        now, offset = time.monotonic(), self._offset
        far = offset - self._told
        wait = 0.0 if far >= _TOLD_BYTES else _TOLD_SECONDS if far > 0 else 1.0
        if now - self._told_at >= wait:
            self._told_at, self._told = now, offset
            await self._call.write(lambda tx: given(tx, offset))


def event(number: int, name: str, body: dict[str, Json]) -> bytes:
    """One event as text."""
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(body)}\n\n".encode()
