"""Where something that runs already stands, as far as anybody knows, and never more than is there.

A platform is told of every piece it placed itself. Where it does not know, or a pool has less than
runs on it, what runs is put where there is room, and the rest of it counts nowhere twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from yunhe.compute.scheduling.estate import Estate, Spot, spot_of
from yunhe.compute.scheduling.fitting import Claim, Need, split
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Picture, PoolView, RunningView


def adopted(
    estate: Estate, view: RunningView, shape: Shape, *, free: Callable[[Shape, int], Spot | None]
) -> Spot | None:
    """The spot of a running request, taken; None where nothing of it can be found.

    ``free``: where else there is room for its shape. In a pool without nodes that only counts
    devices it is among the busy ones already, so nothing is taken.
    """
    numbers = estate.of_pool(view.pool)
    if not numbers:
        return None
    first = estate.groups[numbers[0]]
    if not first.pool.nodes and not first.packed:
        return Spot(numbers[0], ((0, view.request.devices_all),))
    try:
        spot = _packed(estate, view) if first.packed else _plain(estate, view)
    except (KeyError, IndexError):
        spot = None  # its node is gone
    if spot is None:
        spot = free(shape, sum(1 << number for number in numbers))
    if spot is None and first.packed:
        spot = _anywhere(estate, numbers, view)
    if spot is not None:
        estate.take(spot)
    return spot


def _plain(estate: Estate, view: RunningView) -> Spot | None:
    located = [(estate.locate(view.pool, node), devices) for node, devices in view.nodes]
    if not located:
        return None
    return Spot(located[0][0][0], tuple((at[1], devices) for at, devices in located))


def _packed(estate: Estate, view: RunningView) -> Spot | None:
    if view.pieces:
        spot = estate.located(view.pool, view.pieces)
        claims = list(_clipped(estate, spot.group, spot.claims))
        return spot_of(spot.group, claims) if claims else None
    located = [(estate.locate(view.pool, node), devices) for node, devices in view.nodes]
    if not located:
        return None
    number = located[0][0][0]
    needs = split(view.request, estate.groups[number].size) * view.request.replicas
    claims = []
    for at, ((_, node), devices) in enumerate(located):
        need = needs[min(at, len(needs) - 1)]._replace(devices=devices)
        claims += _some(estate, number, node, need if devices == 1 else need._replace(milli=0))
    return spot_of(number, claims) if claims else None


def _clipped(estate: Estate, number: int, claims: Iterable[Claim]) -> Iterator[Claim]:
    """The claims, without what is not free any more."""
    for node in sorted({claim.node for claim in claims}):
        free = estate.free_on(number, node)
        for claim in claims:
            if claim.node != node:
                continue
            devices = tuple(at for at in claim.devices if free.devices[at] >= claim.milli)
            cpu = min(claim.cpu_milli, max(free.cpu_milli, 0))
            memory = min(claim.memory_mib, max(free.memory_mib, 0))
            kept = Claim(node, devices, claim.milli, cpu, memory)
            free.take(kept)
            yield kept


def _some(estate: Estate, number: int, node: int, need: Need) -> list[Claim]:
    """As much of a need as a node has."""
    free = estate.free_on(number, node)
    able = [at for at, left in enumerate(free.devices) if left >= need.each]
    devices = tuple(able[: need.devices])
    cpu = min(need.cpu_milli, max(free.cpu_milli, 0))
    claim = Claim(node, devices, need.each, cpu, min(need.memory_mib, max(free.memory_mib, 0)))
    return [claim] if devices or not need.devices else []


def _anywhere(estate: Estate, numbers: Iterable[int], view: RunningView) -> Spot | None:
    """Devices wherever some are free, in the group that has the most."""
    best: Spot | None = None
    for number in numbers:
        group, left = estate.groups[number], view.request.devices_all
        claims: list[Claim] = []
        for node in range(len(group.free)):
            need = Need(min(left, group.size), view.request.milli, 0, 0)
            found = _some(estate, number, node, need) if left else []
            claims += found
            left -= sum(len(claim.devices) for claim in found)
        spot = spot_of(number, claims)
        if claims and (
            best is None or sum(d for _, d in spot.parts) > sum(d for _, d in best.parts)
        ):
            best = spot
    return best


def divided(picture: Picture) -> Iterator[PoolView]:
    """The pools of a picture; one of which shares of devices are asked, or given out, is divided.

    Of a divided pool without nodes only those devices stay busy that nothing shown runs on; the
    rest is taken by what is. What others hold is busy where devices are only counted; `crowd` takes
    it elsewhere.
    """
    chips = {chip for one in picture.queue if one.milli for chip in (one.chip, *one.substitutes)}
    shared = {view.pool for view in picture.running if view.request.milli}
    shown: Counter[str] = Counter()
    for view in picture.running:
        shown[view.pool] += view.request.devices_all
    for pool in picture.pools:
        if not (pool.packed or pool.chip in chips or pool.id in shared):
            others = 0 if pool.nodes else pool.devices_elsewhere
            yield replace(pool, devices_busy=pool.devices_busy + others) if others else pool
            continue
        busy = pool.devices_busy if pool.nodes else max(pool.devices_busy - shown[pool.id], 0)
        yield replace(pool, divided=True, devices_busy=busy)


def crowd(estate: Estate, pools: Iterable[PoolView]) -> None:
    """Take what others hold of pools of nodes or shares, once what is known to run is there.

    A site's nodes are not this platform's by name, so it is taken where most is free, which keeps
    large requests from counting on nodes that may not be whole.
    """
    for pool in pools:
        numbers, left = estate.of_pool(pool.id), pool.devices_elsewhere
        if not left or not any(pool.nodes or estate.groups[n].pool.divided for n in numbers):
            continue
        while left > 0:
            spot = _freest(estate, numbers, left)
            if spot is None:
                break
            estate.take(spot)
            left -= sum(devices for _, devices in spot.parts)


def _freest(estate: Estate, numbers: Iterable[int], most: int) -> Spot | None:
    """Up to so many whole devices of the node of these groups that has most free."""
    free, number, node = max(
        (
            (free, -number, -node)
            for number in numbers
            for node, free in enumerate(estate.groups[number].free)
            if not estate.groups[number].broken >> node & 1
        ),
        default=(0, 0, 0),
    )
    number, node, devices = -number, -node, min(free, most)
    if devices < 1:
        return None
    if not estate.groups[number].packed:
        return Spot(number, ((node, devices),))
    return spot_of(number, _some(estate, number, node, Need(devices, 0, 0, 0)))


def usual_needs(picture: Picture) -> dict[tuple[Need, tuple[str, ...]], int]:
    """What is usually asked of a node, as an estate takes it."""
    return {
        (Need(row.devices, row.milli, row.cpu_milli, row.memory_mib), row.chips): row.count
        for row in picture.usual
    }
