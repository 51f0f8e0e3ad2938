"""Messages about long operations and uploads."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, JsonValue

from yunhe.client.wire.shapes import Digest, Finding, Id, Shown, Time

State = Literal["waiting", "running", "done", "failed", "cancelled"]
"""Where an operation stands; the last three are ends."""

_OPERATION = "operation_3c8t3r6w0h1ab7v1k0e5m2q9xj"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_AT = "2026-11-22T09:30:00.000000Z"


class Failure(Shown):
    """Why an operation failed."""

    kind: str
    """One of invalid, not_allowed, not_found, conflict, exhausted, unavailable."""
    code: str
    """Stable name of what happened."""
    message: str
    """What happened, in the language asked for."""
    do: str
    """What to do next, likewise."""
    params: dict[str, str | int]
    """Values of the two sentences."""
    findings: list[Finding]
    """Every fault found."""
    retryable: bool
    """Whether the same request may succeed later."""


class Operation(Shown):
    """A long piece of work: poll it, follow its events, or cancel it."""

    id: Id
    """Its id."""
    kind: str
    """What it does, e.g. ``plans.run``."""
    organisation: Id
    """Whose it is."""
    project: str
    """The project it belongs to; empty for none."""
    member: Id
    """Who asked for it."""
    state: State
    """Where it stands."""
    created_at: Time
    """When it was asked for."""
    started_at: Time | None
    """When a worker first began."""
    ended_at: Time | None
    """When it ended."""
    step: str
    """The present step, in the language asked for."""
    done: int
    """Units of it that are finished."""
    total: int | None
    """Units of it, if known."""
    cancel_asked: bool
    """Somebody asked for it to be stopped."""
    result: JsonValue
    """What came of it, once done."""
    error: Failure | None
    """Why it failed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _OPERATION,
                "kind": "corpus.cleanse",
                "organisation": _ORG,
                "project": "",
                "member": _MEMBER,
                "state": "running",
                "created_at": _AT,
                "started_at": _AT,
                "ended_at": None,
                "step": "documents",
                "done": 12_000,
                "total": 20_000,
                "cancel_asked": False,
                "result": None,
                "error": None,
            }
        }
    )


class Upload(Shown):
    """Bytes that one's own organisation sent, named by their digest."""

    digest: Digest
    """What other requests name them by."""
    size_bytes: int
    """How many."""
    at: Time
    """When they came first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "digest": "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2,
                "size_bytes": 1_048_576,
                "at": _AT,
            }
        }
    )
