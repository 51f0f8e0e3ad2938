"""One connection to one server: requests, safe retries, pages and streams, typed both ways."""

from __future__ import annotations

import json
import random
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import certifi
import httpx
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from yunhe.client import faults, files
from yunhe.client.addresses import checked
from yunhe.client.events import MEDIA_TYPE, Event, parsed
from yunhe.client.wire.shapes import Page
from yunhe.kernel.errors import Invalid, NotFound, Unavailable, YunheError
from yunhe.kernel.ids import derived_id, new_id
from yunhe.kernel.language import Language

ATTEMPTS_MAX = 4
"""Most times one request is sent."""
WAIT_SECONDS_MAX = 30.0
"""Longest wait between two attempts; a server that asks for more is not asked again."""
ANSWER_BYTES_MAX = 64 << 20
"""Largest body taken into memory; downloads are written as they come."""
UPLOAD_SECONDS_MAX = 300.0
"""Longest wait for the answer to an upload: the server stores the last of it first."""
JSON = "application/json"
"""Media type of what is not a file, a text or a stream."""
_FIRST_WAIT_SECONDS = 0.2
_LASTING_SECONDS = 5.0  # a stream that lived so long was no failure, silent or not
_SAFE = frozenset(
    {"GET", "HEAD", "PUT", "DELETE"}
)  # repeating changes nothing more: RFC 9110, 9.2.2
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_KEY = re.compile(r"[\x21-\x7e]{1,1000}")

_Shape = TypeVar("_Shape", bound=BaseModel)
_Result = TypeVar("_Result")
Query = Mapping[str, str | int | bool | None]
"""Parameters of a request; None ones are left out."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a connection behaves."""

    seconds_max: float = 30.0
    """Longest wait for any single read or write."""
    answer_seconds_max: float = 120.0
    """Longest time that one answer taken into memory may come in."""
    language: Language = "en"
    """Of messages for people."""
    transport: httpx.BaseTransport | None = None
    """Replaces the way out, e.g. by the guarded one; None: httpx's own."""
    tls: ssl.SSLContext | None = None
    """Replaces this machine's trusted certificate authorities."""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    """Waits between attempts; tests count instead."""


class Connection:
    """Talks to one server with one key; give it back with `close` or use it as ``with``.

    A request is repeated only where that is safe: reading, replacing and removing always; creating
    because each carries an `Idempotency-Key`, so the server does it once. Only broken connections
    and the statuses 429, 502, 503 and 504, where the server says that it may help, are repeated, at
    most `ATTEMPTS_MAX` times and after the time that `Retry-After` asks for. The key is sent to
    this server alone: redirects are not followed. May be shared by threads.
    """

    def __init__(self, server: str, key: str = "", options: Options | None = None) -> None:
        """``server`` is its address, e.g. ``https://yunhe.example.org``.

        Errors: those of `addresses.checked`; `Invalid` ``client.key_malformed``.
        """
        chosen = options or Options()
        parts = checked(server)
        headers = {"accept-language": chosen.language, "accept-encoding": "identity"}
        if key:
            if not _KEY.fullmatch(key):
                raise Invalid("client.key_malformed")
            headers["authorization"] = f"Bearer {key}"
        self.host = parts.netloc
        self.sleep = chosen.sleep
        self._options = chosen
        secure = parts.scheme == "https"
        self._http = httpx.Client(
            base_url=server.rstrip("/"),
            headers=headers,
            timeout=chosen.seconds_max,
            transport=chosen.transport,
            verify=(chosen.tls or _trusted()) if secure and chosen.transport is None else False,
            follow_redirects=False,
            trust_env=secure,  # a proxy would read what goes to this machine in plain http
        )

    def __enter__(self) -> Self:
        """This connection."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the sockets."""
        self._http.close()

    def get(self, path: str, shape: type[_Shape], query: Query | None = None) -> _Shape:
        """Read one thing."""
        return self._read(shape, self._send("GET", path, query=query))

    def raw(self, path: str, *, media_type: str = JSON, query: Query | None = None) -> bytes:
        """Read one thing as it came, e.g. to check it byte for byte."""
        return self._send("GET", path, query=query, headers={"accept": media_type})

    def pages(self, path: str, shape: type[_Shape], query: Query | None = None) -> Iterator[_Shape]:
        """Every item of a list, page after page, in the list's order."""
        page: TypeAdapter[Page[_Shape]] = TypeAdapter(Page[shape])  # type: ignore[valid-type]
        after: str | None = None
        while True:
            body = self._send("GET", path, query={**(query or {}), "after": after})
            found = self._valid(page, body)
            yield from found.items
            if found.next is None:
                return
            if found.next == after:  # it would never end
                raise Unavailable("client.answer_strange", host=self.host)
            after = found.next

    def post(
        self,
        path: str,
        shape: type[_Shape],
        sent: BaseModel | None = None,
        *,
        key: str = "",
        query: Query | None = None,
    ) -> _Shape:
        """Create something or ask for something to be done, once however often it is sent.

        ``key`` is the idempotency key, random unless given: give any text to make two runs of a
        program one request.
        """
        return self._read(shape, self._send("POST", path, query=query, sent=_json(sent), key=key))

    def put(
        self,
        path: str,
        shape: type[_Shape],
        sent: BaseModel | None = None,
        query: Query | None = None,
    ) -> _Shape:
        """Replace one thing."""
        return self._read(shape, self._send("PUT", path, query=query, sent=_json(sent)))

    def delete(self, path: str, shape: type[_Shape], query: Query | None = None) -> _Shape:
        """End or remove something of which the server shows what is left; again changes nothing."""
        return self._read(shape, self._send("DELETE", path, query=query))

    def act(
        self,
        method: str,
        path: str,
        sent: BaseModel | None = None,
        *,
        key: str = "",
        query: Query | None = None,
    ) -> None:
        """Do something that has no answer worth reading, such as removing.

        What an earlier attempt, whose answer was lost, may have removed is not missed.
        """
        self._send(method, path, query=query, sent=_json(sent), key=key)

    def upload(
        self,
        path: str,
        shape: type[_Shape],
        chunks: Callable[[], Iterable[bytes]],
        *,
        query: Query | None = None,
    ) -> _Shape:
        """Send bytes as they come; ``chunks`` is called again for each attempt."""
        headers = {"content-type": "application/octet-stream"}
        return self._read(
            shape, self._send("POST", path, query=query, headers=headers, chunks=chunks)
        )

    def save(
        self,
        path: str,
        target: Path,
        *,
        digest: str = "",
        sent: BaseModel | None = None,
        key: str = "",
        bytes_max: int = 0,
    ) -> None:
        """Download one thing into a file, which appears only whole and, with ``digest``, right.

        With ``sent`` it is asked for by POST, under one idempotency key. Errors: those of a
        request and of `files.write`.
        """
        asked = {} if sent is None else {"content-type": JSON, "idempotency-key": _named(key)}
        headers = {"accept": "*/*", **asked}

        def take() -> None:
            with self._open(path, headers, sent=_json(sent)) as answer:
                files.write(answer.iter_bytes(), target, digest=digest, bytes_max=bytes_max)

        self._repeated(take)

    def events(self, path: str, *, after: int = 0) -> Iterator[Event]:
        """The events of a stream from ``after`` on, each once, reconnecting where it broke off.

        A server ends a long stream now and then; it says with status 204 that nothing more will
        come. Errors: those of a request, once `ATTEMPTS_MAX` connections in a row brought nothing.
        """
        seen, failures = after, 0
        while True:
            before, began = seen, time.monotonic()
            headers = {"accept": MEDIA_TYPE, **({"last-event-id": str(seen)} if seen else {})}
            try:
                with self._open(path, headers) as answer:
                    if answer.status_code == 204:
                        return
                    if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
                        raise Unavailable("client.not_yunhe", host=self.host, status=200)
                    for event in parsed(answer.iter_bytes()):
                        if event.seq > seen:
                            seen = event.seq
                            yield event
                raise Unavailable("client.stream_ends", host=self.host, retryable=True)
            except (httpx.RequestError, YunheError) as error:
                failed = self._explained(error)
            except ValueError as error:
                raise Unavailable("client.answer_strange", host=self.host) from error
            if seen > before and faults.repeatable(failed):
                failures = 0
                continue
            failures = 1 if time.monotonic() - began > _LASTING_SECONDS else failures + 1
            self._wait_for(failed, attempt=failures)

    @contextmanager
    def _open(
        self, path: str, headers: Mapping[str, str], *, sent: bytes | None = None
    ) -> Iterator[httpx.Response]:
        """A streamed answer, checked for its status before anything of it is read."""
        method = "GET" if sent is None else "POST"
        with self._http.stream(method, path, headers=headers, content=sent) as got:
            if got.status_code >= 300:
                raise faults.told(got, self._bounded(got))
            yield got

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        sent: bytes | None = None,
        chunks: Callable[[], Iterable[bytes]] | None = None,
        key: str = "",
    ) -> bytes:
        told = {"accept": JSON, **(headers or {})}
        if sent is not None:
            told["content-type"] = JSON
        if method not in _SAFE:
            told["idempotency-key"] = _named(key)
        chosen = {name: value for name, value in (query or {}).items() if value is not None}
        lost = False

        def ask() -> bytes:
            nonlocal lost
            request = self._http.build_request(
                method,
                path,
                params=chosen,
                headers=told,
                content=chunks() if chunks is not None else sent,
            )
            if chunks is not None:
                request.extensions["timeout"]["read"] = UPLOAD_SECONDS_MAX
            try:
                return self._answered(request)
            except NotFound:
                if method == "DELETE" and lost:
                    return b""
                raise
            except (httpx.RequestError, Unavailable):
                lost = True
                raise

        return self._repeated(ask)

    def _repeated(self, ask: Callable[[], _Result]) -> _Result:
        attempt = 0
        while True:
            attempt += 1
            try:
                return ask()
            except (httpx.RequestError, YunheError) as error:
                failed = self._explained(error)
            self._wait_for(failed, attempt=attempt)

    def _wait_for(self, failed: YunheError, *, attempt: int) -> None:
        """Wait before the next attempt, or raise why there is none."""
        wait = max(_wait_seconds(attempt), faults.asked_seconds(failed))
        if not faults.repeatable(failed) or attempt >= ATTEMPTS_MAX or wait > WAIT_SECONDS_MAX:
            raise failed
        self.sleep(wait)

    def _answered(self, request: httpx.Request) -> bytes:
        answer = self._http.send(request, stream=True)
        try:
            body = self._bounded(answer)
        finally:
            answer.close()
        if answer.status_code >= 300:
            raise faults.told(answer, body)
        return body

    def _bounded(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        until = time.monotonic() + self._options.answer_seconds_max
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise Unavailable("client.answer_large", host=self.host)
            if time.monotonic() > until:
                raise Unavailable("client.timed_out", host=self.host, retryable=True)
        return bytes(body)

    def _explained(self, error: httpx.RequestError | YunheError) -> YunheError:
        if isinstance(error, YunheError):
            return error
        told = faults.unreachable(error, self.host)
        told.__cause__ = error
        return told

    def _read(self, shape: type[_Shape], body: bytes) -> _Shape:
        return self._valid(TypeAdapter(shape), body)

    def _valid(self, shape: TypeAdapter[_Shape], body: bytes) -> _Shape:
        try:
            return shape.validate_json(body)
        except ValidationError as error:
            raise Unavailable("client.answer_strange", host=self.host) from error


def _trusted() -> ssl.SSLContext:
    """This machine's certificate authorities, or certifi's where it has none."""
    places = ssl.get_default_verify_paths()
    if places.cafile or (places.capath and any(Path(places.capath).iterdir())):
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def _named(key: str) -> str:
    """An idempotency key as servers take them; the same for the same text."""
    if not key:
        return new_id("ask")
    return key if _NAME.fullmatch(key) else derived_id("ask", key)


def _wait_seconds(attempt: int) -> float:
    """Doubles, and differs from caller to caller so that they don't come back together."""
    doubled = _FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1)
    return float(doubled * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)


def _json(sent: BaseModel | None) -> bytes | None:
    if sent is None:
        return None
    value = sent.model_dump(exclude_unset=True)
    return json.dumps(value, ensure_ascii=False, default=_revealed).encode()


def _revealed(value: object) -> object:
    if isinstance(value, SecretStr):  # pydantic writes stars, which are for logs
        return value.get_secret_value()
    return to_jsonable_python(value)
