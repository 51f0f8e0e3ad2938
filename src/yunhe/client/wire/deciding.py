"""Messages about what is done with an application: decisions, votes, reports, payments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from yunhe.client.wire.compute import Word
from yunhe.client.wire.shapes import Digest, Sent, Text

Reason = Annotated[Text, Field(min_length=1, max_length=2_000)]
"""Why, in one's own words; no personal details."""
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Because(Sent):
    """Why something is done."""

    reason: Reason
    """Why."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "no longer needed"}})


class Decision(Sent):
    """One person's decision."""

    verdict: Literal["award", "refuse", "return", "refer"]
    """Award it, refuse it, send it back, or hand it on to the committee."""
    reason: Reason
    """Why."""
    hours: int = Field(default=0, strict=True, ge=0, le=10**9)
    """Device-hours awarded, where it is less than was asked for."""
    amount_minor: int = Field(default=0, strict=True, ge=0, le=10**12)
    """Money awarded by voucher, where it is less than was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"verdict": "award", "reason": "sound plan", "hours": 1_500}}
    )


class NewVote(Sent):
    """A committee member's vote."""

    vote: Literal["award", "refuse", "abstain", "recuse"]
    """``recuse`` declares an interest; it counts for nothing and can't be taken back."""
    reason: Reason
    """Why."""
    hours: int = Field(default=0, strict=True, ge=0, le=10**9)
    """Device-hours this member would award, where it is less than was asked for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"vote": "award", "reason": "strong team"}}
    )


class FinalReport(Sent):
    """The final report of an award."""

    document: Digest
    """An upload."""
    reason: Reason
    """In a line, what was reached."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"document": _DIGEST, "reason": "model released"}}
    )


class Closing(Sent):
    """What becomes of a final report."""

    accept: Literal["yes", "no"]
    """Whether it is taken; if not, another one is due."""
    reason: Reason
    """Why."""

    model_config = ConfigDict(json_schema_extra={"example": {"accept": "yes", "reason": "read"}})


class Redemption(Sent):
    """A payment is asked for."""

    payment: int = Field(default=1, strict=True, ge=1, le=50)
    """Which."""
    evidence: dict[Word, Digest] = Field(max_length=20)
    """Uploads by name: ``invoice`` and ``delivery_proof`` for a voucher."""
    reason: Reason
    """In a line, what was delivered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "payment": 1,
                "evidence": {"invoice": _DIGEST, "delivery_proof": _DIGEST},
                "reason": "settled in October",
            }
        }
    )


class Confirmation(Sent):
    """The provider of a contract says that it was settled."""

    payment: int = Field(default=1, strict=True, ge=1, le=50)
    """Which payment rests on it."""
    reason: Reason
    """In a line, what was settled."""

    model_config = ConfigDict(json_schema_extra={"example": {"payment": 1, "reason": "paid"}})


class PaymentDecision(Sent):
    """What becomes of a payment that was asked for."""

    payment: int = Field(default=1, strict=True, ge=1, le=50)
    """Which."""
    verdict: Literal["pay", "return"]
    """Pay it, or send the evidence back."""
    reason: Reason
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"payment": 1, "verdict": "pay", "reason": "checked"}}
    )
