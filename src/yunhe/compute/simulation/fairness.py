"""Finish-time fairness between tenants, against a fleet of their own.

*Source*: Mahajan et al., Themis, NSDI 2020: ρ is the time a job takes in the shared fleet over the
time it would take with the tenant's share alone; at most 1 for everybody means that sharing pays
for all. The time alone is a model of ours, and a strict one: the tenant's share is a fluid machine
without nodes, sites or fragments, dealt out in order of arrival, so that nothing of it is lost.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from yunhe.compute.simulation.domain import Flags, Times, Trace


@dataclass(frozen=True, slots=True)
class Tenant:
    """How one tenant fared."""

    name: str
    """Who."""
    jobs: int
    """Jobs counted."""
    rho: float
    """Mean time in the shared fleet over mean time alone; at most 1 is fair."""


@dataclass(frozen=True, slots=True)
class Fairness:
    """How all fared."""

    tenants: tuple[Tenant, ...]
    """Everybody with jobs, the worst off first."""
    jain: float
    """Jain's index of 1/ρ: 1 when all fare alike."""
    rho_max: float
    """Of the worst off."""
    above: int
    """Tenants with ρ above 1.1."""


RHO_LIMIT = 1.1
"""Above it a tenant would have been better off alone, beyond a tenth."""


def fairness(trace: Trace, jct: Times, counted: Flags) -> Fairness:
    """ρ of every tenant with counted jobs that use devices. *Cost*: n log n."""
    jobs = trace.jobs
    load = jobs.load_milli()
    capacity = trace.fleet.capacity_milli()
    total = int(trace.weights[np.unique(jobs.tenant)].sum())
    found = []
    for tenant, name in enumerate(trace.tenants):
        mine = np.flatnonzero((jobs.tenant == tenant) & (load > 0))
        if len(mine) == 0:
            continue
        share = max(capacity * int(trace.weights[tenant]) // total, 1)
        alone = alone_us(jobs.arrive_us[mine], jobs.service_us[mine], load[mine], share)
        here = counted[mine]
        if not here.any():
            continue
        taken, fair = jct[mine][here], alone[here]
        rho = float(taken.mean()) / max(float(fair.mean()), 1.0)
        found.append(Tenant(name, int(here.sum()), rho))
    found.sort(key=lambda one: (-one.rho, one.name))
    rates = np.array([1 / max(one.rho, 1e-9) for one in found], np.float64)
    jain = float(rates.sum() ** 2 / (len(rates) * (rates**2).sum())) if len(rates) else 1.0
    above = sum(one.rho > RHO_LIMIT for one in found)
    return Fairness(tuple(found), jain, found[0].rho if found else 0.0, above)


def alone_us(arrive: Times, service: Times, load: Times, share: int) -> Times:
    """int64[n]: time from arrival to end of each job on a fluid machine of ``share`` thousandths.

    Capacity is dealt in order of arrival: each takes what it can use, the next takes of the rest;
    one job at most runs on a part of what it asks for. *Shapes*: all int64[n], by arrival.
    """
    count = len(arrive)
    work = service.astype(np.float64)
    ends = np.zeros(count, np.float64)
    running: list[tuple[float, int]] = []  # (end, what it gives back), all at full speed
    free, now, arrived, head = share, 0.0, 0, 0
    slowest, given = -1, 0  # the job that runs on a part, and that part
    while head < count or slowest >= 0:
        arrival = float(arrive[arrived]) if arrived < count else np.inf
        finish = running[0][0] if running else np.inf
        partial = np.inf
        if slowest >= 0 and given:
            partial = now + work[slowest] * load[slowest] / given
        then = min(arrival, finish, partial)
        if slowest >= 0:
            work[slowest] -= (then - now) * given / load[slowest]
        now = then
        if partial <= min(arrival, finish):
            ends[slowest] = now
            free, slowest, given = free + given, -1, 0
        elif finish <= arrival:
            free += heapq.heappop(running)[1]
        else:
            arrived += 1
        if slowest >= 0:  # first in order: it takes what became free
            more = min(free, int(load[slowest]) - given)
            free, given = free - more, given + more
            if given == load[slowest]:
                ends[slowest] = now + max(work[slowest], 0.0)
                heapq.heappush(running, (ends[slowest], given))
                slowest, given = -1, 0
        while slowest < 0 and head < arrived and free > 0:
            if load[head] <= free:
                ends[head] = now + work[head]
                heapq.heappush(running, (ends[head], int(load[head])))
                free -= int(load[head])
            else:
                slowest, given, free = head, free, 0
            head += 1
    return np.maximum(np.ceil(ends - arrive), 1).astype(np.int64)
