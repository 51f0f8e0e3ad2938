"""HTTP as the gateway needs it: bounded bodies, one error shape, one kind of response."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field

from yunhe.kernel.errors import Invalid, NotFound, YunheError
from yunhe.kernel.language import Language
from yunhe.kernel.redaction import redacted

Message = MutableMapping[str, object]
"""An ASGI event."""
Receive = Callable[[], Awaitable[Message]]
"""Gives the next event of a connection."""
Send = Callable[[Message], Awaitable[None]]
"""Takes the next event for a connection."""
Scope = MutableMapping[str, object]
"""What ASGI says about a connection."""

_STATUS = {
    "models.not_json": 400,
    "models.key_missing": 401,
    "identity.key_unknown": 401,
    "identity.key_expired": 401,
    "identity.key_revoked": 401,
    "models.method_not_allowed": 405,
    "models.body_too_slow": 408,
    "models.body_too_large": 413,
}
"""Codes with a status of their own; the others have the status of their kind."""
_CLOSING = {"models.body_too_slow", "models.body_too_large"}  # the rest of the body is not read


class Disconnected(Exception):
    """The caller went away; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the gateway looks at before the body."""

    method: str
    """Upper case."""
    path: str
    """Decoded; without the query."""
    headers: Mapping[str, tuple[str, ...]]
    """Lower-case names; every value in order."""

    @classmethod
    def of(cls, scope: Scope) -> Request:
        """Read the parts of an ASGI scope."""
        headers: dict[str, tuple[str, ...]] = {}
        pairs = scope["headers"]
        for name, value in pairs if isinstance(pairs, Iterable) else ():
            key = name.decode("latin-1").lower()
            headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
        return cls(str(scope["method"]), str(scope["path"]), headers)

    def language(self) -> Language:
        """The language the caller prefers among ours: Accept-Language, RFC 9110 section 12.5.4."""
        best: tuple[float, Language] = (0.0, "en")
        for item in ",".join(self.headers.get("accept-language", ())).split(",")[:32]:
            name, _, quality = item.replace(" ", "").partition(";q=")
            try:
                weight = float(quality) if quality else 1.0
            except ValueError:
                continue
            primary = name.lower().split("-")[0]
            if primary in ("zh", "en") and weight > best[0]:
                best = (weight, "zh" if primary == "zh" else "en")
        return best[1]

    def secret(self) -> str:
        """The bearer's key: RFC 6750 section 2.1.

        Errors: `Invalid` ``models.key_missing`` unless there is exactly one.
        """
        given = self.headers.get("authorization", ())
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Invalid("models.key_missing")
        return secret.strip()


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response with a JSON body."""

    status: int
    """HTTP status."""
    body: bytes
    """JSON in UTF-8."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Besides type and length."""

    @classmethod
    def of_error(cls, error: YunheError, language: Language) -> Response:
        """The one error shape, with the status its code or kind has."""
        status = _STATUS.get(error.code, error.status)
        headers: dict[str, str] = {"content-language": language}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        if status == 405:
            headers["allow"] = str(error.params["allowed"])
        if error.retryable:
            headers["retry-after"] = "1"
        if error.code in _CLOSING:
            headers["connection"] = "close"
        body = json.dumps(error.as_json(language), ensure_ascii=False).encode()
        return cls(status, body, headers)

    async def send(self, send: Send) -> None:
        """Hand it to the server."""
        headers = {
            "content-type": "application/json",
            "content-length": str(len(self.body)),
            "cache-control": "no-store",
            **self.headers,
        }
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": self.body})


async def read_body(
    request: Request, receive: Receive, *, bytes_max: int, seconds_max: float
) -> bytes:
    """The whole body, refused as soon as it is known to be too large or too slow.

    Errors: `Invalid` ``models.body_too_large``, ``models.body_too_slow``; `Disconnected`.
    """
    too_large = Invalid("models.body_too_large", bytes_max=bytes_max)
    stated = request.headers.get("content-length", ("0",))[0]
    if stated.isascii() and stated.isdigit() and int(stated[:20]) > bytes_max:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds_max):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                part = message.get("body", b"")
                body += part if isinstance(part, bytes) else b""
                if len(body) > bytes_max:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Invalid("models.body_too_slow", seconds_max=round(seconds_max)) from None


def path_unknown(path: str) -> NotFound:
    """No such address."""
    return NotFound("models.path_unknown", path=redacted(path)[:200])
