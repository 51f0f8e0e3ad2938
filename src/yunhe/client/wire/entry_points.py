"""Messages about program files that may run without a sandbox."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from yunhe.client.wire.compute import Word
from yunhe.client.wire.shapes import Digest, Id, Sent, Shown, Text, Time

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2026-11-22T09:30:00.000000Z"


class EntryPoint(Shown):
    """The operator's word that a program file may run without a sandbox."""

    name: str
    """Entry point it is for."""
    module: str
    """Python module."""
    digest: str
    """Digest of the module's source file: exactly these bytes."""
    approved_by: Id
    """Who gave it."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "training",
                "module": "yunhe.models.training",
                "digest": _DIGEST,
                "approved_by": "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj",
                "at": _AT,
            }
        }
    )


class NewEntryPoint(Sent):
    """A program file to be let run without a sandbox."""

    name: Word
    """Entry point it is for."""
    module: Text = Field(min_length=1, max_length=200)
    """Python module."""
    digest: Digest
    """Digest of the module's source file."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "training",
                "module": "yunhe.models.training",
                "digest": _DIGEST,
            }
        }
    )
