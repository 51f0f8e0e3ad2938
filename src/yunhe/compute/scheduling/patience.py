"""Who was overtaken for long enough: from then on nodes may be kept free for it."""

from __future__ import annotations

import heapq
from collections.abc import Container, Mapping
from dataclasses import replace

from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.state import Request

_NEVER_US = 2**63
_Entry = tuple[int, int, str]
"""Since when it waits, number, id: of two with equally many devices the least goes first."""


class Patience:
    """Everything that waits, by devices and class and, among those that are equal so, by age.

    *Cost*: O(log n) for each request; a look is O(different numbers of devices, and classes), and
    nothing before the next one's patience is over.
    """

    def __init__(self, policy: Policy, *, capacity: int) -> None:
        """``capacity``: devices that there are."""
        devices = min(policy.patience_devices, capacity)
        self._policy = replace(policy, patience_devices=devices)
        self._waits = policy.overtaking == "reserved"
        self._alike: dict[tuple[int, int], list[_Entry]] = {}
        self._highest: int | None = None
        self._due_us = 0  # until then nobody's patience is over

    def add(self, request: Request) -> None:
        """It waits from now on, or nothing is kept free for it any more."""
        if self._waits:
            priority = request.priority
            if self._highest is None or priority > self._highest:
                self._highest = priority
                self._due_us = 0  # it may outclass others from now on
            alike = request.devices * request.replicas, priority
            heap = self._alike.get(alike)
            if heap is None:
                heap = self._alike[alike] = []
            heapq.heappush(heap, (request.since_us, request.number, request.id))
            if self._due_us:
                lasts_us = self._lasts_us(*alike)
                self._due_us = min(self._due_us, request.since_us + lasts_us)

    def over(self, request: Request, *, now_us: int) -> bool:
        """Whether its patience is over."""
        lasts_us = self._lasts_us(request.devices_all, request.priority)
        return now_us >= request.since_us + lasts_us

    def _outclassed(self, priority: int) -> bool:
        """Whether higher classes could overtake it for ever, and the policy does not let them."""
        highest = self._highest
        return self._policy.outclassed_us > 0 and highest is not None and priority < highest

    def _lasts_us(self, devices: int, priority: int) -> int:
        """For how long one may be overtaken: less where higher classes could do so for ever."""
        patience_us = self._policy.patience_of(devices)
        if self._outclassed(priority):
            return min(patience_us, self._policy.outclassed_us)
        return patience_us

    def first(
        self, waiting: Mapping[str, Request], reserved: Container[str], *, now_us: int
    ) -> Request | None:
        """Of those whose patience is over and for whom nothing is kept free, the first.

        That is the oldest, where each device that it needs counts as one more patience of waiting:
        the more it needs, the less likely it finds them by chance. One that higher classes overtake
        counts as if it needed as many as any that ever waited, so that none younger is before it.
        """
        if now_us < self._due_us:
            return None
        largest = max((devices for devices, _ in self._alike), default=0)
        best: tuple[_Entry, Request] | None = None
        for (devices, priority), heap in self._alike.items():
            until_us = now_us - self._lasts_us(devices, priority)
            counted = largest if self._outclassed(priority) else devices
            ahead_us = self._policy.patience_us * counted
            while heap and heap[0][0] <= until_us:
                since_us, number, name = heap[0]
                found = waiting.get(name)
                if found is not None and found.since_us == since_us and name not in reserved:
                    entry = since_us - ahead_us, number, name
                    if best is None or entry < best[0]:
                        best = entry, found
                    break
                heapq.heappop(heap)
        if best is not None:
            return best[1]
        self._due_us = min(
            (heap[0][0] + self._lasts_us(*alike) for alike, heap in self._alike.items() if heap),
            default=_NEVER_US,
        )
        return None
