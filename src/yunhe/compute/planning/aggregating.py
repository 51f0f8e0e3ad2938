"""From the scheduler's picture to the few hundred classes that a plan is made of; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from yunhe.compute.scheduling.plan import FULL_PERMILLE, PAIRS_MAX, Demand, Inputs, Supply
from yunhe.compute.scheduling.shares import Cities, Path, Shares
from yunhe.compute.scheduling.state import Picture, PoolView, Request
from yunhe.compute.scheduling.weights import covered

PRICE_PPM_PER_MINOR = 1
"""What a plan counts a minor unit an hour as: enough to choose the cheaper of two equal places."""
WEIGHT_PERMILLE = {-1: 500, 0: 1_000, 1: 2_000}
"""What a device is worth by priority class; beyond them the nearest counts."""
_Key = tuple[str, str, tuple[tuple[str, int], ...], frozenset[str] | None, int, int, int]


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The inputs of a plan, and what the dispatcher has reached by itself."""

    inputs: Inputs
    """For the plan."""
    busy: Mapping[str, int]
    """Devices occupied, by pool."""
    reached_ppm: int
    """What runs, as the plan counts it."""


def aggregated(picture: Picture, *, closed: frozenset[str] = frozenset()) -> Aggregated:
    """Classes of what runs and waits, and the pools.

    What runs counts as if it could be moved, so the bound holds for any arrangement; a ``closed``
    pool counts with its occupied devices only, and nodes that are down with those at most.
    Workloads that are blocked, and those without devices, are not planned. Where that makes more
    than `PAIRS_MAX` pairs, organisations are put together, and entitlements and budgets left out:
    the bound holds still.
    """
    supplies = tuple(
        Supply(
            pool.chip,
            pool.site or pool.id,
            pool.devices_busy if pool.id in closed else _usable(pool),
            pool.price_minor_per_device_hour,
        )
        for pool in picture.pools
    )
    merged = _merged(supplies)
    chip_of = {pool.id: pool.chip for pool in picture.pools}
    running = [
        replace(view.request, chip=chip_of[view.pool], substitutes={}, wall_seconds_max=0)
        for view in picture.running
        if view.pool in chip_of
    ]
    waiting = [one for one in picture.queue if one.blocked is None]
    whole = _inputs(picture, merged, [*running, *waiting], apart=True)
    if len(merged) * len(whole.demands) > PAIRS_MAX:
        whole = _inputs(picture, merged, [*running, *waiting], apart=False)
    price_of = {pool.id: pool for pool in picture.pools}
    reached = sum(
        view.request.load_milli * _worth(view.request, price_of[view.pool])
        for view in picture.running
        if view.pool in price_of
    )
    busy = {pool.id: pool.devices_busy for pool in picture.pools}
    return Aggregated(whole, busy, reached // 1_000)


def _usable(pool: PoolView) -> int:
    """Devices that take work, and as many of the others as may be at work; not what others hold."""
    down, shut, position = set(pool.down), 0, 0
    for view in pool.nodes:
        nodes = range(position, position + view.count)
        shut += view.devices * sum(node in down and node not in pool.gone for node in nodes)
        position += view.count
    whole = max(pool.devices - shut, 0) + min(shut, pool.devices_busy)
    return max(whole - pool.devices_elsewhere, min(whole, pool.devices_busy))


def _worth(request: Request, pool: PoolView) -> int:
    gain = _weight(request.priority) * FULL_PERMILLE
    return max(gain - pool.price_minor_per_device_hour * PRICE_PPM_PER_MINOR, 0)


def _merged(supplies: Iterable[Supply]) -> tuple[Supply, ...]:
    """One for each cell; of several prices the lowest, so that the bound holds."""
    cells: dict[tuple[str, str], Supply] = {}
    for each in supplies:
        there = cells.get(each.cell)
        if there is not None:
            price = min(each.price_minor_per_device_hour, there.price_minor_per_device_hour)
            devices = there.devices + each.devices
            each = Supply(each.chip, each.site, devices, price)  # noqa: PLW2901
        cells[each.cell] = each
    return tuple(cells[cell] for cell in sorted(cells))


def _inputs(
    picture: Picture, supplies: tuple[Supply, ...], requests: Iterable[Request], *, apart: bool
) -> Inputs:
    found: dict[_Key, tuple[int, int]] = {}
    tenants: dict[str, str] = {}
    for one in requests:
        milli = one.load_milli
        if milli <= 0:
            continue
        key = _key(one, apart=apart)
        so_far, wall = found.get(key, (0, one.wall_seconds_max))
        found[key] = so_far + milli, min(wall, one.wall_seconds_max)
        tenants[one.organisation] = one.kind
    # Sorted, so that the same picture gives the same plan whatever its order.
    rows = sorted(found.items(), key=lambda row: (row[0][:3], sorted(row[0][3] or ()), row[0][4:]))
    demands = tuple(
        Demand(
            id=f"class-{number}",
            tenant=tenant,
            chip=chip,
            devices=-(-milli // 1_000),
            speeds=dict(speeds),
            sites=sites,
            devices_least=1 << size,
            weight_permille=weight,
            wall_seconds=wall,
        )
        for number, ((tenant, chip, speeds, sites, weight, size, _), (milli, wall)) in enumerate(
            rows
        )
    )
    if not apart:
        return Inputs(supplies, demands, price_ppm_per_minor=PRICE_PPM_PER_MINOR)
    devices = sum(each.devices for each in supplies)
    return Inputs(
        supplies,
        demands,
        entitled=_entitled(tenants, picture, devices=devices),
        budgets=_budgets(picture, tenants),
        price_ppm_per_minor=PRICE_PPM_PER_MINOR,
    )


def _entitled(tenants: Mapping[str, str], picture: Picture, *, devices: int) -> dict[str, int]:
    """Devices of each tenant by the weights that fair share goes by: its city's, kind's and own.

    ``tenants``: their kinds. Rounded down, so that together they never have more than there are.
    """
    weights = Shares(0, picture.weights, Cities(picture.cities, picture.city_weights))
    paths = {name: weights.whole((kind, name)) for name, kind in tenants.items()}
    parts = {path[:end] for path in paths.values() for end in range(1, len(path) + 1)}
    weight = {part: weights.account(part).weight for part in parts}
    among: dict[Path, int] = {}
    for part in parts:
        among[part[:-1]] = among.get(part[:-1], 0) + weight[part]
    found = {}
    for name, path in sorted(paths.items()):
        own, whole = devices, 1
        for end in range(1, len(path) + 1):
            own, whole = own * weight[path[:end]], whole * among[path[: end - 1]]
        found[name] = own // whole
    return found


def _key(one: Request, *, apart: bool) -> _Key:
    return (
        one.organisation if apart else "",
        one.chip,
        tuple(sorted(one.speeds.items())),
        one.sites,
        _weight(one.priority),
        max(one.devices_all.bit_length() - 1, 0),
        one.wall_seconds_max.bit_length() if apart else 0,
    )


def _weight(priority: int) -> int:
    return WEIGHT_PERMILLE[min(max(priority, -1), 1)]


def _budgets(picture: Picture, tenants: Iterable[str]) -> dict[tuple[str, str], int]:
    """Device-seconds left of awards; a chip without an award has none.

    One for several chips counts for each of them, at what it buys most of: the plan stays a bound.
    """
    found = {(each, pool.chip): 0 for each in sorted(tenants) for pool in picture.pools}
    for award in picture.awards:
        name = award.organisation, award.chip
        if name in found:
            found[name] += max(award.left_ms, 0) // 1_000
        best: dict[str, int] = {}
        for chip, _, rate in award.rates:
            best[chip] = min(rate, best.get(chip, rate))
        for chip, rate in best.items():
            if (award.organisation, chip) in found:
                bought = covered(max(award.left_ms, 0), rate)
                found[award.organisation, chip] += bought // 1_000
    return found
