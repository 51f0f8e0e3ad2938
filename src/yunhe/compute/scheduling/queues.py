"""What waits: a line for each shape, a tree of tenants for each priority class.

*Order*: what waited so long that it aged goes first, by time of submission. Then the higher class;
then the city that used less of its share, where there are several, then the kind of organisation,
the organisation, the project; among equals on a level, that of which something has waited longest;
at last, within a project, the policy's order. So a request is ranked by (class, share of the city,
its oldest, share of the kind, its oldest, share of the organisation, its oldest, share of the
project, its oldest, key, number, id), the least first, where an oldest is the least (number, id)
that waits there in that class.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator

from yunhe.compute.scheduling.branches import Branch, Place, Tree
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.shares import Shares
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.clock import SECOND_US

Rank = tuple[int | str, ...]
"""The least goes first."""


def level_of(policy: Policy, attained_us: int) -> int:
    """Which level a request's device time puts it on, the lowest first."""
    return bisect_right(policy.levels_us, attained_us)


def key_of(policy: Policy, request: Request) -> tuple[int, ...]:
    """Place of a request among those of its tenant; it does not change while it waits."""
    if policy.order == "submission":
        return ()
    devices = max(request.devices_all, 1)
    if policy.order == "tilted":
        doublings = devices.bit_length() - 1
        over = policy.tilt_us * (devices - (1 << doublings)) >> doublings
        return (request.since_us + policy.tilt_us * doublings + over,)
    if policy.order == "limits":
        asked_us = request.wall_seconds_max * SECOND_US * devices
        return (request.since_us + policy.limits_weight * asked_us,)
    if policy.order == "attained":
        return (level_of(policy, request.attained_us),)
    return (request.expected_us * devices,)


class Queue:
    """All of it."""

    def __init__(self, policy: Policy, shares: Shares) -> None:
        self._policy = policy
        self._shared, self._ageing = policy.shared, policy.ageing_us > 0
        self._keyed = policy.order != "submission"
        self._shares = shares
        self.lines: dict[int, Shape] = {}
        """Shapes of the lines, by number; also of those in which nobody waits now."""
        self.waiting: dict[str, Request] = {}
        self._places: dict[str, Place] = {}
        self._aged = Tree(shares, self._places)
        self._classes: dict[int, Tree] = {}
        self._trees = [self._aged]
        self._since: list[tuple[int, int, str, int]] = []
        self._tickets = 0

    def __len__(self) -> int:
        return len(self.waiting)

    @property
    def mask(self) -> int:
        """Mask of the lines in which somebody waits."""
        mask = 0
        for tree in self._trees:
            mask |= tree.root.mask
        return mask

    @property
    def trees(self) -> list[Tree]:
        """What aged, then the classes, the highest first."""
        return self._trees

    def add(self, request: Request, shape: Shape) -> None:
        """Let it wait."""
        line, number, name = shape.number, request.number, request.id
        if line not in self.lines:
            self.lines[line] = shape
        tree = self._classes.get(request.priority)
        if tree is None:
            tree = self._classes[request.priority] = Tree(self._shares, self._places)
            self._trees = [self._aged, *(self._classes[p] for p in sorted(self._classes)[::-1])]
        self._tickets = ticket = self._tickets + 1
        key = key_of(self._policy, request) if self._keyed else ()
        path = self._shares.path(request) if self._shared else ()
        self.waiting[name] = request
        tree.add(request, key, path=path, line=line, at=ticket)
        if self._ageing:
            at_us = self._policy.ages_at_us(
                request.since_us, attained_us=request.attained_us, devices=request.devices_all
            )
            heapq.heappush(self._since, (at_us, number, name, ticket))

    def remove(self, name: str) -> Request | None:
        """Take it out, wherever it stands; None if it does not wait."""
        request = self.waiting.pop(name, None)
        if request is not None:
            _, leaf, line = self._places.pop(name)
            self._aged.remove(leaf, line)
        return request

    def serve(self, request: Request) -> None:
        """Take it out, since it runs: its tenant occupies more now, as the shares know already."""
        if self.waiting.pop(request.id, None) is not None:
            _, leaf, line = self._places.pop(request.id)
            self._aged.remove(leaf, line)
        self.shifted(request)

    def shifted(self, request: Request) -> None:
        """What its tenant occupies is different now."""
        if self._shared:
            path = self._shares.path(request)
            for tree in self._classes.values():
                tree.shifted(path)

    def age(self, *, now_us: int) -> None:
        """Let what has waited long enough go first."""
        since = self._since
        while since and since[0][0] <= now_us:
            _, _, name, ticket = heapq.heappop(since)
            place = self._places.get(name)
            if place is not None and place[0] == ticket:
                request = self.waiting[name]
                _, leaf, line = self._places.pop(name)
                self._aged.remove(leaf, line)
                self._tickets += 1
                self._aged.add(request, (), path=(), line=line, at=self._tickets)

    def ranked(self, *, now_us: int) -> list[Request]:
        """Everything that waits, as it would be considered now. *Cost*: O(n log n)."""
        self.age(now_us=now_us)
        tick = self._shares.tick(now_us)
        found: list[Request] = []
        for tree in self._trees:
            for leaf in _leaves(tree, tree.root, tick):
                live = [
                    entry
                    for heap in leaf.heaps.values()
                    for entry in heap
                    if (at := self._places.get(entry[2])) is not None and at[0] == entry[3]
                ]
                found += (entry[4] for entry in sorted(live, key=lambda entry: entry[:4]))
        return found


def _leaves(tree: Tree, branch: Branch, tick: int) -> Iterator[Branch]:
    if branch.heaps:
        yield branch
    for key in list(tree.sorted(branch, tick)):
        yield from _leaves(tree, key[3], tick)
