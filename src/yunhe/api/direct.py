"""The short way to a route: its arguments checked by the framework's own fields, nothing else.

The framework's handler builds exit stacks, a dependency graph and a second validation of what the
route itself just made, which together cost more than the look-up most routes do. A route that only
takes ids, queries, headers and one JSON body needs none of that; `plan` says whether it is one.
`benchmarks/api/load.py` measures the difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response

from yunhe.client.wire.shapes import Page

if TYPE_CHECKING:
    from fastapi._compat import ModelField
    from fastapi.dependencies.models import Dependant

    from yunhe.api.call import Call
    from yunhe.api.paths import Guarded

_ODD = (
    "request_param_name",
    "websocket_param_name",
    "http_connection_param_name",
    "response_param_name",
    "background_tasks_param_name",
    "security_scopes_param_name",
)  # what a route may ask the framework for that is not known here


@dataclass(frozen=True, slots=True)
class Plan:
    """How a route is called and its result shown."""

    endpoint: Callable[..., Awaitable[object]]
    """The route."""
    call_name: str
    """The parameter that gets the `Call`."""
    path: list[ModelField]
    """Ids of the address."""
    query: list[ModelField]
    """After the question mark."""
    headers: list[ModelField]
    """Header fields."""
    body: list[ModelField]
    """None, or the one body."""
    status: int
    """Of a success."""
    shown: Callable[[object], bytes]
    """A result as JSON."""

    async def answer(self, request: Request, call: Call) -> Response:
        """Check the arguments, call the route, show what it made.

        Errors: ``RequestValidationError`` with every fault, as the framework raises it.
        """
        scope = request.scope
        values: dict[str, Any] = {self.call_name: call}
        errors: list[Any] = []
        if self.path:
            _add(values, errors, request_params_to_args(self.path, scope["path_params"]))
        if self.query:
            given = QueryParams(scope["query_string"])
            _add(values, errors, request_params_to_args(self.query, given))
        if self.headers:
            given_headers = Headers(scope=scope)
            _add(values, errors, request_params_to_args(self.headers, given_headers))
        if self.body:
            sent = await request.json() if await request.body() else PydanticUndefined
            found = await request_body_to_args(self.body, sent, embed_body_fields=False)
            _add(values, errors, found)
        if errors:
            raise RequestValidationError(errors)
        made = await self.endpoint(**values)
        if isinstance(made, Response):
            return made
        return Response(self.shown(made), self.status, media_type="application/json")


def _add(
    values: dict[str, Any], errors: list[Any], found: tuple[dict[str, Any], list[Any]]
) -> None:
    values.update(found[0])
    errors.extend(found[1])


def plan(route: Guarded) -> Plan | None:
    """The short way to this route; None when it needs the framework's own."""
    needs = route.dependant
    if (
        len(needs.dependencies) != 1
        or needs.cookie_params
        or any(map(needs.__getattribute__, _ODD))
    ):
        return None
    [call] = needs.dependencies
    if not call.name or _asks(call) or len(needs.body_params) > 1 or route.response_model is None:
        return None
    return Plan(
        endpoint=route.endpoint,
        call_name=call.name,
        path=needs.path_params,
        query=needs.query_params,
        headers=needs.header_params,
        body=needs.body_params,
        status=route.status_code or 200,
        shown=_shower(route.response_model),
    )


def _asks(call: Dependant) -> bool:
    """Whether what gives the `Call` takes more than the request."""
    parts = (call.path_params, call.query_params, call.header_params, call.body_params)
    return any(map(bool, (*parts, call.cookie_params, call.dependencies)))


def _shower(model: Any) -> Callable[[object], bytes]:  # noqa: ANN401 (as the framework keeps it)
    """Writes what a route made; what it made is of that very model, or of what validates as it."""
    whole: TypeAdapter[Any] = TypeAdapter(model)
    items = _items_of(model)
    if items is not None:
        each: TypeAdapter[Any] = TypeAdapter(list[items])  # type: ignore[valid-type]

        def page(made: object) -> bytes:
            if type(made) is not Page or not all(type(item) is items for item in made.items):
                return whole.dump_json(
                    whole.validate_python(made, from_attributes=True), by_alias=True
                )
            after = b"null" if made.next is None else _quoted(made.next)
            return (
                b'{"items":'
                + each.dump_json(made.items, by_alias=True)
                + b',"next":'
                + after
                + b"}"
            )

        return page

    def one(made: object) -> bytes:
        if type(made) is not model:
            made = whole.validate_python(made, from_attributes=True)
        return whole.dump_json(made, by_alias=True)

    return one


_TEXT: TypeAdapter[str] = TypeAdapter(str)


def _quoted(text: str) -> bytes:
    return _TEXT.dump_json(text)


def _items_of(model: object) -> type[BaseModel] | None:
    """The class of a page's items; None for what is no page, or one of something else."""
    metadata: Mapping[str, Any] = getattr(model, "__pydantic_generic_metadata__", {})
    if metadata.get("origin") is not Page:
        return None
    [items] = metadata["args"]
    return items if isinstance(items, type) and issubclass(items, BaseModel) else None
