"""Errors as HTTP: one shape for everything that can go wrong, never a trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import cast

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from yunhe.api.requests import Facts, facts_of
from yunhe.kernel.errors import Finding, Invalid, NotAllowed, NotFound, Unavailable, YunheError

STATUS = {
    "api.not_json": 400,
    "api.body_cut": 400,
    "api.path_invalid": 400,
    "api.credential_missing": 401,
    "api.credential_unknown": 401,
    "identity.key_unknown": 401,
    "identity.key_expired": 401,
    "identity.key_revoked": 401,
    "identity.session_unknown": 401,
    "identity.session_ended": 401,
    "identity.session_expired": 401,
    "api.method_not_allowed": 405,
    "api.not_acceptable": 406,
    "api.body_too_slow": 408,
    "api.body_too_large": 413,
    "storage.too_large": 413,
    "api.media_type": 415,
    "api.host_unknown": 421,
    "api.failed": 500,
}
"""Codes with a status of their own; the others have the status of their kind."""
CLOSING = frozenset({"api.body_too_slow", "api.body_too_large"})
"""After these the rest of the body is not read, so the connection ends."""
FINDINGS_MAX = 50
"""Faults listed of one body; the rest is found when these are mended."""
_WHERE_LETTERS_MAX = 200

_logger = logging.getLogger("yunhe.api")

# pydantic's name of a fault → ours and the parameters its sentence takes.
_FIELD_FAULTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "missing": ("api.field_missing", ()),
    "extra_forbidden": ("api.field_unknown", ()),
    "string_type": ("api.field_not_text", ()),
    "string_unicode": ("api.field_not_text", ()),
    "string_too_short": ("api.field_too_short", ("min_length",)),
    "string_too_long": ("api.field_too_long", ("max_length",)),
    "string_pattern_mismatch": ("api.field_pattern", ("pattern",)),
    "int_type": ("api.field_not_integer", ()),
    "int_parsing": ("api.field_not_integer", ()),
    "int_parsing_size": ("api.field_not_integer", ()),
    "int_from_float": ("api.field_not_integer", ()),
    "float_type": ("api.field_not_number", ()),
    "float_parsing": ("api.field_not_number", ()),
    "finite_number": ("api.field_not_number", ()),
    "bool_type": ("api.field_not_boolean", ()),
    "bool_parsing": ("api.field_not_boolean", ()),
    "greater_than_equal": ("api.field_too_small", ("ge",)),
    "less_than_equal": ("api.field_too_great", ("le",)),
    "list_type": ("api.field_not_list", ()),
    "set_type": ("api.field_not_list", ()),
    "frozen_set_type": ("api.field_not_list", ()),
    "too_short": ("api.field_too_few", ("min_length",)),
    "too_long": ("api.field_too_many", ("max_length",)),
    "dict_type": ("api.field_not_object", ()),
    "model_type": ("api.field_not_object", ()),
    "model_attributes_type": ("api.field_not_object", ()),
    "dataclass_type": ("api.field_not_object", ()),
    "literal_error": ("api.field_not_listed", ("expected",)),
    "enum": ("api.field_not_listed", ("expected",)),
    "value_error": ("api.field_wrong", ()),
}


def response(error: YunheError, facts: Facts) -> Response:
    """The error as an answer, with the status its code or kind has."""
    status = STATUS.get(error.code, error.status)
    headers = {"content-language": facts.language, "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 405:
        headers["allow"] = str(error.params["allowed"])
    if "retry_seconds" in error.params:
        headers["retry-after"] = str(error.params["retry_seconds"])
    elif error.retryable:
        headers["retry-after"] = "1"
    if error.code in CLOSING:
        headers["connection"] = "close"
    shown = {**error.as_json(facts.language), "request_id": facts.id}
    # A lone surrogate can reach a parameter; no answer may break on it.
    body = json.dumps(shown, ensure_ascii=False).encode("utf-8", errors="replace")
    return Response(body, status, headers, media_type="application/json")


def explained(error: Exception, facts: Facts) -> YunheError:
    """The error a caller is told for whatever was raised; what is our own fault is logged."""
    if isinstance(error, YunheError):
        if error.status >= 500 and not error.retryable:
            _logger.error("request %s %s: %s", facts.id, facts.route, error)
        return error
    if isinstance(error, RequestValidationError):
        return invalid(error.errors())
    if isinstance(error, ClientDisconnect):
        return Invalid("api.body_cut")
    if isinstance(error, HTTPException):
        return _of_framework(error)
    _logger.error("request %s %s failed", facts.id, facts.route, exc_info=error)
    return Unavailable("api.failed", request=facts.id)


def invalid(faults: Sequence[object], *, sent: object = None) -> Invalid:
    """Every fault pydantic found, as findings with field paths; values are never repeated.

    With what was ``sent``, a value that is none of several kinds is one fault at its own place.
    """
    if sent is not None:
        faults = _once(cast("Sequence[Mapping[str, object]]", faults), sent)
    found = [_finding(cast("Mapping[str, object]", fault)) for fault in faults[:FINDINGS_MAX]]
    return Invalid("api.invalid", findings=found)


def _once(faults: Sequence[Mapping[str, object]], sent: object) -> list[object]:
    told: dict[tuple[str | int, ...], Mapping[str, object]] = {}
    for fault in faults:
        place: list[str | int] = []
        inside = sent
        for part in cast("Sequence[str | int]", fault["loc"]):
            there = _within(inside)
            if part in there:
                inside = there[part]
            elif place:  # the name of a kind, not of a place
                break
            place.append(part)
        known = told.get(tuple(place))
        if known is None or (not _near(known, inside) and _near(fault, inside)):
            told[tuple(place)] = {**fault, "loc": tuple(place)}
    return list(told.values())


def _near(fault: Mapping[str, object], value: object) -> bool:
    """Whether the fault is about the kind of thing that was sent: of 1.5, that it is not whole."""
    return isinstance(value, float) and str(fault["type"]).startswith("int")


def _within(value: object) -> Mapping[object, object]:
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else {}


def _finding(fault: Mapping[str, object]) -> Finding:
    location = cast("Sequence[str | int]", fault["loc"])
    where = ".".join(str(part) for part in location)[:_WHERE_LETTERS_MAX]
    context = cast("Mapping[str, object]", fault.get("ctx", {}))
    kind = str(fault["type"])
    if kind in ("too_short", "too_long") and isinstance(fault.get("input"), str):
        kind = f"string_{kind}"
    code, names = _FIELD_FAULTS.get(kind, ("api.field_wrong", ()))
    return Finding(where, code, tuple((name, str(context.get(name, ""))) for name in names))


def _of_framework(error: HTTPException) -> YunheError:
    if isinstance(error.__cause__, YunheError):  # raised while it read the body
        return error.__cause__
    if isinstance(error.__cause__, ClientDisconnect):
        return Invalid("api.body_cut")
    if error.status_code == 404:
        return NotFound("api.path_unknown")
    if error.status_code == 403:
        return NotAllowed("api.refused")
    return Invalid("api.not_json")


async def handle(request: Request, error: Exception) -> Response:
    """The framework's handler of every exception."""
    facts = facts_of(request.scope)
    facts.failure = error
    return response(explained(error, facts), facts)
