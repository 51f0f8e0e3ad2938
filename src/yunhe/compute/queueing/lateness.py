"""How late forecasts of this platform were of late, reckoned from the rows of its work.

No forecast is kept: work came, began and ended at instants that are in its row, so what waited
and ran at an instant of the past is known, and the forecast of then is made again. It is reckoned
once for `SLOT_US`, from what had happened when that began, so that everybody is told the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from sqlalchemy import RowMapping

from yunhe.compute import store as rows_of
from yunhe.compute.asking import Known, request_of
from yunhe.compute.limits import service as limits
from yunhe.compute.passes.domain import HOLD_US
from yunhe.compute.places import places_of
from yunhe.compute.queueing import store
from yunhe.compute.queueing.ahead import Ahead
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling.hindsight import (
    SPAN_US,
    UNKNOWN,
    Lateness,
    Was,
    instants,
    lateness_of,
    misses,
    then,
)
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.state import Picture, Request, RunningView
from yunhe.compute.ways import store as ways_of
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Transaction

SLOT_US = 600 * SECOND_US
"""For so long what was found counts."""
ENDED_MAX = 4_000
"""Ended workloads that are looked at, the last to end first; what was before is not told anew."""
WAITED_MAX = 10_000
"""Waiting workloads of all instants together, the last instants first: bounds what it costs."""
_WHOLE = 1_000


def looked_back(
    now: Picture, past: Sequence[Was], policy: Policy, *, from_us: int, now_us: int
) -> Lateness:
    """How late forecasts were, made anew at instants since ``from_us``, since when ``past`` is all.

    ``now``: pools, prices and weights. *Cost*: up to `INSTANTS` ways ahead as of a list, together
    of at most `WAITED_MAX` waiting workloads.
    """
    found: list[int] = []
    left = WAITED_MAX
    for at_us in instants(past, from_us=from_us):
        seen = then(now, past, at_us=at_us)
        left -= len(seen.queue)
        if left < 0:
            break
        ahead = Ahead(seen, policy, now_us=at_us, permille=_WHOLE)
        ahead.until([each.id for each in seen.queue])
        found += misses(past, ahead.found, at_us=at_us, now_us=now_us)
    return lateness_of(found)


_Key = tuple[int, Policy, Picture]
_KEPT: WeakKeyDictionary[object, tuple[_Key, Lateness]] = WeakKeyDictionary()
_TURN = threading.Lock()


def lateness(
    tx: Transaction, picture: Picture, policy: Policy, *, now_us: int
) -> Callable[[], Lateness]:
    """Gives how late forecasts were on this platform; nothing is said where too much waits.

    All of it is read now, and reckoned when called. *Cost*: once for `SLOT_US` and whenever pools
    or weights change, the rows of up to `ENDED_MAX` ended workloads and of all that hold devices;
    when called, `looked_back`; else nothing.
    """
    if not picture.queue or len(picture.queue) > WAITED_MAX:
        return lambda: UNKNOWN
    slot_us = now_us // SLOT_US * SLOT_US
    key = slot_us, policy, _still(picture)
    with _TURN:
        kept = _KEPT.get(tx.engine)
    if kept is not None and kept[0] == key:
        found = kept[1]
        return lambda: found
    ended = store.ended(tx, after_us=slot_us - SPAN_US, most=ENDED_MAX)
    rows, engine = [*ended, *store.busy(tx)], tx.engine
    requests, tried = _requests(tx, rows, now_us=slot_us), store.tried(tx)

    def reckoned() -> Lateness:
        past = tuple(_past(picture, rows, requests(), tried, before_us=slot_us))
        since = [one.request.since_us for one in past]
        if len(ended) == ENDED_MAX:  # of what ended earlier nothing is known
            since = [max(min(since, default=slot_us), ended[-1]["ended_at_us"])]
        from_us = max(min(since, default=slot_us), slot_us - SPAN_US)
        late = looked_back(picture, past, policy, from_us=from_us, now_us=slot_us)
        with _TURN:
            _KEPT[engine] = key, late
        return late

    return reckoned


def _still(picture: Picture) -> Picture:
    """What of it the past is told with."""
    pools = tuple(replace(pool, devices_busy=0) for pool in picture.pools)
    return Picture(
        pools,
        (),
        (),
        {},
        (),
        weights=picture.weights,
        cities=picture.cities,
        city_weights=picture.city_weights,
        windows=picture.windows,
    )


def _past(
    picture: Picture,
    rows: Sequence[RowMapping],
    requests: Iterator[Request],
    tried: frozenset[str],
    *,
    before_us: int,
) -> Iterator[Was]:
    """What was there before an instant, and what had become of it by then."""
    again_us: dict[str, int] = {}
    for row in rows:
        if row["stretch_of"] is not None and row["ended_at_us"] is not None:
            last_us = again_us.get(row["stretch_of"], 0)
            again_us[row["stretch_of"]] = max(last_us, row["ended_at_us"])
    for row, request in zip(rows, requests, strict=True):
        stretch, began_us = row["stretch_of"] is not None, _began_us(row)
        since_us = again_us.get(row["id"], request.since_us)
        if stretch:  # it never waited by itself
            since_us = began_us or 0
        asked = replace(request, since_us=since_us)
        once = not stretch and row["attempts"] <= 1 and not row["pushed_out"]
        run = _run(row, asked, began_us)
        yield from Was(asked, run, row["ended_at_us"], once).before(before_us)
    for request in picture.queue:
        since_us = again_us.get(request.id, request.since_us)
        waiting = Was(replace(request, since_us=since_us), None, None, request.id not in tried)
        yield from waiting.before(before_us)


def _requests(
    tx: Transaction, rows: Sequence[RowMapping], *, now_us: int
) -> Callable[[], Iterator[Request]]:
    """What the workloads of these rows asked for, of what is read now."""
    pools = [status.pool for status in rows_of.pools(tx)]
    named = sorted({row["organisation"] for row in rows})
    kinds, ways, known = identity.kinds(tx, named), ways_of.ways(tx), Known()
    able = limits.knowing(
        tx,
        remote.abilities(tx),
        texts=[row["spec"] for row in rows],
        organisations=named,
        now_us=now_us,
    )
    return lambda: (
        request_of(
            row,
            pools=pools,
            kind=kinds.get(row["organisation"], ""),
            ways=ways,
            able=able,
            known=known,
        )
        for row in rows
    )


def _began_us(row: RowMapping) -> int | None:
    """When its run began, or, where that has not been noted yet, it was placed."""
    if row["running_since_us"] is not None:
        return int(row["running_since_us"])
    if row["holds_until_us"] is None:
        return None
    return int(row["holds_until_us"] - row["wall_seconds_max"] * SECOND_US - HOLD_US)


def _run(row: RowMapping, request: Request, began_us: int | None) -> RunningView | None:
    if began_us is None or row["pool"] is None:
        return None
    nodes, pieces = places_of(row["nodes"])
    placed = replace(request, replicas=row["replicas"] or request.replicas)
    return RunningView(placed, row["pool"], nodes, began_us, pieces)
