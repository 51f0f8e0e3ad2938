"""The catalogue, orders, grants, and opening what they are for."""

from __future__ import annotations

from typing import cast

from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES, file
from yunhe.api.idempotency import answered, once
from yunhe.api.paths import Routes
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import exchange as wire
from yunhe.client.wire.shapes import Page
from yunhe.corpus import errors as corpus_errors
from yunhe.corpus import service as corpus
from yunhe.exchange import domain
from yunhe.exchange import service as exchange
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.storage.database import Transaction

routes = Routes("exchange")
"""Of the exchange floor."""


@routes.add("GET /v1/listings", Page[wire.Listing])
async def list_listings(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Listing]:
    """The catalogue, newest first: what one's organisation may order, and all its own offers."""
    last = call.place(after, like=(0, ""))
    kind = None if call.tenant is None else call.who.kind
    own = call.who.organisation
    found = await call.read(
        lambda tx: exchange.catalogue(tx, kind=kind, own=own, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_listing, place=lambda each: (each.at_us, each.id))


@routes.add("GET /v1/listings/{listing}", wire.Listing)
async def get_listing(call: Caller, listing: PathId) -> wire.Listing:
    """One offer."""
    return _listing(await call.look(lambda tx: _on_show(tx, call, listing)))


@routes.add("POST /v1/listings", wire.Listing, status=201)
async def create_listing(call: Caller, key: Key, body: wire.NewListing) -> Response:
    """Offer a dataset that one's own organisation had certified."""
    require_whole(call)
    policy = exchange.parse_policy(body.policy.model_dump())
    storage = call.runtime.storage

    def make(name: str) -> wire.Listing:
        with storage.database.read() as tx:
            certified = corpus.certified(tx, body.certificate)
        if not call.reaches(certified.holder):
            raise corpus_errors.certificate_unknown(body.certificate)
        return _listing(
            exchange.list_dataset(
                storage,
                key=name,
                certificate=certified.certificate_id,
                certificate_reference=certified.certificate_reference,
                dataset_digest=certified.output_digest,
                title=body.title,
                holder=certified.holder,
                licence=certified.licence,
                price_minor=body.price_minor,
                unit=body.unit,
                policy=policy,
            )
        )

    return await call.command(key, body, make)


@routes.add("POST /v1/listings/{listing}/withdraw", wire.Listing)
async def withdraw_listing(call: Caller, listing: PathId) -> wire.Listing:
    """Take an offer off the catalogue; what was ordered stays as it is. Again changes nothing."""

    def withdraw() -> domain.Listing:
        with call.runtime.storage.database.read() as tx:
            found = exchange.listing(tx, listing)
            if not call.reaches(found.holder):
                raise _listing_unknown(listing)
        return exchange.withdraw_listing(
            call.runtime.storage, listing=listing, member=call.who.member
        )

    return _listing(await call.apart(withdraw))


@routes.add("GET /v1/orders", Page[wire.Order])
async def list_orders(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Order]:
    """One's organisation's orders, newest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[domain.Order]:
        if not whole(call):
            return []
        return exchange.newest_orders(tx, buyer=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_order,
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("GET /v1/orders/{order}", wire.OrderInFull)
async def get_order(call: Caller, order: PathId) -> wire.OrderInFull:
    """One order, with what was agreed."""
    return await call.look(lambda tx: _in_full(tx, _ordered(tx, call, order)))


@routes.add("POST /v1/orders", wire.OrderInFull, status=201)
async def create_order(call: Caller, key: Key, body: wire.NewOrder) -> Response:
    """Agree to an offer and pay it; the answer names the grant."""
    require_whole(call)
    storage, who = call.runtime.storage, call.who

    def make(name: str) -> wire.OrderInFull:
        with storage.database.read() as tx:
            _on_show(tx, call, body.listing)
        grant = exchange.order_dataset(
            storage, key=name, listing=body.listing, buyer=who.organisation, member=who.member
        )
        with storage.database.read() as tx:
            return _in_full(tx, exchange.placed(tx, grant.order))

    return await call.command(key, body, make)


@routes.add("POST /v1/orders/{order}/cancel", wire.Order)
async def cancel_order(call: Caller, order: PathId) -> wire.Order:
    """Call an order off before its data was opened; the money comes back."""

    def cancel() -> domain.Order:
        with call.runtime.storage.database.read() as tx:
            _ordered(tx, call, order)
        return exchange.cancel_order(call.runtime.storage, order=order, member=call.who.member)

    return _order(await call.apart(cancel))


@routes.add("GET /v1/grants", Page[wire.Grant])
async def list_grants(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Grant]:
    """Rights to open datasets that one's organisation got or gave, newest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[domain.Grant]:
        if not whole(call):
            return []
        return exchange.newest_grants(tx, party=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_grant,
        place=lambda each: (each.granted_at_us, each.id),
    )


@routes.add("GET /v1/grants/{grant}", wire.Grant)
async def get_grant(call: Caller, grant: PathId) -> wire.Grant:
    """One right to open a dataset."""
    return _grant(await call.look(lambda tx: _granted(tx, call, grant)))


@routes.add("POST /v1/grants/{grant}/revoke", wire.Grant)
async def revoke_grant(call: Caller, grant: PathId) -> wire.Grant:
    """Take a grant back, without refund; by the holder of the data. Again changes nothing."""

    def revoke() -> domain.Grant:
        with call.runtime.storage.database.read() as tx:
            _granted(tx, call, grant)
        return exchange.revoke_grant(call.runtime.storage, grant=grant, member=call.who.member)

    return _grant(await call.apart(revoke))


@routes.add("POST /v1/grants/{grant}/open", produces=BYTES)
async def open_grant(call: Caller, key: Key, grant: PathId, body: wire.Opening) -> Response:
    """The dataset's bytes, if the grant allows it now; every attempt is on record.

    A repetition with the same Idempotency-Key is checked again, but not counted again.
    """
    attempt = call.attempt(key, body)
    await call.look(lambda tx: answered(tx, attempt))  # a conflict, when the key was another's
    require_whole(call)

    def access() -> domain.Grant:
        try:
            return exchange.access(
                call.runtime.storage,
                grant=grant,
                organisation=call.who.organisation,
                purpose=body.purpose,
                acts=body.acts,
                key=digest_of([key, body.model_dump_json()]),
            )
        except NotAllowed as error:
            if error.code == "exchange.no_grant":
                raise _grant_unknown(grant) from None
            raise

    found = await call.apart(access)
    opened = wire.Opened(grant=found.id, dataset_digest=found.dataset_digest)
    await call.write(lambda tx: once(tx, attempt, status=200, work=lambda _: opened))
    return await file(call, found.dataset_digest)


def _on_show(tx: Transaction, call: Call, listing: str) -> domain.Listing:
    found = exchange.listing(tx, listing)
    who = call.who
    if call.tenant is not None and not exchange.on_show(
        tx, found, organisation=who.organisation, kind=who.kind
    ):
        raise _listing_unknown(listing)
    return found


def _ordered(tx: Transaction, call: Call, order: str) -> domain.Order:
    found = exchange.placed(tx, order)
    if not call.reaches(found.buyer):
        raise NotFound("exchange.order_unknown", order=order)
    return found


def _granted(tx: Transaction, call: Call, grant: str) -> domain.Grant:
    found = exchange.grant(tx, grant)
    if not call.reaches(found.buyer):
        holder = exchange.listing(tx, found.listing).holder
        if not call.reaches(holder):
            raise _grant_unknown(grant)
    return found


def _listing_unknown(listing: str) -> NotFound:
    return NotFound("exchange.listing_unknown", listing=listing)


def _grant_unknown(grant: str) -> NotFound:
    return NotFound("exchange.grant_unknown", grant=grant)


def _listing(found: domain.Listing) -> wire.Listing:
    policy = found.policy
    return wire.Listing(
        id=found.id,
        title=found.title,
        holder=found.holder,
        certificate=found.certificate,
        dataset_digest=found.dataset_digest,
        licence=found.licence,
        price_minor=found.price_minor,
        unit=found.unit,
        policy=wire.Policy(
            purposes=list(policy.purposes),
            organisation_kinds=list(policy.organisation_kinds),
            prohibited=list(policy.prohibited),
            valid_days=policy.valid_days,
            accesses_max=policy.accesses_max,
        ),
        state=found.state,
        at=iso(found.at_us),
        reference=found.reference,
    )


def _order(found: domain.Order) -> wire.Order:
    return wire.Order(
        id=found.id,
        listing=found.listing,
        buyer=found.buyer,
        member=found.member,
        state=found.state,
        agreement=found.agreement,
        transfer=found.transfer,
        at=iso(found.at_us),
    )


def _in_full(tx: Transaction, found: domain.Order) -> wire.OrderInFull:
    agreed = exchange.agreement(tx, found.agreement)
    grant = exchange.grant_of(tx, found.id)
    return wire.OrderInFull(
        **_order(found).model_dump(),
        terms=cast("JsonValue", agreed.terms),
        terms_digest=agreed.digest,
        grant=None if grant is None else grant.id,
    )


def _grant(found: domain.Grant) -> wire.Grant:
    return wire.Grant(
        id=found.id,
        order=found.order,
        listing=found.listing,
        buyer=found.buyer,
        dataset_digest=found.dataset_digest,
        granted_at=iso(found.granted_at_us),
        expires_at=iso(found.expires_at_us),
        revoked_at=None if found.revoked_at_us is None else iso(found.revoked_at_us),
        reference=found.reference,
    )
