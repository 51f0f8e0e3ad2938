"""How many servers keep waiting short: Erlang's formula, and the square-root rule for many.

*Source*: A. K. Erlang (1917), "Solution of some problems in the theory of probabilities of
significance in automatic telephone exchanges" (delay formula, M/M/c); its waiting time beyond t has
probability C(c, a) · exp(-(c - a) · t / s), s being the mean service time and a the offered load.
The recurrence B(c) = aB(c-1) / (c + aB(c-1)) and C = B / (1 - (a/c)(1 - B)) are the usual ones.
Load that varies more than that (requests come in bursts) is reckoned after W. S. Hayward: z times
as variable, it needs z times as many servers as a z-th of it (A. A. Fredericks (1980), "Congestion
in Blocking Systems: A Simple Approximation Technique"). Beyond `EXACT_SLOTS` the limit of S. Halfin
and W. Whitt (1981), "Heavy-Traffic Limits for Queues with Many Exponential Servers", stands in for
C. All four are cited from memory, not checked against the papers.
"""

from __future__ import annotations

import math
from functools import lru_cache

EXACT_SLOTS = 4_000
"""Offered load up to which Erlang's formula itself is reckoned."""


def wait_probability(slots: int, offered: float) -> float:
    """That a request has to wait at all, with so many slots and so many busy on average.

    *Cost*: linear in ``slots`` up to `EXACT_SLOTS`, else constant.
    """
    if offered <= 0:
        return 0.0
    if slots <= offered:
        return 1.0
    if offered > EXACT_SLOTS:
        beta = (slots - offered) / math.sqrt(offered)
        density = math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
        below = (1 + math.erf(beta / math.sqrt(2))) / 2
        return 1 / (1 + beta * below / density) if density > 0 else 0.0
    blocked = 1.0
    for each in range(1, slots + 1):
        blocked = offered * blocked / (each + offered * blocked)
    return _delayed(slots, offered, blocked)


def _delayed(slots: int, offered: float, blocked: float) -> float:
    return blocked / (1 - offered / slots * (1 - blocked))


@lru_cache(maxsize=8_192)
def slots_needed(
    *,
    offered_milli: int,
    service_ms: int,
    budget_ms: int,
    late_ppm: int,
    variability_percent: int,
    step: int,
) -> int:
    """The least multiple of ``step`` slots with which at most ``late_ppm`` wait beyond the budget.

    *Cost*: linear in the answer up to `EXACT_SLOTS`, else logarithmic in it.
    """
    if offered_milli <= 0:
        return 0
    unit = max(variability_percent, 1) / 100
    offered, late = offered_milli / 1_000 / unit, late_ppm / 1e6
    pace = budget_ms / max(service_ms, 1)

    def enough(slots: int, delayed: float) -> bool:
        return slots > offered and delayed * math.exp(-(slots - offered) * pace) <= late

    if offered > EXACT_SLOTS:
        low, high = math.floor(offered), math.ceil(2 * offered) + 1
        while low + 1 < high:
            middle = (low + high) // 2
            fits = enough(middle, wait_probability(middle, offered))
            low, high = (low, middle) if fits else (middle, high)
        return _whole(high * unit, step)
    blocked, slots = 1.0, 0
    while True:
        slots += 1
        blocked = offered * blocked / (slots + offered * blocked)
        if slots > offered and enough(slots, _delayed(slots, offered, blocked)):
            return _whole(slots * unit, step)


def _whole(slots: float, step: int) -> int:
    return math.ceil(round(slots / step, 6)) * step
