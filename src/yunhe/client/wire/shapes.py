"""What every message on the wire shares: what callers send, what the platform shows, and faults."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

INTEGER_MAX = 2**53 - 1
"""Largest integer that every JSON reader keeps exact."""
PAGE_MAX = 200
"""Most items of one page."""


def _storable(value: str) -> str:
    if "\0" in value:  # PostgreSQL's text holds every character but this one
        raise ValueError("NUL")
    return value


Text = Annotated[str, AfterValidator(_storable)]
"""Text without NUL, which no database keeps."""
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Field()
]
"""What people call something."""
Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""An id the platform gave."""
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""``sha256:`` and 64 hex digits."""
Amount = Annotated[int, Field(strict=True, ge=1, le=INTEGER_MAX)]
"""A positive amount in the minor unit of its unit of account."""
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC with microseconds."""


class Sent(BaseModel):
    """A body that a caller sends: unknown fields are refused, so a typing mistake is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """A body that the platform sends: clients ignore fields that a later version adds."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_Item = TypeVar("_Item")


class Page(Shown, Generic[_Item]):
    """Part of a list; ``next`` is handed back as ``after`` for the part that follows."""

    items: list[_Item]
    """In the order the route promises."""
    next: str | None
    """Cursor of the next page; null on the last one."""


class Finding(Shown):
    """One fault in what was sent."""

    where: str
    """Path of the field."""
    code: str
    """Stable name of the fault."""
    message: str
    """The fault as a sentence."""


class Fault(Shown):
    """The one shape of every error."""

    kind: str
    """One of invalid, not_allowed, not_found, conflict, exhausted, unavailable."""
    code: str
    """Stable name of what happened, e.g. ``ledger.insufficient``."""
    message: str
    """What happened, in the language asked for."""
    do: str
    """What to do next, likewise."""
    params: dict[str, str | int]
    """Values of the two sentences."""
    findings: list[Finding]
    """Every fault in what was sent."""
    retryable: bool
    """Whether the same request may succeed later."""
    request_id: str
    """Names this request in the server's log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "not_found",
                "code": "ledger.account_unknown",
                "message": "There is no account acct_0123456789abcdefghjkmnpqrs.",
                "do": "Open the account first, or correct the id.",
                "params": {"account": "acct_0123456789abcdefghjkmnpqrs"},
                "findings": [],
                "retryable": False,
                "request_id": "req_01kaexample00000000000000",
            }
        }
    )
