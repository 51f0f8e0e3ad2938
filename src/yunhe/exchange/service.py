"""Commands of the exchange: list, order, settle, open, cancel; and what reports ask it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from yunhe.exchange import offers, ordering, store
from yunhe.exchange import policy as policies
from yunhe.exchange.domain import (
    Access,
    Agreement,
    Fee,
    Grant,
    Listing,
    Order,
    Place,
    Policy,
)
from yunhe.exchange.errors import no_grant, refused
from yunhe.identity import service as identity
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

HOLD_SECONDS = 3_600
"""How long the buyer's money is set aside between ordering and settling, unless told otherwise."""


def parse_policy(document: Mapping[str, object]) -> Policy:
    """The usage policy a document states; errors as `yunhe.exchange.policy.parse`."""
    return policies.parse(document)


def policy_document(policy: Policy) -> JsonObject:
    """The canonical form of a policy, whose digest listings and grants carry."""
    return policies.document_of(policy)


# --- Offers -----------------------------------------------------------------------------------


def list_dataset(  # noqa: PLR0913 - an offer is these ten values, and each is named
    storage: Storage,
    *,
    key: str,
    certificate: str,
    certificate_reference: str,
    dataset_digest: str,
    title: str,
    holder: str,
    licence: str,
    price_minor: int,
    unit: str,
    policy: Policy,
) -> Listing:
    """Offer a certified dataset; the same key and content again is the same listing.

    The certificate is read from custody and must be of these bytes, this holder and this licence.
    Errors: `Invalid` ``exchange.listing_invalid`` with every finding; `Conflict`
    ``exchange.listing_differs`` when the holder used the key for another offer.
    """
    offer = offers.Offer(
        key=key,
        certificate=certificate,
        certificate_reference=certificate_reference,
        dataset_digest=dataset_digest,
        title=title,
        holder=holder,
        licence=licence,
        price_minor=price_minor,
        unit=unit,
        policy=policy,
    )
    stored = storage.blobs.exists(dataset_digest)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        findings = [] if stored else [Finding("dataset_digest", "exchange.dataset_missing")]
        findings += offers.faults(tx, offer)
        if findings:
            raise Invalid("exchange.listing_invalid", findings=findings)
        return offers.keep(tx, offer, at_us=now_us)


def withdraw_listing(storage: Storage, *, listing: str, member: str) -> Listing:
    """Take an offer off the catalogue; orders, grants and agreements made before are untouched.

    Errors: `NotFound` ``exchange.listing_unknown``; `NotAllowed` unless the member is a data
    steward of the holder.
    """
    with storage.database.begin() as tx:
        found = ordering.listing(tx, listing)
        ordering.act_for(tx, member=member, organisation=found.holder, role="data_steward")
        store.withdraw(tx, listing)
        return ordering.listing(tx, listing)


# --- Orders -----------------------------------------------------------------------------------


def order(
    storage: Storage,
    *,
    key: str,
    listing: str,
    buyer: str,
    member: str,
    fee: Fee | None = None,
    hold_seconds: int = HOLD_SECONDS,
) -> Order:
    """Agree to an offer and set its price aside; repeating the key is the same order.

    Agreement, order and hold happen in one transaction. A repeat after the hold lapsed sets the
    money aside again under the same agreement.

    Errors: `NotFound` ``exchange.listing_unknown``; `NotAllowed` with every reason: a withdrawn
    listing, an own listing, a kind of organisation the policy does not permit, a member who is not
    a buyer of that organisation; `Conflict` ``exchange.order_differs``; `NotAllowed`
    ``exchange.order_cancelled``; `Exhausted` ``ledger.insufficient``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        placed = ordering.find_or_agree(
            tx, key=key, listing_id=listing, buyer=buyer, member=member, fee=fee, now_us=now_us
        )
        return ordering.hold(tx, placed, hold_seconds=hold_seconds, now_us=now_us)


def settle(storage: Storage, *, order: str) -> Grant:
    """Pay an order from its hold and give the grant, in one transaction; again is the same grant.

    Errors: `NotFound` ``exchange.order_unknown``; `NotAllowed` ``exchange.order_cancelled``;
    `Conflict` ``exchange.order_lapsed`` when the hold ran out: order again with the same key.
    """
    with storage.database.begin() as tx:
        return ordering.settle(tx, order, now_us=storage.clock.now_us())


def order_dataset(
    storage: Storage,
    *,
    key: str,
    listing: str,
    buyer: str,
    member: str,
    fee: Fee | None = None,
) -> Grant:
    """`order`, then `settle`: killed anywhere and run again with the same key, it charges once."""
    placed = order(storage, key=key, listing=listing, buyer=buyer, member=member, fee=fee)
    return settle(storage, order=placed.id)


def cancel_order(storage: Storage, *, order: str, member: str) -> Order:
    """Call an order off before the data was opened: the hold is released or the price refunded.

    Errors: `NotFound` ``exchange.order_unknown``; `NotAllowed` ``exchange.already_opened``, or
    unless the member is a buyer of the ordering organisation; `Exhausted` ``ledger.insufficient``
    when the holder has spent the money.
    """
    with storage.database.begin() as tx:
        found = ordering.order(tx, order)
        ordering.act_for(tx, member=member, organisation=found.buyer, role="buyer")
        return ordering.cancel(tx, found, now_us=storage.clock.now_us())


# --- Access -----------------------------------------------------------------------------------


def open_dataset(
    storage: Storage,
    *,
    grant: str,
    organisation: str,
    purpose: str,
    acts: Collection[str] = (),
    key: str = "",
) -> bytes:
    """The dataset's bytes, if the grant allows it at this very moment; all as `access`.

    Cost: the dataset is held in memory.
    """
    found = access(
        storage, grant=grant, organisation=organisation, purpose=purpose, acts=acts, key=key
    )
    return storage.blobs.read(found.dataset_digest)


def access(
    storage: Storage,
    *,
    grant: str,
    organisation: str,
    purpose: str,
    acts: Collection[str] = (),
    key: str = "",
) -> Grant:
    """The grant, if it allows its dataset to be opened at this very moment; the access is counted.

    Every attempt with a known grant leaves an access event, refused ones too. ``acts`` are what the
    opener will do beyond what the purpose implies; leaving it empty declares that it does none of
    them. With a ``key``, a repeat is the same access and is not counted again, but is checked
    again.

    Errors: `NotAllowed` ``exchange.no_grant`` (unknown, or another organisation's),
    ``exchange.grant_revoked``, ``exchange.grant_expired``, ``exchange.purpose_not_permitted`` and
    the other reasons of a policy, all of them as findings.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        found = store.grant(tx, grant, lock=True)
        if found is None:
            raise no_grant(grant)
        keyed = derived_id("access", grant, key) if key else ""
        reasons = _access_reasons(
            tx,
            found,
            organisation=organisation,
            purpose=purpose,
            acts=frozenset(acts),
            besides=keyed,
            now_us=now_us,
        )
        if reasons or not (keyed and store.has_access(tx, keyed)):
            event = Access(
                id=new_id("access") if reasons or not keyed else keyed,
                grant=grant,
                organisation=policies.shown(organisation)[:64],
                purpose=policies.shown(purpose),
                at_us=now_us,
                allowed=not reasons,
                reasons=tuple(reason.code for reason in reasons),
            )
            store.add_access(tx, event)
    # Raised only now: inside the block it would undo the event of the refused attempt.
    if reasons:
        raise refused(reasons)
    return found


def _access_reasons(
    tx: Transaction,
    found: Grant,
    *,
    organisation: str,
    purpose: str,
    acts: frozenset[str],
    besides: str,
    now_us: int,
) -> list[Finding]:
    if organisation != found.buyer:
        return [Finding("organisation", "exchange.no_grant", (("grant", found.id),))]
    reasons = []
    if found.revoked_at_us is not None:
        reasons.append(Finding("grant", "exchange.grant_revoked", (("grant", found.id),)))
    agreed = ordering.agreement(tx, found.agreement)
    request = policies.Request(
        purpose=purpose,
        organisation_kind=identity.organisation(tx, organisation).kind,
        acts=acts,
        granted_at_us=found.granted_at_us,
        accesses=store.allowed_accesses(tx, found.id, besides=besides),
    )
    return reasons + list(policies.evaluate(agreed.policy, request, now_us=now_us).reasons)


def revoke_grant(storage: Storage, *, grant: str, member: str) -> Grant:
    """Take a grant back, without refund; copies already made cannot be recalled.

    Errors: `NotAllowed` ``exchange.no_grant``, or unless the member is a data steward of the
    holder.
    """
    with storage.database.begin() as tx:
        found = store.grant(tx, grant)
        if found is None:
            raise no_grant(grant)
        holder = ordering.listing(tx, found.listing).holder
        ordering.act_for(tx, member=member, organisation=holder, role="data_steward")
        store.revoke(tx, grant, at_us=storage.clock.now_us())
        return store.grant(tx, grant) or found


# --- Questions --------------------------------------------------------------------------------


def listing(tx: Transaction, listing_id: str) -> Listing:
    """The listing. Errors: `NotFound` ``exchange.listing_unknown``."""
    return ordering.listing(tx, listing_id)


def listings(tx: Transaction, holder: str | None = None) -> list[Listing]:
    """Listings, oldest first, of one holder or of all."""
    return store.all_listings(tx, holder)


def catalogue(
    tx: Transaction, *, kind: str | None, own: str, after: Place = (0, ""), limit: int = 50
) -> list[Listing]:
    """What an organisation of a kind may order, and all it offers itself; newest first.

    With ``kind`` None everything, whoever may order it, withdrawn offers too. ``after``: time and
    id of the last one already seen.
    """
    return store.catalogue(tx, kind=kind, own=own, after=after, limit=limit)


def on_show(tx: Transaction, shown: Listing, *, organisation: str, kind: str) -> bool:
    """Whether a listing is in that organisation's catalogue, or it ordered it before."""
    if shown.holder == organisation:
        return True
    if shown.state == "listed" and kind in shown.policy.organisation_kinds:
        return True
    return store.has_ordered(tx, buyer=organisation, listing=shown.id)


def newest_orders(
    tx: Transaction, *, buyer: str | None, after: Place = (0, ""), limit: int = 50
) -> list[Order]:
    """Orders of one buyer or of all, newest first; ``after`` as in `catalogue`."""
    return store.newest_orders(tx, buyer=buyer, after=after, limit=limit)


def placed(tx: Transaction, order_id: str) -> Order:
    """The order as it stands. Errors: `NotFound` ``exchange.order_unknown``."""
    found = store.order(tx, order_id)
    if found is None:
        raise NotFound("exchange.order_unknown", order=order_id[:64])
    return found


def grant_of(tx: Transaction, order_id: str) -> Grant | None:
    """The grant an order led to."""
    return store.grant_of_order(tx, order_id)


def newest_grants(
    tx: Transaction, *, party: str | None, after: Place = (0, ""), limit: int = 50
) -> list[Grant]:
    """Grants that an organisation got or gave, or all, newest first; ``after`` as above."""
    return store.newest_grants(tx, party=party, after=after, limit=limit)


def orders(tx: Transaction, buyer: str | None = None) -> list[Order]:
    """Orders, oldest first, of one buyer or of all."""
    return store.all_orders(tx, buyer)


def agreement(tx: Transaction, agreement_id: str) -> Agreement:
    """What both sides agreed to. Errors: `NotFound` ``exchange.agreement_unknown``."""
    return ordering.agreement(tx, agreement_id)


def grant(tx: Transaction, grant_id: str) -> Grant:
    """The grant. Errors: `NotFound` ``exchange.grant_unknown``."""
    found = store.grant(tx, grant_id)
    if found is None:
        raise NotFound("exchange.grant_unknown", grant=grant_id)
    return found


def grants(tx: Transaction, buyer: str | None = None) -> list[Grant]:
    """Grants, oldest first, of one buyer or of all."""
    return store.all_grants(tx, buyer)


def accesses(tx: Transaction, grant_id: str) -> list[Access]:
    """Every attempt to open a dataset with a grant, oldest first."""
    return store.accesses_of(tx, grant_id)
