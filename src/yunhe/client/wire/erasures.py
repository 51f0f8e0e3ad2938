"""Messages about requests to be erased."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.shapes import Id, Sent, Text


class NewErasure(Sent):
    """A person's request to be erased; the operation's result says what went and what stays."""

    subject: Literal["member", "document"]
    """Somebody who uses the platform, or somebody who is in a document of a dataset."""
    member: Id | None = None
    """The former: who; the id stays as a pseudonym."""
    source: Id | None = None
    """The latter: the source the document came in."""
    document: Text | None = Field(default=None, min_length=1, max_length=1_000, repr=False)
    """And the id it has there."""
    remove_dataset: bool = Field(default=False, strict=True)
    """Remove the certified dataset too, even where others rest on it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"subject": "member", "member": "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"}
        }
    )
