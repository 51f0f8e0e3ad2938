"""Where data, awards, organisations and pools are bound to."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.asking import Jurisdiction
from yunhe.client.wire.shapes import Sent, Shown, Text, Time

What = Literal["data", "award", "organisation", "pool"]
"""What a rule of place is about."""
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SAID: dict[str, JsonValue] = {
    "what": "data",
    "subject": _DIGEST,
    "jurisdictions": ["CN"],
    "reason": "contract 7, clause 4",
}


class NewLimit(Sent):
    """What is to be said of a place."""

    what: What
    """Where data may be processed, where an award may be used, where an organisation is, or where
    the consumers are that a pool serves."""
    subject: str = Field(min_length=1, max_length=200)
    """Digest or custody record of data; id of an award, an organisation or a pool."""
    jurisdictions: list[Jurisdiction] = Field(max_length=100)
    """ISO 3166 codes such as CN or CN-BJ; none lifts what was said before."""
    reason: Text
    """Why; kept for ever, so no personal details."""

    model_config = ConfigDict(json_schema_extra={"example": _SAID})


class Limit(Shown):
    """Something that was said of a place; the last of a subject holds."""

    number: int
    """Its order; 0: nothing had to be said."""
    what: What
    """What it is about."""
    subject: str
    """Of which."""
    jurisdictions: list[str]
    """Where; none: what was said before no longer holds."""
    reason: str
    """Why; empty: it came with what the data was made of."""
    by: str
    """Member; empty likewise."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 1,
                **_SAID,
                "by": "member_w0h1ab7v1k0e5m2q9xj4c8t3r6",
                "at": "2027-02-20T09:30:00.000000Z",
            }
        }
    )
