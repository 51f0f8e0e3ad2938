"""A peer for many tenants, written from KAI-Scheduler's documentation: only for comparison.

Every tenant is a queue with an equal quota and weight. Each time something arrives or ends, fair
shares are computed: first the quota, as far as it is asked for, then what is left by weight. The
queue with the least of its share goes first, its oldest work first. Where nothing fits, a queue
takes devices back that others hold beyond their share, as long as it stays within its own and the
others do not fall below theirs; the newest work of the fullest queue goes first. Devices are
counted by site without nodes, so that it loses nothing to fragments; a gang stays in one site.
What is pushed out keeps its work and pays for being taken up again.

*Source*: KAI-Scheduler, documents on queues, fairness and minimum run times, read in 2026. Its
time-based shares, priorities and topology are left out.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import (
    FINISHED,
    NONE,
    PREEMPTED,
    Run,
    Stretches,
    Trace,
)

Amounts = NDArray[np.float64]
"""float64[tenants]: devices."""
NOWHERE = -1
"""Site of what does not run."""
DEPTH = 10
"""So much work of one queue is looked at in a cycle (`queueDepthPerAction`)."""
_CLOSE = 1e-9


def fair_shares(deserved: Amounts, weight: Amounts, asked: Amounts, room: float) -> Amounts:
    """Quota as far as asked, then the rest by weight among those who ask for more."""
    share = np.minimum(deserved, asked)
    left = room - float(share.sum())
    while left > _CLOSE:
        wants = asked - share > _CLOSE
        if not wants.any():
            break
        part = np.where(wants, weight, 0.0)
        more = np.minimum(left * part / part.sum(), asked - share)
        share = share + more
        left -= float(more.sum())
    return share


@dataclass(slots=True)
class _Held:
    """A running job."""

    site: int
    start_us: int
    serial: int


class Queues:
    """The scheduler: state between events.

    `restart_us` is what taking up again costs, `least_us` the run time before anything is taken
    back (`reclaimMinRuntime`).
    """

    def __init__(self, trace: Trace, *, restart_us: int, least_us: int) -> None:
        fleet, jobs = trace.fleet, trace.jobs
        sites = np.bincount(fleet.site, weights=fleet.devices, minlength=len(fleet.sites))
        self.free: list[int] = sites.astype(int).tolist()
        self.waiting: list[list[int]] = [[] for _ in trace.tenants]
        self.running: dict[int, _Held] = {}
        self.ends: list[tuple[int, int, int]] = []
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.lost_us = [0] * len(jobs)
        self._restart_us, self._least_us = restart_us, least_us
        self._left_us: list[int] = jobs.service_us.tolist()
        self._size: list[int] = jobs.devices.tolist()
        self._tenant: list[int] = jobs.tenant.tolist()
        self._room = float(sum(self.free))
        self._weight: Amounts = trace.weights.astype(np.float64)
        self._deserved: Amounts = self._room * self._weight / self._weight.sum()
        self._has: Amounts = np.zeros(len(self._weight))
        self._asked: Amounts = np.zeros(len(self._weight))
        self._begun: set[int] = set()
        self._serial = 0

    def arrive(self, job: int) -> None:
        """It waits at the end of its queue."""
        self.waiting[self._tenant[job]].append(job)
        self._asked[self._tenant[job]] += self._size[job]

    def finish(self, job: int, now_us: int) -> None:
        """It is done."""
        self._leave(job, now_us, FINISHED)
        self._asked[self._tenant[job]] -= self._size[job]

    def cycle(self, now_us: int) -> None:
        """Place what fits, then take back."""
        share = fair_shares(self._deserved, self._weight, self._asked, self._room)
        self._allocate(share, now_us)
        for tenant in np.argsort(self._has / np.maximum(share, _CLOSE), kind="stable").tolist():
            waiting = self.waiting[tenant]
            if waiting and self._has[tenant] + self._size[waiting[0]] <= share[tenant] + _CLOSE:
                self._reclaim(waiting[0], share, now_us)

    def _allocate(self, share: Amounts, now_us: int) -> None:
        """By how much of its share a queue has; work that does not fit stands aside."""
        if not any(self.free):
            return
        order = [
            (self._has[tenant] / max(share[tenant], _CLOSE), tenant, 0)
            for tenant, waiting in enumerate(self.waiting)
            if waiting
        ]
        heapq.heapify(order)
        while order and any(self.free):
            _, tenant, place = heapq.heappop(order)
            waiting = self.waiting[tenant]
            site = self._site(self._size[waiting[place]])
            if site == NOWHERE:
                place += 1
            else:
                self._start(waiting.pop(place), site, now_us)
            if place < min(len(waiting), DEPTH):
                ratio = self._has[tenant] / max(share[tenant], _CLOSE)
                heapq.heappush(order, (ratio, tenant, place))

    def _site(self, size: int) -> int:
        """The fullest site with room."""
        able = [(free, site) for site, free in enumerate(self.free) if free >= size]
        return min(able)[1] if able else NOWHERE

    def _reclaim(self, job: int, share: Amounts, now_us: int) -> None:
        """Take back the least that lets it start in some site."""
        best: tuple[int, int, list[int]] | None = None
        for site in range(len(self.free)):
            victims = self._victims(site, self._size[job] - self.free[site], share, now_us)
            if victims is not None and (best is None or len(victims) < best[0]):
                best = len(victims), site, victims
        if best is None:
            return
        for victim in best[2]:
            self._leave(victim, now_us, PREEMPTED)
            self.waiting[self._tenant[victim]].append(victim)
            self.waiting[self._tenant[victim]].sort()
        self.waiting[self._tenant[job]].remove(job)
        self._start(job, best[1], now_us)

    def _victims(self, site: int, need: int, share: Amounts, now_us: int) -> list[int] | None:
        """Whom to push out of a site; `None` where that is not enough."""
        has, found = self._has.copy(), []
        able = [
            (-has[self._tenant[job]] / max(share[self._tenant[job]], _CLOSE), -held.start_us, job)
            for job, held in self.running.items()
            if held.site == site and now_us - held.start_us >= self._least_us
        ]
        for _, _, job in sorted(able):
            if need <= 0:
                break
            tenant, size = self._tenant[job], self._size[job]
            if has[tenant] - size >= share[tenant] - _CLOSE:
                has[tenant] -= size
                need -= size
                found.append(job)
        return found if need <= 0 else None

    def _start(self, job: int, site: int, now_us: int) -> None:
        self._serial += 1
        overhead_us = self._restart_us if job in self._begun else 0
        self._begun.add(job)
        self.free[site] -= self._size[job]
        self._has[self._tenant[job]] += self._size[job]
        self.running[job] = _Held(site, now_us, self._serial)
        end_us = now_us + overhead_us + self._left_us[job]
        self._left_us[job] += overhead_us
        self.lost_us[job] += overhead_us
        heapq.heappush(self.ends, (end_us, job, self._serial))

    def _leave(self, job: int, now_us: int, ended: int) -> None:
        held = self.running.pop(job)
        ran_us = now_us - held.start_us
        self._left_us[job] -= ran_us
        self.rows.append((job, held.start_us, now_us, held.site, ended))
        self.free[held.site] += self._size[job]
        self._has[self._tenant[job]] -= self._size[job]


def reclaiming(trace: Trace, *, restart_us: int, least_us: int) -> Run:
    """Replays a trace of work that asks for whole devices and may be pushed out.

    Errors: `ValueError` for work that no site has devices for.
    """
    queues = Queues(trace, restart_us=restart_us, least_us=least_us)
    jobs = trace.jobs
    if len(jobs) and int(jobs.devices.max()) > max(queues.free):
        raise ValueError("work larger than any site")
    arrive = jobs.arrive_us.tolist()
    following, now, passes, cpu = 0, 0, 0, time.process_time()
    while following < len(arrive) or queues.running:
        now = min(
            queues.ends[0][0] if queues.ends else 1 << 62,
            arrive[following] if following < len(arrive) else 1 << 62,
        )
        while queues.ends and queues.ends[0][0] == now:
            _, job, serial = heapq.heappop(queues.ends)
            held = queues.running.get(job)
            if held is not None and held.serial == serial:
                queues.finish(job, now)
        while following < len(arrive) and arrive[following] == now:
            queues.arrive(following)
            following += 1
        queues.cycle(now)
        passes += 1
    return _run(trace, queues, now, passes, time.process_time() - cpu)


def _run(trace: Trace, queues: Queues, now: int, passes: int, cpu: float) -> Run:
    jobs, n = trace.jobs, len(trace.jobs)
    rows: NDArray[np.int64] = np.array(queues.rows, np.int64).reshape(len(queues.rows), 5)
    job, start, stop, site, ended = rows.T
    first = np.full(n, 1 << 62, np.int64)
    np.minimum.at(first, job, start)
    end = np.full(n, NONE, np.int64)
    end[job[ended == FINISHED]] = stop[ended == FINISHED]
    ran = np.bincount(job, weights=(stop - start).astype(np.float64), minlength=n).astype(np.int64)
    last = np.full(n, NONE, np.int32)
    last[job] = site
    chips = np.zeros(len(rows), np.int16)
    return Run(
        policy="kai",
        first_start_us=first,
        end_us=end,
        waited_us=end - jobs.arrive_us - ran,
        run_us=ran,
        lost_us=np.array(queues.lost_us, np.int64),
        preemptions=np.bincount(job[ended == PREEMPTED], minlength=n).astype(np.int32),
        failures=np.zeros(n, np.int32),
        site=last,
        chip=np.zeros(n, np.int16),
        stretches=Stretches(
            job.astype(np.int32), start, stop, site.astype(np.int32), chips, ended.astype(np.int8)
        ),
        stopped_us=now,
        decisions=len(rows),
        passes=passes,
        engine_cpu_seconds=cpu,
    )
