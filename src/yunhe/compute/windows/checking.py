"""Whether devices can be guaranteed, and what is nearest to it where they cannot. Pure.

At every instant, and for every set of pools that the devices could be of, what is guaranteed there
and what runs there beyond guarantees and cannot be pushed out must not exceed the devices that are
there. A pool, its site and all pools of a chip contain one another, so these sets suffice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """Devices guaranteed, or asked to be."""

    holder: tuple[str, str]
    """Organisation and project."""
    devices: int
    """How many."""
    from_us: int
    """From when."""
    until_us: int
    """Until when."""
    pools: frozenset[str]
    """Of which pools."""


@dataclass(frozen=True, slots=True)
class InWay:
    """Something that runs and cannot be pushed out."""

    owner: tuple[str, str]
    """Organisation and project."""
    devices: int
    """How many it occupies."""
    pool: str
    """Where."""
    until_us: int
    """When it is over at the latest."""


@dataclass(frozen=True, slots=True)
class Shut:
    """A pool that runs nothing for a while."""

    pool: str
    """Which."""
    from_us: int
    """From when."""
    until_us: int
    """Until when."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What there is to guarantee from."""

    devices: dict[str, int]
    """Usable devices of each open pool of the chip."""
    families: tuple[frozenset[str], ...]
    """Each pool, all of each site, and all."""
    held: tuple[Held, ...]
    """What is guaranteed already."""
    in_way: tuple[InWay, ...]
    """What runs."""
    shut: tuple[Shut, ...]
    """Maintenance."""

    def most(self, wanted: Held) -> int:
        """How many devices could be guaranteed so."""
        return min(
            (
                self._room(family, wanted, at_us)
                for at_us in self._instants(wanted)
                for family in self.families
                if family >= wanted.pools
            ),
            default=0,
        )

    def earliest(self, wanted: Held, *, latest_us: int) -> int | None:
        """From when on, at the earliest, all of it could be for as long; None: not by then."""
        lasts_us = wanted.until_us - wanted.from_us
        for from_us in sorted({at for at in self._ends() if wanted.from_us < at}):
            until_us = from_us + lasts_us
            moved = Held(wanted.holder, wanted.devices, from_us, until_us, wanted.pools)
            if until_us > latest_us:
                return None
            if self.most(moved) >= wanted.devices:
                return from_us
        return None

    def shut_then(self, wanted: Held) -> Iterator[Shut]:
        """Maintenance that overlaps it."""
        for one in sorted(self.shut, key=lambda one: (one.from_us, one.pool)):
            if one.pool in wanted.pools and _meet(one, wanted):
                yield one

    def _ends(self) -> Iterator[int]:
        yield from (one.until_us for one in self.held)
        yield from (one.until_us for one in self.shut)
        yield from (one.until_us for one in self.in_way)

    def _instants(self, wanted: Held) -> list[int]:
        """When something that counts begins; in between, there is only ever more room."""
        there: list[Held | Shut] = [*self.held, *self.shut]
        begin = [one.from_us for one in there if _meet(one, wanted)]
        return sorted({wanted.from_us, *(at for at in begin if at > wanted.from_us)})

    def _room(self, family: frozenset[str], wanted: Held, at_us: int) -> int:
        shut = {one.pool for one in self.shut if one.from_us <= at_us < one.until_us}
        there = sum(self.devices.get(pool, 0) for pool in family if pool not in shut)
        promised: defaultdict[tuple[str, str], int] = defaultdict(int)
        for one in self.held:
            if one.from_us <= at_us < one.until_us and one.pools <= family:
                promised[one.holder] += one.devices
        promised[wanted.holder] += 0
        running: defaultdict[tuple[str, str], int] = defaultdict(int)
        others = 0
        for work in self.in_way:
            if work.pool in family and work.until_us > at_us:
                holder = _holder(work.owner, promised)
                if holder is None:
                    others += work.devices
                else:
                    running[holder] += work.devices
        own = promised.pop(wanted.holder)
        # what its holder runs counts as the holder's use, of this window too
        over = max(running[wanted.holder] - own - wanted.devices, 0)
        taken = sum(max(devices, running[holder]) for holder, devices in promised.items())
        return there - taken - others - own - over


def _holder(owner: tuple[str, str], promised: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    known = set(promised)
    return next((who for who in (owner, (owner[0], "")) if who in known), None)


def _meet(one: Held | Shut, other: Held) -> bool:
    return one.from_us < other.until_us and other.from_us < one.until_us


def families_of(sites: Sequence[tuple[str, str]]) -> tuple[frozenset[str], ...]:
    """Each pool, all of each site, and all; ``sites``: pools with where they stand."""
    by_site: defaultdict[str, set[str]] = defaultdict(set)
    for pool, site in sites:
        by_site[site].add(pool)
    found = {frozenset((pool,)) for pool, _ in sites}
    found |= {frozenset(pools) for pools in by_site.values()}
    found.add(frozenset(pool for pool, _ in sites))
    return tuple(sorted(found, key=lambda one: (len(one), sorted(one))))
