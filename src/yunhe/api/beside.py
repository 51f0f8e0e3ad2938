"""Two applications in one: the gateway answers its own paths, the API all others."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api.requests import facts_of

_GATEWAY = ("/v1/routes", "/v1/answers")


class Beside:
    """Hands each request to the one or the other; both start and stop with the server."""

    def __init__(self, app: ASGIApp, gateway: ASGIApp) -> None:
        """``gateway`` bounds its own bodies and answers."""
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI 3 asks."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif is_gateway(scope["path"]):
            facts_of(scope).route = "gateway"
            await self._gateway(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start the gateway before the API, and stop it after."""
        asked: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        told: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        living = asyncio.ensure_future(self._gateway({**scope}, asked.get, told.put))

        async def both(message: MutableMapping[str, Any]) -> None:
            await send(message)

        async def hear() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await asked.put(message)
                await told.get()
            return message

        try:
            await self._app(scope, hear, both)
        finally:
            await asked.put({"type": "lifespan.shutdown"})
            await living


def is_gateway(path: str) -> bool:
    """Whether the gateway answers this path."""
    return any(path == known or path.startswith(known + "/") for known in _GATEWAY)
