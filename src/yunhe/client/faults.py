"""What the server said went wrong, raised as the same six kinds that local code raises."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from email.utils import parsedate_to_datetime

import httpx
from pydantic import ValidationError

from yunhe.client.wire import shapes as wire
from yunhe.client.wire.shapes import Fault
from yunhe.kernel.errors import (
    Conflict,
    Exhausted,
    Finding,
    Invalid,
    NotAllowed,
    NotFound,
    Unavailable,
    YunheError,
)
from yunhe.kernel.language import Language

WAITING = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may be sent again: too many, or not there now."""
_KINDS: dict[str, type[YunheError]] = {
    kind.kind: kind for kind in (Invalid, NotAllowed, NotFound, Conflict, Exhausted, Unavailable)
}
# OpenSSL's verification results (x509_vfy.h), by what a person can do about them.
_CERTIFICATE = {
    9: "client.certificate_early",
    10: "client.certificate_expired",
    62: "client.certificate_name",
    64: "client.certificate_name",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # could move a terminal's cursor


class _Told(YunheError):
    """Speaks the server's own words: a newer server may know codes that this version does not."""

    fault: Fault
    answered: int = 0
    """Status of the answer."""
    wait_seconds: float = 0.0
    """What the server asked for with `Retry-After`."""

    def message(self, language: Language) -> str:  # noqa: ARG002 (the server chose the language)
        lines = [self.fault.message]
        lines += [f"  - {finding.message}" for finding in self.fault.findings]
        lines.append(self.fault.do)
        return "\n".join(_CONTROL.sub("", line) for line in lines if line)

    def as_json(self, language: Language) -> dict[str, object]:  # noqa: ARG002 (likewise)
        return self.fault.model_dump()


class _Between(Unavailable):
    """Said by something between us and the server."""

    wait_seconds: float = 0.0


_TOLD: dict[str, type[_Told]] = {
    name: type(f"Told{kind.__name__}", (_Told, kind), {}) for name, kind in _KINDS.items()
}


def placed(
    error: YunheError, where: Callable[[str], str], *, apart: frozenset[str] = frozenset()
) -> YunheError:
    """The error with the place of each finding put in the caller's words, such as a file's line.

    Findings about the fields in ``apart`` are left out.
    """
    if not isinstance(error, _Told):
        return error
    found = [
        one.model_copy(
            update={
                "where": where(one.where),
                "message": where(one.where) + one.message.removeprefix(one.where),
            }
        )
        for one in error.fault.findings
        if one.where.removeprefix("body.").partition(".")[0] not in apart
    ]
    error.fault = error.fault.model_copy(update={"findings": found})
    return error


def joined(error: YunheError, found: Sequence[Finding], language: Language) -> YunheError:
    """The server's error with what was found here before it was asked, each thing once."""
    if not isinstance(error, _Told):
        return error
    here = [
        wire.Finding(where=each.where, code=each.code, message=each.message(language))
        for each in found
    ]
    known = {(each.where, each.code) for each in here}
    rest = [each for each in error.fault.findings if (each.where, each.code) not in known]
    error.fault = error.fault.model_copy(update={"findings": [*here, *rest]})
    return error


def told(answer: httpx.Response, body: bytes) -> YunheError:
    """The error of an answer with a status of 300 or more; ``body`` is what was read of it.

    An answer that is not of our shape comes from something between us and the server: `Unavailable`
    ``client.not_yunhe`` then, ``client.redirected`` for a redirect, which is never followed, and
    ``client.proxy_waits``, retryable, for the statuses proxies use while a server starts.
    """
    host, status = _host(answer.request.url), answer.status_code
    if status < 400:
        return Unavailable("client.redirected", host=host, to=_onward(answer))
    try:
        fault = Fault.model_validate_json(body)
    except ValidationError:
        waiting = status in WAITING
        code = "client.proxy_waits" if waiting else "client.not_yunhe"
        between = _Between(code, host=host, status=status, retryable=waiting)
        between.wait_seconds = _asked(answer)
        return between
    kind = _TOLD.get(fault.kind, _TOLD["unavailable"])
    findings = [Finding(each.where, each.code) for each in fault.findings]
    error = kind(fault.code, findings=findings, retryable=fault.retryable)
    error.params = dict(fault.params)  # the names are the server's: not to be taken as arguments
    error.fault, error.answered = fault, status
    error.wait_seconds = _asked(answer)
    return error


def asked_seconds(error: Exception) -> float:
    """How long the server asked to wait before the request is sent again; 0 when it did not."""
    return error.wait_seconds if isinstance(error, _Told | _Between) else 0.0


def repeatable(error: YunheError) -> bool:
    """Whether sending the same request again may help: never after a refusal (4xx) but 429."""
    if isinstance(error, _Told):
        return error.retryable and error.answered in WAITING
    return error.retryable


def unreachable(error: httpx.RequestError, host: str) -> Unavailable:
    """Why no answer came: a certificate, a name, a time limit, or nobody there."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            code = _CERTIFICATE.get(cause.verify_code, "client.certificate_untrusted")
            return Unavailable(code, host=host)
        if isinstance(cause, ssl.SSLError):
            return Unavailable("client.tls_failed", host=host, reason=str(cause.reason or "TLS"))
        if isinstance(cause, socket.gaierror):
            return Unavailable("client.unresolved", host=host, retryable=True)
    if isinstance(error, httpx.TimeoutException):
        return Unavailable("client.timed_out", host=host, retryable=True)
    if isinstance(error, httpx.DecodingError):
        return Unavailable("client.answer_strange", host=host)
    return Unavailable("client.unreachable", host=host, retryable=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        # httpcore hands the system's error on as its own one's argument and may cut off the cause.
        yield from (each for each in cause.args if isinstance(each, BaseException))
        cause = cause.__cause__ or cause.__context__


def _asked(answer: httpx.Response) -> float:
    """RFC 9110, 10.2.3: seconds, or a date."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _onward(answer: httpx.Response) -> str:
    """Where a redirect leads: scheme and host alone, for the rest may hold what is private."""
    try:
        url = answer.request.url.join(answer.headers.get("location", ""))
    except httpx.InvalidURL:
        return "?"
    return f"{url.scheme}://{_host(url)}"[:200]


def _host(url: httpx.URL) -> str:
    return url.netloc.decode("ascii", errors="replace")
