"""An engine without short cuts, as the reference of the quick one: it sorts, and looks at all."""

from __future__ import annotations

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.queues import key_of


class Plain(Engine):
    """Sorts everything that waits before every turn, and looks at all of it in every pass."""

    def decide(self, *, now_us):
        decisions = []
        self._heads, self._impatient = 8, 4
        while True:
            self._serve_reservations(decisions, now_us)
            self._serve_impatient(decisions, now_us)
            self._waking.freed = 0
            self._pass(decisions, now_us)
            if not self._waking.freed:
                return decisions

    def _pass(self, decisions, now_us):
        closed = set()
        while True:
            open_ = [
                request
                for request in self.queue.waiting.values()
                if not closed & {self.shape(request).number, self.poor(request)}
            ]
            if not open_:
                return
            request = min(open_, key=lambda one: self.rank(one, now_us))
            shape = self.shape(request)
            room, groups = self._placer.find(request, shape, now_us=now_us)
            if room is not None:
                self._place(request, shape, room, decisions, now_us)
            elif not groups:
                self._set_aside(request)
            else:
                if self._wants_head():
                    self._keep_for(request, shape, groups)
                # who cannot pay everywhere closes the line for its own organisation only
                closed.add(shape.number if groups == shape.fits else self.poor(request))
                if self.policy.overtaking == "never":
                    return

    def poor(self, request):
        return request.organisation, self.shape(request).number

    def rank(self, request, now_us):
        policy = self.policy
        own = (request.number, request.id)
        if self.aged(request, now_us):
            return (0, *own)
        rank = [1, -request.priority]
        for path in self.shares.paths(request) if policy.shared else ():
            rank.append(self.shares.share(self.shares.account(path), self.shares.tick(now_us)))
            rank += min(
                (one.number, one.id)
                for one in self.queue.waiting.values()
                if path in self.shares.paths(one)
                and one.priority == request.priority
                and not self.aged(one, now_us)
            )
        return (*rank, *key_of(policy, request), *own)

    def aged(self, request, now_us):
        if not self.policy.ageing_us:
            return False
        ran_us = request.attained_us // max(request.devices_all, 1)
        wait_us = self.policy.ageing_us + ran_us * self.policy.ageing_permille // 1_000
        return now_us - request.since_us >= wait_us
