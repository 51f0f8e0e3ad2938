"""When what waits starts, as a list tells it: one way ahead for all, gone only as far as is asked.

What is found does not depend on who asked for what, nor in which order: the way is the same, and
each look takes it further where what it asks for was not met yet.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection

from yunhe.compute.scheduling.engine import Engine, engine_of
from yunhe.compute.scheduling.events import Ended
from yunhe.compute.scheduling.forecast import ends_of
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.state import Picture, Placement
from yunhe.kernel.clock import SECOND_US

ENDS_MAX = 200
"""Instants at which work ends that a list looks ahead: bounds what it costs, with the next."""
STARTS_MAX = 5_000
"""Starts that it foresees."""


class Ahead:
    """When each request of a picture starts, if work uses that part of its wall limit."""

    def __init__(self, picture: Picture, policy: Policy, *, now_us: int, permille: int) -> None:
        self.found: dict[str, int] = {}
        """The instant, of those met so far."""
        self._picture, self._policy, self._permille = picture, policy, permille
        self._at_us, self._steps, self._starts = now_us, 0, 0
        self._engine: Engine | None = None
        self._ends: list[tuple[int, str]] = []
        self._over = not picture.queue

    def until(self, names: Collection[str]) -> None:
        """Go on until all of these are met, or to the end of what is looked ahead.

        *Cost*: the first time an engine is told the picture; then a pass for each instant.
        """
        missing = {name for name in names if name not in self.found}
        while missing and not self._over:
            missing.difference_update(self._step())

    def _step(self) -> list[str]:
        engine = self._engine
        if engine is None:
            engine = engine_of(self._picture, self._policy, now_us=self._at_us)
            self._ends = ends_of(engine, self._picture, now_us=self._at_us, permille=self._permille)
            self._engine = engine
        met = []
        for decision in engine.decide(now_us=self._at_us):
            if isinstance(decision, Placement):
                request = decision.request
                used_us = request.wall_seconds_max * SECOND_US * self._permille // 1_000
                heapq.heappush(self._ends, (self._at_us + max(used_us, SECOND_US), request.id))
                self.found.setdefault(request.id, self._at_us)
                met.append(request.id)
        self._steps, self._starts = self._steps + 1, self._starts + len(met)
        far = self._steps >= ENDS_MAX or self._starts >= STARTS_MAX
        if far or not self._ends or len(self.found) == len(self._picture.queue):
            self._over, self._engine, self._ends = True, None, []
            return met
        self._at_us = self._ends[0][0]
        while self._ends and self._ends[0][0] == self._at_us:
            engine.note(Ended(heapq.heappop(self._ends)[1]), now_us=self._at_us)
        return met
