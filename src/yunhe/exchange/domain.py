"""The contract chain: offer, agreement, order, grant, access; and the policy it all stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from yunhe.identity.domain import Kind
from yunhe.kernel.canonical import JsonObject

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
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

Act = Literal[
    "onward-transfer",
    "re-identification",
    "publication",
    "commercial-use",
    "linkage",
]
"""What a policy can forbid, whatever the purpose."""
ACTS: tuple[Act, ...] = get_args(Act)

ListingState = Literal["listed", "withdrawn"]
"""Only a listed offer can be ordered."""
OrderState = Literal["held", "settled", "cancelled"]
"""Money set aside; money paid and access granted; called off, money back."""
Place = tuple[int, str]
"""Time and id of the last row of a list already seen; an empty id: from the newest on."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a buyer may do with a dataset; everything not permitted here is refused."""

    purposes: tuple[Purpose, ...]
    """Purposes it may be opened for."""
    organisation_kinds: tuple[Kind, ...]
    """Kinds of organisation that may order and open it."""
    prohibited: tuple[Act, ...]
    """Acts forbidden even for a permitted purpose."""
    valid_days: int
    """Days a grant lasts, from the instant it is given."""
    accesses_max: int | None
    """How often it may be opened under one grant; ``None`` is without limit."""


@dataclass(frozen=True, slots=True)
class Fee:
    """The platform's part of a price."""

    percent: int
    """0 to 100; the rest goes to the holder, split by largest remainder."""
    owner: str
    """Organisation whose ``fee`` account is credited."""


@dataclass(frozen=True, slots=True)
class Listing:
    """An offer: a certified dataset, its price and its policy."""

    id: str
    """Derived from holder and key."""
    reference: str
    """Its ``data.listing`` record in custody."""
    certificate: str
    """Id of the dataset certificate."""
    certificate_reference: str
    """The certificate's record in custody."""
    dataset_digest: str
    """The bytes on offer."""
    title: str
    """How the catalogue names it."""
    holder: str
    """Organisation that sells."""
    licence: str
    """Licence the data is held under."""
    price_minor: int
    """Price of one grant; 0 is free of charge."""
    unit: str
    """Currency of the price."""
    policy: Policy
    """What a buyer may do."""
    policy_digest: str
    """Digest of the policy's canonical form."""
    state: ListingState
    """Whether it can be ordered."""
    at_us: int
    """When it was listed."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed to: a copy that later changes to the listing do not touch."""

    id: str
    """Derived from the order."""
    terms: JsonObject
    """Listing, dataset, price, fee, policy and parties as they were."""
    digest: str
    """Digest of ``terms``."""
    policy: Policy
    """The policy inside ``terms``; every access is decided by it."""
    at_us: int
    """When it was made."""


@dataclass(frozen=True, slots=True)
class Order:
    """A buyer's order under an agreement."""

    id: str
    """Derived from buyer and key."""
    agreement: str
    """Its agreement."""
    listing: str
    """What was ordered."""
    buyer: str
    """Organisation that pays."""
    member: str
    """Who ordered for it."""
    state: OrderState
    """How far it is."""
    hold: str
    """The ledger hold that pays it; empty for a price of 0."""
    hold_expires_at_us: int
    """From then on the hold no longer pays and `order` must place another."""
    attempt: int
    """1 for the first hold, 2 for the one after it lapsed …"""
    transfer: str
    """The ledger transfer that paid it; empty before, and for a price of 0."""
    at_us: int
    """When it was placed."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to open one dataset, checked again at each access."""

    id: str
    """Derived from the order."""
    reference: str
    """Its ``data.grant`` record in custody."""
    order: str
    """The order it came from."""
    agreement: str
    """The agreement that decides each access."""
    listing: str
    """What was ordered."""
    buyer: str
    """The only organisation it works for."""
    dataset_digest: str
    """The bytes it opens."""
    transfer: str
    """The ledger transfer that paid it; empty for a price of 0."""
    granted_at_us: int
    """From when it works."""
    expires_at_us: int
    """From when it no longer works."""
    revoked_at_us: int | None
    """When it was taken back."""


@dataclass(frozen=True, slots=True)
class Access:
    """One attempt to open a dataset, allowed or refused."""

    id: str
    """The event."""
    grant: str
    """The grant it was tried with."""
    organisation: str
    """Who tried."""
    purpose: str
    """What for."""
    at_us: int
    """When."""
    allowed: bool
    """Whether it was let through."""
    reasons: tuple[str, ...]
    """Codes of why it was not."""
