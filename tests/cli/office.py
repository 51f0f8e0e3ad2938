"""A server within the test's process: it answers every route with that route's own example.

What it is asked is held against the route as it is declared, so a command that asks for something
no server understands fails here already.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest

from yunhe.api import document
from yunhe.api.app import FLOORS
from yunhe.api.paths import Declared
from yunhe.cli import remote
from yunhe.cli.main import main
from yunhe.client.http import Options

SERVER, KEY = "http://127.0.0.1:1", "yk_0123456789abcdef"
BYTES = b"bytes of a file\n"
ROUTES = sorted(
    (route for floor in FLOORS for route in floor.declared), key=lambda each: each.path.count("{")
)
PATTERNS = [(route, re.compile(re.sub(r"\{\w+\}", "([^/]+)", route.path))) for route in ROUTES]


def route_of(request: httpx.Request) -> Declared:
    for route, pattern in PATTERNS:
        if route.method == request.method and pattern.fullmatch(request.url.path):
            return route
    raise AssertionError(f"no route {request.method} {request.url.path}")


def fault(kind: str = "conflict", code: str = "x.refused", **changed: object) -> dict[str, object]:
    return {
        "kind": kind, "code": code, "message": "Refused here.", "do": "Do otherwise.",
        "params": {}, "findings": [], "retryable": False, "request_id": "req_1", **changed,
    }  # fmt: skip


class Asked:
    """One request as the office saw it."""

    def __init__(self, request: httpx.Request, route: Declared) -> None:
        self.line = f"{request.method} {request.url.path}"
        self.query = dict(request.url.params)
        self.headers = request.headers
        self.content = request.read()
        self.name = route.name

    @property
    def body(self) -> Any:
        return json.loads(self.content) if self.content else None


class Office:
    """Answers; ``answers`` by a route's name replaces or changes what it says."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[str, list[Any]] = {}
        self.refusal: tuple[int, dict[str, object]] | None = None

    def says(self, name: str, *answers: Any) -> None:
        """Next answers of a route: a dict changes its example, other things are sent as they are;
        the last one stays."""
        self.answers[name] = list(answers)

    @property
    def lines(self) -> list[str]:
        return [each.line for each in self.asked]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        route = route_of(request)
        assert request.headers["authorization"] == f"Bearer {KEY}"
        self.asked.append(Asked(request, route))
        model = get_type_hints(route.endpoint).get("body")
        if route.consumes == document.JSON and model is not None:
            model.model_validate_json(request.content, strict=False)
        if self.refusal is not None:
            status, body = self.refusal
            return httpx.Response(status, json=body)
        return self._answer(route)

    def _answer(self, route: Declared) -> httpx.Response:
        waiting = self.answers.get(route.name, [{}])
        said = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(said, httpx.Response):
            return httpx.Response(said.status_code, headers=said.headers, content=said.content)
        if route.produces == "text/event-stream":
            events = b'id: 1\nevent: running\ndata: {}\n\nid: 2\nevent: done\ndata: {"a": 1}\n\n'
            return httpx.Response(200, headers={"content-type": route.produces}, content=events)
        if route.model is None:
            return httpx.Response(route.status, content=b"" if route.status == 204 else BYTES)
        body = json.loads(json.dumps(document.example(route.model)))
        if isinstance(said, dict):
            body |= said
        return httpx.Response(route.status, json=body)


class Said:
    """What a command printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """Runs commands of this process against an office, as one user of the machine."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.office = Office()
        self._capsys, self._monkeypatch = capsys, monkeypatch
        monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "settings"))
        monkeypatch.setenv("YUNHE_SERVER", SERVER)
        monkeypatch.setenv("YUNHE_KEY", KEY)
        monkeypatch.setattr(remote, "options", self._options)

    def _options(self, session: Any) -> Options:
        transport = httpx.MockTransport(self.office)
        return Options(language=session.language, transport=transport, sleep=lambda _: None)

    def __call__(self, *arguments: object, typed: str | bytes = "", lang: str = "en") -> Said:
        return run(self._capsys, self._monkeypatch, "--lang", lang, *arguments, typed=typed)


def run(
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *arguments: object,
    typed: str | bytes = "",
) -> Said:
    """One command in this process, with ``typed`` piped in."""
    stream = io.BytesIO(typed if isinstance(typed, bytes) else typed.encode())
    with monkeypatch.context() as here:
        here.setattr(sys, "stdin", io.TextIOWrapper(stream))
        here.setattr("yunhe.cli.main._drop_output", lambda: None)  # the output is pytest's
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        out, err = capsys.readouterr()
    return Said(int(ended.value.code or 0), out, err)
