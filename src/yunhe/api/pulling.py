"""A body that arrives, as a thread reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator


def pulled(stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The stream piece by piece: each is asked for when the last was stored."""

    async def pull() -> bytes | None:
        return await anext(stream, None)

    while True:
        piece = asyncio.run_coroutine_threadsafe(pull(), loop).result()
        if piece is None:
            return
        if piece:
            yield piece
