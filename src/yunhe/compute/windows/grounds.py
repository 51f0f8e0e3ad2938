"""What there is to guarantee devices from, and which guarantees a maintenance would break."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from yunhe.compute import store as rows_of
from yunhe.compute.admission import picture_of
from yunhe.compute.domain import Pool, PoolStatus
from yunhe.compute.scheduling.state import Picture, WindowView
from yunhe.compute.supply import store as supply
from yunhe.compute.windows.checking import Ground, Held, InWay, Shut, families_of
from yunhe.storage.database import Transaction


def ground_of(
    tx: Transaction,
    chip: str,
    statuses: list[PoolStatus],
    picture: Picture,
    *,
    now_us: int,
) -> Ground:
    """The open pools of a chip, what is guaranteed of them, and what runs and is planned there."""
    closed = {pool for pool, said in supply.standings(tx).items() if said.state != "open"}
    alike = [s.pool for s in statuses if s.pool.chip == chip and s.pool.id not in closed]
    lost: dict[str, int] = {}
    for node in supply.nodes(tx):
        if node.state != "open":
            lost[node.pool] = lost.get(node.pool, 0) + node.devices
    chips = {pool.id for pool in alike}
    running = [view for view in picture.running if view.pool in chips]
    return Ground(
        devices={pool.id: pool.devices - lost.get(pool.id, 0) for pool in alike},
        families=families_of([(pool.id, pool.site) for pool in alike]),
        held=tuple(_held(view, chips) for view in picture.windows if chips & {*view.pools}),
        in_way=tuple(
            InWay(
                (view.request.organisation, view.request.project),
                view.request.devices_all,
                view.pool,
                view.since_us + view.request.wall_seconds_max * 1_000_000,
            )
            for view in running
            if not view.request.preemptible
        ),
        shut=tuple(
            Shut(each.pool, each.from_us, each.until_us)
            for each in supply.maintenances(tx, over_after_us=now_us)
            if each.cancelled_at_us is None
        ),
    )


def broken_by(tx: Transaction, pool: Pool, shut: Shut, *, now_us: int) -> Iterator[WindowView]:
    """Guarantees that could not be kept if a pool ran nothing for a while, though they can now."""
    picture = picture_of(tx, [], now_us=now_us)
    begins = max(shut.from_us, now_us)
    views = [
        view
        for view in picture.windows
        if pool.id in view.pools and view.from_us < shut.until_us and begins < view.until_us
    ]
    if not views:
        return
    ground = ground_of(tx, pool.chip, rows_of.pools(tx), picture, now_us=now_us)
    if pool.id not in ground.devices:
        return  # it is closed anyhow
    ground = replace(ground, in_way=())  # what runs does so with the maintenance and without
    for view in views:
        own = _held(view, ground.devices)
        others = list(ground.held)
        others.remove(own)
        now = replace(ground, held=tuple(others))
        then = replace(now, shut=(*now.shut, shut))
        if then.most(own) < min(own.devices, now.most(own)):
            yield view


def _held(view: WindowView, open_ones: Collection[str]) -> Held:
    """It, of those of its pools that are open."""
    who, pools = (view.organisation, view.project), frozenset(view.pools).intersection(open_ones)
    return Held(who, view.devices, view.from_us, view.until_us, pools)
