"""What runs where, when it must end, and when it may be pushed out."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from yunhe.compute.scheduling.estate import Spot
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.queues import level_of
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.clock import SECOND_US

PUSH_AFTER_RESTARTS = 10
"""A request runs at least so many times what resuming it costs before it may be pushed out."""
NEVER = -1
"""Level of what may not be pushed out."""


@dataclass(slots=True, eq=False)
class Running:
    """A placed request."""

    request: Request
    """What."""
    shape: Shape
    """Its shape."""
    spot: Spot
    """Where."""
    start_us: int
    """Since when."""
    limit_us: int
    """When its wall limit ends it; 0: nobody knows."""
    exposed: int = NEVER
    """Level at which it may be pushed out now; `NEVER`: not now."""

    def attained_us(self, now_us: int) -> int:
        """Device time so far, with that before it was pushed out."""
        run_us = (now_us - self.start_us) * self.request.devices_all
        return self.request.attained_us + run_us

    def loss_us(self, now_us: int, restart_us: int) -> int:
        """Device time that pushing it out now would waste."""
        ran = now_us - self.start_us
        every = self.request.checkpoint_seconds * SECOND_US
        unsaved = ran % every if every else 0
        return (unsaved + restart_us) * self.request.devices_all


class Floor:
    """Everything that runs, by id and by group."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.all: dict[str, Running] = {}
        self._of_group: defaultdict[int, dict[str, Running]] = defaultdict(dict)
        self.changes: defaultdict[int, int] = defaultdict(int)
        """By group, how often something started or ended there."""
        self._crossings: list[tuple[int, str, int, int]] = []
        self.exposed: defaultdict[int, int] = defaultdict(int)
        """Mask of the groups with work that may be pushed out, by its level."""
        self.limited: defaultdict[int, int] = defaultdict(int)
        """How much of what runs in a group has a wall limit."""
        self._exposed: defaultdict[tuple[int, int], int] = defaultdict(int)

    def add(self, running: Running) -> None:
        """It starts."""
        request = running.request
        self.all[request.id] = running
        self._of_group[running.spot[0]][request.id] = running
        self.changes[running.spot[0]] += 1
        self.limited[running.spot[0]] += running.limit_us > 0
        if self._policy.preempts and request.preemptible:
            least_us = PUSH_AFTER_RESTARTS * self._policy.restart_us
            waited_us = running.start_us - request.since_us
            if self._policy.ageing_us and waited_us >= self._policy.ageing_us:
                least_us = max(least_us, waited_us // 2)  # or it would wait as long again at once
            soonest = running.start_us + least_us
            level = level_of(self._policy, request.attained_us)
            self._await(running, soonest, level)
            for higher in range(level + 1, len(self._policy.levels_us) + 1):
                left = self._policy.levels_us[higher - 1] - request.attained_us
                at_us = running.start_us + -(-left // max(request.devices_all, 1))
                self._await(running, max(at_us, soonest), higher)

    def _await(self, running: Running, at_us: int, level: int) -> None:
        entry = (at_us, running.request.id, level, running.start_us)
        heapq.heappush(self._crossings, entry)

    def expose(self, *, now_us: int) -> list[int]:
        """Let what has run long enough be pushed out; the levels that gained something."""
        gained = []
        while self._crossings and self._crossings[0][0] <= now_us:
            _, name, level, start_us = heapq.heappop(self._crossings)
            running = self.all.get(name)
            if running is not None and running.start_us == start_us and running.exposed < level:
                self._count(running, -1)
                running.exposed = level
                self._count(running, 1)
                gained.append(level)
        return gained

    def next_us(self) -> int | None:
        """When `expose` next has something to do."""
        return self._crossings[0][0] if self._crossings else None

    def _count(self, running: Running, by: int) -> None:
        if running.exposed == NEVER:
            return
        group, level = running.spot[0], running.exposed
        self._exposed[group, level] += by
        if self._exposed[group, level]:
            self.exposed[level] |= 1 << group
        else:
            self.exposed[level] &= ~(1 << group)

    def remove(self, name: str) -> Running | None:
        """It ended; None if it does not run."""
        running = self.all.pop(name, None)
        if running is not None:
            del self._of_group[running.spot[0]][name]
            self.changes[running.spot[0]] += 1
            self.limited[running.spot[0]] -= running.limit_us > 0
            if running.exposed != NEVER:
                self._count(running, -1)
        return running

    def on(self, group: int) -> Iterator[Running]:
        """What runs in a group."""
        return iter(self._of_group[group].values())
