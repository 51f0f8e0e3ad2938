"""Makes deliveries of notices: one for each webhook and each mailbox that is to get them."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.identity import service as identity
from yunhe.identity.domain import ROLES, Member
from yunhe.kernel.ids import derived_id
from yunhe.notices import store as feed
from yunhe.notices.choosing import default_preference
from yunhe.notices.domain import REACH, Addressees, Notice
from yunhe.notices.sending import store
from yunhe.notices.webhooks import store as webhooks
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

SPREAD_AT_ONCE = 50
"""Notices in one transaction, so that other writers never wait long."""
MEMBERS_MAX = 10_000
"""Most members of one organisation that a notice is mailed to."""
_PAGE = 100


def spread(storage: Storage, *, mail: bool) -> int:
    """Make the deliveries of every notice that has none yet; returns how many notices that were.

    Done again it changes nothing, as a delivery's id is derived from notice and target. Cost: one
    transaction for `SPREAD_AT_ONCE` notices.
    """
    total = 0
    while True:
        now_us = storage.clock.now_us()
        with storage.database.begin() as tx:
            fresh = store.unspread(tx, limit=SPREAD_AT_ONCE)
            for notice, to, holds in fresh:
                if holds:
                    _spread_one(tx, notice, to, mail=mail, now_us=now_us)
            store.set_spread(tx, [notice.id for notice, _, _ in fresh], at_us=now_us)
        total += len(fresh)
        if len(fresh) < SPREAD_AT_ONCE:
            return total


def _spread_one(
    tx: Transaction, notice: Notice, to: Addressees, *, mail: bool, now_us: int
) -> None:
    # What only one member is to know goes to no address of the whole organisation.
    if not to.member:
        for hook in webhooks.of_organisations(tx, _organisations(tx, notice)):
            if notice.kind in hook.kinds and hook.state == "active":
                _add(tx, notice, way="webhook", target=hook.id, at_us=now_us)
    if mail:
        # Not before its recipients are known to want it: most kinds are mailed to nobody.
        for member in _wanting(tx, notice, to):
            _add(tx, notice, way="mail", target=member, at_us=now_us)


def _organisations(tx: Transaction, notice: Notice) -> list[str]:
    kind = REACH.get(notice.organisation)
    if kind is None:
        return [notice.organisation]
    there = webhooks.organisations_with(tx)
    return [each for each in there if identity.organisation(tx, each).kind == kind]


def _wanting(tx: Transaction, notice: Notice, to: Addressees) -> Iterator[str]:
    """Members that the notice is for, who have an address and want this kind by mail."""
    page: list[str] = []
    for member in _members(tx, notice, to):
        if member.contact and member.ended_at_us is None:
            page.append(member.id)
        if len(page) == _PAGE:
            yield from _choosing(tx, notice, page)
            page = []
    yield from _choosing(tx, notice, page)


def _choosing(tx: Transaction, notice: Notice, members: list[str]) -> Iterator[str]:
    chosen = feed.preferences_of(tx, members)
    for member in members:
        if chosen.get((member, notice.kind), default_preference(notice.kind)).mail:
            yield member


def _members(tx: Transaction, notice: Notice, to: Addressees) -> Iterator[Member]:
    if to.member:
        yield identity.member(tx, to.member)
    elif to.roles:
        kind = REACH.get(notice.organisation)
        whose = notice.organisation if kind is None else None
        seen: set[str] = set()
        for role in (known for known in ROLES if known in to.roles):
            for member in identity.members_with_role(
                tx, role, organisation=whose, project=notice.project
            ):
                if member.id in seen:
                    continue
                if kind is None or identity.organisation(tx, member.organisation).kind == kind:
                    seen.add(member.id)
                    yield member
    else:
        after = ""
        for _ in range(MEMBERS_MAX // _PAGE):
            page = identity.members(tx, organisation=notice.organisation, after=after, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id


def _add(tx: Transaction, notice: Notice, *, way: str, target: str, at_us: int) -> None:
    delivery = derived_id("send", notice.id, way, target)
    store.add(tx, delivery, notice.id, way=way, target=target, at_us=at_us)
