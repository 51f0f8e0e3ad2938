"""Questions to a scheduler that speaks JSON over HTTP, through the guarded way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable, YunheError

if TYPE_CHECKING:
    from yunhe.outbound.client import Outbound

ANSWER_BYTES_MAX = 256 << 20
"""Largest answer: a scheduler lists every job it knows, some kilobytes each."""
SECONDS_MAX = 20.0
"""Longest one question may take; a driver's lease is renewed beside it."""
REASON_LETTERS_MAX = 200
"""How much of a scheduler's own words is shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """HTTP status."""
    said: dict[str, Json]
    """The object; empty where there was none."""
    clock_us: int | None
    """The server's clock, where it tells; whole seconds."""
    listed: list[Json] | None
    """The list; None where it was none."""

    def get(self, name: str) -> Json:
        """One member of the object."""
        return self.said.get(name)


class Rest:
    """One server."""

    def __init__(
        self,
        outbound: Outbound,
        address: str,
        *,
        site: str,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``headers`` are asked for at each call: they may hold a token that is renewed."""
        self._outbound = outbound
        self._address = address.rstrip("/")
        self._headers = headers
        self.site = site

    def ask(
        self, method: str, path: str, body: Json = None, *, media_type: str = "application/json"
    ) -> Answer:
        """One question, answered with an object or a list, whatever the status.

        ``media_type`` is the body's. Errors: `Unavailable` ``compute.remote_unreachable`` and, for
        what is no JSON, ``compute.remote_nonsense``.
        """
        headers = {"accept": "application/json", **self._headers()}
        content = b""
        if body is not None:
            content = json.dumps(body).encode()
            headers["content-type"] = media_type
        try:
            answer = self._outbound.request(
                method,
                self._address + path,
                headers=headers,
                content=content,
                bytes_max=ANSWER_BYTES_MAX,
                seconds_max=SECONDS_MAX,
            )
        except YunheError as error:
            raise self.unreachable(error.code) from error
        try:
            said = json.loads(answer.body) if answer.body.strip() else {}
        except (ValueError, RecursionError):
            if answer.status >= 400:
                said = {}
            else:
                raise self.nonsense(path) from None
        return Answer(
            answer.status,
            said if isinstance(said, dict) else {},
            _clock_us(answer.headers.get("date", "")),
            said if isinstance(said, list) else None,
        )

    def unreachable(self, reason: str) -> Unavailable:
        """It cannot be talked to now."""
        return Unavailable(
            "compute.remote_unreachable", site=self.site, reason=shown(reason), retryable=True
        )

    def nonsense(self, what: str) -> Unavailable:
        """What it answered cannot be understood."""
        return Unavailable(
            "compute.remote_nonsense", site=self.site, what=shown(what), retryable=True
        )


def shown(text: str) -> str:
    """A scheduler's words as they may be shown."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:REASON_LETTERS_MAX]


def objects(value: Json) -> list[dict[str, Json]]:
    """The objects of a list; nothing of what is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text(value: Json) -> str:
    """A word; empty for what is none."""
    return value if isinstance(value, str) else ""


def _clock_us(date: str) -> int | None:
    try:
        at = parsedate_to_datetime(date)
        if at.tzinfo is None:  # it says no zone, or that it does not know it: UTC all the same
            at = at.replace(tzinfo=UTC)
        return max(int(at.timestamp()), 0) * SECOND_US or None
    except (TypeError, ValueError, OverflowError):
        return None
