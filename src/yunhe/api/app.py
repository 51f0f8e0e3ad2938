"""The HTTP API as one ASGI application.

From the outside in: `edge` (request id, errors, time), `limits` (Host, Origin, bodies), `rates`
(buckets and quotas), then the gateway's own paths, then `paths` (finds the route), `paths.Guarded`
(admits the caller) and the route.

**Adding a route** takes three small things; the program does not start with one of them missing.

1. Messages in ``client/wire/<floor>.py``: what is sent extends `Sent`, what is shown `Shown`, each
   with an ``example`` (`Page` makes its own), used by the server and `yunhe.client` alike.
2. A row in `yunhe.api.table`: ``"GET /v1/things/{thing}": row("<floor>:read", *ROLES, beyond=…)``.
3. A function in ``api/routes/<floor>.py``; its name is the operation's id, for ever::

       routes = Routes("things")

       @routes.add("GET /v1/things/{thing}", wire.Thing)
       async def get_thing(thing: PathId, call: Caller) -> wire.Thing:
           \"\"\"One thing.\"\"\"
           found = await call.look(lambda tx: service.thing(tx, thing))
           if not call.reaches(found.organisation, found.project):
               raise errors.thing_unknown(thing)  # exactly what service.thing raises
           return _shown(found)

       @routes.add("GET /v1/things", Page[wire.Thing])
       async def list_things(call: Caller, after: After = None, limit: Limit = 50)
               -> Page[wire.Thing]:
           \"\"\"Things, oldest first.\"\"\"
           [last] = call.place(after, like=("",))
           rows = await call.look(
               lambda tx: service.things(tx, organisation=call.tenant, after=last, limit=limit + 1)
           )
           return page(call, rows, limit=limit, shown=_shown, place=lambda row: (row.id,))

       @routes.add("POST /v1/things", wire.Thing, status=201)
       async def create_thing(call: Caller, key: Key, body: wire.NewThing) -> Response:
           \"\"\"Make a thing.\"\"\"
           at_us = call.now_us()

           def make(tx: Transaction, key: str) -> wire.Thing:
               return _shown(service.make(tx, key=key, by=call.who, at_us=at_us))

           return await call.create(key, body, make)

   and the module's ``routes`` in `FLOORS` below.

``call.look`` is for a few rows by key or index (done at once where the database is a file);
``call.read`` for more (in a thread); ``call.write`` and ``call.create`` run short commands in the
group that is committed next; ``call.apart`` runs a command that has its own transactions. Routes
decide nothing: whatever may go wrong is an error of the floor, and `faults` knows its status.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from yunhe.api import direct, document, faults, limits, paths
from yunhe.api.authentication import Authentication
from yunhe.api.beside import Beside
from yunhe.api.edge import Edge
from yunhe.api.paths import Declared, Guarded, Paths, Routes
from yunhe.api.rates import Rates
from yunhe.api.routes import (
    about,
    agents,
    applications,
    bounds,
    cities,
    compute,
    corpus,
    credentials,
    custody,
    erasures,
    evaluation,
    exchange,
    forwarding,
    governance,
    identity,
    ledger,
    live,
    models,
    notices,
    operations,
    planning,
    plans,
    programmes,
    queue,
    rating,
    redemptions,
    releases,
    reviews,
    services,
    sessions,
    sources,
    statements,
    supply,
    uploads,
    vault,
    ways,
    windows,
)
from yunhe.api.runtime import Runtime
from yunhe.api.table import ROWS
from yunhe.app import Platform
from yunhe.kernel.errors import YunheError

FLOORS: Sequence[Routes] = (
    identity.routes,
    cities.routes,
    credentials.routes,
    sessions.routes,
    operations.routes,
    uploads.routes,
    vault.routes,
    compute.routes,
    live.routes,
    services.routes,
    queue.routes,
    forwarding.routes,
    agents.routes,
    statements.routes,
    supply.routes,
    ways.routes,
    bounds.routes,
    windows.routes,
    planning.routes,
    rating.routes,
    applications.routes,
    redemptions.routes,
    programmes.routes,
    corpus.routes,
    reviews.routes,
    sources.routes,
    exchange.routes,
    plans.routes,
    erasures.routes,
    notices.routes,
    ledger.routes,
    custody.routes,
    models.routes,
    evaluation.routes,
    governance.routes,
    releases.routes,
    about.routes,
)
"""Every floor's routes, in the order of the document."""


def create_app(platform: Platform, *, gateway: ASGIApp | None = None) -> ASGIApp:
    """The API of a platform; its lifespan starts and stops what all requests share.

    ``gateway`` answers its own paths (`yunhe.models.gateway`) when it runs in the same process; it
    is started and stopped with the API. Errors: ``RuntimeError`` when the table of access and the
    routes do not match, which is a mistake of the program.
    """
    runtime = Runtime(platform)
    authentication = Authentication(runtime)
    declared = [route for floor in FLOORS for route in floor.declared]
    _check(declared)
    framework = _framework(runtime, authentication, declared)
    answering: ASGIApp = framework if gateway is None else Beside(framework, gateway)
    inner: ASGIApp = Rates(answering, runtime, authentication)
    inner = limits.Bodies(inner, platform.settings)
    inner = limits.Origins(inner, platform.settings)
    inner = limits.Hosts(inner, platform.settings)
    return Edge(inner, platform.settings, living=answering)


def _check(declared: Sequence[Declared]) -> None:
    names = [route.name for route in declared]
    doubled = {name for name in names if names.count(name) > 1}
    ids = [route.endpoint.__name__ for route in declared]
    doubled |= {name for name in ids if ids.count(name) > 1}
    without, beyond = set(names) - ROWS.keys(), ROWS.keys() - set(names)
    if doubled or without or beyond:
        raise RuntimeError(f"twice: {doubled}; without a row: {without}; no route: {beyond}")


def _framework(
    runtime: Runtime, authentication: Authentication, declared: Sequence[Declared]
) -> ASGIApp:
    @asynccontextmanager
    async def live(_: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        try:
            yield
        finally:
            await asyncio.to_thread(runtime.stop)

    app = FastAPI(
        title="Yunhe",
        version=document.VERSION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=live,
        exception_handlers={
            YunheError: faults.handle,
            HTTPException: faults.handle,
            RequestValidationError: faults.handle,
            Exception: faults.handle,
        },
    )
    app.router.route_class = Guarded
    for route in declared:
        app.router.add_api_route(
            route.path,
            route.endpoint,
            methods=[route.method],
            response_model=route.model,
            status_code=route.status,
            summary=route.summary,
            operation_id=route.endpoint.__name__,
            tags=[route.tag],
        )
    guarded = [route for route in app.router.routes if isinstance(route, Guarded)]
    for made, known in zip(guarded, declared, strict=True):
        made.declared, made.runtime, made.authentication = known, runtime, authentication
        made.short = direct.plan(made)
    runtime.document = cache(lambda: document.written(guarded))
    stack: Any = paths.inside(app.router.middleware_stack)  # the framework wants a coroutine's type
    app.router.middleware_stack = stack
    return Paths(guarded, app)
