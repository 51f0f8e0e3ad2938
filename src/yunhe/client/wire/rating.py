"""Messages about chips, rate cards, disputes and normalised device time."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from yunhe.client.wire.compute import Word
from yunhe.client.wire.releases import Until
from yunhe.client.wire.shapes import Digest, Id, Sent, Shown, Text, Time

_CARD = "ratecard_h1ab7v1k0e5m2q9xj4c8t3r6w0"
_DISPUTE = "dispute_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "member_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2027-02-20T09:30:00.000000Z"
_REASON = Field(min_length=1, max_length=200)
_EXAMPLE_RATE: JsonDict = {
    "chip": "p100",
    "workload_class": "training.resnet50",
    "per_thousand": 631,
    "provenance": "measured here, 2027-02",
    "verified": True,
}


class ExportNote(Shown):
    """What was seen of export rules that concern a chip; not legal advice."""

    note: str
    """In the language asked for."""
    valid_from: str
    """First day."""
    valid_to: str
    """Last day; empty while it stands."""
    source: str
    """Where it was read."""
    verified: bool
    """Whether it was compared with the official text."""


class Chip(Shown):
    """One model of accelerator in the catalogue."""

    id: str
    """The word that pools and workloads name."""
    vendor: str
    """Who makes it."""
    name: str
    """What the vendor calls it."""
    kind: str
    """``gpu``, ``npu`` or ``dcu``."""
    memory_gib: list[int]
    """Memory of one device, for each variant."""
    introduced: str
    """Year, with the month where known."""
    source: str
    """What the row rests on."""
    verified: bool
    """Whether the row was compared with its source."""
    export: list[ExportNote]
    """Export rules that concern it, the oldest first."""
    devices: int
    """Devices of it that pools offer here."""


class Catalogue(Shown):
    """All chips, as of one day."""

    version: str
    """Of the catalogue."""
    as_of: str
    """The day it was written."""
    chips: list[Chip]
    """In the order of the catalogue."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "version": "2026.11.1",
                "as_of": "2026-11-22",
                "chips": [
                    {
                        "id": "h20",
                        "vendor": "NVIDIA",
                        "name": "H20",
                        "kind": "gpu",
                        "memory_gib": [96],
                        "introduced": "2024",
                        "source": "General knowledge; not checked.",
                        "verified": False,
                        "export": [],
                        "devices": 16,
                    }
                ],
            }
        }
    )


class Rate(Shown):
    """How much work of a class one chip does in the time of the reference."""

    chip: str
    """The chip."""
    workload_class: str
    """Class of work."""
    per_thousand: int
    """Of the reference chip."""
    provenance: str
    """Where the figure is from; empty: the card's own."""
    verified: bool
    """Whether somebody measured it here."""


class NewRate(Sent):
    """A rate to be published."""

    chip: Word
    """The chip."""
    workload_class: Word
    """Class of work."""
    per_thousand: int = Field(strict=True, ge=1, le=1_000_000)
    """Of the reference chip."""
    provenance: Text = Field(default="", max_length=200)
    """Where the figure is from; empty: the card's own."""
    verified: bool = Field(default=False, strict=True)
    """Whether somebody measured it here."""


class RateCard(Shown):
    """One version of all rates."""

    id: Id
    """Its id."""
    version: int
    """1, 2, 3 …"""
    reference: str
    """The chip that counts as 1,000."""
    from_at: Time
    """In force from then until the next version is."""
    provenance: str
    """Where its figures are from."""
    rates: list[Rate]
    """By class and chip."""
    digest: Digest
    """Of the rates as published."""
    published_by: Id
    """Member."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _CARD,
                "version": 1,
                "reference": "v100",
                "from_at": _AT,
                "provenance": "Gavel (OSDI 2020)",
                "rates": [_EXAMPLE_RATE],
                "digest": _DIGEST,
                "published_by": _MEMBER,
                "at": _AT,
            }
        }
    )


class NewRateCard(Sent):
    """The next version of all rates."""

    reference: Word
    """The chip that counts as 1,000."""
    from_at: Until | None = None
    """In force from then, not before now; left out: from now."""
    provenance: Text = _REASON
    """Where its figures are from."""
    rates: list[NewRate] = Field(min_length=1, max_length=10_000)
    """Every pair of chip and class once."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reference": "v100",
                "provenance": "Gavel (OSDI 2020)",
                "rates": [_EXAMPLE_RATE],
            }
        }
    )


class Dispute(Shown):
    """An objection to one rate of one version, and what became of it."""

    id: Id
    """Its id."""
    card: Id
    """The rate card."""
    chip: str
    """The chip of the rate."""
    workload_class: str
    """The class of work of the rate."""
    organisation: Id
    """Who objects."""
    reason: str
    """Why."""
    opened_by: Id
    """Member."""
    at: Time
    """When."""
    state: str
    """``open``, ``upheld`` or ``rejected``."""
    decision: str
    """Why it was decided so."""
    decided_by: str
    """Member; empty while it is open."""
    decided_at: Time | None
    """When; null while it is open."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _DISPUTE,
                "card": _CARD,
                "chip": "p100",
                "workload_class": "training.resnet50",
                "organisation": _ORG,
                "reason": "our own runs show 700",
                "opened_by": _MEMBER,
                "at": _AT,
                "state": "open",
                "decision": "",
                "decided_by": "",
                "decided_at": None,
            }
        }
    )


class NewDispute(Sent):
    """An objection to one rate."""

    card: Id
    """The rate card."""
    chip: Word
    """The chip of the rate."""
    workload_class: Word
    """The class of work of the rate."""
    reason: Text = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "card": _CARD,
                "chip": "p100",
                "workload_class": "training.resnet50",
                "reason": "our own runs show 700",
            }
        }
    )


class DisputeDecision(Sent):
    """How an objection is decided."""

    verdict: Literal["upheld", "rejected"]
    """Upheld: the next version is to replace the rate."""
    reason: Text = _REASON
    """Why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"verdict": "upheld", "reason": "measured again: 702"}}
    )


class Normalised(Shown):
    """Raw device time, and as time of the reference chip; settlement is on the raw time."""

    device_ms: int
    """Raw."""
    reference_us: int | None
    """Microseconds of the reference chip; null where no rate is in force."""
    reference: str
    """The chip that counts as 1,000; empty without a rate."""
    version: int
    """Of the rate card; 0 without one."""
    per_thousand: int
    """The rate used; 0 without one."""
    verified: bool
    """Whether the rate was measured here."""
    disputed: bool
    """Whether an objection to it is open or was upheld."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "device_ms": 3_600_000,
                "reference_us": 2_271_600_000,
                "reference": "v100",
                "version": 1,
                "per_thousand": 631,
                "verified": False,
                "disputed": False,
            }
        }
    )
