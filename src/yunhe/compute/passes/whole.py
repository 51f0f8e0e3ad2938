"""A whole pass: looks, decides outside any transaction, and writes what still holds, in parts.

Commands go on meanwhile, so each part is checked against what is there when it is written. One
scheduler at a time has the lease, and each part is written only while it has; one that is killed
leaves behind whole parts, and the next pass begins from what they left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute import store as rows_of
from yunhe.compute.domain import PoolStatus
from yunhe.compute.limits import store as limits
from yunhe.compute.passes import journal, pushing, store
from yunhe.compute.passes.domain import (
    BATCH_MAX,
    EVERY_SECONDS,
    PUSHABLE,
    QUEUE_MAX,
    WHYS_MAX,
    Lease,
    Passed,
    Seen,
    waits_for,
)
from yunhe.compute.passes.placing import place_many
from yunhe.compute.picture import award_views, left_of, picture_of, rooms_of, voucher_views
from yunhe.compute.places import Occupancy
from yunhe.compute.policy import service as rules
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    Decision,
    Picture,
    Placement,
    Preemption,
    Term,
    Wait,
    WindowView,
)
from yunhe.compute.scheduling.terms import Left
from yunhe.compute.supply.domain import TERMS
from yunhe.compute.supply.offering import Offering, offering
from yunhe.compute.windows.views import window_views
from yunhe.compute.yielding import store as yielding
from yunhe.kernel.errors import Conflict, YunheError
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


def due(storage: Storage) -> bool:
    """Whether a whole pass should be made now; a read, for whoever looks often."""
    with storage.database.read() as tx:
        now_us = storage.clock.now_us()
        return store.is_due(tx, now_us=now_us, every_seconds=EVERY_SECONDS)


def run(storage: Storage) -> Passed | None:
    """Make a whole pass; None when another scheduler makes one.

    Errors: `Conflict` ``storage.claim_lost`` when another scheduler took over meanwhile; what was
    written until then stays.
    """
    with storage.database.begin() as tx:
        lease = store.take(tx, now_us=storage.clock.now_us())
    if lease is None:
        return None
    answered = False
    try:
        passed = _pass(storage, lease)
        answered = not passed.overtaken
        return passed
    finally:
        with storage.database.begin() as tx:
            store.release(tx, lease, now_us=storage.clock.now_us(), done=answered)


def _pass(storage: Storage, lease: Lease) -> Passed:
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        rows = {row["id"]: row for row in store.queue(tx, each=QUEUE_MAX)}
        picture, policy = picture_of(tx, rows.values(), now_us=now_us), rules.in_force(tx)
        served, kept = pushing.served_in(tx, picture), store.journal_left(tx) > 0
    decisions = decide(picture, now_us=now_us, policy=policy)
    if pushing.any_may(picture):  # what comes next may take as long again as this did
        with _part(storage, lease):
            pass
    asked = pushing.wanted(picture, decisions, served=served, now_us=now_us, policy=policy)
    seen = Seen(picture, policy.name, served)
    said = journal.told(seen, decisions, asked, now_us=now_us) if kept else ""
    with _part(storage, lease) as tx:
        _ask(tx, asked, served, now_us=_now(storage))
        if said:
            journal.add(tx, said, now_us=now_us)
    placements = [each for each in decisions if isinstance(each, Placement)]
    placed = refused = 0
    for at in range(0, len(placements), BATCH_MAX):
        part = placements[at : at + BATCH_MAX]
        done, not_booked = _written(storage, lease, part, picture)
        placed, refused = placed + done, refused + not_booked
    whys = changed_whys(decisions, rows)
    for at in range(0, len(whys), WHYS_MAX):
        with _part(storage, lease) as tx:
            store.tell_why(tx, whys[at : at + WHYS_MAX])
    _again(storage, rows, decisions)
    return Passed(len(rows), placed, len(placements) - placed - refused)


def _now(storage: Storage) -> int:
    return storage.clock.now_us()


@contextmanager
def _part(storage: Storage, lease: Lease) -> Iterator[Transaction]:
    """A transaction of a pass, for whoever has the lease still; others may begin before it."""
    storage.database.let_in()
    with storage.database.begin() as tx:
        _keep(tx, lease, now_us=_now(storage))
        yield tx


def _ask(
    tx: Transaction, asked: Sequence[Preemption], served: Collection[str], *, now_us: int
) -> None:
    """Ask them to make room, but for whom a command had others make room meanwhile."""
    if asked:
        since = yielding.pending(tx) - {*served}
        yielding.ask(tx, [each for each in asked if each.beneficiary not in since], now_us=now_us)


def _keep(tx: Transaction, lease: Lease, *, now_us: int) -> None:
    if not store.renew(tx, lease, now_us=now_us):
        raise Conflict("storage.claim_lost", what="compute.pass")


def changed_whys(decisions: Sequence[Decision], rows: dict[str, RowMapping]) -> list[store.Said]:
    """The reasons that are not written down yet."""
    found = []
    for each in decisions:
        if isinstance(each, Wait):
            row = rows[each.request.id]
            on = waits_for(each.why, blocked=each.request.blocked is not None)
            if not columns.says(row, each.why) or row["waits_for"] != on:
                found.append((each.request.id, each.why, on))
    return found


def _again(storage: Storage, rows: dict[str, RowMapping], decisions: Sequence[Decision]) -> None:
    """Ask for another pass where what was placed made room for some that nobody looked at yet."""
    seen: dict[str, int] = {}
    for row in rows.values():
        seen[row["organisation"]] = seen.get(row["organisation"], 0) + 1
    placed = {each.request.organisation for each in decisions if isinstance(each, Placement)}
    if any(seen[name] == QUEUE_MAX for name in placed):
        with storage.database.begin() as tx:
            store.mark(tx)


def _written(
    storage: Storage, lease: Lease, placements: Sequence[Placement], picture: Picture
) -> tuple[int, int]:
    """Carry out those that still hold; how many, and how many of them the ledger refused.

    One that is refused keeps nobody else waiting: the part is written again in halves. It stays
    in the queue for the next pass, which does not begin at once because of it.
    """
    try:
        with _part(storage, lease) as tx:
            return _write(tx, placements, picture=picture, now_us=_now(storage)), 0
    except YunheError as error:
        if not error.code.startswith("ledger."):
            raise
    if len(placements) == 1:
        return 0, 1
    half = len(placements) // 2
    first = _written(storage, lease, placements[:half], picture)
    second = _written(storage, lease, placements[half:], picture)
    return first[0] + second[0], first[1] + second[1]


def _write(
    tx: Transaction, placements: Sequence[Placement], *, picture: Picture, now_us: int
) -> int:
    """Carry out those that still hold; how many."""
    prices = picture.prices
    rows = store.states(tx, [each.request.id for each in placements])
    check = _Check(tx, rows, placements, prices=prices, now_us=now_us)
    check.shut(tx, picture.windows)
    check.ruled(tx, picture)
    sound = [(rows[each.request.id], each) for each in placements if check.holds(each)]
    place_many(tx, sound, prices=prices, adapters=check.adapters, now_us=now_us)
    return len(sound)


class _Check:
    """What there is when decisions are written, used up by each that holds."""

    def __init__(
        self,
        tx: Transaction,
        rows: dict[str, RowMapping],
        placements: Sequence[Placement],
        *,
        prices: dict[tuple[str, Term], int],
        now_us: int,
    ) -> None:
        self._rows, self._now_us = rows, now_us
        self._reserved = any(each.term == "reserved" for each in placements)
        self._left = Left((), (), now_us=now_us)
        pools = rows_of.pools(tx)
        self._pools = [status.pool for status in pools]
        self.adapters = {pool.id: pool.adapter for pool in self._pools}
        self._offered = offering(tx, self._pools, now_us=now_us)
        self._rooms = _rooms(tx, pools, self._offered, placements)
        for pool in self._pools:
            now = (
                self._offered.price(pool),
                self._offered.special(pool, "reserved"),
                self._offered.special(pool, "spot"),
            )
            if now != tuple(prices.get((pool.id, term)) for term in TERMS):
                self._rooms.pop(pool.id, None)
        organisations = sorted({each.request.organisation for each in placements})
        has = ledger.available(tx, organisations)
        self._awards = {
            view.id: view.left_ms
            for view in award_views(store.awards(tx, organisations), has)
            if view.expires_at_us > now_us
        }
        self._vouchers = {
            view.id: view.left_minor
            for view in voucher_views(store.vouchers(tx, organisations), has)
        }
        self._cash = {
            (owner, unit): amount
            for (owner, unit, purpose), amount in has.items()
            if purpose == "cash"
        }

    def shut(self, tx: Transaction, seen: Sequence[WindowView]) -> None:
        """Let nothing into the pools of windows that were given or changed since."""
        pushable = PUSHABLE | remote.pushing(tx)
        now = window_views(tx, self._pools, pushable=pushable, now_us=self._now_us)
        for window in {*seen} ^ {*now}:
            for pool in window.pools:
                self._rooms.pop(pool, None)
        if self._reserved:  # commands may have placed others of its holder since
            self._left = left_of(now, rows_of.occupying(tx), now_us=self._now_us)

    def ruled(self, tx: Transaction, picture: Picture) -> None:
        """Let nothing into pools that stand elsewhere now, nor anywhere once other rules hold."""
        for pool in picture.pools:
            if self._offered.jurisdiction(pool.id) != pool.jurisdiction:
                self._rooms.pop(pool.id, None)
        if limits.number(tx) != picture.limits_number:
            self._rooms.clear()

    def holds(self, placement: Placement) -> bool:
        """Whether it may be carried out; if so, what it takes is gone for those after it."""
        request, row = placement.request, self._rows.get(placement.request.id)
        if row is None or row["blocked"] or row["number"] != request.number:
            return False
        anywhere = request if request.sites is None else replace(request, sites=None)
        asked = self._offered.limited(anywhere)
        allowed = asked.blocked is None and (asked.sites is None or placement.pool in asked.sites)
        purse = request.organisation, placement.currency
        room = self._rooms.get(placement.pool)
        reserved = placement.term == "reserved"
        window = self._left.of(request, pool=placement.pool) if reserved else None
        if (
            not allowed
            or (reserved and window is None)
            or room is None
            or any(self._awards.get(draw.award, 0) < draw.device_ms for draw in placement.draws)
            or self._cash.get(purse, 0) < placement.cash_minor
            or self._vouchers.get(placement.voucher or "", 0) < placement.voucher_minor
            or not room.take(placement)
        ):
            return False
        if window is not None:
            self._left.take(request, window)
        for draw in placement.draws:
            self._awards[draw.award] -= draw.device_ms
        if placement.cash_minor:
            self._cash[purse] -= placement.cash_minor
        if placement.voucher is not None:
            self._vouchers[placement.voucher] -= placement.voucher_minor
        return True


def _rooms(
    tx: Transaction,
    pools: Sequence[PoolStatus],
    offered: Offering,
    placements: Sequence[Placement],
) -> dict[str, Occupancy]:
    """What is free where these placements go, on their very nodes where those are told apart.

    *Cost*: a row for everything that runs in a pool with nodes or with shared devices; other pools
    are only counted.
    """
    wanted = {each.pool for each in placements}
    exact = {each.pool for each in placements if each.pieces or offered.nodes_of(each.pool)}
    some = [status for status in pools if status.pool.id in wanted]
    kept = yielding.made_free(tx)  # those it is kept for are placed by whoever left last
    rows = [*rows_of.occupying(tx), *kept] if exact else []
    rooms = rooms_of(some, offered, [row for row in rows if row["pool"] in exact])
    for status in some:
        if status.pool.id not in exact:
            spare = sum(row["devices"] for row in kept if row["pool"] == status.pool.id)
            rooms[status.pool.id].busy(status.devices_busy + spare)
    return rooms
