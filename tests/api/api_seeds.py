"""One thing of every kind that an address can name, belonging to a given organisation.

``SEEDS`` maps the name of a path's parameter to what makes such a thing and gives its id; a route
whose parameter is not here fails the walk, so that nobody's things go unwalked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import api_seeds_goods
import api_seeds_judged
import api_seeds_supply
from api_desk import Desk

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.identity.domain import Offer
from yunhe.ledger import service as ledger
from yunhe.storage import operations, uploads


@dataclass(frozen=True)
class Place:
    """An organisation and its administrator."""

    organisation: str
    member: str


def _account(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        return ledger.open_account(tx, owner=place.organisation, unit="CNY", purpose="cash")


def _key(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        return identity.issue_key(
            tx, member=place.member, expires_at_us=None, at_us=desk.now_us()
        ).id


def _invitation(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        key = identity.issue_key(tx, member=place.member, expires_at_us=None, at_us=1)
        by = identity.authenticate(tx, key.secret, now_us=desk.now_us())
        offer = Offer(organisation=place.organisation, roles=frozenset({"caller"}))
        return identity.invite(tx, offer, by=by, at_us=desk.now_us()).invitation.id


def _operation(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        return operations.create(
            tx,
            kind="plans.run",
            key="seed",
            organisation=place.organisation,
            member=place.member,
            payload={},
            at_us=desk.now_us(),
        ).id


def _upload(desk: Desk, place: Place) -> str:
    blob = desk.storage.blobs.put(f"of {place.organisation}".encode())
    with desk.storage.database.begin() as tx:
        uploads.keep(
            tx,
            organisation=place.organisation,
            member=place.member,
            digest=blob.digest,
            size_bytes=blob.size_bytes,
            at_us=desk.now_us(),
        )
    return blob.digest


def _record(desk: Desk, place: Place) -> str:
    body = {"organisation": place.organisation, "of": "seed"}
    subject = f"seed-{place.organisation}"
    with desk.storage.database.begin() as tx:
        made = custody.append(tx, Record("compute.usage", subject, desk.now_us(), body, {}))
    desk.platform.sequencer.run_once()
    return made


Seed = Callable[[Desk, Place], str]
SEEDS: dict[str, Seed] = {
    "account": _account,
    "organisation": lambda desk, place: place.organisation,
    "member": lambda desk, place: place.member,
    "key": _key,
    "invitation": _invitation,
    "operation": _operation,
    "digest": _upload,
    "reference": _record,
    **api_seeds_goods.SEEDS,
    **api_seeds_judged.SEEDS,
    **api_seeds_supply.SEEDS,
}
UNKNOWN: Mapping[str, str] = {
    "digest": "sha256:" + "0" * 64,
    "node": "9",
    "reference": "0" * 64,
}
"""Ids of the right form that name nothing; others get ``<prefix>_`` and zeros."""
FIXED: Mapping[str, str] = {
    "role": "auditor",
    "city": "CN-11",
    "name": "data",
    **api_seeds_goods.FIXED,
}
"""Words in addresses that name no thing."""


def unknown(name: str, known: str) -> str:
    """An id like ``known`` that names nothing."""
    return UNKNOWN.get(name) or f"{known.partition('_')[0]}_{'0' * 26}"
