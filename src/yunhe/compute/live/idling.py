"""Whether work that holds devices does anything; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from yunhe.compute.live.domain import Idle
from yunhe.kernel.clock import SECOND_US

SPAN_US_MAX = 60 * SECOND_US
"""Between two looks no more than this counts as idle: what nobody watched, or a clock that was set
forward, ends no work."""
Verdict = Literal["busy", "idle", "warn", "stop"]
"""``warn``: half of the time is over; said once. ``stop``: all of it is."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of one running workload."""

    quiet_since_us: int
    """When it was last seen to do something."""
    sampled_us: int
    """When it was looked at last."""
    cpu_ms: int
    """Processor time of all of it by then."""
    warned: bool = False
    """Whether its stop was announced since it was last busy."""


def watched(now_us: int) -> Watched:
    """Of a workload that has just begun."""
    return Watched(now_us, now_us, 0)


def judge(
    before: Watched,
    policy: Idle,
    *,
    now_us: int,
    cpu_ms: int,
    devices: int,
    touched_us: int = 0,
    per_thousand: int | None = None,
) -> tuple[Watched, Verdict]:
    """What is known after one more look, and what follows from it; nothing is stopped unwarned.

    ``per_thousand``: real use of the devices where it is reported, which alone decides then.

    ``touched_us``: when somebody last typed into it. Processor time that went back (a process of
    it ended uncounted) is no sign of work, nor of none: the look counts as busy.
    """
    span_us = now_us - before.sampled_us
    if span_us < 0:  # the clock was set back: what was known of it tells nothing now
        return Watched(now_us, now_us, cpu_ms), "busy"
    if span_us < 1_000:
        return before, "idle" if before.quiet_since_us < now_us else "busy"
    spent = cpu_ms - before.cpu_ms
    busy = spent < 0 or spent * 100_000 >= policy.cpu_percent * span_us * max(devices, 1)
    if per_thousand is not None:
        busy = per_thousand >= policy.cpu_percent * 10
    unseen_us = max(span_us - SPAN_US_MAX, 0)
    quiet_us = now_us if busy else before.quiet_since_us + unseen_us
    touched = min(touched_us, now_us) > quiet_us
    quiet_us = max(quiet_us, min(touched_us, now_us))
    idle_us = now_us - quiet_us
    after = Watched(quiet_us, now_us, cpu_ms, before.warned and not (busy or touched))
    limit_us = policy.minutes * 60 * SECOND_US
    if limit_us and idle_us >= limit_us and after.warned:
        return after, "stop"
    if limit_us and idle_us * 2 >= limit_us and not after.warned:
        quiet_us = max(quiet_us, now_us - limit_us // 2)  # the other half is still to come
        return Watched(quiet_us, now_us, cpu_ms, warned=True), "warn"
    return after, "busy" if busy else "idle"
