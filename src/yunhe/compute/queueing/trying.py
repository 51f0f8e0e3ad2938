"""What else a waiting workload could ask for, and where it stands where very many wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from yunhe.compute.abilities import Abilities
from yunhe.compute.asking import sites_of
from yunhe.compute.domain import Pool
from yunhe.compute.queueing.seeing import View
from yunhe.compute.reasons import Change
from yunhe.compute.scheduling.engine import engine_of, opening_of, why_of
from yunhe.compute.scheduling.events import Arrived, Withdrawn
from yunhe.compute.scheduling.explaining import CLOSED, LEAST_PERMILLE
from yunhe.compute.scheduling.forecast import (
    SHUT,
    USED_PERMILLE,
    Standing,
    Start,
    in_order,
    put_off,
    start,
    unmet,
    unseen,
)
from yunhe.compute.scheduling.levels import levels_in
from yunhe.compute.scheduling.state import Request
from yunhe.compute.scheduling.why_changes import Trial, offers
from yunhe.compute.supply.offering import Offering
from yunhe.compute.wanted import PRIORITIES, WorkloadSpec, wall_seconds_on
from yunhe.kernel.clock import SECOND_US, iso

WALLS_MAX = 20
"""Wall times before maintenances that are tried."""
STEPS_MAX = 200
"""Ends of work that are looked ahead where very many wait."""
BEFORE_MAX = 2_000
"""Workloads for the same devices that are looked at before it, where very many wait."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What can be tried of a workload beside smaller amounts."""

    also: tuple[Trial, ...]
    """Judged by a look at what is free."""
    passing: tuple[Trial, ...]
    """Judged by a whole pass."""
    spec: WorkloadSpec
    """What it is."""
    opens_us: int | None = None
    """When the maintenance is over that all of its pools are in; None: that is not the reason."""


def tries_of(
    spec: WorkloadSpec,
    request: Request,
    pools: Sequence[Pool],
    able: Abilities,
    offered: Offering,
) -> Tries:
    """Other sites, data that may leave its site, being interrupted; and higher classes.

    And wall times that end before a maintenance begins, where one that comes keeps it waiting.
    """
    also = []
    shut = request.blocked is not None and request.blocked.code in CLOSED
    asked = replace(request, blocked=None) if shut else request
    whole = replace(asked, sites=sites_of(spec, pools, able=able))
    if offered.limited(whole).sites == request.sites:  # else something else keeps it there
        for site in sorted({pool.site for pool in pools} - {*spec.sites}) if spec.sites else ():
            sites = sites_of(replace(spec, sites=(*spec.sites, site)), pools, able=able)
            if sites != whole.sites:
                change = Change("compute.change_site", (("site", site),))
                also.append(Trial(change, _open(offered, replace(whole, sites=sites))))
        if spec.egress == "forbid":
            sites = sites_of(replace(spec, egress="allow"), pools, able=able)
            if sites != whole.sites:
                moved = _open(offered, replace(whole, sites=sites))
                also.append(Trial(Change("compute.change_egress"), moved))
        least = request.wall_seconds_max * LEAST_PERMILLE // 1_000
        for seconds in offered.shorter_walls(whole)[:WALLS_MAX]:
            if seconds >= least:
                lost = (request.wall_seconds_max - seconds) * 1_000 // request.wall_seconds_max
                change = Change("compute.change_wall", (("wall_seconds", seconds),))
                short = _open(offered, replace(whole, wall_seconds_max=seconds))
                also.append(Trial(change, short, lost))
    if not spec.preemptible and not spec.deadline_us:
        loose = replace(request, preemptible=True, spot=True)
        also.append(Trial(Change("compute.change_preemptible"), loose))
    higher = sorted(
        (number, name) for name, number in PRIORITIES.items() if number > request.priority
    )
    passing = tuple(
        Trial(
            Change("compute.change_priority", (("priority", name),)),
            replace(request, priority=number),
        )
        for number, name in higher
    )
    return Tries(tuple(also), passing, spec, opens_us(spec, request, pools, able, offered))


def opens_us(
    spec: WorkloadSpec,
    request: Request,
    pools: Sequence[Pool],
    able: Abilities,
    offered: Offering,
) -> int | None:
    """When the maintenance is over that all of its pools are in; None: that is not the reason.

    ``request``: as it was kept to what is open.
    """
    if request.blocked is None or request.blocked.code not in CLOSED:
        return None
    whole = replace(request, blocked=None, sites=sites_of(spec, pools, able=able))
    if offered.limited(whole).sites != request.sites:  # something else keeps it there
        return None
    return offered.opens_us(whole)


def _open(offered: Offering, request: Request) -> Request:
    """As it would be seen, kept to what is open for it."""
    return replace(offered.limited(request), blocked=None)


def after(standing: Standing, tries: Tries) -> Standing:
    """With the end of a maintenance as when it starts at the earliest, where that is waited for."""
    if tries.opens_us is None or standing.rank == 0:
        return standing
    notes = tuple(each for each in standing.notes if each != SHUT)
    told = (Change("compute.unseen_maintained"), *notes)
    return replace(standing, early_us=tries.opens_us, notes=told)


def in_time(standing: Standing, tries: Tries) -> Standing:
    """With the deadline that it would keep for certain, where it may miss its own."""
    spec = tries.spec
    if not spec.deadline_us or standing.late_us is None:
        return standing
    chips = (spec.chip, *spec.substitutes)
    over_us = standing.late_us + max(wall_seconds_on(spec, c) for c in chips) * SECOND_US
    if over_us <= spec.deadline_us:
        return standing
    change = Change("compute.change_deadline", (("ends", iso(over_us)),))
    return replace(standing, sooner=(*standing.sooner, change))


def among_many(view: View, asked: Request, tries: Tries) -> Standing:
    """As `forecast.standing` where very many wait: nothing that takes a pass more is tried.

    ``asked`` may have come after what is seen. *Cost*: looks for room; going ahead with the queue
    as far as a list does, or, where it is not met so, two forecasts of `STEPS_MAX` steps over at
    most `BEFORE_MAX` of those that are considered before it and could use the same devices.
    """
    with view.turn:
        place = view.place(asked.id)
        if 0 < place <= view.placed:
            return Standing(0, len(view.order), None, view.at_us, view.at_us, ())
        if place:
            return _among(view, asked, tries, rank=view.rank(place))
        view.engine.note(Arrived(asked), now_us=view.at_us)
        try:
            names = [one.id for one in view.engine.queue.ranked(now_us=view.at_us)]
            rank = (names.index(asked.id) if asked.id in names else len(view.order)) + 1
            return _among(view, asked, tries, rank=rank)
        finally:
            view.engine.note(Withdrawn(asked.id), now_us=view.at_us)


def _among(view: View, asked: Request, tries: Tries, *, rank: int) -> Standing:
    engine, now_us = view.engine, view.at_us
    why = why_of(engine, asked, now_us=now_us)
    early = late = unmet(why)
    if asked.id in engine.queue.waiting:
        seen = tuple(Start(at_us) for at_us in view.starts([asked.id])[asked.id])
        if None in (each.at_us for each in seen):
            looked = _starts(view, asked)
            seen = tuple(b if a.at_us is None else a for a, b in zip(seen, looked, strict=True))
        early, late = in_order(*seen)
    waiting = [
        *engine.queue.waiting.values(),
        *(e for e in engine.aside.values() if e.blocked is None and engine.shape(e).fits),
    ]
    among = levels_in(engine, asked, waiting, now_us=now_us)
    lent = asked.id not in engine.reservations.all
    if not lent:
        engine = engine_of(view.picture, view.policy, now_us=now_us)
        engine.decide(now_us=now_us)
    found = offers(engine, asked, also=tries.also, now_us=now_us, lent=lent)
    skipped = [Change("compute.untried_many", (("waiting", len(view.order)),))]
    if not found.complete:
        skipped.append(Change("compute.untried_more"))
    skipped += opening_of(engine, asked, why, now_us=now_us)
    return Standing(
        rank,
        len(view.order),
        why,
        early.at_us,
        late.at_us,
        found.changes,
        notes=(*unseen(early, late, why), *skipped),
        levels=among,
    )


def _starts(view: View, asked: Request) -> tuple[Start, Start]:
    """Both ends, by forecasts over those before it that could use the same devices."""
    engine, now_us = view.engine, view.at_us
    fits = engine.shape(asked).fits
    rivals: list[Request] = []
    for one in engine.queue.ranked(now_us=now_us):
        if engine.shape(one).fits & fits:
            rivals.append(one)
        if one.id == asked.id:
            break
    if len(rivals) > BEFORE_MAX:
        crowd = Start(None, Change("compute.unseen_crowd", (("before", len(rivals) - 1),)))
        return crowd, crowd
    narrow = replace(view.picture, queue=(*view.order[: view.placed], *rivals))
    early, late = (
        start(narrow, asked.id, view.policy, now_us=now_us, permille=part, steps=STEPS_MAX)
        for part in (USED_PERMILLE, 1_000)
    )
    early, late = in_order(early, late)
    return early, put_off(late, view.lateness, now_us=now_us)
