"""Messages about listings, orders, grants and the policies they stand on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from yunhe.client.wire.identity import Kind
from yunhe.client.wire.shapes import INTEGER_MAX, Digest, Id, Sent, Shown, Text, Time

Purpose = Literal[
    "model-training",
    "model-evaluation",
    "research",
    "statistics",
    "education",
    "public-service",
    "commercial-product",
]
"""What data may be opened for."""
Act = Literal[
    "onward-transfer",
    "re-identification",
    "publication",
    "commercial-use",
    "linkage",
]
"""What a policy can forbid, whatever the purpose."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""

_LISTING = "listing_5m2q9xj4c8t3r6w0h1ab7v1k0e"
_CERTIFICATE = "certificate_k0e5m2q9xj4c8t3r6w0h1ab7v1"
_ORDER = "order_xj4c8t3r6w0h1ab7v1k0e5m2q9"
_AGREEMENT = "agreement_h1ab7v1k0e5m2q9xj4c8t3r6w0"
_GRANT = "grant_ab7v1k0e5m2q9xj4c8t3r6w0h1"
_HOLDER = "org_4c8t3r6w0h1ab7v1k0e5m2q9xj"
_BUYER = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2026-11-22T09:30:00.000000Z"
_LATER = "2027-11-22T09:30:00.000000Z"
_POLICY: dict[str, JsonValue] = {
    "purposes": ["model-training", "research"],
    "organisation_kinds": ["university", "sme"],
    "prohibited": ["re-identification"],
    "valid_days": 365,
    "accesses_max": 100,
}


class Policy(Sent):
    """What a buyer may do with a dataset; everything not permitted here is refused."""

    purposes: list[Purpose] = Field(min_length=1, max_length=50)
    """Purposes it may be opened for."""
    organisation_kinds: list[Kind] = Field(min_length=1, max_length=50)
    """Kinds of organisation that see, order and open it."""
    prohibited: list[Act] = Field(default=[], max_length=50)
    """Acts forbidden even for a permitted purpose."""
    valid_days: int = Field(strict=True, ge=1, le=3_650)
    """Days a grant lasts, from the instant it is given."""
    accesses_max: int | None = Field(default=None, strict=True, ge=1, le=1_000_000_000)
    """How often it may be opened under one grant; null is without limit."""

    model_config = ConfigDict(json_schema_extra={"example": _POLICY})


class Listing(Shown):
    """An offer: a certified dataset, its price and its policy."""

    id: Id
    """Its id."""
    title: str
    """How the catalogue names it."""
    holder: Id
    """Organisation that sells."""
    certificate: Id
    """Certificate of the dataset."""
    dataset_digest: str
    """The bytes on offer."""
    licence: str
    """Licence the data is held under."""
    price_minor: int
    """Price of one grant in the minor unit of ``unit``; 0 is free of charge."""
    unit: str
    """Currency of the price."""
    policy: Policy
    """What a buyer may do."""
    state: Literal["listed", "withdrawn"]
    """Only what is listed can be ordered."""
    at: Time
    """When it was listed."""
    reference: str
    """Its record in the log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _LISTING,
                "title": "Hotline tickets, spring",
                "holder": _HOLDER,
                "certificate": _CERTIFICATE,
                "dataset_digest": _DIGEST,
                "licence": "CC-BY-4.0",
                "price_minor": 120_000,
                "unit": "CNY",
                "policy": _POLICY,
                "state": "listed",
                "at": _AT,
                "reference": "5d" * 32,
            }
        }
    )


class NewListing(Sent):
    """A dataset of one's own to be offered, by its certificate."""

    certificate: Id
    """What was certified."""
    title: Text = Field(min_length=1, max_length=200)
    """How the catalogue names it."""
    price_minor: int = Field(strict=True, ge=0, le=INTEGER_MAX)
    """Price of one grant in the minor unit of ``unit``; 0 is free of charge."""
    unit: Currency
    """Currency of the price."""
    policy: Policy
    """What a buyer may do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "certificate": _CERTIFICATE,
                "title": "Hotline tickets, spring",
                "price_minor": 120_000,
                "unit": "CNY",
                "policy": _POLICY,
            }
        }
    )


class Order(Shown):
    """A buyer's order."""

    id: Id
    """Its id."""
    listing: Id
    """What was ordered."""
    buyer: Id
    """Organisation that pays."""
    member: Id
    """Who ordered for it."""
    state: Literal["held", "settled", "cancelled"]
    """Money set aside; paid and access granted; called off, money back."""
    agreement: Id
    """What both sides agreed to."""
    transfer: str
    """The ledger transfer that paid it; empty before, and for a price of 0."""
    at: Time
    """When it was placed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _ORDER,
                "listing": _LISTING,
                "buyer": _BUYER,
                "member": _MEMBER,
                "state": "settled",
                "agreement": _AGREEMENT,
                "transfer": "transfer_0e5m4q9xj2c8t3r6w0h1ab7v1k",
                "at": _AT,
            }
        }
    )


class OrderInFull(Order):
    """An order with what both sides agreed to, and the grant it led to."""

    terms: JsonValue
    """The agreement: listing, dataset, price, fee, policy and parties as they were."""
    terms_digest: Digest
    """Digest of its canonical form."""
    grant: Id | None
    """The right it led to; null before it was paid."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **Order.model_config["json_schema_extra"]["example"],  # type: ignore[index,dict-item]
                "terms": {"listing": _LISTING, "price_minor": 120_000, "unit": "CNY"},
                "terms_digest": _DIGEST,
                "grant": _GRANT,
            }
        }
    )


class NewOrder(Sent):
    """An offer to be ordered and paid."""

    listing: Id
    """Which one."""

    model_config = ConfigDict(json_schema_extra={"example": {"listing": _LISTING}})


class Grant(Shown):
    """The right to open one dataset, checked again at each access."""

    id: Id
    """Its id."""
    order: Id
    """The order it came from."""
    listing: Id
    """What was ordered."""
    buyer: Id
    """The only organisation it works for."""
    dataset_digest: str
    """The bytes it opens."""
    granted_at: Time
    """From when it works."""
    expires_at: Time
    """From when it no longer works."""
    revoked_at: Time | None
    """When it was taken back."""
    reference: str
    """Its record in the log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _GRANT,
                "order": _ORDER,
                "listing": _LISTING,
                "buyer": _BUYER,
                "dataset_digest": _DIGEST,
                "granted_at": _AT,
                "expires_at": _LATER,
                "revoked_at": None,
                "reference": "5d" * 32,
            }
        }
    )


class Opening(Sent):
    """What a dataset is to be opened for."""

    purpose: Purpose
    """What for."""
    acts: list[Act] = Field(default=[], max_length=50)
    """What will be done beyond what the purpose implies; empty declares: none of these."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"purpose": "model-training", "acts": []}}
    )


class Opened(Shown):
    """What is remembered of an access: the bytes are sent, this is not."""

    grant: Id
    """The grant it was opened with."""
    dataset_digest: str
    """What was opened."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"grant": _GRANT, "dataset_digest": _DIGEST}}
    )
