"""Rows of listings, agreements, orders, grants and accesses.

A command reads the row it decides on with ``lock``: where the database has row locks, nobody
changes it until the command's transaction ends.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Column, Row, Select, and_, func, or_, select, update

from yunhe.exchange import policy
from yunhe.exchange.domain import Access, Agreement, Grant, Listing, Order, Place
from yunhe.exchange.tables import accesses, agreements, grants, listings, orders
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage.database import Transaction

_AnyRow = Row[tuple[object, ...]]
_Query = Select[tuple[Any, ...]]


def add_listing(tx: Transaction, added: Listing) -> None:
    """Insert a listing."""
    tx.execute(
        listings.insert().values(
            id=added.id,
            reference=added.reference,
            certificate=added.certificate,
            certificate_reference=added.certificate_reference,
            dataset_digest=added.dataset_digest,
            title=added.title,
            holder=added.holder,
            licence=added.licence,
            price_minor=added.price_minor,
            unit=added.unit,
            policy=_text(policy.document_of(added.policy)),
            state=added.state,
            at_us=added.at_us,
        )
    )


def listing(tx: Transaction, listing_id: str) -> Listing | None:
    """The listing, if there is one."""
    row = tx.execute(select(listings).where(listings.c.id == listing_id)).first()
    return None if row is None else _listing(row)


def all_listings(tx: Transaction, holder: str | None) -> list[Listing]:
    """Listings, oldest first, of one holder or of all."""
    query = select(listings).order_by(listings.c.at_us, listings.c.id)
    if holder is not None:
        query = query.where(listings.c.holder == holder)
    return [_listing(row) for row in tx.execute(query)]


def catalogue(
    tx: Transaction, *, kind: str | None, own: str, after: Place, limit: int
) -> list[Listing]:
    """Offers that ``kind`` may order and all of ``own``'s, or all there are; newest first."""
    query = select(listings)
    if kind is not None:
        # Words stand in the policy's text in quotes, and no other list of it holds a kind's word.
        open_to = listings.c.policy.contains(f'"{kind}"', autoescape=True)
        offered = and_(listings.c.state == "listed", open_to)
        query = query.where(or_(listings.c.holder == own, offered))
    rows = tx.execute(_newest(query, listings.c.at_us, listings.c.id, after=after, limit=limit))
    return [_listing(row) for row in rows]


def withdraw(tx: Transaction, listing_id: str) -> None:
    """Take a listing off the catalogue."""
    tx.execute(update(listings).where(listings.c.id == listing_id).values(state="withdrawn"))


def add_agreement(tx: Transaction, added: Agreement) -> None:
    """Insert an agreement; there is no way to change one."""
    tx.execute(
        agreements.insert().values(
            id=added.id, terms=_text(added.terms), digest=added.digest, at_us=added.at_us
        )
    )


def agreement(tx: Transaction, agreement_id: str) -> Agreement | None:
    """The agreement, if there is one."""
    row = tx.execute(select(agreements).where(agreements.c.id == agreement_id)).first()
    if row is None:
        return None
    terms = json.loads(row.terms)
    return Agreement(row.id, terms, row.digest, policy.restore(terms["policy"]), row.at_us)


def save_order(tx: Transaction, saved: Order) -> None:
    """Insert the order, or bring its state, hold and transfer up to date."""
    values = {
        "state": saved.state,
        "hold": saved.hold,
        "hold_expires_at_us": saved.hold_expires_at_us,
        "attempt": saved.attempt,
        "transfer": saved.transfer,
    }
    if tx.execute(update(orders).where(orders.c.id == saved.id).values(**values)).rowcount:
        return
    tx.execute(
        orders.insert().values(
            id=saved.id,
            agreement=saved.agreement,
            listing=saved.listing,
            buyer=saved.buyer,
            member=saved.member,
            at_us=saved.at_us,
            **values,
        )
    )


def order(tx: Transaction, order_id: str, *, lock: bool = False) -> Order | None:
    """The order, if there is one."""
    row = _one(tx, select(orders).where(orders.c.id == order_id), lock=lock)
    return None if row is None else _order(row)


def all_orders(tx: Transaction, buyer: str | None) -> list[Order]:
    """Orders, oldest first, of one buyer or of all."""
    query = select(orders).order_by(orders.c.at_us, orders.c.id)
    if buyer is not None:
        query = query.where(orders.c.buyer == buyer)
    return [_order(row) for row in tx.execute(query)]


def newest_orders(tx: Transaction, *, buyer: str | None, after: Place, limit: int) -> list[Order]:
    """Orders of one buyer or of all, newest first."""
    query = select(orders)
    if buyer is not None:
        query = query.where(orders.c.buyer == buyer)
    rows = tx.execute(_newest(query, orders.c.at_us, orders.c.id, after=after, limit=limit))
    return [_order(row) for row in rows]


def has_ordered(tx: Transaction, *, buyer: str, listing: str) -> bool:
    """Whether the buyer ever ordered it."""
    query = select(orders.c.id).where(orders.c.buyer == buyer, orders.c.listing == listing)
    return tx.execute(query.limit(1)).first() is not None


def add_grant(tx: Transaction, added: Grant) -> None:
    """Insert a grant."""
    tx.execute(
        grants.insert().values(
            id=added.id,
            reference=added.reference,
            order_id=added.order,
            agreement=added.agreement,
            listing=added.listing,
            buyer=added.buyer,
            dataset_digest=added.dataset_digest,
            transfer=added.transfer,
            granted_at_us=added.granted_at_us,
            expires_at_us=added.expires_at_us,
        )
    )


def grant(tx: Transaction, grant_id: str, *, lock: bool = False) -> Grant | None:
    """The grant, if there is one."""
    row = _one(tx, select(grants).where(grants.c.id == grant_id), lock=lock)
    return None if row is None else _grant(row)


def grant_of_order(tx: Transaction, order_id: str, *, lock: bool = False) -> Grant | None:
    """The grant an order led to."""
    row = _one(tx, select(grants).where(grants.c.order_id == order_id), lock=lock)
    return None if row is None else _grant(row)


def all_grants(tx: Transaction, buyer: str | None) -> list[Grant]:
    """Grants, oldest first, of one buyer or of all."""
    query = select(grants).order_by(grants.c.granted_at_us, grants.c.id)
    if buyer is not None:
        query = query.where(grants.c.buyer == buyer)
    return [_grant(row) for row in tx.execute(query)]


def newest_grants(tx: Transaction, *, party: str | None, after: Place, limit: int) -> list[Grant]:
    """Grants that an organisation got or gave, or all, newest first."""
    query = select(grants)
    if party is not None:
        given = select(listings.c.id).where(listings.c.holder == party)
        query = query.where(or_(grants.c.buyer == party, grants.c.listing.in_(given)))
    rows = tx.execute(_newest(query, grants.c.granted_at_us, grants.c.id, after=after, limit=limit))
    return [_grant(row) for row in rows]


def revoke(tx: Transaction, grant_id: str, *, at_us: int) -> None:
    """Take a grant back; the first time stays."""
    tx.execute(
        update(grants)
        .where(grants.c.id == grant_id, grants.c.revoked_at_us.is_(None))
        .values(revoked_at_us=at_us)
    )


def add_access(tx: Transaction, added: Access) -> None:
    """Insert an access event."""
    tx.execute(
        accesses.insert().values(
            id=added.id,
            grant_id=added.grant,
            organisation=added.organisation,
            purpose=added.purpose,
            at_us=added.at_us,
            allowed=added.allowed,
            reasons=_text(list(added.reasons)),
        )
    )


def accesses_of(tx: Transaction, grant_id: str) -> list[Access]:
    """Access events of a grant, oldest first."""
    query = select(accesses).where(accesses.c.grant_id == grant_id)
    return [
        Access(
            id=row.id,
            grant=row.grant_id,
            organisation=row.organisation,
            purpose=row.purpose,
            at_us=row.at_us,
            allowed=row.allowed,
            reasons=tuple(json.loads(row.reasons)),
        )
        for row in tx.execute(query.order_by(accesses.c.number))
    ]


def allowed_accesses(tx: Transaction, grant_id: str, *, besides: str) -> int:
    """How many accesses were let through, not counting the event with id ``besides``."""
    return tx.execute(
        select(func.count())
        .select_from(accesses)
        .where(
            accesses.c.grant_id == grant_id,
            accesses.c.allowed.is_(True),
            accesses.c.id != besides,
        )
    ).scalar_one()


def has_access(tx: Transaction, access_id: str) -> bool:
    """Whether the event is on record."""
    return tx.execute(select(accesses.c.id).where(accesses.c.id == access_id)).first() is not None


def _one(tx: Transaction, query: Select[tuple[object, ...]], *, lock: bool) -> _AnyRow | None:
    return tx.execute(query.with_for_update() if lock else query).first()


def _newest(
    query: _Query, at_us: Column[int], name: Column[str], *, after: Place, limit: int
) -> _Query:
    """The newest rows, or those older than a place."""
    if after[1]:
        query = query.where(or_(at_us < after[0], and_(at_us == after[0], name < after[1])))
    return query.order_by(at_us.desc(), name.desc()).limit(limit)


def _text(value: JsonObject | list[str]) -> str:
    return canonical_bytes(value).decode()


def _listing(row: _AnyRow) -> Listing:
    terms = policy.restore(json.loads(row.policy))
    return Listing(
        id=row.id,
        reference=row.reference,
        certificate=row.certificate,
        certificate_reference=row.certificate_reference,
        dataset_digest=row.dataset_digest,
        title=row.title,
        holder=row.holder,
        licence=row.licence,
        price_minor=row.price_minor,
        unit=row.unit,
        policy=terms,
        policy_digest=policy.digest(terms),
        state=row.state,
        at_us=row.at_us,
    )


def _order(row: _AnyRow) -> Order:
    return Order(
        id=row.id,
        agreement=row.agreement,
        listing=row.listing,
        buyer=row.buyer,
        member=row.member,
        state=row.state,
        hold=row.hold,
        hold_expires_at_us=row.hold_expires_at_us,
        attempt=row.attempt,
        transfer=row.transfer,
        at_us=row.at_us,
    )


def _grant(row: _AnyRow) -> Grant:
    return Grant(
        id=row.id,
        reference=row.reference,
        order=row.order_id,
        agreement=row.agreement,
        listing=row.listing,
        buyer=row.buyer,
        dataset_digest=row.dataset_digest,
        transfer=row.transfer,
        granted_at_us=row.granted_at_us,
        expires_at_us=row.expires_at_us,
        revoked_at_us=row.revoked_at_us,
    )
