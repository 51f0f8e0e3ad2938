"""Events of a stream, read from its bytes.

Source: WHATWG HTML, "Server-sent events"; lines end with LF or CRLF, as our server writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yunhe.kernel.canonical import JsonObject

EVENT_BYTES_MAX = 1 << 20
"""Largest event."""
MEDIA_TYPE = "text/event-stream"
"""Of these answers."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    seq: int
    """Counts from 1 within the stream; handed back to go on after it."""
    name: str
    """What happened."""
    body: JsonObject
    """Its particulars: ``at`` (RFC 3339); of a step its code, and a ``message`` beside it."""


def parsed(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events whose last byte has come; comments, which keep a stream open, are left out.

    Errors: ``ValueError`` for anything that is no event of ours.
    """
    seq, name, data = 0, "message", list[str]()
    for line in _lines(chunks):
        label, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(seq, name, _object("\n".join(data)))
            name, data = "message", []
        elif label == "id":
            seq = _number(value)
        elif label == "event":
            name = value
        elif label == "data":
            data.append(value)
            if sum(map(len, data)) > EVENT_BYTES_MAX:
                raise ValueError("event too long")


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    # Not `splitlines` of text: it also splits at U+2028 and others, which JSON may hold.
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode()
        if len(rest) > EVENT_BYTES_MAX:
            raise ValueError("line too long")


def _number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise ValueError("event without a number")
    return int(value)


def _object(text: str) -> JsonObject:
    body = json.loads(text)
    if not isinstance(body, dict):
        raise ValueError("event that is no object")
    return body
