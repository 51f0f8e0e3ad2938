"""Guaranteed windows: which devices are kept for whom, and from whom.

Every pass chooses anew, for each window, nodes on which nothing will be in its way: work that ends
by its wall limit before the window begins is not, nor is work that can be pushed out. Whoever would
be in the way does not see those devices; everybody else does. As no choice ever lets such work onto
what it protects, the next pass finds at least the same nodes again.

*Units*: devices; thousandths of them where shares count.
*Cost*: nothing where there is no window; else a look at what runs in the pools of windows, and
taking the kept nodes out of sight whenever the next request may use others than the one before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from yunhe.compute.scheduling.estate import Estate, Spot, bits
from yunhe.compute.scheduling.fitting import WHOLE
from yunhe.compute.scheduling.keeping import (
    At,
    Node,
    groups_of,
    holds,
    keep,
    out_of_sight,
    peak_of,
    unseen,
)
from yunhe.compute.scheduling.running import Floor, Running
from yunhe.compute.scheduling.state import Request, RunningView, WindowView
from yunhe.kernel.clock import SECOND_US

Limits = dict[int, dict[int, int]]
"""Devices by group and node."""
View = tuple[tuple[int, bool], ...]
"""Windows to keep clear of, by position; and whether only where nothing can be pushed out."""
_Term = tuple[int, Mapping[At, int]]
"""The most there for the sake of one window, without what is in its way; and that."""
_Hiding = tuple[int, list[tuple[int, list[_Term]]]]
"""Group, and its nodes."""


class Guarantees:
    """All windows over one estate."""

    def __init__(self, windows: Iterable[WindowView], estate: Estate, floor: Floor) -> None:
        # The narrowest first: a wider one finds other devices.
        self.windows = sorted(windows, key=lambda one: (len(one.pools), one.from_us, one.id))
        self.holders = {(one.organisation, one.project) for one in self.windows}
        self.missing = [0] * len(self.windows)
        """Devices of each window that nothing could be found for."""
        self.used_milli = [0] * len(self.windows)
        """Thousandths of devices that its holder uses of each."""
        self.hungry = [False] * len(self.windows)
        """Whether its holder waits although it has begun: then nobody else may borrow."""
        self.limits: Limits = {}
        """Devices that whom the present view is for may use of nodes, where something is kept."""
        self.groups = 0
        """Mask of the groups that belong to windows."""
        self._estate, self._floor = estate, floor
        self.of: list[int] = []
        """Mask of the groups of each window."""
        for one in self.windows:
            numbers = {number for pool in one.pools for number in estate.of_pool(pool)}
            alike = (n for n in numbers if estate.groups[n].pool.chip == one.chip)
            self.of.append(sum(1 << number for number in alike))
            self.groups |= self.of[-1]
        self._there = {
            number: [at for at, mask in enumerate(self.of) if mask >> number & 1]
            for number in bits(self.groups)
        }
        self._in_way: list[defaultdict[At, int]] = [defaultdict(int) for _ in self.windows]
        self._kept: list[dict[At, int]] = [{} for _ in self.windows]
        self._view: View = ()
        self._taken: list[Spot] = []
        self._stale = False
        self._known: dict[tuple[object, ...], View] = {}
        self._hidings: dict[View, list[_Hiding]] = {}
        self._unknown: dict[int, int] = {}
        self._dirty: set[int] = set()
        self._looked_us = -1
        self._sign: object = None
        self.leaving: set[str] = set()
        """What was asked to make room."""
        self.counted: set[str] = set()
        """What runs as its holder's use of a window."""

    def holds(self, at: int, request: Request) -> bool:
        """Whether a window is this request's."""
        return holds(self.windows[at], request)

    def _holder(self, request: Request) -> tuple[tuple[str, str] | None, str]:
        """Equal for requests that hold the same windows."""
        who, whole = (request.organisation, request.project), (request.organisation, "")
        return who if who in self.holders else None, whole[0] if whole in self.holders else ""

    def _may_hold(self, request: Request) -> bool:
        return self._holder(request) != (None, "")

    def active(self, at: int, now_us: int) -> bool:
        """Whether a window has begun and is not over."""
        return self.windows[at].from_us <= now_us < self.windows[at].until_us

    def left_milli(self, at: int) -> int:
        """What its holder can still start of it."""
        return self.windows[at].devices * WHOLE - self.used_milli[at]

    def protected(self, running: Iterable[RunningView], *, now_us: int) -> frozenset[str]:
        """What runs as its holder's use of a window that has begun: nobody may push it out."""
        counted = [0] * len(self.windows)
        found = []
        active = [at for at in range(len(self.windows)) if self.active(at, now_us)]
        for view in sorted(running, key=lambda one: (one.since_us, one.request.id)):
            for at in active:
                one, load = self.windows[at], counted[at] + view.request.load_milli
                own = self.holds(at, view.request) and view.pool in one.pools
                if own and load <= one.devices * WHOLE:
                    counted[at] = load
                    found.append(view.request.id)
                    break
        return frozenset(found)

    def added(self, running: Running, *, times: int = 1) -> None:
        """Something starts, or with ``times`` -1 ends."""
        self._stale = self._stale or times < 0
        number = running.spot.group
        in_way = False
        for at in self._there.get(number, ()):
            if self._out_in_time(running, self.windows[at]):
                continue
            in_way = True
            self._dirty.add(at)
            for node, devices in running.spot.parts:
                self._in_way[at][number, node] += devices * times
        limits = self.limits.get(number, {}) if in_way else {}
        for node, devices in running.spot.parts:
            if node in limits:
                limits[node] -= devices * times

    def removed(self, running: Running) -> None:
        """Something ended, whatever it was in the way of."""
        self.added(running, times=-1)

    def _out_in_time(self, running: Running, one: WindowView) -> bool:
        pool = self._estate.groups[running.spot.group].pool.id
        if running.request.id in self.counted:
            return False  # what its holder uses stays
        if running.request.preemptible and pool in one.pushable:
            return True
        if running.request.id in self.leaving:
            return True
        if 0 < running.limit_us <= self._looked_us:
            return one.from_us > self._looked_us  # else it is over by its limit, but still there
        return 0 < running.limit_us <= one.from_us

    def look(self, *, now_us: int) -> bool:
        """Choose anew what is kept; whether anything is different from before."""
        self._lift()
        self._known.clear()
        self.hungry = [False] * len(self.windows)
        self._looked_us = now_us
        self._unknown = {
            number: unseen(self._estate, self._floor, number) for number in bits(self.groups)
        }
        self._count(now_us)
        self._in_way = [defaultdict(int) for _ in self.windows]
        for number in bits(self.groups):
            for running in self._floor.on(number):
                self.added(running)
        self._dirty.update(range(len(self.windows)))
        self.choose()
        phases = [(one.from_us <= now_us, one.until_us <= now_us) for one in self.windows]
        before, self._sign = self._sign, (self._kept, phases)
        return before != self._sign

    def claimed(self, at: int, request: Request) -> None:
        """Its holder starts this under a window; `added` follows."""
        self.used_milli[at] += request.load_milli
        self.counted.add(request.id)
        self._dirty.add(at)
        self._lift()

    def choose(self) -> None:
        """Choose anew what is kept, as windows are used now.

        Only where something changed for a window, or for those that choose before it in its pools.
        """
        self._kept = list(self._kept)
        changed = 0
        for at, one in enumerate(self.windows):
            if at not in self._dirty and not self.of[at] & changed:
                continue
            before, self._kept[at] = self._kept[at], {}
            if one.until_us > self._looked_us:
                self._choose(at)
            if self._kept[at] != before:
                changed |= groups_of((*before, *self._kept[at]))
        self._dirty.clear()
        self._hidings.clear()
        self._stale = True

    def _count(self, now_us: int) -> None:
        """What holders use: of each window first what has run longest, and nothing twice."""
        self.used_milli = [0] * len(self.windows)
        self.counted.clear()
        running = [
            one
            for number in bits(self.groups)
            for one in self._floor.on(number)
            if self._may_hold(one.request)
        ]
        for one in sorted(running, key=lambda one: (one.start_us, one.request.id)):
            for at, window in enumerate(self.windows):
                lasts = not one.limit_us or one.limit_us > max(window.from_us, now_us)
                if (
                    self.of[at] >> one.spot.group & 1
                    and (lasts or window.from_us <= now_us)
                    and self.holds(at, one.request)
                    and one.request.load_milli <= self.left_milli(at)
                ):
                    self.used_milli[at] += one.request.load_milli
                    self.counted.add(one.request.id)
                    break

    def _choose(self, at: int) -> None:
        """Keep devices for what its holder does not use yet, on as few groups as will do."""
        wanted = self.windows[at].devices - self.used_milli[at] // WHOLE
        self.missing[at] = 0
        if wanted <= 0:
            return
        peak = peak_of(self.windows[at], zip(self.windows[:at], self._kept, strict=False))
        rooms = {number: self._rooms(at, number, peak) for number in bits(self.of[at])}
        sums = {n: sum(max(free, 0) for _, free, _ in nodes) for n, nodes in rooms.items()}
        kept, groups = self._kept[at], self._estate.groups
        pools = {number: groups[number].pool for number in rooms}
        order = sorted(rooms, key=lambda n: (-sums[n], n))
        whole = [number for number in rooms if sums[number] >= wanted]
        if whole:
            cheap = min(whole, key=lambda n: (pools[n].price_minor_per_device_hour, pools[n].id, n))
            order = [cheap, *(number for number in order if number != cheap)]
        for number in order:
            wanted -= keep(
                kept, rooms[number], wanted=wanted, number=number, group=groups[number], ready=True
            )
        self.missing[at] = max(wanted, 0)
        for number in order if wanted > 0 else ():  # what is in the way ends some time
            wanted -= keep(
                kept, rooms[number], wanted=wanted, number=number, group=groups[number], ready=False
            )

    def _rooms(self, at: int, number: int, peak: dict[At, int]) -> list[Node]:
        """The usable nodes of a group, for a window."""
        group, there = self._estate.groups[number], self._in_way[at]
        unknown = self._unknown[number]
        found = []
        for node in bits(~group.broken & (1 << len(group.free)) - 1):
            place = number, node
            most = group.size - peak.get(place, 0)
            found.append((node, most - min(there.get(place, 0) + unknown, group.size), most))
        return found

    def clear_of(self, request: Request, *, now_us: int) -> View:
        """The windows that a request would be in the way of, if it started now."""
        key = (
            request.chip,
            tuple(sorted(request.substitutes.items())),
            request.wall_seconds_max,
            request.preemptible,
            request.devices > 0,
            tuple(sorted(request.transfer_seconds.items())),
            *self._holder(request),
        )
        view = self._known.get(key)
        if view is None:
            found = (self._clear_of(at, request, now_us) for at in range(len(self.windows)))
            view = self._known[key] = tuple(each for each in found if each is not None)
        return view

    def _clear_of(self, at: int, request: Request, now_us: int) -> tuple[int, bool] | None:
        one = self.windows[at]
        speed = request.substitutes.get(one.chip, 1_000 if one.chip == request.chip else 0)
        if one.until_us <= now_us or self.holds(at, request):
            return None
        if request.devices and speed <= 0:
            return None
        moved = max((request.transfer_seconds.get(pool, 0) for pool in one.pools), default=0)
        wall_us = -(-request.wall_seconds_max * 1_000 // (speed or 1_000)) * SECOND_US
        if wall_us and now_us + wall_us + moved * SECOND_US <= one.from_us:
            return None
        if not request.preemptible or self.hungry[at]:
            return at, False
        return None if set(one.pushable) >= set(one.pools) else (at, True)

    def show(self, request: Request | None, *, now_us: int) -> None:
        """From now on the estate shows what this request may use; None: everything."""
        view = () if request is None else self.clear_of(request, now_us=now_us)
        if view != self._view or self._stale:
            self._lift()
            self._view, self._stale = view, False
            if view:
                self._lay(view)

    def _lift(self) -> None:
        for spot in self._taken:
            self._estate.give(spot)
        self._taken.clear()
        self.limits.clear()
        self._view = ()

    def _lay(self, view: View) -> None:
        """Take what is kept out of sight, as if it was used."""
        hidings = self._hidings.get(view)
        if hidings is None:
            hidings = self._hidings[view] = list(self._hiding(view))
        for number, rows in hidings:
            group = self._estate.groups[number]
            limits, parts, free = self.limits.setdefault(number, {}), [], group.free
            for node, terms in rows:
                place = number, node
                allowed = min([some - in_way.get(place, 0) for some, in_way in terms])
                limits[node] = allowed
                if not group.packed:
                    hidden = free[node] - allowed if allowed > 0 else free[node]
                    if hidden > 0:
                        parts.append((node, hidden))
                elif (spot := out_of_sight(self._estate, number, node, allowed)) is not None:
                    self._estate.take(spot)
                    self._taken.append(spot)
            if parts:
                self._taken.append(Spot(number, tuple(parts)))
                self._estate.take(self._taken[-1])

    def _hiding(self, view: View) -> Iterator[_Hiding]:
        """Where something is kept from this view, and what of it for whom."""
        by_group: defaultdict[int, set[int]] = defaultdict(set)
        for number, node in {place for at, _ in view for place in self._kept[at]}:
            by_group[number].add(node)
        for number, nodes in sorted(by_group.items()):
            group = self._estate.groups[number]
            concerned = [
                at for at, firm in view if not (firm and group.pool.id in self.windows[at].pushable)
            ]
            # at its begin, one of other groups has no more here than one of these before it
            own = (at for at in concerned if self.of[at] >> number & 1)
            together = [(self._together(concerned, at), self._in_way[at]) for at in own]
            most = group.size - self._unknown[number]
            rows = []
            for node in bits(sum(1 << node for node in nodes) & ~group.broken):
                place, terms = (number, node), list[_Term]()
                for some, in_way in together:
                    terms.append((most - sum(kept.get(place, 0) for kept in some), in_way))
                rows.append((node, terms))
            if together and rows:
                yield number, rows

    def _together(self, concerned: Sequence[int], at: int) -> list[dict[At, int]]:
        """What is kept when a window begins, of each of these."""
        begins = self.windows[at].from_us
        return [
            self._kept[other]
            for other in concerned
            if self._kept[other]
            and (
                self.windows[other].from_us <= begins < self.windows[other].until_us
                or (self.windows[other].from_us <= self._looked_us and begins <= self._looked_us)
            )
        ]

    def entitled(self, waiting: Iterable[Request], *, now_us: int) -> Iterator[tuple[int, Request]]:
        """Windows that have begun, each with what its holder may start now, the first first."""
        active = [at for at in range(len(self.windows)) if self.active(at, now_us)]
        if not active:
            return
        own = [one for one in waiting if self._may_hold(one)]
        own = [one for one in own if any(self.holds(at, one) for at in active)]
        own.sort(key=lambda one: (-one.priority, one.number, one.id))
        for request in own:
            for at in active:
                chips = request.chip, *request.substitutes
                if (
                    request.blocked is None
                    and self.windows[at].chip in chips
                    and self.holds(at, request)
                    and request.load_milli <= self.left_milli(at)
                ):
                    yield at, request

    def kept_in(self, at: int) -> int:
        """Mask of the groups in which something is kept for a window."""
        return groups_of(self._kept[at])


def beyond(limits: Limits, number: int, devices: int) -> int:
    """Mask of the nodes of a group where fewer than so many devices may be used."""
    nodes = limits.get(number)
    return 0 if not nodes else sum(1 << node for node, most in nodes.items() if most < devices)
