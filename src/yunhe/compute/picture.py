"""What the scheduler sees of the platform, and what of it a decision must still find when written.

Budgets are bounded by what the ledger has as well. *Cost*: a fixed number of queries, whatever
waits, and the rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.asking import Known, fitted, request_of
from yunhe.compute.domain import AwardStatus, Pool, PoolStatus, VoucherStatus
from yunhe.compute.forwarding import store as forwarding
from yunhe.compute.limits import service as limits
from yunhe.compute.machine import DEMONSTRATION
from yunhe.compute.passes import store as bulk
from yunhe.compute.passes import weighing
from yunhe.compute.passes.domain import AWARD, CASH, GRACE_SECONDS, HOLD_US, PUSHABLE, VOUCHER
from yunhe.compute.places import Occupancy, places_of
from yunhe.compute.planning import store as plans
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    PoolView,
    Request,
    RunningView,
    VoucherView,
    WindowView,
)
from yunhe.compute.scheduling.terms import Held, Left, entitled
from yunhe.compute.statements.normalising import class_of
from yunhe.compute.supply.offering import Offering, offering
from yunhe.compute.ways import store as ways_of
from yunhe.compute.windows.views import window_views
from yunhe.compute.yielding import store as yielding
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction

_Has = Mapping[tuple[str, str, str], int]


def picture_of(tx: Transaction, waiting: Iterable[RowMapping], *, now_us: int) -> Picture:
    """What the scheduler needs to know to decide about these workloads."""
    rows = list(waiting)
    pools = store.pools(tx)
    offered = offering(tx, [status.pool for status in pools], now_us=now_us)
    occupying = store.occupying(tx)
    organisations = sorted({row["organisation"] for row in rows})
    kinds = identity.kinds(
        tx, sorted({*organisations, *(row["organisation"] for row in occupying)})
    )
    places = [status.pool for status in pools]
    elastic = any('"replicas_min"' in row["spec"] for row in rows)
    spare = yielding.made_free(tx) if any(row["push_asked_us"] for row in occupying) else []
    rooms = rooms_of(pools, offered, [*occupying, *spare]) if elastic else {}
    ways = ways_of.ways(tx)
    able = limits.knowing(
        tx,
        remote.abilities(tx),
        texts=[row["spec"] for row in rows],
        organisations=organisations,
        now_us=now_us,
    )
    known: Known = {}
    asked: Iterable[Request] = (
        request_of(
            row,
            pools=places,
            kind=kinds.get(row["organisation"], ""),
            ways=ways,
            able=able,
            now_us=now_us,
            known=known,
        )
        for row in rows
    )
    kept = _kept_here(asked, pools, tx)
    queue = tuple(
        offered.limited(fitted(request, row, places, rooms))
        for request, row in zip(kept, rows, strict=True)
    )
    pushable = PUSHABLE | remote.pushing(tx)
    running = _runs(tx, occupying, places, kinds, pushable=pushable)
    running += tuple(_kept_for(row, kinds, now_us=now_us) for row in spare)
    windows = window_views(tx, places, pushable=pushable, now_us=now_us)
    left = left_of(windows, occupying, now_us=now_us)
    helpless = {row["id"] for row in rows if row["waits_for"] == "other"}
    has = ledger.available(tx, organisations)
    awards = tuple(
        limits.awarded(tx, award_views(bulk.awards(tx, organisations), has), able.limits)
    )
    seen = Picture(
        pools=tuple(_pool(status, offered, spare) for status in pools),
        awards=awards,
        vouchers=tuple(voucher_views(bulk.vouchers(tx, organisations), has)),
        cash={
            (owner, unit): amount
            for (owner, unit, purpose), amount in has.items()
            if purpose == CASH
        },
        queue=_classed(entitled(queue, left, helpless=helpless), rows, awards),
        busy=_busy(running),
        running=running,
        guide=plans.guide(tx, now_us=now_us),
        usual=plans.usual(tx, now_us=now_us),
        windows=windows,
        limits_number=able.limits.number,
    )
    return _shared(tx, seen, kinds, now_us=now_us)


def _shared(
    tx: Transaction, seen: Picture, organisations: Iterable[str], *, now_us: int
) -> Picture:
    """With whose turn it is: what parts of the fair share weigh, and what they used."""
    several = len(seen.queue) > 1  # one alone has nobody to be fair to
    used_us = weighing.used(tx, now_us=now_us) if several else {}
    cities = identity.cities_of(tx, sorted({*organisations, *(of for _, of, _ in used_us)}))
    return replace(
        seen,
        used_us=used_us,
        weights=weighing.by_path(tx) if several else {},
        cities=cities,
        city_weights=weighing.by_city(tx) if cities else {},
    )


def _runs(
    tx: Transaction,
    occupying: Iterable[RowMapping],
    pools: Iterable[Pool],
    kinds: Mapping[str, str],
    *,
    pushable: Collection[str],
) -> tuple[RunningView, ...]:
    """What occupies devices."""
    placed_on = {pool.id: pool for pool in pools}
    paces = bulk.paces(tx)
    return tuple(
        _running(
            row,
            kinds.get(row["organisation"], ""),
            pool=placed_on.get(row["pool"]),
            pushable=pushable,
            speed=paces.get(row["id"], 1_000),
        )
        for row in occupying
    )


def _classed(
    queue: Iterable[Request], rows: Iterable[RowMapping], awards: Iterable[AwardView]
) -> tuple[Request, ...]:
    """The requests, with their class of work where an award for several chips might pay."""
    holders = {award.organisation for award in awards if award.rates}
    works = {row["id"]: class_of(row["spec"]) for row in rows if row["organisation"] in holders}
    if not works:
        return tuple(queue)
    return tuple(replace(each, workload_class=works.get(each.id, "")) for each in queue)


def _busy(running: Iterable[RunningView]) -> dict[str, int]:
    """Devices by organisation."""
    found: dict[str, int] = {}
    for view in running:
        name = view.request.organisation
        found[name] = found.get(name, 0) + view.request.devices
    return found


def left_of(windows: Iterable[WindowView], occupying: Iterable[RowMapping], *, now_us: int) -> Left:
    """What windows still have to give at the reserved price, beside what runs at it."""
    held = (
        Held(
            row["organisation"],
            row["project"] or "",
            row["pool"] or "",
            devices=row["devices"],
            term=row["term"] or "on_demand",
        )
        for row in occupying
    )
    return Left(windows, held, now_us=now_us)


def _kept_here(
    asked: Iterable[Request], pools: Iterable[PoolStatus], tx: Transaction
) -> Iterable[Request]:
    """The requests, those that came forwarded kept off pools that are other platforms'."""
    federated = remote.federated(tx)
    own = frozenset(each.pool.id for each in pools if each.pool.adapter not in federated)
    foreign = forwarding.waiting(tx) if federated else frozenset()
    for request in asked:
        if request.id in foreign:
            sites = own if request.sites is None else request.sites & own
            yield replace(request, sites=sites)
        else:
            yield request


def rooms_of(
    pools: Iterable[PoolStatus], offered: Offering, occupying: Iterable[RowMapping]
) -> dict[str, Occupancy]:
    """What is free exactly where, by pool; ``occupying``: everything that runs in them."""
    rooms = {
        status.pool.id: Occupancy(status.pool.devices, offered.nodes_of(status.pool.id))
        for status in pools
    }
    for row in occupying:
        if row["pool"] in rooms:
            rooms[row["pool"]].runs(row["nodes"], devices=row["devices"])
    for pool, room in rooms.items():
        room.busy(offered.others.get(pool, 0))
    return rooms


def _pool(status: PoolStatus, offered: Offering, spare: Iterable[RowMapping]) -> PoolView:
    """``spare``: devices that were made free for somebody and count as busy until all are."""
    nodes, down = offered.standing_of(status.pool.id)
    kept = sum(row["devices"] for row in spare if row["pool"] == status.pool.id)
    return PoolView(
        id=status.pool.id,
        chip=status.pool.chip,
        devices=status.pool.devices,
        devices_busy=status.devices_busy + kept,
        price_minor_per_device_hour=offered.price(status.pool),
        currency=status.pool.currency,
        reserved_minor_per_device_hour=offered.special(status.pool, "reserved"),
        spot_minor_per_device_hour=offered.special(status.pool, "spot"),
        nodes=nodes,
        down=down,
        gone=tuple(
            node.position for node in offered.nodes_of(status.pool.id) if node.state == "gone"
        ),
        devices_elsewhere=offered.others.get(status.pool.id, 0),
        jurisdiction=offered.jurisdiction(status.pool.id),
        demonstration=status.pool.adapter == DEMONSTRATION,
    )


def award_views(statuses: Iterable[AwardStatus], has: _Has) -> list[AwardView]:
    """Awards, the first to expire first, each with what its organisation's account covers."""
    left = dict(has)
    views = []
    for status in statuses:
        award = status.award
        account = award.organisation, device_unit(award.chip), AWARD
        usable = max(min(status.left_ms, left.get(account, 0)), 0)
        left[account] = left.get(account, 0) - usable
        rates = award.accepts.rates if award.accepts is not None else ()
        views.append(
            AwardView(award.id, award.organisation, award.chip, usable, award.expires_at_us, rates)
        )
    return views


def voucher_views(statuses: Iterable[VoucherStatus], has: _Has) -> list[VoucherView]:
    """Vouchers, each with what its organisation's account covers."""
    left = dict(has)
    views = []
    for status in statuses:
        voucher = status.voucher
        account = voucher.organisation, voucher_unit(voucher.currency), VOUCHER
        usable = max(min(status.left_minor, left.get(account, 0)), 0)
        left[account] = left.get(account, 0) - usable
        view = VoucherView(
            voucher.id, voucher.organisation, voucher.currency, usable, voucher.share_percent
        )
        views.append(view)
    return views


def _kept_for(row: RowMapping, kinds: Mapping[str, str], *, now_us: int) -> RunningView:
    """Devices that are kept for whom they were made free for, until all others are.

    As if something of its own ran there that nobody may push out and that is over very soon.
    """
    nodes, pieces = places_of(row["nodes"])
    request = Request(
        id=row["id"],
        number=row["number"],
        organisation=row["organisation"],
        chip=row["chip"],
        devices=row["devices"],
        wall_seconds_max=GRACE_SECONDS + 1,
        since_us=now_us,
        kind=kinds.get(row["organisation"], ""),
        project=row["project"] or "",
        milli=row["milli"] or 0,
        priority=row["priority"] or 0,
    )
    return RunningView(request, row["pool"], nodes, now_us, pieces, leaving=True)


def _running(
    row: RowMapping,
    kind: str,
    *,
    pool: Pool | None,
    pushable: Collection[str],
    speed: int,
) -> RunningView:
    """Placed when its holds were taken: they last for its wall time and `HOLD_US` beyond.

    Its wall limit is that on the chip it runs on. What was asked to make room counts as over when
    the time for that is.
    """
    nodes, pieces = places_of(row["nodes"])
    lasts_us = row["wall_seconds_max"] * SECOND_US + HOLD_US
    since_us = (row["holds_until_us"] or 0) - lasts_us
    wall, asked_us = -(-row["wall_seconds_max"] * 1_000 // speed), row["push_asked_us"]
    if asked_us is not None:
        soon = max(asked_us - since_us, 0) // SECOND_US + GRACE_SECONDS + 1
        wall = min(wall, soon)
    request = Request(
        id=row["id"],
        number=row["number"],
        organisation=row["organisation"],
        chip=row["chip"],
        devices=row["devices"],
        wall_seconds_max=wall,
        since_us=since_us,
        kind=kind,
        project=row["project"] or "",
        milli=row["milli"] or 0,
        priority=row["priority"] or 0,
        preemptible=pool is not None
        and pool.adapter in pushable
        and row["saves_seconds"] is not None
        and asked_us is None,
        checkpoint_seconds=row["saves_seconds"] or 0,
        attained_us=(row["attained_ms"] or 0) * 1_000,
    )
    return RunningView(request, row["pool"], nodes, since_us, pieces, leaving=asked_us is not None)
