"""How much later than it was told work really began of late: what widens a forecast.

The late end of a forecast supposes that nothing new comes and nothing breaks. Newcomers with less
use, higher classes, lost nodes and work that is started again make it too early, and nobody can
count all of that in advance. So the same forecast is made for instants of the recent past, from
what is known to have waited and run then, and held against when work really began; the late end is
put off by as much as `LEVEL_PERMILLE` of those would have needed. That supposes of the next days
nothing but that they are like the last ones.

What is still waiting after the end that it was told counts as beginning now, which is the least
that can be said of it; what is not due yet does not count.

*Source*: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005 (the rank of the
quantile of a split conformal prediction). The scale and telling the past anew are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.scheduling.shares import decayed
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    PoolView,
    Request,
    RunningView,
    WindowView,
)
from yunhe.kernel.clock import DAY_US, SECOND_US

LEVEL_PERMILLE = 900
"""So many of the forecasts of the recent past would have held with what is added."""
LEAST = 20
"""Forecasts below which nothing is concluded from them."""
SPAN_US = 14 * DAY_US
"""How far back is looked."""
INSTANTS = 26
"""Instants, at most, at which the past is told anew."""
SCALE_US_MIN = 3_600 * SECOND_US
"""Waits told below that count as that long: being a minute late of one is not twice as bad."""
_FAR_US = 36_500 * DAY_US
_ALL = 10**15


@dataclass(frozen=True, slots=True)
class Was:
    """Work of the recent past, or of now: when it came is `Request.since_us`."""

    request: Request
    """What was asked for."""
    run: RunningView | None
    """Where it ran, and from when on; None: it has not yet, or never did."""
    ended_us: int | None
    """When it was over or withdrawn; None: it is not."""
    first: bool = True
    """Whether that is its only run: when others began first is not known any more."""

    def before(self, at_us: int) -> Iterator[Was]:
        """What was known of it just before an instant; nothing where it came later."""
        if self.request.since_us < at_us:
            run = self.run if self.run is not None and self.run.since_us < at_us else None
            over = self.ended_us is not None and self.ended_us < at_us
            yield Was(self.request, run, self.ended_us if over else None, self.first)

    def waited(self, at_us: int) -> bool:
        """Whether it was there then and had not begun."""
        over_us = self.run.since_us if self.run is not None else self.ended_us
        return self.request.since_us <= at_us and (over_us is None or over_us > at_us)

    def ran(self, at_us: int) -> bool:
        """Whether it ran then."""
        there = self.run is not None and self.run.since_us <= at_us
        return there and (self.ended_us is None or self.ended_us > at_us)


@dataclass(frozen=True, slots=True)
class Lateness:
    """By how much the late ends of forecasts are put off."""

    permille: int = 0
    """Of the wait that was told, of at least `SCALE_US_MIN`."""
    told: int = 0
    """Forecasts that this rests on; fewer than `LEAST`: nothing is known, and nothing put off."""

    def later(self, late_us: int, *, at_us: int) -> int:
        """The late end of a forecast made at an instant; what begins at once is not put off."""
        if late_us <= at_us:
            return late_us
        return late_us + max(late_us - at_us, SCALE_US_MIN) * self.permille // 1_000


UNKNOWN = Lateness()
"""Where nothing can be said."""


def instants(past: Iterable[Was], *, from_us: int) -> Iterator[int]:
    """At which the past is told anew, the latest first: when every so manieth piece of work came.

    So there are most where most came, whose forecasts they are. ``from_us``: since when it is
    known.
    """
    came = sorted(one.request.since_us for one in past if one.first)
    known = [at_us for at_us in came if at_us >= from_us]
    every = -(-len(known) // INSTANTS) or 1
    yield from dict.fromkeys(known[::-every])


def then(now: Picture, past: Sequence[Was], *, at_us: int) -> Picture:
    """What a picture would have shown at an instant of the past, but for what it cannot know.

    Pools, prices and weights are as they are now, and everybody's budget lasts: who began had one.
    """
    there = frozenset(pool.id for pool in now.pools)
    queue = tuple(replace(one.request, blocked=None) for one in past if one.waited(at_us))
    running = tuple(
        one.run for one in past if one.run is not None and one.ran(at_us) and one.run.pool in there
    )
    busy: dict[str, int] = {}
    held: dict[str, int] = {}
    for view in running:
        devices = view.request.devices_all
        busy[view.pool] = busy.get(view.pool, 0) + devices
        held[view.request.organisation] = held.get(view.request.organisation, 0) + devices
    return replace(
        now,
        pools=tuple(replace(pool, devices_busy=busy.get(pool.id, 0)) for pool in now.pools),
        awards=tuple(_lasting(queue, at_us=at_us)),
        vouchers=(),
        cash=_money(queue, now.pools),
        queue=queue,
        busy=held,
        running=running,
        guide=None,
        used_us=_used(past, at_us=at_us),
        windows=_since(now.windows, at_us=at_us),
    )


def _lasting(queue: Iterable[Request], *, at_us: int) -> Iterator[AwardView]:
    """An award for every chip that somebody may use, with no end to it."""
    pairs = {(one.organisation, chip) for one in queue for chip in one.speeds}
    for organisation, chip in sorted(pairs):
        yield AwardView(f"{organisation} {chip}", organisation, chip, _ALL, at_us + _FAR_US)


def _money(queue: Iterable[Request], pools: Iterable[PoolView]) -> dict[tuple[str, str], int]:
    currencies = {pool.currency for pool in pools}
    return {(one.organisation, each): _ALL for one in queue for each in currencies}


def _since(windows: Iterable[WindowView], *, at_us: int) -> tuple[WindowView, ...]:
    """Those that had begun: of one to come it is not known when it was granted."""
    return tuple(each for each in windows if each.from_us <= at_us)


def _used(past: Iterable[Was], *, at_us: int) -> Mapping[tuple[str, str, str], int]:
    """Device time of what was over then, as it counted, by kind, organisation and project."""
    found: dict[tuple[str, str, str], int] = {}
    half_us = YUNHE.half_life_us  # as a platform counts it, whatever its policy
    for one in past:
        if one.run is None or one.ended_us is None or one.ended_us > at_us:
            continue
        path = one.request.kind, one.request.organisation, one.request.project
        used_us = max(one.ended_us - one.run.since_us, 0) * one.run.request.devices_all
        found[path] = found.get(path, 0) + decayed(used_us, at_us - one.ended_us, half_us)
    return found


def misses(
    past: Iterable[Was], told: Mapping[str, int], *, at_us: int, now_us: int
) -> Iterator[int]:
    """By how many thousandths of the wait each began after the late end it was told at an instant.

    ``told``: late ends by id. Less than zero: before it.
    """
    for one in past:
        late_us = told.get(one.request.id)
        if late_us is None or late_us <= at_us or not one.first or not one.waited(at_us):
            continue
        began_us = one.run.since_us if one.run is not None else None
        if began_us is None and (one.ended_us is not None or late_us >= now_us):
            continue  # withdrawn, or not due yet
        beyond_us = (now_us if began_us is None else began_us) - late_us
        yield -(-beyond_us * 1_000 // max(late_us - at_us, SCALE_US_MIN))


def lateness_of(found: Sequence[int]) -> Lateness:
    """What puts off late ends so that `LEVEL_PERMILLE` of what was found would have been met.

    That one of n and the next to come are alike makes it the ⌈level · (n + 1)⌉-th smallest.
    """
    if len(found) < LEAST:
        return Lateness(0, len(found))
    place = -(-LEVEL_PERMILLE * (len(found) + 1) // 1_000)
    return Lateness(max(sorted(found)[min(place, len(found)) - 1], 0), len(found))
