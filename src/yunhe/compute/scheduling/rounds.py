"""An engine that deals the devices out anew at every event, over chips of different speed.

Work is worth what it is likely to finish a second: its speed there over the work that is left, or,
where nobody knows that, over what `outlook` learnt from work that ended: mostly, what has run for
long runs on for long. Where there is room for all, what counts is mainly how far each falls short
of its best chip, for an hour lost is an hour for anybody; the more is waiting, the more the first
rule holds. What has waited for long against what it has left is worth more to let run, so that a
large gang does not wait for ever because each of those it would displace loses a little.
What runs keeps its place unless something else is worth clearly more there, and moving costs what
resuming costs. Work that may not be pushed out stays; a higher class goes first.

*Source*: the weights are those of shortest remaining time and of the Gittins index for run times
without a typical length (Aalto, Ayesta, Righter, Queueing Systems 63, 2009).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from yunhe.compute.scheduling.dispatching import Engine
from yunhe.compute.scheduling.events import Ended, Event, Withdrawn
from yunhe.compute.scheduling.matching import NOWHERE, assign
from yunhe.compute.scheduling.outlook import Outlook
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.running import PUSH_AFTER_RESTARTS, Running
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Decision, Request

SECOND = 1_000_000.0
"""Microseconds, as a float."""
GANGS = 0.75
"""Power of a request's devices that its worth is multiplied by: 1 would ask as much a device of
gangs as of single devices; with 0 they would hardly ever have their turn.
"""
WAITED = 3.0
"""How much more running is worth for each time over that work waited as long as it has left."""
LEAST = 0.15
"""How far what ends sooner goes first even where nobody waits, when nobody knows run times."""
_Dealt = tuple[Request, Shape, Running | None, int]
"""Who, how it runs now if it does, and the group where it is to be or `NOWHERE`."""


def engine_class(policy: Policy) -> type[Engine]:
    """The engine that a policy asks for."""
    return Dealing if policy.matched else Engine


class Dealing(Engine):
    """Deals out whole estates of some dozens of pools."""

    @cached_property
    def _done_us(self) -> dict[str, int]:
        """Run time on the chip asked for that earlier stretches of each request amount to."""
        return {}

    @cached_property
    def outlook(self) -> Outlook:
        """What was learnt from work that ended."""
        return Outlook(self.policy.settle_us)

    @cached_property
    def _waited_us(self) -> dict[str, int]:
        """How long each request that was pushed out had waited by then."""
        return {}

    @cached_property
    def _waits(self) -> dict[str, tuple[Request, Shape, list[float]]]:
        """What waiting work is worth on each group: the same from event to event."""
        return {}

    def note(self, event: Event, *, now_us: int) -> None:
        """Take note of an event only."""
        if isinstance(event, Ended | Withdrawn):
            one = self.floor.all.get(event.request)
            if isinstance(event, Ended) and one is not None:
                self.outlook.saw(self._work_us(one, now_us))
            self._done_us.pop(event.request, None)
            self._waited_us.pop(event.request, None)
            self._waits.pop(event.request, None)
        super().note(event, now_us=now_us)

    def decide(self, *, now_us: int) -> list[Decision]:
        """Deal out anew: first what is pushed out, then what is placed."""
        decisions: list[Decision] = []
        if self.outlook.due and self.policy.order != "expected":
            self._learn(now_us)
        stay = [one for one in self.floor.all.values() if self._movable(one, now_us)]
        classes = {request.priority for request in self.queue.waiting.values()}
        classes.update(one.request.priority for one in stay)
        room = [self._room(number) for number in range(len(self.estate.groups))]
        for one in stay:
            room[one.spot[0]] += _size(one.request)
        dealt: list[_Dealt] = []
        for priority in sorted(classes, reverse=True):
            running = [one for one in stay if one.request.priority == priority]
            waiting = [r for r in self.queue.waiting.values() if r.priority == priority]
            dealt += self._deal(running, waiting, room, now_us)
        self._carry_out(dealt, decisions, now_us)
        self._waking.forget()
        return decisions

    def _learn(self, now_us: int) -> None:
        so_far = [self._work_us(one, now_us) for one in self.floor.all.values()]
        so_far += [self._before_us(request) for request in self.queue.waiting.values()]
        self.outlook.learn(so_far)
        self._waits.clear()

    def _movable(self, one: Running, now_us: int) -> bool:
        ran_us = now_us - one.start_us
        return one.request.preemptible and ran_us >= PUSH_AFTER_RESTARTS * self.policy.restart_us

    def _room(self, number: int) -> int:
        group = self.estate.groups[number]
        usable = (free for node, free in enumerate(group.free) if not group.closed >> node & 1)
        return sum(max(free, 0) for free in usable)

    def _deal(
        self,
        running: list[Running],
        waiting: list[Request],
        room: list[int],
        now_us: int,
    ) -> list[_Dealt]:
        """Where each of one class is to be; takes it off the room."""
        rows: list[tuple[Request, Shape, Running | None]]
        rows = [(one.request, one.shape, one) for one in running]
        rows += [(request, self.shape(request), None) for request in waiting]
        worth = np.array([self._worths(*row, now_us) for row in rows], np.float64)
        devices = np.array([_size(request) for request, _, _ in rows], np.int64)
        worth = worth.reshape(len(rows), len(room))
        soon = worth.max(axis=1, initial=0.0)
        worth *= (devices**GANGS)[:, None]
        best = np.maximum(worth.max(axis=1, initial=0.0), 1e-300)[:, None]
        crowd = float(devices.sum()) / max(sum(room), 1) - 1.0
        least = 0.0 if self.policy.order == "expected" else LEAST
        power = min(max(crowd, 0.0) + least, 1.0)
        waited = [self._had_waited_us(request, one, now_us) for request, _, one in rows]
        due = 1.0 + WAITED * (1.0 - power) * np.array(waited, np.float64) / SECOND * soon
        worth *= due[:, None] * best ** (power - 1.0)  # see the top: an hour lost is an hour
        columns = assign(worth, devices, np.array(room, np.int64)).tolist()
        for (request, _, _), column in zip(rows, columns, strict=True):
            if column != NOWHERE:
                room[column] -= _size(request)
        return [(*row, column) for row, column in zip(rows, columns, strict=True)]

    def _had_waited_us(self, request: Request, one: Running | None, now_us: int) -> int:
        """How long it waited in all, before it was pushed out too."""
        until_us = now_us if one is None else one.start_us
        return self._waited_us.get(request.id, 0) + until_us - request.since_us

    def _carry_out(self, dealt: list[_Dealt], decisions: list[Decision], now_us: int) -> None:
        """Push out first, of every class: a higher one may get the place of a lower one."""
        comers: dict[int, Request] = {}
        for request, _, one, column in dealt:
            if column != NOWHERE and one is None:
                comers.setdefault(column, request)
        moves: list[tuple[Request, Shape, int]] = []
        for request, shape, one, column in dealt:
            mover = request
            if one is not None and column != one.spot[0]:
                self._done_us[request.id] = self._work_us(one, now_us)
                self._waited_us[request.id] = self._had_waited_us(request, one, now_us)
                self._push(one, comers.get(one.spot[0], request), decisions, now_us)
                mover = self.queue.waiting[request.id]
            if column != NOWHERE and mover.id in self.queue.waiting:
                moves.append((mover, shape, column))
        for mover, shape, column in moves:
            self._put(mover, shape, column, decisions, now_us)

    def _put(
        self,
        request: Request,
        shape: Shape,
        column: int,
        decisions: list[Decision],
        now_us: int,
    ) -> None:
        spot = self._placer.free(shape, 1 << column)
        if spot is None:
            return  # nodes do not fit, though devices do
        placed = self._placer.at(request, shape, spot, now_us=now_us)
        if placed.bill is None or placed.bill.affordable:
            self._place(request, shape, placed, decisions, now_us)

    def _work_us(self, one: Running, now_us: int) -> int:
        """Run time on the chip it asked for that its work so far amounts to."""
        request = one.request
        before = self._before_us(request)
        speed = one.shape.speeds[self.estate.groups[one.spot[0]].pool.chip]
        ran_us = now_us - one.start_us - (self.policy.restart_us if request.pushed_out else 0)
        return before + max(ran_us, 0) * speed // 1_000

    def _before_us(self, request: Request) -> int:
        return self._done_us.get(request.id, request.attained_us // _size(request))

    def _worths(
        self, request: Request, shape: Shape, one: Running | None, now_us: int
    ) -> list[float]:
        """What it is likely to finish a second on each group; 0 where it cannot be."""
        if one is not None:
            self._waits.pop(request.id, None)
            return self._worked_out(request, shape, one, now_us)
        known = self._waits.get(request.id)
        if known is None or known[0] is not request or known[1] is not shape:
            known = request, shape, self._worked_out(request, shape, None, now_us)
            self._waits[request.id] = known
        return known[2]

    def _worked_out(
        self, request: Request, shape: Shape, one: Running | None, now_us: int
    ) -> list[float]:
        policy = self.policy
        done_us = self._before_us(request) if one is None else self._work_us(one, now_us)
        if policy.order == "expected":
            left_us = max(request.expected_us - done_us, 1_000_000)
        else:
            left_us = round(SECOND / self.outlook.per_second(done_us))
        here = NOWHERE if one is None else one.spot[0]
        again = one is not None or request.pushed_out > 0
        worths = []
        for number, group in enumerate(self.estate.groups):
            if not shape.fits >> number & 1:
                worths.append(0.0)
                continue
            speed = shape.speeds[group.pool.chip]
            need_us = left_us * 1_000 // speed + 1
            if number == here:
                worths.append(SECOND * (1_000 + policy.margin_permille) / need_us / 1_000)
            else:
                worths.append(SECOND / (need_us + (policy.restart_us if again else 0)))
        return worths


def _size(request: Request) -> int:
    return max(request.devices_all, 1)
