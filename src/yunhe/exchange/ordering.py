"""From an offer to a grant: agreement and hold in one transaction, payment and grant in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.exchange import policy as policies
from yunhe.exchange import store
from yunhe.exchange.domain import Agreement, Fee, Grant, Listing, Order
from yunhe.exchange.errors import refused
from yunhe.identity import service as identity
from yunhe.identity.domain import Role
from yunhe.kernel.canonical import JsonObject, digest_of
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import split
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction


def listing(tx: Transaction, listing_id: str) -> Listing:
    """The listing. Errors: `NotFound` ``exchange.listing_unknown``."""
    found = store.listing(tx, listing_id)
    if found is None:
        raise NotFound("exchange.listing_unknown", listing=listing_id[:64])
    return found


def order(tx: Transaction, order_id: str) -> Order:
    """The order, to be changed. Errors: `NotFound` ``exchange.order_unknown``."""
    found = store.order(tx, order_id, lock=True)
    if found is None:
        raise NotFound("exchange.order_unknown", order=order_id[:64])
    return found


def agreement(tx: Transaction, agreement_id: str) -> Agreement:
    """The agreement. Errors: `NotFound` ``exchange.agreement_unknown``."""
    found = store.agreement(tx, agreement_id)
    if found is None:
        raise NotFound("exchange.agreement_unknown", agreement=agreement_id[:64])
    return found


def act_for(tx: Transaction, *, member: str, organisation: str, role: Role) -> None:
    """Return only if the member belongs to the organisation and holds the role there.

    Errors: `NotAllowed` with both reasons if both are missing.
    """
    reasons = list(_standing(tx, member=member, organisation=organisation, role=role))
    if reasons:
        raise refused(reasons)


def find_or_agree(
    tx: Transaction,
    *,
    key: str,
    listing_id: str,
    buyer: str,
    member: str,
    fee: Fee | None,
    now_us: int,
) -> Order:
    """The order with that key, made under a fresh agreement if it is new; no money moves here."""
    order_id = derived_id("order", buyer, key)
    there = store.order(tx, order_id, lock=True)
    if there is not None:
        if (there.listing, there.member) != (listing_id, member):
            raise Conflict("exchange.order_differs", key=key)
        return there
    offered = listing(tx, listing_id)
    _check_fee(tx, fee)
    reasons = [
        *_offer_reasons(tx, offered, buyer=buyer),
        *_standing(tx, member=member, organisation=buyer, role="buyer"),
    ]
    if reasons:
        raise refused(reasons)
    terms = _terms(offered, buyer=buyer, fee=fee)
    agreed = Agreement(
        id=derived_id("agreement", order_id),
        terms=terms,
        digest=digest_of(terms),
        policy=offered.policy,
        at_us=now_us,
    )
    store.add_agreement(tx, agreed)
    return Order(
        id=order_id,
        agreement=agreed.id,
        listing=offered.id,
        buyer=buyer,
        member=member,
        state="held",
        hold="",
        hold_expires_at_us=0,
        attempt=0,
        transfer="",
        at_us=now_us,
    )


def hold(tx: Transaction, placed: Order, *, hold_seconds: int, now_us: int) -> Order:
    """The order with its price set aside; a hold that is still good is left alone."""
    if placed.state == "cancelled":
        raise NotAllowed("exchange.order_cancelled", order=placed.id)
    if placed.state == "settled" or now_us < placed.hold_expires_at_us:
        return placed
    terms = agreement(tx, placed.agreement).terms
    price, unit = _number(terms, "price_minor"), _word(terms, "unit")
    attempt = placed.attempt + 1
    until_us = now_us + hold_seconds * SECOND_US
    hold_id = ""
    if price:
        _let_go(tx, placed, now_us=now_us)
        hold_id = ledger.hold(
            tx,
            key=f"exchange.hold:{placed.id}:{attempt}",
            account=_cash(tx, placed.buyer, unit),
            amount=price,
            expires_at_us=until_us,
            at_us=now_us,
            memo=placed.id,
        )
    held = replace(placed, hold=hold_id, hold_expires_at_us=until_us, attempt=attempt)
    store.save_order(tx, held)
    return held


def settle(tx: Transaction, order_id: str, *, now_us: int) -> Grant:
    """Capture, grant and custody record of a held order; the grant it already has otherwise."""
    placed = order(tx, order_id)
    if placed.state == "cancelled":
        raise NotAllowed("exchange.order_cancelled", order=placed.id)
    granted = store.grant_of_order(tx, placed.id)
    if granted is not None:
        return granted
    if now_us >= placed.hold_expires_at_us:
        raise Conflict("exchange.order_lapsed", order=placed.id, retryable=True)
    agreed = agreement(tx, placed.agreement)
    transfer = _pay(tx, placed, agreed.terms, now_us=now_us)
    grant = Grant(
        id=derived_id("grant", placed.id),
        reference="",
        order=placed.id,
        agreement=agreed.id,
        listing=placed.listing,
        buyer=placed.buyer,
        dataset_digest=_word(agreed.terms, "dataset_digest"),
        transfer=transfer,
        granted_at_us=now_us,
        expires_at_us=policies.expires_at_us(agreed.policy, granted_at_us=now_us),
        revoked_at_us=None,
    )
    grant = replace(grant, reference=custody.append(tx, _record(grant, agreed)))
    store.add_grant(tx, grant)
    store.save_order(tx, replace(placed, state="settled", transfer=transfer))
    return grant


def cancel(tx: Transaction, placed: Order, *, now_us: int) -> Order:
    """The order called off and its money back; what was called off before stays so."""
    if placed.state == "cancelled":
        return placed
    if placed.state == "held":
        _let_go(tx, placed, now_us=now_us)
    else:
        _take_back(tx, placed, now_us=now_us)
    cancelled = replace(placed, state="cancelled")
    store.save_order(tx, cancelled)
    return cancelled


def _standing(tx: Transaction, *, member: str, organisation: str, role: Role) -> Iterator[Finding]:
    if identity.member(tx, member).organisation != organisation:
        params = (("member", member), ("organisation", organisation))
        yield Finding("member", "exchange.other_organisation", params)
    if role not in identity.roles_of(tx, member):
        yield Finding("member", "identity.role_missing", (("member", member), ("role", role)))


def _offer_reasons(tx: Transaction, offered: Listing, *, buyer: str) -> Iterator[Finding]:
    if offered.state != "listed":
        yield Finding("listing", "exchange.listing_withdrawn", (("listing", offered.id),))
    if buyer == offered.holder:
        yield Finding("buyer", "exchange.own_listing", (("listing", offered.id),))
    kind = identity.organisation(tx, buyer).kind
    yield from policies.may_order(offered.policy, organisation_kind=kind).reasons


def _check_fee(tx: Transaction, fee: Fee | None) -> None:
    if fee is None:
        return
    identity.organisation(tx, fee.owner)
    if not 0 <= fee.percent <= 100:
        finding = Finding("fee.percent", "exchange.number_invalid", (("least", 0), ("most", 100)))
        raise Invalid("exchange.order_invalid", findings=[finding])


def _terms(offered: Listing, *, buyer: str, fee: Fee | None) -> JsonObject:
    """Everything both sides rely on, as it is now."""
    return {
        "listing": offered.id,
        "listing_reference": offered.reference,
        "certificate": offered.certificate,
        "dataset_digest": offered.dataset_digest,
        "title": offered.title,
        "licence": offered.licence,
        "holder": offered.holder,
        "buyer": buyer,
        "price_minor": offered.price_minor,
        "unit": offered.unit,
        "fee_percent": 0 if fee is None else fee.percent,
        "fee_owner": None if fee is None else fee.owner,
        "policy": policies.document_of(offered.policy),
        "policy_digest": offered.policy_digest,
    }


def _pay(tx: Transaction, placed: Order, terms: JsonObject, *, now_us: int) -> str:
    """Pay holder and fee from the hold; returns the transfer, or nothing where the price is 0."""
    price, unit = _number(terms, "price_minor"), _word(terms, "unit")
    if not price:
        return ""
    percent = _number(terms, "fee_percent")
    to_holder, to_platform = split(price, [100 - percent, percent])
    payments = [(_cash(tx, _word(terms, "holder"), unit), to_holder)]
    if to_platform:
        fees = ledger.open_account(tx, owner=_word(terms, "fee_owner"), unit=unit, purpose="fee")
        payments.append((fees, to_platform))
    return ledger.capture(
        tx,
        key=f"exchange.capture:{placed.id}",
        hold=placed.hold,
        payments=payments,
        at_us=now_us,
        memo=placed.id,
    )


def _let_go(tx: Transaction, placed: Order, *, now_us: int) -> None:
    """Release the order's hold unless a sweep of overdue holds already did."""
    if not placed.hold:
        return
    key = f"exchange.release:{placed.id}:{placed.attempt}"
    try:
        ledger.release(tx, key=key, hold=placed.hold, at_us=now_us)
    except Conflict as error:
        if error.code != "ledger.hold_expired":
            raise


def _take_back(tx: Transaction, placed: Order, *, now_us: int) -> None:
    granted = store.grant_of_order(tx, placed.id, lock=True)
    if granted is None:
        raise NotFound("exchange.order_unknown", order=placed.id)
    if store.allowed_accesses(tx, granted.id, besides=""):
        raise NotAllowed("exchange.already_opened", order=placed.id, grant=granted.id)
    store.revoke(tx, granted.id, at_us=now_us)
    if placed.transfer:
        ledger.refund(
            tx,
            key=f"exchange.refund:{placed.id}",
            transfer=placed.transfer,
            amount=_number(agreement(tx, placed.agreement).terms, "price_minor"),
            at_us=now_us,
            memo=placed.id,
        )


def _record(grant: Grant, agreed: Agreement) -> Record:
    return Record(
        kind="data.grant",
        subject=grant.id,
        at_us=grant.granted_at_us,
        body={
            "dataset_digest": grant.dataset_digest,
            "buyer": grant.buyer,
            "order": grant.order,
            "policy_digest": agreed.terms["policy_digest"],
            "price_minor": agreed.terms["price_minor"],
            "unit": agreed.terms["unit"],
            "transfer": grant.transfer,
            "expires_at_us": grant.expires_at_us,
        },
        links={"listing": _word(agreed.terms, "listing_reference")},
    )


def _cash(tx: Transaction, owner: str, unit: str) -> str:
    return ledger.open_account(tx, owner=owner, unit=unit, purpose="cash")


def _number(terms: JsonObject, field: str) -> int:
    value = terms[field]
    if not isinstance(value, int):
        raise TypeError(f"terms.{field} is no number")
    return value


def _word(terms: JsonObject, field: str) -> str:
    value = terms[field]
    if not isinstance(value, str):
        raise TypeError(f"terms.{field} is no text")
    return value
