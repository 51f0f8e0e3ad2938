"""The dispatcher: keeps what waits, what runs and what is free, and decides at every event.

Order: that of `queues`. A request that does not fit is not looked at again, nor any other of its
shape, until something that it could use is freed. One that was overtaken for longer than the
policy's patience, or whose start wall limits foretell, has nodes kept free for it; one that lacks
budget holds nobody up. Nothing is pushed out but preemptible work that ran a while.

*Cost*: a placement takes O(log n) and a few steps on integers of as many bits as there are shapes;
so does an event that frees nothing for anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from yunhe.compute.scheduling.adopting import adopted
from yunhe.compute.scheduling.budgets import Budgets, wall_on
from yunhe.compute.scheduling.claiming import Claimer, KeptPlacer
from yunhe.compute.scheduling.estate import Estate, bits
from yunhe.compute.scheduling.events import Arrived, Ended, Event, NodeDown, NodeUp, Withdrawn
from yunhe.compute.scheduling.guarantees import Guarantees
from yunhe.compute.scheduling.patience import Patience
from yunhe.compute.scheduling.placing import Placer, Room
from yunhe.compute.scheduling.plan_guide import Guide
from yunhe.compute.scheduling.policies import YUNHE, Policy
from yunhe.compute.scheduling.preempting import Pusher
from yunhe.compute.scheduling.queues import Queue, level_of
from yunhe.compute.scheduling.reserving import Reservations
from yunhe.compute.scheduling.running import Floor, Running
from yunhe.compute.scheduling.shapes import Shape, Shapes
from yunhe.compute.scheduling.shares import ONE_CITY, Cities, Path, Shares
from yunhe.compute.scheduling.state import (
    Decision,
    Placement,
    PoolView,
    Preemption,
    Request,
    RunningView,
    WindowView,
)
from yunhe.compute.scheduling.turns import Later, Turns
from yunhe.compute.scheduling.waking import Waking
from yunhe.kernel.clock import SECOND_US

if TYPE_CHECKING:
    from yunhe.compute.scheduling.packed import Usual

PATIENCE_US = YUNHE.patience_us
"""How long a request may be overtaken by smaller ones on a platform."""
HEADS_MAX = 8
"""Requests for which a pass tries to keep nodes free by wall limits, before it goes without."""
IMPATIENT_MAX = 4
"""Requests whose patience is over that one decision looks at: bounds what it costs."""


class Engine:
    """Keeps what waits, what runs and what is free, and decides at every event."""

    def __init__(
        self,
        pools: Iterable[PoolView],
        policy: Policy = YUNHE,
        *,
        budgets: Budgets | None = None,
        weights: Mapping[Path, int] | None = None,
        cities: Cities = ONE_CITY,
        usual: Usual | None = None,
        guide: Guide | None = None,
        windows: Sequence[WindowView] = (),
    ) -> None:
        self.policy = policy
        self.estate = Estate(pools, rule=policy.packing, usual=usual)
        self.shapes = Shapes(self.estate, guide=guide)
        self.shapes.placed = budgets is not None and budgets.placed
        self.shares = Shares(policy.half_life_us, weights or {}, cities)
        self.queue = Queue(policy, self.shares)
        self.floor = Floor(policy)
        self.budgets = budgets
        self.reservations = Reservations(self.estate, self.floor, permille=policy.reserved_permille)
        self.kept = Guarantees(windows, self.estate, self.floor) if windows else None
        """What is kept for guaranteed windows; None where there is none."""
        self._pusher = Pusher(self.estate, self.floor, policy, self.shares)
        self._placer = Placer(
            self.estate,
            self.shapes,
            policy,
            budgets=budgets,
            reservations=self.reservations,
            pusher=self._pusher,
        )
        if self.kept is not None:
            self._placer = KeptPlacer(self._placer, self.kept)
        self._claimer = Claimer(self.kept, self._placer, self.estate, self.floor, policy)
        self._walls = policy.overtaking == "reserved" and policy.limits_trusted
        self._waking = Waking(self.estate, self.reservations, policy, walls=self._walls)
        if self.kept is not None:
            self.shapes.windowed = self.kept.holders
            self.reservations.limits = self.kept.limits
            self._pusher.limits = self.kept.limits
            self._waking.windowed = self.kept.groups
        self._patience = Patience(policy, capacity=self.estate.capacity)
        self._heads = self._impatient = 0
        self.aside: dict[str, Request] = {}
        """Requests that no freed device helps: without budget, or larger than everything."""

    def on(self, event: Event, *, now_us: int) -> list[Decision]:
        """Take note of an event, and decide: placements, each after what is pushed out for it.

        Reports of what is not there are ignored.
        """
        self.note(event, now_us=now_us)
        return self.decide(now_us=now_us)

    def note(self, event: Event, *, now_us: int) -> None:
        """Take note of an event only; `decide` follows once all of an instant are known."""
        if isinstance(event, Arrived):
            self._add(event.request)
        elif isinstance(event, Ended | Withdrawn):
            self._remove(event.request, now_us)
        elif isinstance(event, NodeDown | NodeUp):
            self._node(event)

    def start(self, view: RunningView, *, now_us: int) -> None:
        """Take over something that runs; in a pool without nodes its devices are busy already."""
        request = view.request
        shape = self.shape(request)
        spot = adopted(self.estate, view, shape, free=self._placer.free)
        if spot is None:
            return
        self._occupy(request, request.load_milli, now_us)
        chip = self.estate.groups[spot[0]].pool.chip
        wall_us = request.wall_seconds_max * SECOND_US * 1_000 // shape.speeds.get(chip, 1_000)
        limit_us = view.since_us + wall_us if wall_us else 0
        self.floor.add(Running(request, shape, spot, view.since_us, limit_us))

    def shape(self, request: Request) -> Shape:
        """The shape of a request, under this policy."""
        level = level_of(self.policy, request.attained_us) if self.policy.levels_us else 0
        return self.shapes.of(request, level=level, walls=self._walls)

    def room_for(self, request: Request, *, now_us: int) -> Room | None:
        """Where such a request could run now, as things stand; changes nothing."""
        return self._placer.find(request, self.shape(request), now_us=now_us)[0]

    def would_place(self, request: Request, *, now_us: int) -> bool:
        """Whether it could."""
        return self.room_for(request, now_us=now_us) is not None

    def _add(self, request: Request) -> None:
        if request.id in self.queue.waiting or request.id in self.floor.all:
            return
        shape = self.shape(request)
        if request.blocked is not None or not shape.fits:
            self.aside[request.id] = request
            return
        self.queue.add(request, shape)
        self._patience.add(request)
        waking = self._waking
        waking.add(request, shape)
        if request.priority:
            waking.urgent |= 1 << shape.number
        if self.budgets is not None or (request.priority and self.policy.preempts):
            waking.reopen(1 << shape.number)  # the newcomer may be richer, or of a higher class

    def _occupy(self, request: Request, milli: int, now_us: int) -> None:
        self.shares.occupy(request, milli, now_us=now_us)
        self.queue.shifted(request)

    def _remove(self, name: str, now_us: int) -> None:
        self.aside.pop(name, None)
        if self.queue.remove(name) is not None and self.policy.overtaking == "never":
            self._waking.reopen(self.queue.mask)  # it may have been the head
        self._drop_reservation(name)
        running = self.floor.remove(name)
        if running is not None:
            if self.kept is not None:
                self.kept.removed(running)
            self.estate.give(running.spot)
            self._waking.freed |= 1 << running.spot[0]
            self.reservations.freed(1 << running.spot[0])
            self._occupy(running.request, -running.request.load_milli, now_us)

    def _node(self, event: NodeDown | NodeUp) -> None:
        try:
            number, node = self.estate.locate(event.pool, event.node)
        except KeyError:
            return
        group = self.estate.groups[number]
        if isinstance(event, NodeUp):
            group.broken, up = group.broken & ~(1 << node), group.broken & 1 << node
            self.estate.open(number, up)  # not what is whole and kept free for somebody
            self._waking.freed |= 1 << number
            return
        for one in self.reservations.in_group(number):
            if one.nodes >> node & 1:
                self._drop_reservation(one.request.id)
        group.broken |= 1 << node
        self.estate.close(number, 1 << node)

    def _drop_reservation(self, name: str) -> None:
        one = self.reservations.drop(name)
        if one is not None:
            self._waking.freed |= 1 << one.group
            if name in self.queue.waiting:
                self._patience.add(one.request)  # it may have nodes kept free elsewhere

    def decide(self, *, now_us: int) -> list[Decision]:
        """One pass over what may have become placeable."""
        decisions: list[Decision] = []
        waking = self._waking
        if self.kept is not None:
            self._serve_guaranteed(self.kept, decisions, now_us)
        self.shapes.yields = self.shapes.guide is not None
        self._heads, self._impatient = HEADS_MAX, IMPATIENT_MAX
        if self.policy.ageing_us:
            self.queue.age(now_us=now_us)
        if self.policy.overtaking == "never" and (self.policy.shared or self.policy.ageing_us):
            waking.reopen(self.queue.mask)  # with time another may have become the head
        exposed = self.floor.expose(now_us=now_us)
        if exposed:
            waking.reopen(waking.below(exposed))
        while True:
            self._serve_reservations(decisions, now_us)
            self._serve_impatient(decisions, now_us)
            waking.unblock(now_us=now_us)
            if not waking.open and self.shapes.yields:
                waking.reopen(self.shapes.last_turn(waking.blocked))
            if not waking.open and not (waking.blocked and self._wants_head()):
                return decisions
            self._pass(decisions, now_us)
            if not waking.freed and not waking.open and not self.shapes.yields:
                return decisions

    def _wants_head(self) -> bool:
        """Whether nodes are to be kept free for the first that does not fit, and may be."""
        return self._walls and not self.reservations.all and self._heads > 0

    def _serve_guaranteed(self, kept: Guarantees, decisions: list[Decision], now_us: int) -> None:
        """Those whose window has begun run before everybody else, on what is kept for them."""
        self.shapes.yields = False
        changed = kept.look(now_us=now_us)
        for at, request in kept.entitled(self.queue.waiting.values(), now_us=now_us):
            changed = True
            if request.id not in self.queue.waiting:
                continue
            for name in list(self.reservations.all):
                self._drop_reservation(name)
            room = self._claimer.find(request, self.shape(request), at=at, now_us=now_us)
            if room is not None:
                kept.claimed(at, request)
                self._place(request, self.shape(request), room, decisions, now_us)
                kept.choose()
        if changed:
            self._waking.reopen(self.queue.mask)

    def _serve_reservations(self, decisions: list[Decision], now_us: int) -> None:
        kept = self._waking.freed & self.reservations.groups
        if not kept:
            return
        for one in [one for group in bits(kept) for one in self.reservations.in_group(group)]:
            if self.kept is not None:
                self.kept.show(one.request, now_us=now_us)
            self.reservations.swap(one)
            spot = self.reservations.spot(one)
            if spot is not None:
                room = self._placer.at(one.request, one.shape, spot, now_us=now_us)
                if room.bill is None or room.bill.affordable:
                    self._place(one.request, one.shape, room, decisions, now_us)
                else:
                    self._drop_reservation(one.request.id)

    def _serve_impatient(self, decisions: list[Decision], now_us: int) -> None:
        """Those whose patience is over run, or get nodes kept free, before anybody else."""
        reserved = self.reservations.all
        while not self.reservations.full and self._impatient > 0:
            self._impatient -= 1
            request = self._patience.first(self.queue.waiting, reserved, now_us=now_us)
            if request is None:
                return
            shape = self.shape(request)
            room, groups = self._placer.find(request, shape, now_us=now_us)
            if room is not None:
                self._place(request, shape, room, decisions, now_us)
            elif not groups:
                self._set_aside(request)
            elif not self.reservations.make(request, shape, groups=groups, patient=False):
                return

    def _set_aside(self, request: Request) -> None:
        self.queue.remove(request.id)
        self._drop_reservation(request.id)  # what was kept free for it would be so for ever
        self.aside[request.id] = request

    def _pass(self, decisions: list[Decision], now_us: int) -> None:
        strict, waking = self.policy.overtaking == "never", self._waking
        lines = waking.take()
        if strict:
            lines = self.queue.mask
        later = Later(self.queue)
        wanting = self._wants_head()
        if wanting:
            lines |= waking.blocked  # the first of them gets nodes kept free
        with Turns(self.queue, lines, tick=self.shares.tick(now_us)) as turns:
            while (turn := turns.next()) is not None:
                request, shape = turn
                within = waking.only(shape)
                if later.takes(request, shape):
                    continue
                if not within and not wanting and not strict:
                    waking.block(1 << shape.number)
                    turns.close(1 << shape.number)
                    continue
                room, groups = self._placer.find(request, shape, now_us=now_us, within=within)
                if room is not None:
                    self._place(request, shape, room, decisions, now_us)
                    full = 0 if strict else waking.full(room.spot[0])  # who is next stops all
                    waking.block(full)
                    turns.close(0 if wanting else full)
                    continue
                turns.close(self._no_room(request, shape, groups, later))
                wanting = wanting and self._wants_head()
                turns.close(0 if wanting else waking.blocked)
                if strict and groups:
                    break
        waking.block(later.end())

    def _no_room(self, request: Request, shape: Shape, groups: int, later: Later) -> int:
        """It runs nowhere now; the lines in which nobody else does either."""
        if not groups:
            self._set_aside(request)
            return 0
        if self._wants_head():
            self._keep_for(request, shape, groups)
        if groups != shape.fits and self.policy.overtaking != "never":
            later.add(request, shape)  # another may pay for what this one cannot
            return 0
        self._waking.block(1 << shape.number)
        return 1 << shape.number

    def _keep_for(self, request: Request, shape: Shape, groups: int) -> None:
        if not self._placer.yielded:
            self._heads -= 1
            self.reservations.make(request, shape, groups=groups, patient=True)

    def _place(
        self, request: Request, shape: Shape, room: Room, decisions: list[Decision], now_us: int
    ) -> None:
        spot, tier, bill = room.spot, room.tier, room.bill
        for victim in room.victims:
            self._push(victim, request, decisions, now_us)
        group = self.estate.groups[spot[0]]
        self.shares.occupy(request, request.load_milli, now_us=now_us)
        self.queue.serve(request)
        self._drop_reservation(request.id)
        self.estate.take(spot)
        wall_us = wall_on(tier, request.wall_seconds_max) * SECOND_US
        limit_us = now_us + wall_us if request.wall_seconds_max else 0
        self.floor.add(Running(request, shape, spot, now_us, limit_us))
        if self.kept is not None:
            self.kept.added(self.floor.all[request.id])
        if self.budgets is not None and bill is not None:
            self.budgets.spend(request, tier, bill)
        voucher = None if bill is None or bill.voucher is None else bill.voucher.id
        positions = group.positions
        nodes = tuple([(positions[node], devices) for node, devices in spot[1]])
        decisions.append(
            Placement(
                request,
                pool=group.pool.id,
                draws=() if bill is None else bill.draws,
                voucher=voucher,
                voucher_minor=0 if bill is None else bill.share.voucher_minor,
                cash_minor=0 if bill is None else bill.share.cash_minor,
                currency=tier.currency,
                chip=tier.chip,
                nodes=nodes,
                pieces=self.estate.pieces(spot) if spot.claims else (),
                term=tier.term,
            )
        )

    def _push(
        self, victim: Running, request: Request, decisions: list[Decision], now_us: int
    ) -> None:
        pool = self.estate.groups[victim.spot[0]].pool.id
        decisions.append(Preemption(victim.request, pool=pool, beneficiary=request.id))
        self._remove(victim.request.id, now_us)
        self._add(
            replace(
                victim.request,
                since_us=now_us,
                attained_us=victim.attained_us(now_us),
                pushed_out=victim.request.pushed_out + 1,
            )
        )
