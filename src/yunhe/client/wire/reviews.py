"""Messages about checks of certified datasets, by people and by rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from yunhe.client.wire.shapes import Id, Sent, Shown, Time

Verdict = Literal["pass", "fail"]
"""What somebody says of one item."""
Reason = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,64}$")]
"""Why an item fails; a review lists those there are."""
Number = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
"""An item's number in its review."""

_REVIEW = "review_t3r6w0h1ab7v1k0e5m2q9xj4c8"
_CERTIFICATE = "certificate_k0e5m2q9xj4c8t3r6w0h1ab7v1"
_MEMBER = "member_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2
_AT = "2026-11-22T09:30:00.000000Z"


class NewReview(Sent):
    """A review by people of a certified dataset of one's own organisation."""

    certificate: Id
    """The dataset's certificate."""
    items: int = Field(default=0, strict=True, ge=0, le=100_000)
    """More items than the standard asks for; 0: as it asks."""
    adjudicator: Id | None = None
    """The member who resolves disagreements; null: any third reviewer."""
    made_by: list[Id] = Field(default=[], max_length=200)
    """Members who made or labelled the data and so must not review it."""
    organisations: list[Id] = Field(default=[], max_length=50)
    """Other organisations whose members may review."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "certificate": _CERTIFICATE,
                "adjudicator": None,
                "made_by": [_MEMBER],
                "organisations": [_ORG],
            }
        }
    )


class NewCheck(Sent):
    """A check by rules of a certified dataset of one's own organisation."""

    certificate: Id
    """The dataset's certificate."""
    profile: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9-]{0,63}$")
    """The profile whose rules it is checked by; null: the one it was cleansed by."""

    model_config = ConfigDict(json_schema_extra={"example": {"certificate": _CERTIFICATE}})


class Review(Shown):
    """One check of one certified dataset."""

    id: Id
    """Its id."""
    kind: Literal["manual", "technical"]
    """By people, or by rules."""
    round: int
    """1 for the first of its kind, one more after each that was withdrawn."""
    certificate: Id
    """The dataset's certificate."""
    holder: Id
    """Organisation that holds the dataset."""
    dataset_digest: str
    """The dataset."""
    standard: str
    """What it is checked against."""
    population: int
    """Documents of the dataset."""
    items: int
    """Items drawn from them."""
    state: Literal["open", "finished", "withdrawn"]
    """Where it stands."""
    opened_at: Time
    """When it was opened."""
    ended_at: Time | None
    """When it was finished or withdrawn."""
    meets_standard: bool | None
    """Whether enough items passed; null until it is finished."""
    meets_with_confidence: bool | None
    """Whether so many passed that the 95 % interval lies above the limit; likewise."""
    reference: str | None
    """Its record in the log, once it has ended."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _REVIEW,
                "kind": "manual",
                "round": 1,
                "certificate": _CERTIFICATE,
                "holder": _ORG,
                "dataset_digest": _DIGEST,
                "standard": "GB/T 45654-2025",
                "population": 11_412,
                "items": 4_000,
                "state": "open",
                "opened_at": _AT,
                "ended_at": None,
                "meets_standard": None,
                "meets_with_confidence": None,
                "reference": None,
            }
        }
    )


class Progress(Shown):
    """How far a review is; nothing of it tells what anybody judged."""

    judgements: int
    """Judgements given."""
    settled: int
    """Items that need nobody any more."""
    disputed: int
    """Items that wait for somebody to resolve a disagreement."""
    claimed: int
    """Items that somebody is looking at now."""


class ReasonText(Shown):
    """One reason for which an item may fail."""

    reason: str
    """Its code."""
    text: str
    """What it means, in the language asked for."""


class ReviewInFull(Review):
    """A review with its people, its progress and, once it is finished, its result."""

    adjudicator: str | None
    """Who resolves disagreements; null: any third reviewer."""
    opened_by: str | None
    """The member who opened it."""
    organisations: list[str]
    """Other organisations whose members may review."""
    verified: bool
    """Whether the standard's figures were compared with its official text."""
    pass_per_thousand_min: int
    """How many of a thousand must pass."""
    progress: Progress
    """How far it is."""
    reasons: list[ReasonText]
    """Why an item may fail."""
    result: JsonValue
    """Both verdicts, shares with intervals, agreement, reasons; null until it is finished."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **Review.model_config["json_schema_extra"]["example"],  # type: ignore[index,dict-item]
                "adjudicator": None,
                "opened_by": _MEMBER,
                "organisations": [_ORG],
                "verified": False,
                "pass_per_thousand_min": 960,
                "progress": {"judgements": 120, "settled": 58, "disputed": 2, "claimed": 1},
                "reasons": [
                    {"reason": "personal.left", "text": "a personal detail was left in"},
                ],
                "result": None,
            }
        }
    )


class NewClaim(Sent):
    """A wish for items to judge."""

    items: int = Field(default=1, strict=True, ge=1, le=100)
    """How many at most."""
    after: int = Field(default=0, strict=True, ge=0, le=1_000_000)
    """Only items with larger numbers."""
    away: bool = Field(default=False, strict=True)
    """Whether they are taken away as a file, and so held for longer."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": 1}})


class Earlier(Shown):
    """What one of two reviewers said of an item on which they differ."""

    verdict: Verdict
    """Whether it may stay."""
    reasons: list[str]
    """Why not."""


class Item(Shown):
    """One item to judge."""

    item: int
    """Its number."""
    text: str
    """The released text, personal details masked."""
    characters: int
    """Its length; a very long text is cut."""
    label: str
    """Its class; empty for none."""
    held_until: Time
    """Until when nobody else is given it."""
    disputed: bool
    """Whether two reviewers differ and this judgement decides."""
    earlier: list[Earlier]
    """What they said; empty for a first look, so that nobody is led."""


class Claimed(Shown):
    """Items that are the caller's for now; none when there is nothing left for them."""

    items: list[Item]
    """By number."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "item": 17,
                        "text": "路灯不亮，请联系[电话]。",
                        "characters": 12,
                        "label": "道路",
                        "held_until": _AT,
                        "disputed": False,
                        "earlier": [],
                    }
                ]
            }
        }
    )


class Judgement(Sent):
    """What the caller says of one item."""

    item: Number
    """Its number."""
    verdict: Verdict
    """Whether it may stay."""
    reasons: list[Reason] = Field(default=[], max_length=50)
    """Why not; at least one for a fail, none for a pass."""


class NewJudgements(Sent):
    """Judgements on items that the caller holds; all are taken, or none."""

    judgements: list[Judgement] = Field(min_length=1, max_length=5_000)
    """One for each item."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "judgements": [
                    {"item": 17, "verdict": "pass", "reasons": []},
                    {"item": 18, "verdict": "fail", "reasons": ["quality.garbled"]},
                ]
            }
        }
    )


class GivenBack(Sent):
    """Items that the caller gives back unjudged."""

    items: list[Number] = Field(min_length=1, max_length=5_000)
    """Their numbers."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [17]}})
