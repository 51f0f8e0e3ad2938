"""Requests that are equally placeable have one shape; each shape knows where it could ever run."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from yunhe.compute.scheduling.estate import Estate, Group, bits, nodes_needed
from yunhe.compute.scheduling.fitting import Need, per_node, split
from yunhe.compute.scheduling.plan_guide import LATE, Guide, kin_of
from yunhe.compute.scheduling.state import Fabric, Request, Term

Key = tuple[object, ...]
"""Equal for requests of one shape."""


class Tier(NamedTuple):
    """Groups that are equally good for a request, and what they mean for it."""

    groups: int
    """Mask of the groups."""
    chip: str
    """What they are."""
    speed: int
    """Per thousand of the chip asked for."""
    price: int
    """Minor units a device-hour."""
    currency: str
    """Of the price."""
    transfer_seconds: int
    """How long the data takes there."""
    band: int = 0
    """Equal for tiers that are equally good but for the name of their chip."""
    level: int = 0
    """How soon the plan would use it for this; from `LATE` on after everybody else's turn."""
    term: Term = "on_demand"
    """Whose price it is."""
    jurisdiction: str = ""
    """Whose law holds there, where some award may be used in some places only; else empty."""
    demonstration: bool = False
    """Whether its devices are only pretended: then real ones go first, whatever they cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What decides where a request fits."""

    number: int
    """Order of first appearance; only a name."""
    devices: int
    """Of one replica."""
    replicas: int
    """How many."""
    fabric: Fabric
    """How close."""
    level: int
    """Of attained service, as the policy draws the levels."""
    walled: bool
    """Whether its requests have wall limits, alike within a factor of two."""
    fits: int
    """Mask of the groups that could take it when empty."""
    speeds: Mapping[str, int]
    """Per thousand, by chip."""
    milli: int = 0
    """A share of one device; 0: whole devices."""
    cpu_milli: int = 0
    """Thousandths of a CPU of one replica."""
    memory_mib: int = 0
    """MiB of one replica."""

    @property
    def single(self) -> bool:
        """Whether it goes to one node wherever it goes."""
        return self.replicas == 1

    def needs(self, size: int) -> list[Need]:
        """What it asks of nodes with `size` devices, piece by piece."""
        return split(self, size) * self.replicas


class Shapes:
    """All shapes met so far, over one estate."""

    def __init__(self, estate: Estate, *, guide: Guide | None = None) -> None:
        self._estate = estate
        self.guide = guide
        self._yielding: set[int] = set()
        self.windowed: Container[tuple[str, str]] | None = None
        """Who holds guaranteed windows; None: nobody, so all may use what is free alike."""
        self.yields = False
        """Whether places that others need more are left to them for now."""
        self.placed = False
        """Whether it matters to who pays in whose jurisdiction a place is."""
        self._as_said: dict[Key, Shape] = {}
        self._shapes: dict[Key, Shape] = {}
        self._tiers: dict[Key, tuple[Tier, ...]] = {}
        self._equals: dict[Key, list[tuple[int, list[Tier]]]] = {}
        self._realms: dict[int, int] = {}
        self._alike: dict[Key, int] = {}
        self._users: dict[int, list[Shape]] = {}
        self._sites: dict[str, int] = {}
        self._chips: dict[str, int] = {}
        self._large: dict[Key, int] = {}
        self._special = any(group.pool.has_special_price for group in estate.groups)
        for number, group in enumerate(estate.groups):
            self._sites[group.site] = self._sites.get(group.site, 0) | 1 << number
            self._chips[group.pool.chip] = self._chips.get(group.pool.chip, 0) | 1 << number

    def of(self, request: Request, *, level: int, walls: bool) -> Shape:
        """The shape of a request, of a wall limit too where these matter."""
        wall_class = request.wall_seconds_max.bit_length() if walls else 0
        speeds = request.substitutes
        said: Key = (
            request.chip,
            tuple(speeds.items()) if speeds else (),
            request.devices,
            request.replicas,
            request.fabric,
            request.sites,
            level,
            wall_class,
            request.milli,
            request.cpu_milli,
            request.memory_mib,
        )
        if self.windowed is not None:
            who = request.organisation, request.project
            own = who if who in self.windowed else (who[0], "")
            holds = own if own in self.windowed else None
            said = (*said, request.wall_seconds_max, request.preemptible, holds)
        if self._special:
            said = (*said, request.spot, request.reserved_at)
        if request.workload_class:  # awards for several chips count it otherwise
            said = (*said, request.workload_class)
        shape = self._as_said.get(said)
        if shape is None:
            shape = self._as_said[said] = self._known(request, said, level)
        return shape

    def _known(self, request: Request, said: Key, level: int) -> Shape:
        """The shape of such a request, in whatever order its chips are named."""
        key = (said[0], tuple(sorted(request.substitutes.items())), *said[2:])
        shape = self._shapes.get(key)
        if shape is None:
            walled = bool(said[7])
            shape = self._shapes[key] = self._new(request, level, walled)
            for group, users in self._users.items():
                if shape.fits >> group & 1:
                    users.append(shape)
        return shape

    def _new(self, request: Request, level: int, walled: bool) -> Shape:  # noqa: FBT001
        speeds = request.speeds
        fits = self._large_enough(request)
        if request.devices:
            fits &= sum(self._chips.get(chip, 0) for chip in speeds)
        if request.sites is not None:
            fits &= sum(self._sites.get(site, 0) for site in request.sites)
        return Shape(
            len(self._shapes),
            request.devices,
            request.replicas,
            request.fabric,
            level,
            walled,
            fits,
            speeds,
            request.milli,
            request.cpu_milli,
            request.memory_mib,
        )

    def _large_enough(self, request: Request) -> int:
        """Mask of the groups that could take it when empty, whatever their chip and site."""
        key: Key = (
            request.devices,
            request.replicas,
            request.fabric,
            request.milli,
            request.cpu_milli,
            request.memory_mib,
        )
        mask = self._large.get(key)
        if mask is None:
            rows = enumerate(self._estate.groups)
            mask = sum(1 << number for number, group in rows if could(group, request))
            self._large[key] = mask
        return mask

    def users(self, group: int) -> list[Shape]:
        """Shapes that could run in a group."""
        users = self._users.get(group)
        if users is None:
            users = [shape for shape in self._shapes.values() if shape.fits >> group & 1]
            self._users[group] = users
        return users

    def tiers(self, shape: Shape, request: Request) -> tuple[Tier, ...]:
        """Where it may run, the best first.

        That is a real device before one that is only pretended, then the cheapest for the same
        work, then the least transfer of data, then its home, then the fastest.
        """
        moved = request.transfer_seconds
        way = tuple(sorted(moved.items())) if moved else ()
        realm = self._realms.get(shape.number)
        if realm is None:
            speeds = tuple(sorted(shape.speeds.items()))
            terms = (request.spot, request.reserved_at) if self._special else ()
            alike: Key = (shape.fits, request.chip, speeds, shape.devices > 0, terms)
            realm = self._realms[shape.number] = self._alike.setdefault(alike, len(self._alike))
        key: Key = (realm, request.home, way)
        tiers = self._tiers.get(key)
        if tiers is None:
            equals = self._equals.get((realm, way))
            if equals is None:
                equals = list(_equals(self._sorted(shape, request)))
                self._equals[realm, way] = equals
            home = self._sites.get(request.home, 0) & shape.fits
            elsewhere = self._tiers.get((realm, None, way)) if not home else None
            tiers = elsewhere or tuple(_home_first(equals, home))
            self._tiers[key] = tiers
            if not home:
                self._tiers[realm, None, way] = tiers
        if self.guide is not None and tiers and _late(tiers):
            self._yielding.add(shape.number)
        return tiers

    def _sorted(self, shape: Shape, request: Request) -> tuple[Tier, ...]:
        masks: dict[tuple[bool, int, int, int, int, str, str, int, Term, str], int] = {}
        levels = self._levels(shape, request)
        for number in bits(shape.fits):
            group = self._estate.groups[number]
            pool = group.pool
            speed = shape.speeds[pool.chip] if shape.devices else 1_000
            price, term = pool.price_for(request)
            rank = (
                pool.demonstration,
                levels.get(number, 0),
                price * 1_000_000 // speed,
                request.transfer_seconds.get(group.site, 0),
                -speed,
                pool.chip,
                pool.currency,
                price,
                term,
                pool.jurisdiction if self.placed else "",
            )
            masks[rank] = masks.get(rank, 0) | 1 << number
        return tuple(
            Tier(mask, chip, -slow, price, currency, transfer, 0, level, term, at, demo)
            for (demo, level, _, transfer, slow, chip, currency, price, term, at), mask in sorted(
                masks.items()
            )
        )

    def _levels(self, shape: Shape, request: Request) -> dict[int, int]:
        """By group, how soon the plan would use it; empty without a plan."""
        if self.guide is None or not shape.devices:
            return {}
        kin = kin_of(request.chip, shape.speeds)
        cells, values = {}, {}
        for number in bits(shape.fits):
            pool = self._estate.groups[number].pool
            cells[number] = pool.chip, self._estate.groups[number].site
            values[number] = self.guide.value(
                cells[number],
                speed=shape.speeds[pool.chip],
                price_minor=pool.price_for(request)[0],
            )
        best = max(values.values(), default=0)
        return {
            number: self.guide.level(kin, cells[number], value=value, best=best)
            for number, value in values.items()
        }

    def last_turn(self, blocked: int) -> int:
        """From now on nobody leaves a place to others: the mask of the blocked shapes that did."""
        if not self.yields:
            return 0
        self.yields = False
        return blocked & sum(1 << number for number in self._yielding)


def _equals(tiers: Iterable[Tier]) -> Iterator[tuple[int, list[Tier]]]:
    """The tiers in runs that are equally good but for being at home, with the groups of each run.

    Bands count from 1; those of one run with the same price, speed and currency are one.
    """

    def equal(tier: Tier) -> tuple[bool, int, int, int]:
        cost = tier.price * 1_000_000 // tier.speed
        return tier.demonstration, tier.level, cost, tier.transfer_seconds

    band = 0
    for _, some in groupby(tiers, key=equal):
        bands: dict[tuple[int, int, str], int] = {}
        rows, groups = [], 0
        for tier in some:
            own = bands.setdefault((tier.price, tier.speed, tier.currency), band + len(bands) + 1)
            rows.append(tier._replace(band=own))
            groups |= tier.groups
        band += len(bands)
        yield groups, rows


def _late(tiers: tuple[Tier, ...]) -> bool:
    """Whether the plan would use one of them after everybody else's turn; the last, mostly."""
    last = tiers[-1]
    return last.level >= LATE or (last.demonstration and any(tier.level >= LATE for tier in tiers))


def _home_first(equals: Iterable[tuple[int, list[Tier]]], home: int) -> Iterator[Tier]:
    """The tiers, with what is at home before what costs as much elsewhere; in bands below zero."""
    for groups, rows in equals:
        if not groups & home:
            yield from rows
            continue
        for tier in rows:
            if tier.groups & home:
                yield tier._replace(groups=tier.groups & home, band=-tier.band)
        for tier in rows:
            if tier.groups & ~home:
                yield tier._replace(groups=tier.groups & ~home)


def could(group: Group, request: Request) -> bool:
    """Whether a group could take it when empty."""
    needed = nodes_for(group, request)
    if not needed:
        return False
    several = request.replicas > 1 or len(split(request, group.size)) > 1
    apart = request.fabric == "domain" and several
    counts = group.lasting if apart else (sum(group.lasting),)
    return any(count >= needed for count in counts)


def nodes_for(group: Group, wanted: Request | Shape) -> int:
    """Empty nodes of a group that it takes; 0: it fits on none, however many there are."""
    if not group.packed:
        if not wanted.devices or not group.size:
            return 0  # nothing counts CPU and memory there, or it has no device at all
        if wanted.devices <= group.size:
            return nodes_needed(wanted.replicas, group.size // wanted.devices)
        alone = wanted.fabric == "node"
        return 0 if alone else nodes_needed(wanted.devices, group.size) * wanted.replicas
    each = per_node(wanted, size=group.size, cpu_milli=group.cpu_milli, memory_mib=group.memory_mib)
    pieces = len(split(wanted, group.size))
    if not each or (wanted.milli and wanted.devices != 1):
        return 0
    if pieces > 1 and wanted.fabric == "node":
        return 0
    return nodes_needed(pieces * wanted.replicas, each)
