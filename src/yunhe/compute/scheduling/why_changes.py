"""What a waiting request could ask for instead, so that it would be admitted now.

Each change is tried alone, on the state that a pass of the production scheduler left, with the
scheduler's own eyes: room, budget, what is kept free for others, guaranteed windows. What is named
would be placed as things stand. Amounts are the greatest that would do.

They are ordered by what they cost whoever asked: first what gives up the smallest part of what was
asked for (another site, a wider fabric, another chip, being interrupted: no part; half the wall
time: half), then the less money it can cost at most, then by the order of the codes here. Nothing
below a tenth of what was asked for is named, except whole devices and replicas.

*Cost*: at most `LOOKS_MAX` looks for room, whatever waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from yunhe.compute.reasons import Change
from yunhe.compute.scheduling.budgets import wall_on
from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Withdrawn
from yunhe.compute.scheduling.explaining import CLOSED, LEAST_PERMILLE
from yunhe.compute.scheduling.state import Fabric, Request

LOOKS_MAX = 600
"""Looks for room that one answer may take."""
CHOICES_MAX = 64
"""Chips, or sites, that are tried."""
_WIDER: dict[Fabric, tuple[Fabric, ...]] = {
    "node": ("domain", "any"),
    "domain": ("any",),
    "site": ("any",),
    "any": (),
}
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Trial:
    """Something that could be asked for instead."""

    change: Change
    """As it is told."""
    request: Request
    """As the scheduler sees it then."""
    lost_permille: int = 0
    """The part of what was asked for that is given up."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What would admit a request now."""

    changes: tuple[Change, ...]
    """Each alone would; the cheapest for whoever asked first."""
    complete: bool
    """Whether everything was tried that could be."""


def offers(
    engine: Engine,
    request: Request,
    *,
    also: Sequence[Trial] | None = None,
    now_us: int,
    lent: bool = False,
) -> Offers:
    """The changes of a request that would admit it now, after a pass of the engine.

    The engine forgets the request as it is, and what it keeps free for it: it is a copy. ``lent``:
    it is none, and stays as it is; nothing may be kept free in it for the request.

    ``also``: trials that only the caller knows, those of other sites among them; None: it knows
    nothing of sites but their names.
    """
    if request.blocked is not None and request.blocked.code not in CLOSED:
        return Offers((), complete=True)
    if not lent:
        engine.note(Withdrawn(request.id), now_us=now_us)
    request = replace(request, blocked=None)  # where it is closed it may not go in any case
    looks = _Looks(engine, now_us)
    found: list[tuple[int, int, int, Change]] = []
    for rank, trials in enumerate(_families(engine, request, looks, also)):
        for trial in trials:
            cost = looks.cost(trial.request)
            if cost is not None:
                found.append((trial.lost_permille, cost, rank, trial.change))
                break
    found.sort(key=lambda each: each[:3])
    best = {change.code: change for *_, change in reversed(found)}  # of each code the cheapest
    kept = tuple(change for *_, change in found if best[change.code] is change)
    return Offers(kept, complete=looks.left > 0)


class _Looks:
    """Asks the engine, for as long as it may."""

    def __init__(self, engine: Engine, now_us: int) -> None:
        self._engine, self._now_us = engine, now_us
        self.left = LOOKS_MAX

    def cost(self, request: Request) -> int | None:
        """Minor units that it would cost at most, if it could run now; None: it could not."""
        if self.left <= 0:
            return None
        self.left -= 1
        room = self._engine.room_for(request, now_us=self._now_us)
        if room is None or room.victims:
            return None
        seconds = wall_on(room.tier, request.wall_seconds_max)
        return room.tier.price * request.load_milli * seconds // 3_600_000


def _families(
    engine: Engine, request: Request, looks: _Looks, also: Sequence[Trial] | None
) -> Iterator[Iterable[Trial]]:
    """Kinds of changes; of each kind the first that will do is named."""
    if also is None and request.sites is not None:
        yield _sites(engine, request)
    for code in dict.fromkeys(trial.change.code for trial in also or ()):
        yield [trial for trial in also or () if trial.change.code == code]
    yield _wider(request)
    yield _chips(engine, request)
    for each in _LESS:
        yield each(request, looks)


def _wider(request: Request) -> Iterator[Trial]:
    for fabric in _WIDER[request.fabric]:
        change = Change("compute.change_fabric", (("fabric", fabric),))
        yield Trial(change, replace(request, fabric=fabric))


def _sites(engine: Engine, request: Request) -> Iterator[Trial]:
    others = {group.site for group in engine.estate.groups} - (request.sites or frozenset())
    for site in sorted(others)[:CHOICES_MAX]:
        change = Change("compute.change_site", (("site", site),))
        yield Trial(change, replace(request, sites=frozenset({site})))


def _chips(engine: Engine, request: Request) -> Iterator[Trial]:
    known = {request.chip, *request.substitutes}
    there = {group.pool.chip for group in engine.estate.groups} - known
    for chip in sorted(there)[:CHOICES_MAX]:
        change = Change("compute.change_chip", (("chip", chip),))
        yield Trial(change, replace(request, chip=chip, substitutes={}))


def _most(
    looks: _Looks, asked: int, least: int, made: Callable[[int], Request]
) -> tuple[int, int] | None:
    """The greatest amount below what was asked that will do, and the part that it gives up."""
    low, high = max(least, 1), asked - 1
    if low > high or looks.cost(made(low)) is None:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if looks.cost(made(middle)) is not None:
            low = middle
        else:
            high = middle - 1
    return low, (asked - low) * 1_000 // asked


def _tenth(asked: int) -> int:
    return -(-asked * LEAST_PERMILLE // 1_000)


def _wall(request: Request, looks: _Looks) -> Iterator[Trial]:
    asked = request.wall_seconds_max
    most = _most(looks, asked, _tenth(asked), lambda n: replace(request, wall_seconds_max=n))
    if most is not None:
        change = Change("compute.change_wall", (("wall_seconds", most[0]),))
        yield Trial(change, replace(request, wall_seconds_max=most[0]), most[1])


def _memory(request: Request, looks: _Looks) -> Iterator[Trial]:
    asked = request.memory_mib
    most = _most(looks, asked, _tenth(asked), lambda n: replace(request, memory_mib=n))
    if most is not None:
        change = Change("compute.change_memory", (("bytes", most[0] * _MIB), ("mib", most[0])))
        yield Trial(change, replace(request, memory_mib=most[0]), most[1])


def _cpu(request: Request, looks: _Looks) -> Iterator[Trial]:
    asked = request.cpu_milli
    most = _most(looks, asked, _tenth(asked), lambda n: replace(request, cpu_milli=n))
    if most is not None:
        params = ("cpu_milli", most[0]), ("cpus", f"{most[0] / 1_000:g}")
        yield Trial(
            Change("compute.change_cpu", params), replace(request, cpu_milli=most[0]), most[1]
        )


def _share(request: Request, looks: _Looks) -> Iterator[Trial]:
    asked = request.milli
    most = _most(looks, asked, _tenth(asked), lambda n: _scaled(request, request.devices, n))
    if most is not None:
        params = ("milli", most[0]), ("devices", f"{most[0] / 1_000:g}")
        changed = _scaled(request, request.devices, most[0])
        yield Trial(Change("compute.change_share", params), changed, most[1])


def _replicas(request: Request, looks: _Looks) -> Iterator[Trial]:
    most = _most(looks, request.replicas, 1, lambda n: replace(request, replicas=n))
    if most is not None:
        change = Change("compute.change_replicas", (("replicas", most[0]),))
        yield Trial(change, replace(request, replicas=most[0]), most[1])


def _devices(request: Request, looks: _Looks) -> Iterator[Trial]:
    most = _most(looks, request.devices, 1, lambda n: with_devices(request, n))
    if most is not None:
        several = request.replicas > 1
        code = "compute.change_fewer_each" if several else "compute.change_fewer"
        yield Trial(Change(code, (("devices", most[0]),)), with_devices(request, most[0]), most[1])


def with_devices(request: Request, devices: int) -> Request:
    """The same with fewer devices for each replica; where CPUs follow devices, they do."""
    return _scaled(request, devices, request.milli)


def _scaled(request: Request, devices: int, milli: int) -> Request:
    follows = request.cpu_milli == request.devices * (request.milli or 1_000)
    cpu_milli = devices * (milli or 1_000) if follows else request.cpu_milli
    return replace(request, devices=devices, milli=milli, cpu_milli=cpu_milli)


_LESS = (_wall, _memory, _cpu, _share, _replicas, _devices)
"""What is asked for less of, what is missed least first among equals."""
