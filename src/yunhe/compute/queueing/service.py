"""The queue as the scheduler sees it now, and why one workload waits.

Both ask the engine itself about the picture that the next pass will see, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute import store as rows_of
from yunhe.compute.errors import workload_unknown
from yunhe.compute.limits import service as limits
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import BEHIND, QUEUE_MAX
from yunhe.compute.picture import picture_of
from yunhe.compute.queueing import store
from yunhe.compute.queueing.domain import TURNS, WORDS, Level, Queued, Standing
from yunhe.compute.queueing.placed import held_up
from yunhe.compute.queueing.seeing import EXACT_MAX, View, not_past, seen, view_of
from yunhe.compute.queueing.trying import after, among_many, in_time, opens_us, tries_of
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling import forecast
from yunhe.compute.scheduling.explaining import CLOSED
from yunhe.compute.scheduling.levels import levels
from yunhe.compute.scheduling.state import Request
from yunhe.compute.supply.offering import offering
from yunhe.storage.database import Transaction

__all__ = [
    "TURNS",
    "WORDS",
    "Level",
    "Queued",
    "Standing",
    "held_up",
    "looked",
    "queue",
    "standing",
]

FULL_MAX = EXACT_MAX
"""Considered workloads up to which `standing` looks far ahead and makes passes of its own: one
answer takes 0.6 s of processor time for 2,000 on 20 pools, and would take 43 s for 10,000 on 250.
Beyond it `among_many` asks what is kept for everybody. All measured.
"""


def queue(
    tx: Transaction,
    *,
    organisation: str | None,
    projects: frozenset[str] | None,
    after: int,
    limit: int,
    now_us: int,
) -> list[Queued]:
    """What waits, in the order in which it is considered, from the place behind ``after`` on.

    Places and ranks count everything that waits, also what the caller is not shown; they hold as
    of `Queued.at_us`. What has begun since is left out; what an organisation itself has handed in
    since stands after all that was considered. *Cost*: as `seen` where nothing is kept; then the
    rows of the page, and as far ahead as those are foreseen.
    """
    if not rows_of.anything_waits(tx):
        return []
    view = seen(tx, each=QUEUE_MAX, now_us=now_us)
    found: list[Queued] = []
    some = view.behind(after, organisation, projects)
    while len(found) < limit and (part := list(islice(some, limit - len(found)))):
        names = [request.id for _, request in part]
        rows, starts = store.rows(tx, names), view.starts(names)
        starts |= _opened(tx, view, rows, [each for _, each in part])
        found += [
            _queued(view, rows[name], place, starts=starts[name], now_us=now_us)
            for (place, _), name in zip(part, names, strict=True)
            if name in rows
        ]
    if len(found) < limit:
        who = _Asking(organisation, projects, max(after - len(view.order), 0))
        found += _rest(tx, view, who, limit=limit - len(found), now_us=now_us)
    return found


def _opened(
    tx: Transaction, view: View, rows: Mapping[str, RowMapping], some: Iterable[Request]
) -> dict[str, tuple[int | None, int | None]]:
    """When those start at the earliest that wait for the end of a maintenance, which is known.

    As `standing` says it; the forecast of a list sees the end of work only. Cost: nothing where
    nothing is closed; else as `offering` and what the pools bind such work to.
    """
    closed = [
        each
        for each in some
        if each.id in rows and each.blocked is not None and each.blocked.code in CLOSED
    ]
    if not closed:
        return {}
    pools = [status.pool for status in rows_of.pools(tx)]
    able = limits.knowing(
        tx,
        remote.abilities(tx),
        texts=[rows[each.id]["spec"] for each in closed],
        organisations=sorted({each.organisation for each in closed}),
        now_us=view.at_us,
    )
    offered = offering(tx, pools, now_us=view.at_us)
    found: dict[str, tuple[int | None, int | None]] = {}
    for each in closed:
        at_us = opens_us(columns.spec_of(rows[each.id]), each, pools, able, offered)
        if at_us is not None:
            found[each.id] = at_us, None
    return found


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks for what was not considered."""

    organisation: str | None
    projects: frozenset[str] | None
    after: int
    """From which place behind all that was considered."""


def _rest(tx: Transaction, view: View, asking: _Asking, *, limit: int, now_us: int) -> list[Queued]:
    """What was not considered: behind the `QUEUE_MAX` oldest of its organisation, or newer.

    Of an organisation's own what came, came back or moved up since goes before what is behind.
    """
    own, count, since = asking.organisation, len(view.order), 0
    numbered: list[tuple[int, RowMapping]] = []
    if own is not None:
        oldest = store.oldest(tx, each=QUEUE_MAX, organisation=own, projects=asking.projects)
        moved = [row for row in oldest if not view.place(row["id"])]
        since = len(moved)
        numbered = [(place, row) for place, row in enumerate(moved, 1) if place > asking.after]
    behind = store.behind(
        tx,
        each=QUEUE_MAX,
        organisation=own,
        projects=asking.projects,
        after=max(asking.after - since, 0),
        limit=max(limit - len(numbered), 0),
    )
    numbered += [(since + row["place"], row) for row in behind]
    return [
        _queued(view, row, count + place, starts=(None, None), now_us=now_us)
        for place, row in numbered[:limit]
        if not view.place(row["id"])
    ]


def standing(tx: Transaction, workload: str, *, now_us: int) -> Standing | None:
    """Where a waiting workload stands; None where it does not wait.

    What is behind the `QUEUE_MAX` oldest of its organisation is not considered yet: it has a rank
    and no forecast. Where more than `FULL_MAX` are considered, it looks less far ahead and tries no
    change that only a pass of its own could judge; the answer says so.

    *Errors*: `NotFound` ``compute.workload_unknown``.
    """
    return looked(tx, workload, now_us=now_us)()


def looked(
    tx: Transaction, workload: str, *, now_us: int, coming: RowMapping | None = None
) -> Callable[[], Standing | None]:
    """Gives what `standing` does, when called: all of it is read now, and reckoned later.

    For who has a transaction that others wait for. ``coming``: the row that the workload would
    have if it came now, where it is not there; it is younger than whatever waits. *Errors*: as
    `standing`, at once.
    """
    row = rows_of.row(tx, workload) if coming is None else coming
    if row is None:
        raise workload_unknown(workload)
    if row["state"] != "waiting":
        return lambda: None
    if coming is None:
        return _as_seen(tx, row, now_us=now_us)
    of = store.waiting(tx) + 1
    if passes.waiting(tx, row["organisation"], most=QUEUE_MAX) >= QUEUE_MAX:
        behind = Standing(of, of, BEHIND, None, None, (), at_us=now_us)
        return lambda: behind
    if passes.considered(tx, each=QUEUE_MAX, most=EXACT_MAX) > EXACT_MAX:
        view = seen(tx, each=QUEUE_MAX, now_us=now_us)
        if view.newest(row["organisation"]):  # else nobody knows yet what it may spend
            return _reckoned(tx, row, view, of=of, now_us=now_us)
    rows = {each["id"]: each for each in passes.queue(tx, each=QUEUE_MAX)}
    rows[workload] = coming
    view = view_of(tx, picture_of(tx, rows.values(), now_us=now_us), now_us=now_us)
    return _reckoned(tx, row, view, of=of, now_us=now_us)


def _as_seen(tx: Transaction, row: RowMapping, *, now_us: int) -> Callable[[], Standing | None]:
    """Of one that is there, by what everybody is shown."""
    of, name = store.waiting(tx), row["id"]
    view = seen(tx, each=QUEUE_MAX, now_us=now_us, organisation=row["organisation"])
    if not view.place(name):
        place = store.place_behind(tx, row["number"], each=QUEUE_MAX)
        if place:
            behind = Standing(len(view.order) + place, of, BEHIND, None, None, (), at_us=view.at_us)
            return lambda: behind
    return _reckoned(tx, row, view, of=of, now_us=now_us)


def _reckoned(
    tx: Transaction, row: RowMapping, view: View, *, of: int, now_us: int
) -> Callable[[], Standing | None]:
    name = row["id"]
    asked = view.request(name) or picture_of(tx, [row], now_us=now_us).queue[0]
    pools = [status.pool for status in rows_of.pools(tx)]
    able = limits.knowing(
        tx,
        remote.abilities(tx),
        texts=[row["spec"]],
        organisations=[row["organisation"]],
        now_us=now_us,
    )
    offered = offering(tx, pools, now_us=view.at_us)
    tries = tries_of(columns.spec_of(row), asked, pools, able, offered)
    few = len(view.order) <= FULL_MAX and view.place(name) > 0

    def reckoned() -> Standing:
        at_us, policy = view.at_us, view.policy
        if few:
            found = forecast.standing(
                view.picture,
                name,
                now_us=at_us,
                policy=policy,
                also=tries.also,
                passing=tries.passing,
                lateness=view.lateness,
            )
            turn = levels(view.picture, name, policy=policy, now_us=at_us)
            found = replace(found, levels=turn)
        else:
            found = among_many(view, asked, tries)
        found = after(found, tries)
        early_us, late_us = not_past(found.early_us, found.late_us, now_us=now_us)
        found = replace(found, of=of, early_us=early_us, late_us=late_us, at_us=at_us)
        return in_time(found, tries)

    return reckoned


def _queued(
    view: View,
    row: RowMapping,
    place: int,
    *,
    starts: tuple[int | None, int | None],
    now_us: int,
) -> Queued:
    early, late = not_past(*starts, now_us=now_us)
    spec = columns.spec_of(row)
    return Queued(
        place=place,
        rank=view.rank(place),
        id=row["id"],
        organisation=row["organisation"],
        project=row["project"] or "",
        entry_point=row["entry_point"],
        chip=row["chip"],
        substitutes=tuple(spec.substitutes),
        devices=row["devices"],
        devices_milli=spec.devices_milli,
        since_us=row["submitted_at_us"],
        why=columns.why_of(row),
        early_us=early,
        late_us=late,
        at_us=view.at_us,
    )
