"""Messages about usage, invoices, providers' statements and what matching them finds."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from yunhe.client.wire.shapes import INTEGER_MAX, Digest, Id, Sent, Shown, Text, Time

_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_WORKLOAD = "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6"
_AT = "2027-02-20T09:30:00.000000Z"
_SUMS = {
    "device_ms": 36_000_000,
    "idle_ms": 3_600_000,
    "cost_minor": 12_000,
    "voucher_minor": 2_400,
    "cash_minor": 9_600,
}
_WHOLE = {"device_ms": 36_000_000, "share_basis_points": 10_000}
_FILE: JsonDict = {"provider": _ORG, "period": "2026-11", "form": "csv", "digest": _DIGEST}


class NormalisedTime(Shown):
    """Device time as time of a reference chip, for comparison; settlement is on the raw time."""

    reference: str
    """The chip that counts as 1,000."""
    versions: list[int]
    """Versions of the rate card that were used."""
    normalised_ms: int
    """Milliseconds of the reference chip."""
    device_ms: int
    """Raw device time that it stands for."""
    disputed_ms: int
    """Of that, at rates to which somebody objects."""


_NORMALISED: JsonDict = {
    "reference": "v100",
    "versions": [2],
    "normalised_ms": 22_716_000,
    "device_ms": 36_000_000,
    "disputed_ms": 0,
}


class UsageLine(Shown):
    """What was used and paid, of one group."""

    group: str
    """Value it was grouped by."""
    name: str = ""
    """What the organisation or project is called; empty: nothing else than ``group``."""
    currency: str
    """Of the amounts."""
    charges: int
    """Workloads that ended, with corrections."""
    device_ms: int
    """Device time."""
    idle_ms: int
    """Of that, held without being used."""
    cost_minor: int
    """What it cost."""
    voucher_minor: int
    """Of that, by voucher."""
    cash_minor: int
    """Of that, in cash."""
    reported_ms: int
    """Device time whose real utilisation was reported; of the rest nobody knows."""
    busy_ms: int
    """Of that, really used."""
    unwatched_ms: int = 0
    """Device time of which nobody knows whether it was idle."""
    chips: list[str]
    """The chips; device time of several is compared in normalised time only."""
    normalised: list[NormalisedTime]
    """By reference chip; empty where the rate card has no rate."""
    unrated_ms: int
    """Device time for which there is no rate; in no normalised sum."""


class Share(Shown):
    """One supplier's part of the device time."""

    name: str
    """The provider, or the vendor."""
    device_ms: int
    """Device time."""
    share_basis_points: int
    """Hundredths of a percent."""


class Usage(Shown):
    """Usage of a period so far."""

    period: str
    """Its month."""
    by: str
    """What the lines are grouped by."""
    lines: list[UsageLine]
    """The dearest first; days in order."""
    hhi: int
    """Concentration over providers: 0 … 10,000 (Herfindahl-Hirschman index of device time)."""
    shares: list[Share]
    """Providers, the largest first."""
    vendor_hhi: int
    """Concentration over the makers of the chips; a chip that the catalogue lacks is its own."""
    vendor_shares: list[Share]
    """Vendors, the largest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "period": "2026-11",
                "by": "organisation",
                "lines": [
                    {
                        "group": _ORG,
                        "name": "Beijing University",
                        "currency": "CNY",
                        "charges": 3,
                        **_SUMS,
                        "reported_ms": 18_000_000,
                        "busy_ms": 9_000_000,
                        "unwatched_ms": 0,
                        "chips": ["p100"],
                        "normalised": [_NORMALISED],
                        "unrated_ms": 0,
                    }
                ],
                "hhi": 10_000,
                "shares": [{"name": _ORG, **_WHOLE}],
                "vendor_hhi": 10_000,
                "vendor_shares": [{"name": "Huawei", **_WHOLE}],
            }
        }
    )


class Invoice(Shown):
    """An invoice, or our statement of what a provider is owed; never changed."""

    id: Id
    """Its id."""
    kind: Literal["invoice", "payable"]
    """``invoice`` to who used; ``payable`` to who delivered."""
    number: int
    """1, 2, … without gaps in each kind."""
    party: Id
    """Whom it is for."""
    period: str
    """Its month."""
    currency: str
    """Of its amounts."""
    lines: int
    """How many charges it lists."""
    device_ms: int
    """Device time in all."""
    idle_ms: int
    """Of that, held without being used."""
    cost_minor: int
    """Cost in all."""
    voucher_minor: int
    """Of that, by vouchers."""
    cash_minor: int
    """Of that, in cash."""
    issued_at: Time
    """When it was issued."""
    digest: Digest
    """Of the document as issued."""
    reference: str
    """Its record in the log."""
    normalised: list[NormalisedTime]
    """The device time in normalised time, by the rates of when it was issued."""
    unrated_ms: int
    """Device time for which there was no rate."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "document_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                "kind": "invoice",
                "number": 12,
                "party": _ORG,
                "period": "2026-11",
                "currency": "CNY",
                "lines": 3,
                **_SUMS,
                "issued_at": _AT,
                "digest": _DIGEST,
                "reference": "5d" * 32,
                "normalised": [_NORMALISED],
                "unrated_ms": 0,
            }
        }
    )


class NewPeriod(Sent):
    """A period to be closed."""

    period: str = Field(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")
    """Its month."""

    model_config = ConfigDict(json_schema_extra={"example": {"period": "2026-11"}})


class ClosedPeriod(Shown):
    """A closed period and what was issued."""

    period: str
    """Its month."""
    invoices: int
    """How many invoices."""
    payables: int
    """How many statements to providers."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"period": "2026-11", "invoices": 40, "payables": 14}}
    )


class NewProviderStatement(Sent):
    """What a provider says it delivered: an uploaded file."""

    provider: Id
    """Who says so."""
    period: str = Field(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")
    """For which month."""
    form: Literal["csv", "json"] = "csv"
    """What the file is."""
    digest: Digest
    """The upload."""

    model_config = ConfigDict(json_schema_extra={"example": _FILE})


class ProviderStatement(Shown):
    """A provider's statement as it was handed in."""

    id: Id
    """Its id."""
    provider: Id
    """Who says so."""
    period: str
    """For which month."""
    form: str
    """What the file is."""
    lines: int
    """How many lines it has."""
    amount_minor: int
    """Sum of their amounts."""
    received_at: Time
    """When it was handed in."""
    digest: Digest
    """Of the file."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "statement_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                "provider": _ORG,
                "period": "2026-11",
                "form": "csv",
                "lines": 3,
                "amount_minor": 12_000,
                "received_at": _AT,
                "digest": _DIGEST,
            }
        }
    )


class Mismatch(Shown):
    """One place where job log, ledger and statement do not say the same."""

    kind: str
    """Stable name, e.g. ``billed_twice``."""
    side: Literal["statement", "ledger", "jobs"]
    """Which of the three."""
    charge: str
    """The workload or correction."""
    where: str
    """Line of the statement or transfer of the ledger; empty: missing there."""
    currency: str
    """Of the amounts."""
    quantity: Literal["money", "device_ms", "none"]
    """What the next two count."""
    expected: int
    """What the others say."""
    found: int
    """What is said there."""
    message: str
    """The finding as a sentence."""
    do: str
    """What to do about it."""


class Matched(Shown):
    """What the three-way match found."""

    charges: int
    """Charges of the period."""
    agreed: int
    """Of those, with all three the same."""
    lines: int
    """Lines of the statement."""
    mismatches: list[Mismatch]
    """At most 10,000."""
    more: int
    """How many more there are."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "charges": 3,
                "agreed": 2,
                "lines": 4,
                "more": 0,
                "mismatches": [
                    {
                        "kind": "billed_twice",
                        "side": "statement",
                        "charge": _WORKLOAD,
                        "where": "4",
                        "currency": "CNY",
                        "quantity": "money",
                        "expected": 0,
                        "found": 12_000,
                        "message": "It is billed again.",
                        "do": "Pay it once; refuse this line.",
                    }
                ],
            }
        }
    )


class NewCorrection(Sent):
    """What a workload should have been charged."""

    workload: Id
    """Which."""
    device_ms: int = Field(strict=True, ge=0, le=INTEGER_MAX)
    """Device time it should have been charged for; not more than it was."""
    reason: Text = Field(min_length=1, max_length=200)
    """Why; kept for ever, so never personal."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"workload": _WORKLOAD, "device_ms": 0, "reason": "node was broken"}
        }
    )


class Correction(Shown):
    """Something given back of a charge, by new entries."""

    id: Id
    """Its id."""
    workload: Id
    """What it corrects."""
    corrects: str
    """The month of what it corrects."""
    device_ms: int
    """Change of device time, below zero."""
    cost_minor: int
    """Change of the cost."""
    voucher_minor: int
    """Of that, of the voucher."""
    cash_minor: int
    """Of that, in cash."""
    reason: str
    """Why."""
    at: Time
    """When."""
    reference: str
    """Its record in the log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "correction_9xj4c8t3r6w0h1ab7v1k0e5m2q",
                "workload": _WORKLOAD,
                "corrects": "2026-10",
                "device_ms": -36_000_000,
                "cost_minor": -12_000,
                "voucher_minor": -2_400,
                "cash_minor": -9_600,
                "reason": "node was broken",
                "at": _AT,
                "reference": "5d" * 32,
            }
        }
    )
