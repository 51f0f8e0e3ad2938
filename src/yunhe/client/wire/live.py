"""Messages about commands run inside work."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.shapes import Digest, Id, Sent, Shown, Text, Time

_EXEC = "exec_1k0e5m2q9xj4c8t3r6w0h1ab7v"
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_MEMBER = "member_5m2q9xj4c8t3r6w0h1ab7v1k0e"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2027-02-20T09:30:00.000000Z"
INPUT_BYTES_MAX = 48 << 10
"""Most bytes of one piece of input."""
Side = Annotated[int, Field(strict=True, ge=1, le=1_000)]
"""Rows or columns of a terminal."""


class Exec(Shown):
    """A command run inside a workload; its words are not kept."""

    id: Id
    """Its id."""
    workload: Id
    """Where it runs."""
    member: Id
    """Who started it."""
    command_digest: Digest
    """Of its words as canonical JSON."""
    tty: bool
    """Whether it has a terminal."""
    closes: bool
    """Whether the workload ends with it."""
    state: Literal["asked", "running", "ended", "refused"]
    """Where it stands."""
    why: str | None
    """Code of why it was refused or broken off."""
    message: str
    """The same as a sentence."""
    status: int | None
    """Its exit status."""
    input_done: int
    """Number of the last piece of input that it took."""
    input_last: int
    """Number of the last piece that it was given."""
    said_bytes: int
    """How much it has said; to go on reading from somewhere else."""
    at: Time
    """When it was asked for."""
    ended_at: Time | None
    """When it was over."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _EXEC,
                "workload": _WORKLOAD,
                "member": _MEMBER,
                "command_digest": _DIGEST,
                "tty": False,
                "closes": False,
                "state": "ended",
                "why": None,
                "message": "",
                "status": 0,
                "input_done": 0,
                "input_last": 0,
                "said_bytes": 5,
                "at": _AT,
                "ended_at": _AT,
            }
        }
    )


class NewExec(Sent):
    """A command to be run."""

    command: list[Text] = Field(min_length=1, max_length=1_000)
    """Its words; no shell looks at them."""
    tty: bool = False
    """Give it a terminal."""
    rows: Side = 24
    """Of the terminal."""
    columns: Side = 80
    """Of the terminal."""
    closes: bool = False
    """End the session that it runs in when it ends."""

    model_config = ConfigDict(json_schema_extra={"example": {"command": ["nvidia-smi"]}})


class Input(Sent):
    """What is typed into a command, or how large its terminal is now."""

    seq: int = Field(strict=True, ge=1, le=2**53 - 1)
    """Counts from 1; a piece that comes twice counts once."""
    data: Annotated[str, StringConstraints(max_length=INPUT_BYTES_MAX * 4 // 3 + 4)] = ""
    """Bytes as base64."""
    eof: bool = False
    """Whether nothing follows."""
    rows: Side | None = None
    """The terminal's new height."""
    columns: Side | None = None
    """And its width."""

    model_config = ConfigDict(json_schema_extra={"example": {"seq": 1, "data": "bHMK"}})
