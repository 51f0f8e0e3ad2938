"""Cursors: where a list goes on. Opaque to callers, bound to the list they came from.

A cursor holds the values the next page starts after and a digest of what the list was asked with
(route, caller's organisation, filters). A changed cursor could at most name another place in a list
the caller may read anyway, since access is decided anew for every page; it needs no signature, but
one that was not made here, or for another list, is refused rather than guessed at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import TypeVar, cast

from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.errors import Finding, Invalid

CURSOR_LETTERS_MAX = 600
"""Longest cursor that is looked at."""
Place = tuple[str | int, ...]
"""The values the next page starts after, e.g. a time and an id."""
_Place = TypeVar("_Place", bound=Place)
_MARK_BYTES = 9


def cursor(place: Place, *, of: Json) -> str:
    """The cursor of a place in the list that was asked for with ``of``."""
    body = json.dumps(list(place), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mark(of, body) + body).decode().rstrip("=")


def place(cursor: str | None, *, of: Json, like: _Place) -> _Place | None:
    """The place a cursor names; None without a cursor. ``like`` shows the types of its values.

    Errors: `Invalid` ``api.invalid`` for a cursor of another list, or none of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        mark, body = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
        values = json.loads(body) if mark == _mark(of, body) else None
    except (UnicodeEncodeError, binascii.Error, ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or [type(v) for v in values] != [type(v) for v in like]:
        raise Invalid("api.invalid", findings=[Finding("query.after", "api.cursor_unknown")])
    return cast("_Place", tuple(values))


def _mark(of: Json, body: bytes) -> bytes:
    return hashlib.sha256(canonical_bytes(of) + b"\0" + body).digest()[:_MARK_BYTES]
