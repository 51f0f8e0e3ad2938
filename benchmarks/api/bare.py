"""The API the slow way and the bare way, on the same runtime: what the framework costs.

    python benchmarks/api/bare.py HOME WAY

WAY ``framework`` is the whole API with FastAPI's own handler for every route, as it comes; ``bare``
answers one read and one write in raw ASGI, with the same authentication, ledger and group commit,
but without limits, quotas, checks, log, document or errors: what no API could be faster than.
Prints the address as `yunhe up --json` does; `api/load` starts it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api import direct, server
from yunhe.api.access import row
from yunhe.api.authentication import Authentication
from yunhe.api.call import Call
from yunhe.api.requests import attach, headers_of
from yunhe.api.routes import ledger as routes
from yunhe.api.runtime import Runtime
from yunhe.app import Platform, open_platform
from yunhe.client.wire import ledger as wire
from yunhe.ledger import service as ledger
from yunhe.operations import logs
from yunhe.settings import from_environment


class Bare:
    """GET /v1/accounts/{account} and POST /v1/transfers with nothing around them."""

    def __init__(self, platform: Platform) -> None:
        self._runtime = Runtime(platform)
        self._authentication = Authentication(self._runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI 3 asks."""
        if scope["type"] == "lifespan":
            self._runtime.start()
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._runtime.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
        facts = attach(scope, client="", https=False, headers=headers_of(scope))
        who = await self._authentication.principal(facts)
        call = Call(self._runtime, facts, row(), who)
        status, body = await (
            self._read(call) if facts.method == "GET" else self._write(call, receive)
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, call: Call) -> tuple[int, bytes]:
        account = call.facts.path.rpartition("/")[2]
        found = await call.look(lambda tx: ledger.balance(tx, account))
        shown = {name: getattr(found, name) for name in ("owner", "unit", "purpose", "available")}
        return 200, json.dumps(shown).encode()

    async def _write(self, call: Call, receive: Receive) -> tuple[int, bytes]:
        sent = bytearray()
        while True:
            message = await receive()
            sent += message.get("body", b"")
            if not message.get("more_body"):
                break
        key = call.facts.headers[b"idempotency-key"].decode()
        body = wire.NewTransfer.model_validate_json(bytes(sent))
        made: Any = await routes.create_transfer(call, key, body)
        return made.status_code, made.body


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("way", choices=("framework", "bare"))
    asked = parser.parse_args()
    logs.configure(form="text", level="info")
    if asked.way == "framework":
        direct.plan = lambda _: None
    else:

        def bare(platform: Platform, _: object) -> ASGIApp:
            return Bare(platform)

        server._application = bare  # noqa: SLF001 (a server is made for one application)
    with open_platform(from_environment(home=asked.home)) as platform:
        server.run(
            platform,
            parts=("api",),
            host="127.0.0.1",
            port=0,
            ready=lambda url: print(json.dumps({"url": url}), flush=True),
        )


if __name__ == "__main__":
    main()
