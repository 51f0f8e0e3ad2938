"""Messages about applications for device time, vouchers and grants."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.accepting import Accepted, ChipsIfAny
from yunhe.client.wire.compute import Word
from yunhe.client.wire.deciding import Reason
from yunhe.client.wire.programmes import FACTS, RULE, Fact, Facts, Rule
from yunhe.client.wire.shapes import Amount, Id, Sent, Shown, Text, Time

Party = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""Id of a member or organisation."""

_APPLICATION = "application_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_AWARD = "award_4c8t3r6w0h1ab7v1k0e5m2q9xj"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "mem_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_AT = "2026-11-22T09:30:00.000000Z"


class Contract(Sent):
    """What a voucher pays a part of."""

    number: Text = Field(min_length=1, max_length=200)
    """As both parties know it."""
    provider: Id
    """The organisation that is paid; its members confirm settlement."""
    document: str = Field(default="", pattern=r"^(sha256:[0-9a-f]{64})?$")
    """Digest of the signed contract, an upload; or empty."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"number": "HT-2026-0117", "provider": _ORG}}
    )


class Milestone(Sent):
    """What a part of a grant is paid for."""

    name: Text = Field(min_length=1, max_length=200)
    """What is to be reached."""
    amount_minor: Amount
    """What it pays."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "prototype", "amount_minor": 10_000_000}}
    )


class NewApplication(Sent):
    """A proposal."""

    programme: Word = "yunhe"
    """Whose rules decide."""
    kind: Literal["new", "extension", "change"] = "new"
    """For something new, for more of an award, or for another chip or more devices at once."""
    concerns: str = Field(default="", pattern=r"^([a-z][a-z0-9_]{0,63})?$")
    """The application whose award an extension or change is about."""
    project: str = Field(default="", pattern=r"^([a-z][a-z0-9_]{0,63})?$")
    """Project it belongs to; empty: the organisation's own."""
    title: Text = Field(min_length=1, max_length=200)
    """What it is for, in a line."""
    chip: ChipsIfAny = ""
    """On what, for device time: a chip, a list (``a100+h100``) or a class (``class:inference``)."""
    facts: Facts = Field(default={})
    """What the programme asks for; of a change only what is to be different."""
    conflicts: list[Party] = Field(default=[], max_length=50)
    """Members and organisations with an interest in it; they decide nothing about it."""
    contract: Contract | None = None
    """For a voucher."""
    milestones: list[Milestone] = Field(default=[], max_length=50)
    """For a grant."""
    add_hours: int = Field(default=0, strict=True, ge=0, le=10**9)
    """Of an extension: device-hours on top."""
    add_months: int = Field(default=0, strict=True, ge=0, le=120)
    """Of an extension: months on top."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "programme": "yunhe",
                "title": "fine-tuning of a hotline model",
                "chip": "cpu",
                "facts": FACTS,
            }
        }
    )


class NewRuling(NewApplication):
    """A proposal to be judged without applying: what an application would be, as far as known."""

    title: str = Field(default="", max_length=200)
    """As of an application; it does not matter."""
    facts: Facts = Field(default={})
    """What is known; those the platform finds may be given, too, and are then taken as said."""

    model_config = ConfigDict(json_schema_extra={"example": {"programme": "yunhe", "facts": FACTS}})


class Amendment(Sent):
    """What was missing."""

    reason: Reason
    """Why."""
    facts: Facts = Field(default={})
    """Facts that are new or different."""
    conflicts: list[Party] | None = Field(default=None, max_length=50)
    """All of them, if they are different."""
    contract: Contract | None = None
    """If it is different."""
    milestones: list[Milestone] = Field(default=[], max_length=50)
    """All of them, if they are different."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "hours added", "facts": {"device_hours": 100}}}
    )


class Step(Shown):
    """One thing that happened to an application."""

    action: str
    """What."""
    actor: str
    """Member, or ``rules``."""
    at: Time
    """When."""
    reason: str
    """Why."""
    state: str
    """Where the application stood afterwards."""
    vote: str = ""
    """What a member of the committee voted for; empty for other steps."""
    hours: int = 0
    """Device-hours that a vote would award, where it named fewer than were asked for."""
    payment: int = 0
    """Which payment it was about; 0 for other steps."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "action": "awarded",
                "actor": "rules",
                "at": _AT,
                "reason": "Y-SMALL",
                "state": "awarded",
            }
        }
    )


class Window(Shown):
    """Device time for a while."""

    chip: str
    """On what."""
    starts_at: Time
    """From when."""
    ends_at: Time
    """Until when."""
    device_ms: int
    """How much, in device-milliseconds."""
    carried: int
    """How often this amount was carried over."""
    moved_ms: int = 0
    """How much of it was given out again under other terms by an extension or change."""
    award: str
    """Its award; empty before it begins."""
    accepts: Accepted | None = None
    """Of one for several chips: which, and how each counts; null: the one chip."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "chip": "cpu",
                "starts_at": _AT,
                "ends_at": _AT,
                "device_ms": 360_000_000,
                "carried": 0,
                "award": _AWARD,
            }
        }
    )


class Payment(Shown):
    """One payment under an application."""

    number: int
    """1, 2, …"""
    name: str
    """What it is for."""
    amount_minor: int
    """How much."""
    state: Literal["open", "asked", "paid", "lapsed"]
    """Where it stands."""
    lapses_at: Time
    """Not asked for by then, it lapses."""
    confirmed: bool
    """Whether the provider confirmed settlement."""
    evidence: dict[str, str]
    """Digests by name."""
    transfer: str
    """The ledger's transfer, once paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 1,
                "name": "voucher",
                "amount_minor": 20_000_000,
                "state": "open",
                "lapses_at": _AT,
                "confirmed": False,
                "evidence": {},
                "transfer": "",
            }
        }
    )


_SHOWN: dict[str, JsonValue] = {
    "id": _APPLICATION,
    "organisation": _ORG,
    "project": "",
    "programme": "yunhe",
    "kind": "new",
    "concerns": "",
    "title": "fine-tuning of a hotline model",
    "chip": "cpu",
    "state": "awarded",
    "possible": ["extend", "change", "report"],
    "outcome": "approve",
    "rules": [RULE],
    "missing": [],
    "verified": True,
    "applied_by": _MEMBER,
    "applied_at": _AT,
    "due_at": None,
    "decided_by": "rules",
    "granted_ms": 360_000_000,
    "ends_at": _AT,
    "amount_minor": 0,
    "currency": "",
    "awards": [_AWARD],
    "reference": "5d" * 32,
}


class Application(Shown):
    """An application as it stands."""

    id: Id
    """Its id."""
    organisation: Id
    """Who applied."""
    project: str
    """Project it belongs to; empty: the organisation's own."""
    programme: str
    """Whose rules decide."""
    kind: Literal["new", "extension", "change"]
    """What it is for."""
    concerns: str
    """The application whose award it is about; empty for a new one."""
    title: str
    """What it is for, in a line."""
    chip: str
    """On what."""
    state: Literal[
        "returned",
        "verifying",
        "voting",
        "awarded",
        "refused",
        "withdrawn",
        "lapsed",
        "reported",
        "closed",
    ]
    """Where it stands."""
    possible: list[str]
    """What may be done now, by whoever it is for."""
    outcome: str
    """What the rules said."""
    rules: list[Rule]
    """The rules that counted."""
    missing: list[str]
    """Facts asked for that are not known."""
    verified: bool
    """Whether every rule that led to it was checked against its official text."""
    applied_by: str
    """Member who applied."""
    applied_at: Time
    """When."""
    due_at: Time | None
    """By when whoever it waits for is to act."""
    decided_by: str
    """Member, ``committee`` or ``rules``; empty while undecided."""
    asked_ms: int = 0
    """Device time asked for, in device-milliseconds; of an extension, on top of the award."""
    add_months: int = 0
    """Months that an extension asks for on top."""
    granted_ms: int
    """Device time awarded in all, in device-milliseconds."""
    ends_at: Time | None
    """Until when."""
    amount_minor: int
    """Money asked for; once decided, awarded."""
    currency: str
    """Of it."""
    awards: list[str]
    """Awards that came of it."""
    reference: str
    """The decision's record in the log; empty while undecided."""

    model_config = ConfigDict(json_schema_extra={"example": _SHOWN})


class ApplicationInFull(Application):
    """An application with its facts, steps, windows and payments."""

    facts: dict[str, Fact]
    """Facts the rules were last asked about."""
    steps: list[Step]
    """What happened; votes only to the programme."""
    windows: list[Window]
    """Its device time."""
    payments: list[Payment]
    """Its money."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {**_SHOWN, "facts": FACTS, "steps": [], "windows": [], "payments": []}
        }
    )
