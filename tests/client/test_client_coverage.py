"""The client has a method for every route, and each asks as the server wants to be asked."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import httpx
import pytest
from pydantic import BaseModel

from yunhe.api import document
from yunhe.api.app import FLOORS
from yunhe.api.paths import Declared
from yunhe.api.requests import accepts
from yunhe.api.table import ROWS
from yunhe.client.client import Client
from yunhe.client.floors.floor import Floor
from yunhe.client.http import Options

FOR_BROWSERS = {
    "GET /auth/login", "GET /auth/callback", "POST /auth/link", "POST /auth/logout",
    "GET /v1/session", "POST /v1/session",
}  # fmt: skip
"""A program has a key; these make and end the cookies of people."""
HARMLESS_AGAIN = {
    "POST /v1/uploads",  # the digest is the key
    "POST /v1/agents/{site}/jobs/{job}/outputs/{name}",  # the name is the key
    "POST /v1/agents/{site}/work",  # what is not held is named again
    "POST /v1/forwarded/{job}/cancel",
    "POST /v1/members/{member}/roles",
    "POST /v1/operations/{operation}/cancel",
    "POST /v1/services/{service}/change",
    "POST /v1/services/{service}/stop",
    "POST /v1/services/{service}/load",  # a report has its id
    "POST /v1/workloads/{workload}/cancel",
    "POST /v1/windows/{window}/change",
    "POST /v1/execs/{exec}/input",  # a piece has its number
    "POST /v1/execs/{exec}/end",
    "POST /v1/listings/{listing}/withdraw",
    "POST /v1/models/{model}/withdraw",
    "POST /v1/reviews/{review}/claims",  # what one holds comes first
    "POST /v1/reviews/{review}/release",
    "POST /v1/reviews/{review}/judgements",
    "POST /v1/reviews/{review}/withdraw",
    "POST /v1/sources/{source}/decide",  # what is decided stays
    # What was decided, said or handed in stays as it is when it is said again in the same words
    "POST /v1/applications/{application}/amend",
    "POST /v1/applications/{application}/close",
    "POST /v1/applications/{application}/confirm",
    "POST /v1/applications/{application}/decide",
    "POST /v1/applications/{application}/pay",
    "POST /v1/applications/{application}/redeem",
    "POST /v1/applications/{application}/report",
    "POST /v1/applications/{application}/votes",
    "POST /v1/applications/{application}/withdraw",
    "POST /v1/disputes/{dispute}/decide",
    "POST /v1/pools/{pool}/change",
    "POST /v1/pools/{pool}/maintenance/{maintenance}/cancel",
    "POST /v1/pools/{pool}/nodes/{node}/change",
    "POST /v1/pools/{pool}/prices/{price}/end",
    "POST /v1/rulings",  # asks the rules and keeps nothing
    "POST /v1/previews",  # what was done is taken back
    "POST /v1/gradings/preview",
    "POST /v1/verify",
    "POST /v1/orders/{order}/cancel",
    "POST /v1/grants/{grant}/revoke",
    "POST /v1/notices/read",
    "POST /v1/webhooks/{webhook}/resume",
    "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver",  # receivers know the id
}
"""Routes that take no Idempotency-Key because doing them again changes nothing more."""
BYTES = b"bytes of a file"
DIGEST = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
DECLARED = {route.name: route for floor in FLOORS for route in floor.declared}
PATTERNS = [
    (name, re.compile(re.sub(r"\{\w+\}", "([^/]+)", route.path)))
    for name, route in DECLARED.items()
]
METHODS = [
    pytest.param(floor, method, id=f"{floor}.{method}")
    for floor, of in sorted(vars(Client("http://127.0.0.1:1")).items())
    if isinstance(of, Floor)
    for method in sorted(vars(type(of)))
    if not method.startswith("_")
]


def route_of(request: httpx.Request) -> Declared:
    fixed_first = sorted(PATTERNS, key=lambda pair: pair[0].count("{"))
    for name, pattern in fixed_first:
        if name.startswith(f"{request.method} ") and pattern.fullmatch(request.url.path):
            return DECLARED[name]
    raise AssertionError(f"no route {request.method} {request.url.path}")


def parameters(route: Declared) -> dict[str, Any]:
    return dict(inspect.signature(route.endpoint).parameters)


def body_model(route: Declared) -> type[BaseModel] | None:
    return get_type_hints(route.endpoint, include_extras=False).get("body")


class Counter:
    """Answers every request with the document's own example, after looking at it closely."""

    def __init__(self) -> None:
        self.asked: list[Declared] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        route = route_of(request)
        self.asked.append(route)
        known = parameters(route)
        assert set(request.url.params) <= set(known), route.name
        assert accepts(request.headers["accept"], route.produces), route.name
        assert (request.method == "POST") == ("idempotency-key" in request.headers)
        if route.consumes == "application/json":
            model = body_model(route)
            assert (model is None) == (request.content == b""), route.name
            if model is not None:
                model.model_validate_json(request.content, strict=False)
        else:
            assert request.read() == BYTES
        return self.answer(route)

    def answer(self, route: Declared) -> httpx.Response:
        if route.produces == "text/event-stream":
            events = b'id: 1\nevent: running\ndata: {}\n\nid: 2\nevent: done\ndata: {"a": 1}\n\n'
            return httpx.Response(200, headers={"content-type": route.produces}, content=events)
        if route.model is None:
            return httpx.Response(route.status, content=b"" if route.status == 204 else BYTES)
        example = json.dumps(document.example(route.model))
        example = re.sub(r"sha256:[0-9a-f]{64}", DIGEST, example)
        return httpx.Response(route.status, content=example.encode())


def argument(name: str, hint: Any, folder: Path) -> Any:
    if hint is Path or hint == Path | bytes:
        path = folder / "file"
        path.write_bytes(BYTES)
        return path
    if get_origin(hint) is Literal:
        return get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_validate(document.example(hint))
    if hint is int:
        return 3_600_000
    assert hint is str, (name, hint)
    return {"digest": DIGEST, "reference": "0" * 64, "name": "model.safetensors"}.get(
        name, f"{name[:3]}_01k9zabcdefghjkmnpqrstvwxy"
    )


def called(method: Callable[..., Any], folder: Path) -> Any:
    hints = get_type_hints(method)
    given, named = [], {}
    for name, parameter in inspect.signature(method).parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            continue
        value = argument(name, hints[name], folder)
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            given.append(value)
    result = method(*given, **named)
    return list(result) if isinstance(result, Iterator) else result


def seen_by(client: Client, floor: str, method: str, folder: Path) -> Any:
    return called(getattr(getattr(client, floor), method), folder)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def client(counter) -> Iterator[Client]:
    options = Options(transport=httpx.MockTransport(counter))
    with Client("http://127.0.0.1:1", "yk_test", options) as opened:
        yield opened


@pytest.mark.parametrize(("floor", "method"), METHODS)
def test_a_method_asks_as_its_route_wants_and_understands_the_example(
    client, counter, floor, method, tmp_path
):
    result = seen_by(client, floor, method, tmp_path)
    shapes = {route.model for route in counter.asked}
    items = {
        args[0]
        for shape in shapes
        if shape is not None and (args := shape.__pydantic_generic_metadata__["args"])
    }
    assert counter.asked
    if isinstance(result, BaseModel):
        assert type(result) in shapes
    if isinstance(result, list) and result and isinstance(result[0], BaseModel):
        assert {type(each) for each in result} <= items
    public = inspect.getdoc(getattr(type(getattr(client, floor)), method))
    assert public, "every method says what it promises"


def test_every_route_has_a_method(client, counter, tmp_path):
    client.document()
    for each in METHODS:
        seen_by(client, *each.values, tmp_path)
    reached = {route.name for route in counter.asked}
    assert reached == set(DECLARED) - FOR_BROWSERS
    assert set(DECLARED) == set(ROWS)


def test_what_is_repeated_without_a_key_is_known_to_be_harmless():
    keyless = {
        name
        for name, route in DECLARED.items()
        if route.method == "POST"
        and not any(each.annotation == "Key" for each in parameters(route).values())
    }
    assert keyless - FOR_BROWSERS == HARMLESS_AGAIN
