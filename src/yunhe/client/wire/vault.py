"""Messages about secrets; a value only ever travels towards the platform."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from yunhe.client.wire.shapes import Id, Sent, Shown, Time

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
"""Name of a secret, in the form of an environment variable's."""
VALUE_LETTERS_MAX = 1 << 17
"""Longest value as sent; the platform bounds its bytes."""


class Secret(Shown):
    """A secret as it may be shown: everything but the value."""

    name: str
    """Unique within organisation and project."""
    project: str
    """Within which project; empty: the whole organisation's."""
    version: int
    """1 for the first value, one more for each that replaced it."""
    member: Id
    """Who put the present value."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "REGISTRY_TOKEN",
                "project": "",
                "version": 2,
                "member": "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj",
                "at": "2026-11-22T09:30:00.000000Z",
            }
        }
    )


class SecretValue(Sent):
    """A value to be kept."""

    value: SecretStr = Field(min_length=1, max_length=VALUE_LETTERS_MAX)
    """The value."""
    encoding: Literal["text", "base64"] = "text"
    """How its bytes are written: UTF-8 text, or base64 for anything else."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"value": "example-only", "encoding": "text"}}
    )
