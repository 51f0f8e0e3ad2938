"""What waits as it stood at one moment, reckoned once for everybody who looks.

Up to `KEPT_MIN` considered workloads a look is reckoned anew and is exact. Beyond that what was
seen last is kept, one for each database, and shown with its time, until something has changed: a
command or a pass has placed, ended, added or taken away work, or has asked for a pass, as all do
that touch capacity, budgets or rules. Beyond `EXACT_MAX` it is kept a little longer than that,
`AGAIN_US` for each, so that a busy platform does not spend itself on telling how busy it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from yunhe.compute.passes import store as passes
from yunhe.compute.picture import picture_of
from yunhe.compute.policy import service as rules
from yunhe.compute.queueing import store
from yunhe.compute.queueing.ahead import Ahead
from yunhe.compute.queueing.lateness import lateness
from yunhe.compute.scheduling import forecast
from yunhe.compute.scheduling.engine import engine_of
from yunhe.compute.scheduling.hindsight import UNKNOWN, Lateness
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.state import Picture, Placement, Request
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Transaction, carried

KEPT_MIN = 200
"""Considered workloads up to which nothing is kept."""
EXACT_MAX = 2_500
"""Considered workloads up to which what is kept counts only while nothing has changed."""
AGAIN_US = 300
"""Beyond, for each considered workload, how long it counts whatever changed since: 3 s for 10,000
and 30 s for 100,000, several times what it takes to look anew."""
AGE_US_MAX = 60_000_000
"""How long it counts though nothing changed: shares fade, and patience ends, with time alone."""
_PARTS = (forecast.USED_PERMILLE, 1_000)
"""Parts of their wall limits that work uses, for the early and the late end."""


class View:
    """The queue at one moment, in the order in which a pass then would consider it."""

    def __init__(
        self,
        picture: Picture,
        policy: Policy,
        *,
        now_us: int,
        stamp: tuple[object, ...] = (),
        late: Callable[[], Lateness] = lambda: UNKNOWN,
    ) -> None:
        """``late``: gives `lateness`. *Cost*: an engine is told the picture, and decides once."""
        self._late = late
        self.picture, self.policy, self.at_us, self.stamp = picture, policy, now_us, stamp
        self.turn = threading.RLock()
        """Whoever reckons with what is below has it."""
        self.engine = engine_of(picture, policy, now_us=now_us)
        """As a pass at that moment leaves it; it decides nothing any more."""
        decisions = self.engine.decide(now_us=now_us)
        placed = [each.request for each in decisions if isinstance(each, Placement)]
        asked = {request.id for request in picture.queue}
        ranked = [*self.engine.queue.ranked(now_us=now_us), *self.engine.aside.values()]
        self.order = placed + [each for each in ranked if each.id in asked]
        """Placed by that pass, then what it leaves waiting by rank."""
        self.placed = len(placed)
        """How many it places."""
        self._own: dict[str, list[int]] = {}
        for place, request in enumerate(self.order, 1):
            self._own.setdefault(request.organisation, []).append(place)
        self._places: dict[str, int] = {}
        self._ahead = tuple(Ahead(picture, policy, now_us=now_us, permille=part) for part in _PARTS)

    @property
    def lateness(self) -> Lateness:
        """What late ends are put off by; reckoned when first asked for."""
        with self.turn:
            found = self._late()
            self._late = lambda: found  # and what it was reckoned from is free
            return found

    def place(self, name: str) -> int:
        """Its place from 1; 0: it was not considered."""
        if not self._places:
            self._places = {each.id: place for place, each in enumerate(self.order, 1)}
        return self._places.get(name, 0)

    def request(self, name: str) -> Request | None:
        """One that was considered."""
        place = self.place(name)
        return self.order[place - 1] if place else None

    def newest(self, organisation: str) -> int:
        """Number of what an organisation submitted last of what was considered; 0: nothing."""
        own = self._own.get(organisation, ())
        return max((self.order[place - 1].number for place in own), default=0)

    def rank(self, place: int) -> int:
        """How many are considered before the one at that place, and itself; 0: it is placed."""
        return max(place - self.placed, 0)

    def behind(
        self, after: int, organisation: str | None, projects: frozenset[str] | None
    ) -> Iterator[tuple[int, Request]]:
        """Those that somebody may see, from behind that place on, each with its place."""
        count = len(self.order)
        places = range(1, count + 1) if organisation is None else self._own.get(organisation, [])
        for place in places:
            request = self.order[place - 1]
            if place > after and (projects is None or (request.project or None) in projects):
                yield place, request

    def starts(self, names: list[str]) -> dict[str, tuple[int | None, int | None]]:
        """When each starts at the earliest and at the latest; None: not within sight."""
        with self.turn:
            known = [name for name in names if self.place(name)]
            for ahead in self._ahead:
                ahead.until(known)
            early, late = (ahead.found for ahead in self._ahead)
            return {name: self._between(early.get(name), late.get(name)) for name in names}

    def _between(self, early: int | None, late: int | None) -> tuple[int | None, int | None]:
        early, late = _in_order(early, late)
        return early, None if late is None else self.lateness.later(late, at_us=self.at_us)


def _in_order(early: int | None, late: int | None) -> tuple[int | None, int | None]:
    if early is not None and late is not None and early > late:
        return late, early  # ends out of turn can let others in first
    return early, late


def not_past(early: int | None, late: int | None, *, now_us: int) -> tuple[int | None, int | None]:
    """Both ends of when something starts that has not started by now."""
    if early is not None:
        early = max(early, now_us)
    return early, late if late is None else max(late, early or now_us)


@dataclass(slots=True)
class _Kept:
    """Of one database."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    view: View | None = None


_KEPT: WeakKeyDictionary[object, _Kept] = WeakKeyDictionary()
_NEW = threading.Lock()


def seen(tx: Transaction, *, each: int, now_us: int, organisation: str = "") -> View:
    """The queue as of now, or as it was seen last where that still counts; `View.at_us` says when.

    ``each``: how many of an organisation are considered. ``organisation``: one of which something
    was considered in what is given, so that it is known what it may spend. Who comes while it is
    reckoned waits for that. Nothing is kept of a transaction that writes.
    """
    short = passes.considered(tx, each=each, most=KEPT_MIN) <= KEPT_MIN
    if short or carried(tx, "turn") in ("alone", "shared"):
        return _look(tx, (), each=each, now_us=now_us)
    with _NEW:
        kept = _KEPT.setdefault(tx.engine, _Kept())
    with kept.turn:
        stamp, view = store.stamp(tx), kept.view
        if view is not None and organisation and not view.newest(organisation):
            view = view if view.stamp == stamp else None
        if view is None or not _counts(view, stamp, now_us=now_us):
            kept.view = None  # what it holds is free before as much is read again
            view = kept.view = _look(tx, stamp, each=each, now_us=now_us)
        return view


def _counts(view: View, stamp: tuple[object, ...], *, now_us: int) -> bool:
    most_us = AGE_US_MAX
    if view.stamp != stamp:
        count = len(view.order)
        most_us = min(count * AGAIN_US, AGE_US_MAX) if count > EXACT_MAX else 0
    # who waited for it may have begun to look a little before it was seen
    return most_us > 0 and -SECOND_US <= now_us - view.at_us < most_us


def _look(tx: Transaction, stamp: tuple[object, ...], *, each: int, now_us: int) -> View:
    picture = picture_of(tx, passes.seen(tx, each=each), now_us=now_us)
    return view_of(tx, picture, now_us=now_us, stamp=stamp)


def view_of(
    tx: Transaction, picture: Picture, *, now_us: int, stamp: tuple[object, ...] = ()
) -> View:
    """A picture as whoever waits is told it."""
    policy = rules.in_force(tx)
    late = lateness(tx, picture, policy, now_us=now_us)
    return View(picture, policy, now_us=now_us, stamp=stamp, late=late)
