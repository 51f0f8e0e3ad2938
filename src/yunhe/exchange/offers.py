"""What an offer must satisfy before it becomes a listing, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.exchange import policy as policies
from yunhe.exchange import store
from yunhe.exchange.domain import Listing, Policy
from yunhe.identity import service as identity
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound, YunheError
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import CURRENCIES
from yunhe.storage.database import Transaction

TEXT_LETTERS_MAX = 200
"""Longest key, title or licence."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a holder wants to list; the fields mean what they mean in `Listing`."""

    key: str
    """Idempotency key within the holder."""
    certificate: str
    """Id of the dataset certificate."""
    certificate_reference: str
    """Its record in custody."""
    dataset_digest: str
    """The bytes on offer."""
    title: str
    """How the catalogue names it."""
    holder: str
    """Who sells."""
    licence: str
    """Licence the data is held under."""
    price_minor: int
    """Price of one grant."""
    unit: str
    """Currency of the price."""
    policy: Policy
    """What a buyer may do."""


def faults(tx: Transaction, offer: Offer) -> list[Finding]:
    """Everything wrong with an offer, the certificate as custody knows it included."""
    return [
        *_text_faults("key", offer.key),
        *_text_faults("title", offer.title),
        *_text_faults("licence", offer.licence),
        *_price_faults(offer),
        *_policy_faults(offer.policy),
        *_holder_faults(tx, offer.holder),
        *_certificate_faults(tx, offer),
    ]


def keep(tx: Transaction, offer: Offer, *, at_us: int) -> Listing:
    """The listing of an offer without faults, its row and its record; again is the same listing.

    Errors: `Conflict` ``exchange.listing_differs``.
    """
    policy = policies.parse(_terms(offer.policy))
    wanted = Listing(
        id=derived_id("listing", offer.holder, offer.key),
        reference="",
        certificate=offer.certificate,
        certificate_reference=offer.certificate_reference,
        dataset_digest=offer.dataset_digest,
        title=offer.title,
        holder=offer.holder,
        licence=offer.licence,
        price_minor=offer.price_minor,
        unit=offer.unit,
        policy=policy,
        policy_digest=policies.digest(policy),
        state="listed",
        at_us=at_us,
    )
    there = store.listing(tx, wanted.id)
    if there is not None:
        if replace(there, reference="", state="listed", at_us=at_us) != wanted:
            raise Conflict("exchange.listing_differs", key=offer.key)
        return there
    listed = replace(wanted, reference=custody.append(tx, _record(wanted)))
    store.add_listing(tx, listed)
    return listed


def _record(listing: Listing) -> Record:
    return Record(
        kind="data.listing",
        subject=listing.id,
        at_us=listing.at_us,
        body={
            "dataset_digest": listing.dataset_digest,
            "holder": listing.holder,
            "licence": listing.licence,
            "price_minor": listing.price_minor,
            "unit": listing.unit,
            "policy_digest": listing.policy_digest,
        },
        links={"certificate": listing.certificate_reference},
    )


def _terms(policy: Policy) -> dict[str, object]:
    return {key: term for key, term in policies.document_of(policy).items() if key != "profile"}


def _text_faults(where: str, value: str) -> list[Finding]:
    if value.strip() and len(value) <= TEXT_LETTERS_MAX and value.isprintable():
        return []
    return [Finding(where, "exchange.text_invalid", (("letters_max", TEXT_LETTERS_MAX),))]


def _price_faults(offer: Offer) -> list[Finding]:
    findings = []
    if type(offer.price_minor) is not int or not 0 <= offer.price_minor <= INTEGER_MAX:
        findings.append(Finding("price_minor", "exchange.price_invalid"))
    if offer.unit not in CURRENCIES:
        params = (("value", offer.unit[:TEXT_LETTERS_MAX]), ("known", ", ".join(CURRENCIES)))
        findings.append(Finding("unit", "exchange.currency_unknown", params))
    return findings


def _policy_faults(policy: Policy) -> list[Finding]:
    """A policy that was built by hand rather than parsed is held to the same terms."""
    try:
        policies.parse(_terms(policy))
    except Invalid as error:
        return [Finding(f"policy.{f.where}", f.code, f.params) for f in error.findings]
    return []


def _holder_faults(tx: Transaction, holder: str) -> list[Finding]:
    try:
        identity.organisation(tx, holder)
    except NotFound as error:
        return [Finding("holder", error.code, tuple(error.params.items()))]
    return []


def _certificate_faults(tx: Transaction, offer: Offer) -> list[Finding]:
    """Where what the offer says differs from what custody recorded."""
    where = "certificate_reference"
    try:
        record = custody.record(tx, offer.certificate_reference)
        if record.kind != "data.certificate":
            return [Finding(where, "exchange.not_a_certificate", (("kind", record.kind),))]
        source = custody.record(tx, record.links["source"])
    except YunheError as error:
        return [Finding(where, error.code, tuple(error.params.items()))]
    pairs: Mapping[str, tuple[str, object]] = {
        "certificate": (offer.certificate, record.subject),
        "dataset_digest": (offer.dataset_digest, record.body["output_digest"]),
        "holder": (offer.holder, source.body["holder"]),
        "licence": (offer.licence, source.body["licence"]),
    }
    return [
        Finding(field, "exchange.certificate_differs", (("recorded", str(recorded)),))
        for field, (said, recorded) in pairs.items()
        if said != recorded
    ]
