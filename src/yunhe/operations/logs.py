"""What the platform writes about its own work: one line an event, without secrets or people.

A line names requests and operations by their ids, members by their pseudonyms. Whatever looks like
a secret, a mail address or a password in an address is struck out of the finished line, so that it
cannot slip in through a message, a trace or another library either.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

import structlog

REDACTED = "[redacted]"
"""What stands where something was struck out."""
LINE_LETTERS_MAX = 16_384
"""Longest line; the rest is cut."""
_SECRET_NAMES = {
    *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-csrf-token"),
    *("token", "secret", "password", "key_secret", "contact", "mail", "email"),
}
# Each with a part that must be there at all: most lines have none, and are not searched further.
_HIDDEN = (
    # Our own secrets: prefix, id, random part; the signing secrets of webhooks.
    ("_", re.compile(r"\b[a-z]{2,12}_[0-9a-z]{26}_[0-9A-Za-z_-]{20,}")),
    ("whsec_", re.compile(r"\bwhsec_[0-9A-Za-z+/=_-]{16,}")),
    ("earer ", re.compile(r"(?<=[Bb]earer )[^\s\"',;]+")),
    ("asic ", re.compile(r"(?<=[Bb]asic )[0-9A-Za-z+/=]{8,}")),
    ("eyJ", re.compile(r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*")),  # signed token
    ("@", re.compile(r"(?<=://)[^\s/@:\"']*:[^\s/@\"']*(?=@)")),  # user:password of an address
    ("@", re.compile(r"[0-9A-Za-z._%+-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{2,63})+")),
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[^\s\"=]+")
_QUIET = ("uvicorn", "httpx", "httpcore", "asyncio", "urllib3", "alembic", "opentelemetry")
_OF_RECORDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def redact(line: str) -> str:
    """``line`` without what looks like a secret or a mail address."""
    for part, pattern in _HIDDEN:
        if part in line:
            line = pattern.sub(REDACTED, line)
    return line


def configure(*, form: str, level: str, stream: TextIO | None = None) -> None:
    """Log from now on as ``form`` (``text`` or ``json``) from ``level`` up, to standard error.

    Both structlog's loggers and those of the standard library end here; calling again replaces the
    former choice. Cost: some ten microseconds a line.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:  # their news of every connection is not ours to pass on
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


@contextmanager
def bound(**names: str) -> Iterator[None]:
    """Name, e.g., the request or operation in every line written within."""
    with structlog.contextvars.bound_contextvars(**names):
        yield


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = _fields(record)
        said = redact(json.dumps(line, ensure_ascii=False, default=str))
        if len(said) > LINE_LETTERS_MAX:
            short = {name: str(line[name])[:2_000] for name in ("at", "level", "event")}
            said = redact(json.dumps({**short, "cut": True}, ensure_ascii=False))
        return said


class TextLines(logging.Formatter):
    """``time level event name=value …``; a trace follows on indented lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        line = _fields(record)
        trace = str(line.pop("exception", ""))
        at, level, event = line.pop("at"), line.pop("level"), line.pop("event")
        words = [f"{at} {level!s:<7} {_inline(str(event))}"]
        words += [f"{name}={_value(value)}" for name, value in line.items()]
        said = " ".join(words)[:LINE_LETTERS_MAX]
        for part in trace.splitlines():
            said += "\n    | " + _inline(part)
        return redact(said)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the record says, the time in front, without values under names of secrets."""
    moment = datetime.fromtimestamp(record.created, UTC)
    line: dict[str, object] = {
        "at": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1_000:03d}Z",
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        "logger": record.name,
    }
    told = {**structlog.contextvars.get_contextvars(), **vars(record)}
    for name, value in told.items():
        if name not in _OF_RECORDS and value is not None and value != "":
            line[name] = REDACTED if name.lower() in _SECRET_NAMES else value
    if record.exc_info:
        line["exception"] = logging.Formatter().formatException(record.exc_info)
    return line


def _value(value: object) -> str:
    said = str(value)
    return said if _PLAIN.fullmatch(said) and said.isprintable() else json.dumps(said)


def _inline(said: str) -> str:
    """Control characters spelt out: nobody writes a second line into the log."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", said)
