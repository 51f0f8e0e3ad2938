"""Where a waiting request stands: its rank, when it probably starts, and what would admit it now.

The forecast is the engine itself, run forward: what runs ends at its wall limit (the late end of
the interval) or after the part of it that such work usually used (the early end); guaranteed
windows begin and end. New arrivals are not foreseen one by one, nor is budget that comes back when
work ends early; how late forecasts were of late (`hindsight`) puts the late end off.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.engine import Engine, engine_of, opening_of, why_of
from yunhe.compute.scheduling.events import Ended
from yunhe.compute.scheduling.explaining import CLOSED
from yunhe.compute.scheduling.hindsight import UNKNOWN, Lateness
from yunhe.compute.scheduling.levels import Level
from yunhe.compute.scheduling.policies import YUNHE, Policy, yielding
from yunhe.compute.scheduling.state import Picture, Placement, Request
from yunhe.compute.scheduling.why_changes import Trial, offers, with_devices
from yunhe.kernel.clock import SECOND_US, iso

STEPS_MAX = 2_000
"""Ends of work that a forecast looks ahead: bounds what an answer costs."""
SOONER_MAX = 500
"""Waiting requests up to which it is tried what would let one start sooner, by forecasts."""
USED_PERMILLE = 100
"""Part of its wall limit that work uses at least, for the early end, unless history says so."""
FAR = Change("compute.unseen_far", (("steps", STEPS_MAX),))
"""It does not start within so many ends of work."""
ENDLESS = Change("compute.unseen_endless")
"""Nobody knows when enough of what holds the devices ends."""
SHUT = Change("compute.unseen_closed")
"""Nobody knows when what is closed is opened again."""
HELPLESS = Change("compute.unseen_helpless")
"""The end of other work does not help."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Answer to: why am I waiting?"""

    rank: int
    """Requests that are considered before it, and itself: 1 is next; 0: it is placed now."""
    of: int
    """Requests that wait."""
    why: Why | None
    """The binding constraint and the least change; None: it is placed now."""
    early_us: int | None
    """Instant at which it starts at the earliest, as things stand; None: not within sight."""
    late_us: int | None
    """Instant at which it starts at the latest, if forecasts are as late as of late; None: not
    within sight."""
    alternatives: tuple[Change, ...]
    """Each alone would admit it now; the cheapest for whoever asked first."""
    sooner: tuple[Change, ...] = ()
    """Where nothing admits it now: each alone would let it start sooner."""
    notes: tuple[Change, ...] = ()
    """Why no end of the interval can be given, and what was not tried."""
    levels: tuple[Level, ...] = ()
    """Whose turn it is, level by level of the fair share, from the top."""
    at_us: int = 0
    """Instant as of which this holds; 0: when it was asked."""


@dataclass(frozen=True, slots=True)
class Start:
    """When something starts by a forecast."""

    at_us: int | None
    """The instant; None: not within sight."""
    why: Change | None = None
    """Why not."""


def standing(
    picture: Picture,
    request: str,
    *,
    now_us: int,
    policy: Policy = YUNHE,
    used_permille: int = USED_PERMILLE,
    also: Sequence[Trial] | None = None,
    passing: Sequence[Trial] = (),
    lateness: Lateness = UNKNOWN,
) -> Standing:
    """Where a request of the picture stands. *Errors*: `KeyError` where it does not wait there.

    `used_permille`: part of their wall limits that such work used, as what ran shows. ``also``: as
    of `offers`. ``passing``: trials that only a whole pass can judge, as of another class.
    ``lateness``: what late ends are put off by.

    *Cost*: two forecasts of at most `STEPS_MAX` passes, looks for room for the alternatives, a pass
    for each of ``passing``; up to four forecasts more where nothing would admit it now.
    """
    asked = next((one for one in picture.queue if one.id == request), None)
    if asked is None:
        raise KeyError(request)
    engine = engine_of(picture, policy, now_us=now_us)
    placed = engine.decide(now_us=now_us)
    if any(isinstance(one, Placement) and one.request.id == request for one in placed):
        return Standing(0, len(picture.queue), None, now_us, now_us, ())
    ranked = [one.id for one in engine.queue.ranked(now_us=now_us)]
    waiting = [*ranked, *engine.aside]
    why = why_of(engine, asked, now_us=now_us)
    early = late = unmet(why)
    if request in ranked:
        early = start(picture, request, policy, now_us=now_us, permille=used_permille)
        late = start(picture, request, policy, now_us=now_us, permille=1_000)
    early, late = in_order(early, late)
    found = offers(engine, asked, also=also, now_us=now_us)
    changes = found.changes
    changes += tuple(
        trial.change
        for trial in passing
        if asked.blocked is None and _passes(picture, trial.request, policy, now_us=now_us)
    )
    sooner: tuple[Change, ...] = ()
    notes = unseen(early, late, why)
    if not changes and late.at_us is not None:
        if len(picture.queue) <= SOONER_MAX:
            found_us = late.at_us
            sooner = _sooner(picture, asked, found_us, policy, now_us=now_us, lateness=lateness)
        else:
            notes += (Change("compute.untried_sooner", (("most", SOONER_MAX),)),)
    if not found.complete:
        notes += (Change("compute.untried_more"),)
    notes += opening_of(engine, asked, why, now_us=now_us)
    rank = waiting.index(request) + 1
    late_us = put_off(late, lateness, now_us=now_us).at_us
    return Standing(
        rank, len(waiting), why, early.at_us, late_us, changes, sooner=sooner, notes=notes
    )


def put_off(late: Start, lateness: Lateness, *, now_us: int) -> Start:
    """The late end, as much later as forecasts were of late."""
    if late.at_us is None:
        return late
    return replace(late, at_us=lateness.later(late.at_us, at_us=now_us))


def in_order(early: Start, late: Start) -> tuple[Start, Start]:
    """The two ends, the earlier first: ends out of turn can let others in first."""
    if early.at_us is not None and late.at_us is not None and early.at_us > late.at_us:
        return late, early
    return early, late


def unmet(why: Why) -> Start:
    """Of what no end of work helps."""
    return Start(None, SHUT if why.code in CLOSED else HELPLESS)


def unseen(early: Start, late: Start, why: Why) -> tuple[Change, ...]:
    """Why ends of the interval cannot be given, once each."""
    found = (one.why for one in (early, late) if one.why is not None)
    shut = why.code in CLOSED  # then nobody's end is what is waited for
    return tuple(dict.fromkeys(SHUT if shut and each == ENDLESS else each for each in found))


def ends_of(
    engine: Engine, picture: Picture, *, now_us: int, permille: int
) -> list[tuple[int, str]]:
    """A heap of the instants at which what runs ends, and windows begin and end (no name)."""
    ends = [
        (edge_us, "")
        for window in picture.windows  # nothing else may happen when one begins or ends
        for edge_us in (window.from_us, window.until_us)
        if edge_us > now_us
    ]
    for name, running in engine.floor.all.items():
        if running.limit_us:
            used_us = (running.limit_us - running.start_us) * permille // 1_000
            ends.append((max(running.start_us + used_us, now_us + SECOND_US), name))
    heapq.heapify(ends)
    return ends


def start(
    picture: Picture,
    request: str,
    policy: Policy,
    *,
    now_us: int,
    permille: int,
    steps: int = STEPS_MAX,
) -> Start:
    """When a request starts if work uses that part of its wall limit."""
    engine = engine_of(picture, policy, now_us=now_us)
    ends = ends_of(engine, picture, now_us=now_us, permille=permille)
    at_us = now_us
    for _ in range(steps):
        for one in [each for each in engine.decide(now_us=at_us) if isinstance(each, Placement)]:
            if one.request.id == request:
                return Start(at_us)
            used_us = one.request.wall_seconds_max * SECOND_US * permille // 1_000
            heapq.heappush(ends, (at_us + max(used_us, SECOND_US), one.request.id))
        if request in engine.aside:
            return Start(None, HELPLESS)
        if not ends:
            return Start(None, ENDLESS)
        at_us, name = heapq.heappop(ends)
        engine.note(Ended(name), now_us=at_us)
        while ends and ends[0][0] == at_us:
            engine.note(Ended(heapq.heappop(ends)[1]), now_us=at_us)
    return Start(None, FAR if steps == STEPS_MAX else replace(FAR, params=(("steps", steps),)))


def _changed(picture: Picture, request: Request) -> Picture:
    """The picture with another request in place of the one of its id."""
    queue = tuple(request if one.id == request.id else one for one in picture.queue)
    return replace(picture, queue=queue)


def _passes(picture: Picture, request: Request, policy: Policy, *, now_us: int) -> bool:
    """Whether a pass would place it then, or ask preemptible work to make room for it."""
    if any(view.request.preemptible for view in picture.running):
        policy = yielding(policy)
    engine: Engine = engine_of(_changed(picture, request), policy, now_us=now_us)
    decisions = engine.decide(now_us=now_us)
    return any(isinstance(one, Placement) and one.request.id == request.id for one in decisions)


def _sooner(
    picture: Picture,
    request: Request,
    late_us: int,
    policy: Policy,
    *,
    now_us: int,
    lateness: Lateness,
) -> tuple[Change, ...]:
    """Halves of what it asks for with which it would start sooner at the latest, soonest first."""
    halves: list[tuple[str, int, Callable[[int], Request]]] = [
        ("wall_seconds_max", request.wall_seconds_max // 2, _with_wall(request)),
        ("replicas", request.replicas // 2, lambda n: replace(request, replicas=n)),
        ("devices", request.devices // 2, lambda n: with_devices(request, n)),
    ]
    found = []
    for name, amount, made in halves:
        if amount < 1:
            continue
        then = start(_changed(picture, made(amount)), request.id, policy, now_us=now_us,
                     permille=1_000)  # fmt: skip
        if then.at_us is not None and then.at_us < late_us:
            last_us = lateness.later(then.at_us, at_us=now_us)
            params = ("asked", f"{name}={amount}"), ("late", iso(last_us))
            found.append((then.at_us, Change("compute.change_sooner", params)))
    return tuple(change for _, change in sorted(found, key=lambda each: each[0]))


def _with_wall(request: Request) -> Callable[[int], Request]:
    return lambda seconds: replace(request, wall_seconds_max=seconds)
