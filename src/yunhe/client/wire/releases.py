"""Messages about approvals and releases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, ConfigDict

from yunhe.client.wire.shapes import Id, Sent, Shown, Time

_MODEL = "model_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_RISK = "risk_5m2q9xj4c8t3r6w0h1ab7v1k0e"
_EVALUATION = "evaluation_6w0h1ab7v1k0e5m2q9xj4c8t3r"
_APPROVAL = "approval_m2q9xj4c8t3r6w0h1ab7v1k0e5"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_REFERENCE = "5d" * 32
_AT = "2026-11-22T09:30:00.000000Z"
_YEAR_MAX = 2200


def _in_reach(moment: AwareDatetime) -> AwareDatetime:
    if not 1970 <= moment.year <= _YEAR_MAX:  # records hold microseconds in 53 bits
        raise ValueError("out of range")
    return moment


Until = Annotated[AwareDatetime, AfterValidator(_in_reach)]
"""A moment, with its offset from UTC."""


class NewApproval(Sent):
    """One's own decision about a model version; the approver is whoever sends it."""

    model: Id
    """Model version."""
    evaluation: Id
    """The evaluation it rests on."""
    risk: Id
    """The grading it rests on."""
    role: Literal["risk_officer", "release_owner"]
    """The role one decides in."""
    decision: Literal["approve", "reject"] = "approve"
    """For or against."""
    expires_at: Until
    """From then on it no longer counts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "evaluation": _EVALUATION,
                "risk": _RISK,
                "role": "risk_officer",
                "decision": "approve",
                "expires_at": "2027-02-20T00:00:00Z",
            }
        }
    )


class Approval(Shown):
    """One person's decision about one model version."""

    id: Id
    """Its id."""
    model: Id
    """Model version."""
    reference: str
    """Its record in the log."""
    approver: Id
    """Who decided."""
    role: str
    """In which role."""
    decision: Literal["approve", "reject"]
    """For or against."""
    evaluation_reference: str
    """Record of the evaluation it rests on."""
    risk: Id
    """The grading it rests on."""
    expires_at: Time
    """From then on it no longer counts."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _APPROVAL,
                "model": _MODEL,
                "reference": _REFERENCE,
                "approver": _MEMBER,
                "role": "risk_officer",
                "decision": "approve",
                "evaluation_reference": _REFERENCE,
                "risk": _RISK,
                "expires_at": "2027-02-20T00:00:00.000000Z",
                "at": _AT,
            }
        }
    )


class NewRelease(Sent):
    """A model version to be released on the approvals that are in force."""

    model: Id
    """Model version."""
    evaluation: Id
    """The evaluation that was passed."""
    risk: Id
    """The grading that was approved."""
    valid_until: Until | None = None
    """Sooner than the first approval expires; null: then."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": _MODEL,
                "evaluation": _EVALUATION,
                "risk": _RISK,
                "valid_until": None,
            }
        }
    )


class Release(Shown):
    """Leave for a model version to serve, until a moment."""

    id: Id
    """Its id."""
    model: Id
    """Model version."""
    reference: str
    """Its record in the log: the certificate deployments rest on."""
    evaluation_reference: str
    """Record of the evaluation."""
    risk: Id
    """The grading."""
    approvals: list[Id]
    """The approvals it rests on."""
    valid_until: Time
    """From then on it may not serve."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "release_q9xj4c8t3r6w0h1ab7v1k0e5m2",
                "model": _MODEL,
                "reference": _REFERENCE,
                "evaluation_reference": _REFERENCE,
                "risk": _RISK,
                "approvals": [_APPROVAL],
                "valid_until": "2027-02-20T00:00:00.000000Z",
                "at": _AT,
            }
        }
    )
