"""Routes: how a floor declares them, the one class that guards them, and how a path finds its own.

The framework would try each route's expression in turn, some hundred of them for every request.
`Paths` walks the segments of the path instead, and knows which methods a path takes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from yunhe.api import access, call
from yunhe.api.authentication import Authentication
from yunhe.api.call import Call
from yunhe.api.direct import Plan
from yunhe.api.requests import Facts, accepts, facts_of
from yunhe.api.runtime import Runtime
from yunhe.api.table import ROWS
from yunhe.identity import service as identity
from yunhe.identity.domain import Principal
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.redaction import redacted

JSON = "application/json"
"""Media type of every body but files, texts and streams."""
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Declared:
    """One route as a floor declared it."""

    method: str
    """In capitals."""
    path: str
    """With its ids in braces."""
    endpoint: Callable[..., object]
    """The function; its name is the operation's id in the document, so it stays."""
    model: type | None
    """What a success shows; None for no body or one that is no JSON."""
    summary: str
    """One line for the document."""
    status: int = 200
    """Status of a success."""
    produces: str = JSON
    """Media type of a success."""
    consumes: str = JSON
    """Media type of the body, if there is one."""
    tag: str = ""
    """The floor."""

    @property
    def name(self) -> str:
        """Key of the route's row."""
        return f"{self.method} {self.path}"


@dataclass(slots=True)
class Routes:
    """The routes of one floor, filled by decorators."""

    tag: str
    """Name of the floor; groups the routes in the document."""
    declared: list[Declared] = field(default_factory=list)
    """In the order they stand in the file."""

    def add(
        self,
        name: str,
        model: type | None = None,
        *,
        status: int = 200,
        produces: str = JSON,
        consumes: str = JSON,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated function as ``"METHOD /path"``.

        The first line of its docstring says what it does.
        """
        method, _, path = name.partition(" ")

        def declare(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            summary = (endpoint.__doc__ or "").strip().splitlines()[0].rstrip(".")
            self.declared.append(
                Declared(
                    method, path, endpoint, model, summary, status, produces, consumes, self.tag
                )
            )
            return endpoint

        return declare


class Guarded(APIRoute):
    """A route that admits its caller before anything else is looked at, body included."""

    declared: Declared
    """What the floor declared; set by `yunhe.api.app`."""
    runtime: Runtime
    """What all requests share; likewise."""
    authentication: Authentication
    """Finds out who calls; likewise."""
    short: Plan | None
    """How it is answered without the framework's handler; likewise."""

    def get_route_handler(self) -> _Handler:
        """The framework's handler, behind the guard."""
        inner = super().get_route_handler()
        takes_body = self.body_field is not None

        async def guarded(request: Request) -> Response:
            call.keep(request, await self._admitted(request.scope))
            return await inner(_Parsed(request.scope, request.receive, takes_body=takes_body))

        return guarded

    async def serve(self, plan: Plan, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request the short way."""
        admitted = await self._admitted(scope)
        request = _Parsed(scope, receive, takes_body=self.body_field is not None)
        response = await plan.answer(request, admitted)
        await response(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Call:
        declared = self.declared
        facts = facts_of(scope)
        facts.route = declared.name
        if not accepts(facts.headers.get(b"accept", b"").decode("latin-1"), declared.produces):
            raise Invalid("api.not_acceptable", produces=declared.produces)
        row = ROWS[declared.name]
        principal = None if row.public else await self._admit(facts)
        return Call(self.runtime, facts, row, principal)

    async def _admit(self, facts: Facts) -> Principal:
        principal = await self.authentication.principal(facts)
        if facts.way == "session" and facts.unsafe:
            token = facts.headers.get(identity.CSRF_HEADER.encode(), b"")
            identity.check_csrf(facts.secret, token.decode("latin-1"))
        access.admit(ROWS[self.declared.name], principal)
        return principal


class _Parsed(Request):
    """A request whose JSON is read strictly: UTF-8, no lone surrogates, no NaN, 200 levels deep."""

    def __init__(self, scope: Scope, receive: Receive, *, takes_body: bool) -> None:
        super().__init__(scope, receive)
        self._takes_body = takes_body

    async def body(self) -> bytes:
        """The whole body. Errors: `Invalid` ``api.media_type`` when it is not said to be JSON."""
        body = await super().body()
        if body and self._takes_body:
            given = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if given != JSON:
                raise Invalid("api.media_type", takes=JSON)
        return body

    async def json(self) -> Any:  # noqa: ANN401 (as the framework declares it)
        """The body's value. Errors: `Invalid` ``api.not_json``."""
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise Invalid("api.not_json", why=str(error)[:200]) from None


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    id: _Node | None = None
    methods: dict[str, tuple[Guarded, tuple[str, ...]]] = field(default_factory=dict)


class Paths:
    """Finds the route of a path in as many steps as it has segments."""

    def __init__(self, routes: Sequence[Guarded], framework: ASGIApp) -> None:
        """A fixed segment wins over an id in the same place.

        ``framework`` takes what is no HTTP request, and routes that have no short way; it finds
        the route in the scope (`inside`).
        """
        self._root = _Node()
        self._framework = framework
        for route in routes:
            node, names = self._root, []
            for segment in route.path.split("/"):
                if segment.startswith("{"):
                    names.append(segment.strip("{}"))
                    node.id = node.id or _Node()
                    node = node.id
                else:
                    node = node.fixed.setdefault(segment, _Node())
            for method in route.methods or ():
                node.methods[method] = (route, tuple(names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to its route, as ASGI 3 asks.

        Errors: `NotFound` ``api.path_unknown``; `Invalid` ``api.method_not_allowed``.
        """
        if scope["type"] != "http":
            await self._framework(scope, receive, send)
            return
        path = str(scope["path"])
        found = _walk(self._root, path.split("/"), [])
        if found is None:
            raise NotFound("api.path_unknown", path=redacted(path)[:200])
        node, values = found
        if scope["method"] not in node.methods:
            allowed = ", ".join(sorted(node.methods))
            method = str(scope["method"])[:20]
            known = redacted(path)[:200]
            raise Invalid("api.method_not_allowed", path=known, method=method, allowed=allowed)
        route, names = node.methods[scope["method"]]
        scope["route"], scope["endpoint"] = route, route.endpoint
        scope["path_params"] = dict(zip(names, values, strict=True))
        if route.short is None:
            await self._framework(scope, receive, send)
        else:
            await route.serve(route.short, scope, receive, send)


def inside(otherwise: ASGIApp) -> ASGIApp:
    """The inside of the framework: a request goes to the route that `Paths` found for it."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        app = scope["route"].app if scope["type"] == "http" else otherwise
        await app(scope, receive, send)

    return served


def _walk(
    node: _Node, segments: Sequence[str], values: list[str]
) -> tuple[_Node, list[str]] | None:
    if not segments:
        return (node, values) if node.methods else None
    head, rest = segments[0], segments[1:]
    if head in node.fixed:
        found = _walk(node.fixed[head], rest, values)
        if found is not None:
            return found
    if node.id is not None and head:
        return _walk(node.id, rest, [*values, head])
    return None
