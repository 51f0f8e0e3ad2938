"""The one HTTP client for addresses that a user named."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

import certifi
import httpcore
import httpx

from yunhe.kernel.errors import NotAllowed, Unavailable, YunheError
from yunhe.outbound.backend import Deadline, PinnedBackend
from yunhe.outbound.guard import Guard, Target

SECONDS_MAX = 15.0
"""Default time limit for a whole request: look-up, connecting, sending, and the last byte."""
CONNECT_SECONDS_MAX = 5.0
"""Longest wait for one address to answer."""
BYTES_MAX = 1 << 20
"""Default bound on a response's body."""
REDIRECTS_MAX = 3
"""Most redirects one request may ask for."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRAVELS = frozenset({"accept", "accept-language", "user-agent"})
# OpenSSL's verification results (x509_vfy.h), by what a person can do about them.
_CERTIFICATE = {
    9: "outbound.certificate_early",
    10: "outbound.certificate_expired",
    62: "outbound.certificate_name",
    64: "outbound.certificate_name",
}


@dataclass(frozen=True, slots=True)
class Response:
    """What the other side answered."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """By lower-case name; of a repeated one the first."""
    body: bytes = field(repr=False)
    """As it came: nothing is decompressed."""
    url: str = field(repr=False, default="")
    """Where it came from, after redirects."""


class Outbound:
    """Sends requests to guarded addresses: resolved once, pinned, bounded in bytes and time.

    Each request has a connection of its own, so every request's address is checked. Proxies named
    in the environment are not used: they would connect in our place. Compressed answers are neither
    asked for nor taken, so none can grow.
    """

    def __init__(
        self, guard: Guard, *, seconds_max: float = SECONDS_MAX, tls: ssl.SSLContext | None = None
    ) -> None:
        """``tls`` replaces this machine's trusted certificate authorities."""
        self.guard = guard
        self._seconds_max = seconds_max
        self._tls = tls or _trusted()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        bytes_max: int = BYTES_MAX,
        seconds_max: float | None = None,
        redirects_max: int = 0,
        body_wanted: bool = True,
    ) -> Response:
        """One request and its answer, whatever its status.

        With ``redirects_max`` a redirect is followed to an address that passes the same checks,
        never from https to http; to another host only without body and without any header but
        `Accept`, `Accept-Language` and `User-Agent`. Errors: `NotAllowed` ``outbound.refused``,
        ``outbound.redirect_refused``; `Invalid` ``outbound.url_invalid``; `Unavailable`
        ``outbound.unreachable``, ``outbound.unresolved``, ``outbound.timed_out``,
        ``outbound.too_large``, ``outbound.encoded``, ``outbound.certificate_…``,
        ``outbound.tls_failed``.
        """
        deadline = Deadline(self._seconds_max if seconds_max is None else seconds_max)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        target = self.guard.examine(url)
        for left in range(min(redirects_max, REDIRECTS_MAX), -1, -1):
            answer = self._once(
                method,
                target,
                sent,
                content=content,
                bytes_max=bytes_max if body_wanted else 0,
                deadline=deadline,
            )
            location = answer.headers.get("location")
            if left == 0 or answer.status not in _REDIRECTS or not location:
                break
            onward = self._onward(target, location)
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, content = "GET", b""
                sent = {name: text for name, text in sent.items() if "content-" not in name}
            if onward.origin != target.origin:
                if method not in ("GET", "HEAD"):
                    raise _redirect_refused(onward)
                sent = {name: text for name, text in sent.items() if name in _TRAVELS}
            target = onward
        return answer

    def transport(self, *, seconds_max: float | None = None) -> httpx.BaseTransport:
        """For an `httpx.Client`, whose every request then goes through the guard.

        ``seconds_max`` bounds a whole request with its body. Redirects are the client's business,
        each a request of its own here. Errors: those of `request`, not httpx's.
        """
        seconds = self._seconds_max if seconds_max is None else seconds_max
        return _Transport(self.guard, self._tls, seconds)

    def _once(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        *,
        content: bytes,
        bytes_max: int,
        deadline: Deadline,
    ) -> Response:
        own = {"host": target.origin.partition("://")[2], "accept": "*/*", "user-agent": "yunhe"}
        sent = {**own, **headers, "accept-encoding": "identity"}
        with (
            _explained(target.host),
            _pool(self.guard, self._tls, deadline) as pool,
            pool.stream(
                method,
                _address(target),
                headers=[(name.encode(), text.encode()) for name, text in sent.items()],
                content=content,
                extensions={"timeout": {"connect": CONNECT_SECONDS_MAX}},
            ) as answer,
        ):
            got: dict[str, str] = {}
            for name, text in answer.headers:
                got.setdefault(name.decode("latin-1").lower(), text.decode("latin-1"))
            body = _body(answer, got, host=target.host, bytes_max=bytes_max) if bytes_max else b""
            return Response(answer.status, got, body, target.url)

    def _onward(self, before: Target, location: str) -> Target:
        onward = self.guard.examine(urljoin(before.url, location))
        if before.scheme == "https" and onward.scheme != "https":
            raise _redirect_refused(onward)
        return onward


def _redirect_refused(onward: Target) -> NotAllowed:
    return NotAllowed("outbound.redirect_refused", host=onward.host)


def _body(
    answer: httpcore.Response, headers: Mapping[str, str], *, host: str, bytes_max: int
) -> bytes:
    _plain_only(headers.get("content-encoding", ""), host)
    parts, size = [], 0
    for part in answer.iter_stream():
        size += len(part)
        if size > bytes_max:
            raise Unavailable("outbound.too_large", host=host, bytes_max=bytes_max)
        parts.append(part)
    return b"".join(parts)


def _plain_only(encoding: str, host: str) -> None:
    if encoding.strip().lower() not in ("", "identity"):
        raise Unavailable("outbound.encoded", host=host)


def _trusted() -> ssl.SSLContext:
    """This machine's certificate authorities, or certifi's where it has none."""
    places = ssl.get_default_verify_paths()
    if places.cafile or (places.capath and any(Path(places.capath).iterdir())):
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def _pool(guard: Guard, tls: ssl.SSLContext, deadline: Deadline) -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=tls,
        max_connections=1,
        max_keepalive_connections=0,
        network_backend=PinnedBackend(guard, deadline),
    )


def _address(target: Target) -> httpcore.URL:
    return httpcore.URL(
        scheme=target.scheme.encode(),
        host=target.host.encode(),
        port=target.port,
        target=target.path.encode(),
    )


class _Transport(httpx.BaseTransport):
    """An httpx transport made of one guarded connection for each request."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, seconds: float) -> None:
        self._guard = guard
        self._tls = tls
        self._seconds = seconds

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target = self._guard.examine(str(request.url))
        pool = _pool(self._guard, self._tls, Deadline(self._seconds))
        sent = [(n, v) for n, v in request.headers.raw if n.lower() != b"accept-encoding"]
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - of a sync client
        wanted = httpcore.Request(
            request.method,
            _address(target),
            headers=[*sent, (b"accept-encoding", b"identity")],
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            with _explained(target.host):
                answer = pool.handle_request(wanted)
            for name, value in answer.headers:
                if name.lower() == b"content-encoding":
                    _plain_only(value.decode("latin-1"), target.host)
        except BaseException:
            pool.close()
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Stream(pool, answer, target.host),
            extensions=answer.extensions,
        )


class _Stream(httpx.SyncByteStream):
    """A response's bytes; the connection ends with them."""

    def __init__(self, pool: httpcore.ConnectionPool, answer: httpcore.Response, host: str) -> None:
        self._pool = pool
        self._answer = answer
        self._host = host

    def __iter__(self) -> Iterator[bytes]:
        with _explained(self._host):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
        self._pool.close()


@contextmanager
def _explained(host: str) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise Unavailable("outbound.timed_out", host=host, retryable=True) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        raise _why(error, host) from error


def _why(error: Exception, host: str) -> YunheError:
    # httpcore hands the system's error on as its own one's argument; it cuts off the cause.
    cause = error.args[0] if error.args else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        code = _CERTIFICATE.get(cause.verify_code, "outbound.certificate_untrusted")
        return Unavailable(code, host=host)
    if isinstance(cause, ssl.SSLError):
        return Unavailable("outbound.tls_failed", host=host, reason=str(cause.reason or "TLS"))
    return Unavailable("outbound.unreachable", host=host, retryable=True)
