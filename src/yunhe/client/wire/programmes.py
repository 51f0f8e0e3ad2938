"""Messages about programmes: their rules and facts, their money, affiliations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.compute import Word
from yunhe.client.wire.shapes import Amount, Digest, Id, Sent, Shown, Text, Time

Fact = bool | Annotated[int, Field(strict=True)] | str | list[str] | None
"""One fact: true or false, a whole number, a word, a day, several words; null: not known."""
Facts = Annotated[dict[str, Fact], Field(max_length=100)]
"""Facts by name; ``GET /v1/programmes`` says which there are."""
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2026-11-22T09:30:00.000000Z"
FACTS: dict[str, JsonValue] = {
    "applicant_kind": "sme",
    "conflict_declared": False,
    "device_hours": 100,
    "devices": 2,
    "window_months": 3,
}
"""Facts of an example."""
RULE: dict[str, JsonValue] = {
    "rule": "Y-SMALL",
    "decides": "approve",
    "text": "Up to 500 device-hours in all, 8 devices and 3 months are approved at once.",
    "verified": True,
}
"""A rule of an example."""


class FactAsked(Shown):
    """A fact that a programme may ask for."""

    id: str
    """Its name."""
    kind: Literal["flag", "choice", "choices", "count", "date"]
    """What sort of value it takes."""
    options: list[str]
    """The words it may be, for ``choice`` and ``choices``."""
    least: int
    """Least value of a ``count``."""
    most: int
    """Greatest value of a ``count``."""
    told_by_platform: bool
    """Whether the platform finds it itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "device_hours",
                "kind": "count",
                "options": [],
                "least": 1,
                "most": 1_000_000_000,
                "told_by_platform": False,
            }
        }
    )


class Rule(Shown):
    """A rule that counted, or that a programme has."""

    rule: str
    """Its id."""
    decides: str
    """What it asks for: refuse, return, committee, verifier or approve."""
    text: str
    """The rule as a sentence."""
    verified: bool
    """Whether it was checked against the official text it rests on."""

    model_config = ConfigDict(json_schema_extra={"example": RULE})


class Programme(Shown):
    """What is given, to whom, and by which rules."""

    id: str
    """Its name."""
    title: str
    """What it is called."""
    subject: Literal["device_time", "voucher", "grant"]
    """What it gives."""
    currency: str
    """ISO 4217; empty where no money is paid."""
    version: str
    """Version of the rule set."""
    digest: Digest
    """Its digest."""
    asks: list[FactAsked]
    """What a proposal states."""
    rules: list[Rule]
    """Every rule, the last one for what no other decides."""
    quorum: int
    """How many votes of its committee count."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "yunhe",
                "title": "Device time on demand",
                "subject": "device_time",
                "currency": "",
                "version": "2026.11.1",
                "digest": _DIGEST,
                "asks": [],
                "rules": [RULE],
                "quorum": 3,
            }
        }
    )


class Ruling(Shown):
    """What a rule set says about facts."""

    outcome: Literal["refuse", "return", "committee", "verifier", "approve"]
    """What would follow."""
    rules: list[Rule]
    """Every rule that held, strictest first."""
    missing: list[str]
    """Facts asked for that are not known."""
    verified: bool
    """Whether every rule that led to it was checked against its official text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"outcome": "approve", "rules": [RULE], "missing": [], "verified": True}
        }
    )


class NewFund(Sent):
    """Money for a programme."""

    programme: Word
    """Which."""
    amount_minor: Amount
    """How much, in the minor unit of its currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"programme": "beijing_vouchers", "amount_minor": 8_000_000_000}
        }
    )


class Fund(Shown):
    """Money that was put into a programme."""

    programme: str
    """Which."""
    amount_minor: int
    """How much."""
    currency: str
    """ISO 4217."""
    transfer: str
    """Its transfer in the ledger."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "programme": "beijing_vouchers",
                "amount_minor": 8_000_000_000,
                "currency": "CNY",
                "transfer": "transfer_0e5m2q9xj4c8t3r6w0h1ab7v1k",
            }
        }
    )


class NewAffiliation(Sent):
    """Two organisations that are affiliated."""

    first: Id
    """One."""
    second: Id
    """The other."""
    basis: Text = Field(min_length=1, max_length=200)
    """How it is known, e.g. the company register."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"first": _ORG, "second": _ORG, "basis": "parent company"}}
    )


class Affiliation(Shown):
    """Two organisations that are affiliated."""

    first: str
    """One."""
    second: str
    """The other."""
    basis: str
    """How it is known."""
    at: Time
    """Since when."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"first": _ORG, "second": _ORG, "basis": "parent company", "at": _AT}
        }
    )
