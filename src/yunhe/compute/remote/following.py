"""Pools that keep to what their site says it has, where an operator switched that on.

Only what this duty closed does it open again, and what a person said stands: a pool that somebody
drained stays drained, one that somebody opened during an outage stays open until the site has
answered and is lost anew. Pools with nodes of their own keep their devices; so do two pools of one
chip at a site, of which nobody could say which one changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from yunhe.compute import store as pools
from yunhe.compute.admission import admit
from yunhe.compute.domain import PoolStatus
from yunhe.compute.providers.remote import Capacity
from yunhe.compute.remote import store
from yunhe.compute.scheduling.fitting import DEVICES_MAX
from yunhe.compute.supply import silence
from yunhe.compute.supply import store as supply
from yunhe.compute.supply.domain import PoolState, PoolStep
from yunhe.compute.supply.silence import SILENT_SECONDS
from yunhe.kernel.clock import SECOND_US
from yunhe.storage.database import Transaction

STEP_SECONDS = 300
"""Shortest time between two changes of one kind at one pool: what flickers fills no history."""
BY = ""
"""Whose steps these are: no member's."""
_STEPS = 100


def follow(tx: Transaction, adapter: str, capacity: Capacity, *, now_us: int) -> None:
    """Bring the pools of a site in line with what it has just said."""
    found = _of(tx, adapter)
    alike = Counter(each.pool.chip for each in found)
    changed = False
    for each in found:
        pool, chip = each.pool.id, each.pool.chip
        devices = min(capacity.devices(chip), DEVICES_MAX)
        steps = supply.steps(tx, pool, limit=_STEPS)
        if devices < 1:
            reason = silence.without(adapter, chip)
            seen_us = _seen_us(tx, adapter, now_us)
            changed |= _stand(tx, pool, "down", steps, reason, since_us=seen_us, now_us=now_us)
            continue
        changed |= _opened(tx, adapter, pool, steps, now_us=now_us)
        if alike[chip] == 1 and not supply.nodes(tx, pool):
            changed |= _resize(tx, each, devices, steps, now_us=now_us)
    if changed:
        admit(tx, now_us=now_us)


def absent(tx: Transaction, adapter: str, *, since_us: int, now_us: int) -> None:
    """Nobody fetched what was offered since then: its pools go down, whether they follow or not."""
    reason = silence.absent(adapter)
    for each in _of(tx, adapter):
        steps = supply.steps(tx, each.pool.id, limit=_STEPS)
        _stand(tx, each.pool.id, "down", steps, reason, since_us=since_us, now_us=now_us)


def back(tx: Transaction, adapter: str, capacity: Capacity, *, now_us: int) -> None:
    """Open what `absent` closed, once there are devices again; nothing else is touched."""
    changed = False
    for each in _of(tx, adapter):
        if capacity.devices(each.pool.chip) > 0:
            steps = supply.steps(tx, each.pool.id, limit=_STEPS)
            changed |= _opened(tx, adapter, each.pool.id, steps, now_us=now_us)
    if changed:
        admit(tx, now_us=now_us)


def _opened(
    tx: Transaction, adapter: str, pool: str, steps: Sequence[PoolStep], *, now_us: int
) -> bool:
    reason = silence.said("compute.follow_back", site=adapter)
    return _stand(tx, pool, "open", steps, reason, since_us=now_us, now_us=now_us)


def strays(tx: Transaction, adapter: str) -> list[str]:
    """Pools of a site that nobody names which are not closed for that: open, or lost before."""
    found = [each.pool.id for each in _of(tx, adapter)]
    standings, said = supply.standings(tx, found), supply.closings(tx, found)
    reason, strays = silence.unnamed(adapter), []
    for pool in found:
        state = standings[pool].state if pool in standings else "open"
        if state == "open" or (state == "down" and said.get(pool, reason) != reason):
            strays.append(pool)
    return strays


def unnamed(tx: Transaction, adapter: str, *, now_us: int) -> bool:
    """No worker looks after the site: its pools take nothing new. Whether that changed any.

    Also one that somebody opened meanwhile: what it gets could never run.
    """
    reason = silence.unnamed(adapter)
    found = strays(tx, adapter)
    for pool in found:
        _set(tx, pool, "down", reason, now_us=now_us)
    return bool(found)


def unnamed_before(tx: Transaction, adapter: str) -> list[str]:
    """Pools that `unnamed` closed and nobody has opened since."""
    found = [each.pool.id for each in _of(tx, adapter)]
    standings, reason = supply.standings(tx, found), silence.unnamed(adapter)
    closed = [pool for pool in found if pool in standings and standings[pool].state == "down"]
    said = supply.closings(tx, closed) if closed else {}
    return [pool for pool in closed if said.get(pool) == reason]


def named_again(tx: Transaction, adapter: str, *, now_us: int) -> None:
    """Open what `unnamed` closed; whether the site answers shows by itself."""
    found = unnamed_before(tx, adapter)
    reason = silence.said("compute.follow_named", site=adapter)
    for pool in found:
        _set(tx, pool, "open", reason, now_us=now_us)
    if found:
        admit(tx, now_us=now_us)


def missed(tx: Transaction, adapter: str, *, now_us: int) -> None:
    """The site could not be reached: its pools go down once that has lasted."""
    seen_us = _seen_us(tx, adapter, now_us)
    if now_us - seen_us < SILENT_SECONDS * SECOND_US:
        return
    reason = silence.silent(adapter)
    changed = False
    for each in _of(tx, adapter):
        steps = supply.steps(tx, each.pool.id, limit=_STEPS)
        changed |= _stand(tx, each.pool.id, "down", steps, reason, since_us=seen_us, now_us=now_us)
    if changed:
        admit(tx, now_us=now_us)


def _of(tx: Transaction, adapter: str) -> list[PoolStatus]:
    return [each for each in pools.pools(tx) if each.pool.adapter == adapter]


def _seen_us(tx: Transaction, adapter: str, now_us: int) -> int:
    """When it last answered; now for one of which nobody has ever heard."""
    row = store.site(tx, adapter)
    return min(now_us if row is None else row["seen_at_us"] or now_us, now_us)


def _young(step: PoolStep, now_us: int) -> bool:
    return 0 <= now_us - step.at_us < STEP_SECONDS * SECOND_US


def _stand(
    tx: Transaction,
    pool: str,
    wanted: PoolState,
    steps: Sequence[PoolStep],
    reason: str,
    *,
    since_us: int,
    now_us: int,
) -> bool:
    """Close a pool of a site that is gone, or open what was closed so; whether that changed it."""
    standing = supply.standing(tx, pool)
    last = next((step for step in steps if step.what == "state"), None)
    ours = last is not None and last.by == BY
    if last is not None and ours and _young(last, now_us):
        return False
    if wanted == "open" and not (standing.state == "down" and ours):
        return False
    if wanted == "down":
        by_hand = last is not None and not ours and last.at_us >= since_us
        if standing.state != "open" or by_hand:
            return False
    _set(tx, pool, wanted, reason, now_us=now_us)
    return True


def _set(tx: Transaction, pool: str, state: PoolState, reason: str, *, now_us: int) -> None:
    supply.set_standing(tx, replace(supply.standing(tx, pool), state=state))
    supply.add_step(tx, pool, "state", state, reason=reason, by=BY, at_us=now_us)


def _resize(
    tx: Transaction, status: PoolStatus, devices: int, steps: Sequence[PoolStep], *, now_us: int
) -> bool:
    """Give a pool as many devices as its site has, never fewer than are occupied."""
    pool = status.pool
    wanted = max(devices, status.devices_busy)
    last = next((step for step in steps if step.what == "devices"), None)
    if wanted == pool.devices or (last is not None and _young(last, now_us)):
        return False
    reason = silence.said(
        "compute.follow_devices", site=pool.adapter, devices=devices, chip=pool.chip
    )
    pools.set_devices(tx, pool.id, devices=wanted)
    supply.add_step(tx, pool.id, "devices", str(wanted), reason=reason, by=BY, at_us=now_us)
    return True
