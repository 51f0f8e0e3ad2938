"""Make the slow plan of a platform from what runs and waits, and say what came of it."""

from __future__ import annotations

from dataclasses import replace

from yunhe.compute import store as rows_of
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import QUEUE_MAX
from yunhe.compute.picture import picture_of
from yunhe.compute.planning import store
from yunhe.compute.planning.aggregating import Aggregated, aggregated
from yunhe.compute.planning.domain import ChipLine, Made, PoolLine, State
from yunhe.compute.planning.mixing import mixed, priced
from yunhe.compute.planning.store import latest
from yunhe.compute.scheduling.plan import Plan, Unsolved, solve
from yunhe.compute.scheduling.plan_audit import Audit, audit
from yunhe.compute.scheduling.plan_guide import Guide, guide_of
from yunhe.compute.scheduling.state import Picture
from yunhe.compute.supply import store as standings_of
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = ["ChipLine", "Made", "PoolLine", "latest", "replan"]

FOLLOWED = 3
"""A plan is followed for so many times the time between two: one may fail and nothing changes."""
POOLS_MAX = 200
"""Pools that are kept with a plan, the scarcest."""


def replan(storage: Storage, *, every_seconds: int) -> Made:
    """Look, plan outside any transaction, check, and keep the plan; a failure is kept as one.

    Nothing waits for it: passes follow the last sound plan while it is young enough, else none.
    *Cost*: a picture, and `solve` over at most `PAIRS_MAX` pairs.
    """
    with storage.database.read() as tx:
        now_us = storage.clock.now_us()
        picture = picture_of(tx, passes.queue(tx, each=QUEUE_MAX), now_us=now_us)
        seen = _seen(tx, picture)
    made, guide = planned(seen, at_us=now_us, every_seconds=every_seconds)
    usual = mixed(picture, picture.usual)
    priced(replace(picture, usual=usual))
    with storage.database.begin() as tx:
        store.keep(tx, made, guide, usual)
    return made


def _seen(tx: Transaction, picture: Picture) -> Aggregated:
    names = [status.pool.id for status in rows_of.pools(tx)]
    standings = standings_of.standings(tx, names)
    closed = frozenset(name for name, said in standings.items() if said.state != "open")
    return aggregated(picture, closed=closed)


def planned(seen: Aggregated, *, at_us: int, every_seconds: int) -> tuple[Made, Guide | None]:
    """The plan of what was seen, and the guide that passes follow; None where they follow none."""
    until_us = at_us + FOLLOWED * every_seconds * SECOND_US
    if not seen.inputs.demands or not seen.inputs.supplies:
        empty = Audit((), 0, 0, 0)
        return _made(seen, None, empty, at_us=at_us, until_us=until_us, reason=""), None
    try:
        plan = solve(seen.inputs)
    except Unsolved as error:
        none = Audit((), 0, 0, 0)
        reason = str(error)
        return _made(seen, None, none, at_us=at_us, until_us=until_us, reason=reason), None
    found = audit(plan, seen.inputs)
    reason = "" if found.sound else f"audit_{found.flaws[0].fault}"
    made = _made(seen, plan, found, at_us=at_us, until_us=until_us, reason=reason)
    return made, guide_of(plan, seen.inputs) if found.sound else None


def _made(
    seen: Aggregated, plan: Plan | None, found: Audit, *, at_us: int, until_us: int, reason: str
) -> Made:
    state: State
    state = ("failed" if reason else "empty") if plan is None else "unsound" if reason else "sound"
    pools = _pools(seen, plan)
    return Made(
        number=0,
        at_us=at_us,
        until_us=until_us,
        state=state,
        reason=reason,
        cpu_us=0 if plan is None else plan.cpu_us,
        classes=len(seen.inputs.demands),
        served_ppm=found.served_ppm,
        bound_ppm=found.bound_ppm,
        reached_ppm=seen.reached_ppm,
        gap_ppm=found.gap_ppm,
        chips=_chips(seen, pools),
        pools=tuple(pools[:POOLS_MAX]),
    )


def _pools(seen: Aggregated, plan: Plan | None) -> list[PoolLine]:
    given: dict[tuple[str, str], int] = {}
    for amount in () if plan is None else plan.amounts:
        cell = amount.chip, amount.site
        given[cell] = given.get(cell, 0) + amount.devices_micro
    lines = [
        PoolLine(
            each.site,
            each.chip,
            each.devices,
            given.get(each.cell, 0) // 1_000,
            0 if plan is None else plan.prices_ppm.get(each.cell, 0),
        )
        for each in seen.inputs.supplies
    ]
    return sorted(lines, key=lambda line: (-line.price_ppm, line.chip, line.pool))


def _chips(seen: Aggregated, pools: list[PoolLine]) -> tuple[ChipLine, ...]:
    wanted: dict[str, int] = {}
    for demand in seen.inputs.demands:
        wanted[demand.chip] = wanted.get(demand.chip, 0) + demand.devices
    lines = []
    for chip in sorted({line.chip for line in pools} | set(wanted)):
        own = [line for line in pools if line.chip == chip]
        lines.append(
            ChipLine(
                chip,
                sum(line.supply for line in own),
                sum(seen.busy.get(line.pool, 0) for line in own),
                wanted.get(chip, 0),
                sum(line.planned_milli for line in own),
                max((line.price_ppm for line in own), default=0),
            )
        )
    return tuple(lines)
