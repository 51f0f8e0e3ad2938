"""One pass over the queue: every request is placed, or told exactly what it waits for.

Order: whoever has waited longer than `PATIENCE_US` first, in order of submission; then the
organisation that occupies the fewest devices, its oldest request first. A small request may
overtake a large one that waits for devices, until the large one's patience ends: from then on its
pool is kept free for it, so nothing starves. A request that lacks budget holds nobody up.

Cost: O(n log n + n × pools of the chip) for n requests.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.state import (
    AwardView,
    Decision,
    Draw,
    Picture,
    Placement,
    PoolView,
    Request,
    VoucherView,
    Wait,
)
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.units import device_unit, format_minor

PATIENCE_US = 600 * SECOND_US
"""How long a request may be overtaken by smaller ones that fit into the gaps."""


def decide(picture: Picture, *, now_us: int) -> tuple[Decision, ...]:
    """A decision for every request, in the order they were considered.

    Taken together the placements never exceed a pool's devices, an award, a voucher, its share, or
    the money there is; the same picture and time give the same decisions whatever its order.
    """
    desk = _Desk(picture, now_us=now_us)
    return tuple(desk.decide(request) for request in _turns(picture.queue, desk))


def _turns(queue: tuple[Request, ...], desk: _Desk) -> Iterator[Request]:
    """Requests in the order of the module's rule, which follows what is placed on the way."""
    in_order = sorted(queue, key=lambda request: (request.number, request.id))
    yield from (request for request in in_order if desk.impatient(request))
    waiting: defaultdict[str, deque[Request]] = defaultdict(deque)
    for request in in_order:
        if not desk.impatient(request):
            waiting[request.organisation].append(request)
    turns = [(desk.busy[name], mine[0].number, name) for name, mine in waiting.items()]
    heapq.heapify(turns)
    while turns:
        _, _, name = heapq.heappop(turns)
        mine = waiting[name]
        yield mine.popleft()  # decided before the next turn is drawn up
        if mine:
            heapq.heappush(turns, (desk.busy[name], mine[0].number, name))


@dataclass(frozen=True, slots=True)
class _Offer:
    """What one pool would mean for one request."""

    pool: PoolView
    draws: tuple[Draw, ...]
    voucher: VoucherView | None
    share: cost.Share
    missing_ms: int
    missing_cash: int
    missing_devices: int
    behind: str | None
    """The older request the pool is kept free for."""

    @property
    def affordable(self) -> bool:
        return not self.missing_ms and not self.missing_cash

    @property
    def admits(self) -> bool:
        return self.affordable and not self.missing_devices and self.behind is None


class _Desk:
    """The picture as it changes while requests are placed."""

    def __init__(self, picture: Picture, *, now_us: int) -> None:
        self._now_us = now_us
        self._pools: defaultdict[str, list[PoolView]] = defaultdict(list)
        for pool in sorted(picture.pools, key=lambda pool: pool.id):
            self._pools[pool.chip].append(pool)
        self._free = {pool.id: pool.devices - pool.devices_busy for pool in picture.pools}
        self._kept: dict[str, str] = {}
        self._awards: defaultdict[tuple[str, str], list[AwardView]] = defaultdict(list)
        for award in sorted(picture.awards, key=lambda award: (award.expires_at_us, award.id)):
            self._awards[award.organisation, award.chip].append(award)
        self._award_left = {award.id: award.left_ms for award in picture.awards}
        self._vouchers: defaultdict[tuple[str, str], list[VoucherView]] = defaultdict(list)
        for voucher in sorted(picture.vouchers, key=lambda voucher: voucher.id):
            self._vouchers[voucher.organisation, voucher.currency].append(voucher)
        self._voucher_left = {voucher.id: voucher.left_minor for voucher in picture.vouchers}
        self._cash = dict(picture.cash)
        self.busy = defaultdict(int, picture.busy)

    def impatient(self, request: Request) -> bool:
        """Whether it may no longer be overtaken."""
        return self._now_us - request.since_us >= PATIENCE_US

    def decide(self, request: Request) -> Decision:
        """Place it and take what it needs off the desk, or say what is missing."""
        if request.blocked is not None:
            return Wait(request, request.blocked)
        pools = [pool for pool in self._pools[request.chip] if pool.devices >= request.devices]
        if not pools:
            return Wait(request, self._no_pool(request))
        offers = [self._offer(request, pool, request.wall_seconds_max) for pool in pools]
        admitting = [offer for offer in offers if offer.admits]
        if admitting:
            # The cheapest; then the one it fills best, so that large gaps stay for large requests.
            return self._place(
                request,
                min(
                    admitting,
                    key=lambda o: (
                        o.share.voucher_minor + o.share.cash_minor,
                        self._free[o.pool.id],
                        o.pool.id,
                    ),
                ),
            )
        nearest = min(
            offers,
            key=lambda o: (o.missing_cash, o.behind is not None, o.missing_devices, o.pool.id),
        )
        if nearest.affordable and nearest.behind is None and self.impatient(request):
            self._kept[nearest.pool.id] = request.id
        return Wait(request, self._why(request, nearest, pools))

    def _offer(self, request: Request, pool: PoolView, wall_seconds: int) -> _Offer:
        need_ms = cost.device_ms_max(devices=request.devices, wall_seconds_max=wall_seconds)
        draws = self._draws(request, need_ms)
        price = pool.price_minor_per_device_hour
        amount = cost.cost(need_ms, price_minor_per_device_hour=price)
        voucher, share = self._share(request.organisation, pool.currency, amount)
        cash = self._cash.get((request.organisation, pool.currency), 0)
        return _Offer(
            pool=pool,
            draws=draws,
            voucher=voucher,
            share=share,
            missing_ms=need_ms - sum(draw.device_ms for draw in draws),
            missing_cash=max(share.cash_minor - max(cash, 0), 0),
            missing_devices=max(request.devices - self._free[pool.id], 0),
            behind=self._kept.get(pool.id),
        )

    def _draws(self, request: Request, need_ms: int) -> tuple[Draw, ...]:
        draws = []
        for award in self._awards[request.organisation, request.chip]:
            part = min(self._award_left[award.id], need_ms)
            if part > 0 and award.expires_at_us > self._now_us:
                draws.append(Draw(award.id, part))
                need_ms -= part
        return tuple(draws)

    def _share(
        self, organisation: str, currency: str, amount: int
    ) -> tuple[VoucherView | None, cost.Share]:
        best: tuple[VoucherView | None, cost.Share] = (None, cost.Share(0, amount))
        for voucher in self._vouchers[organisation, currency]:
            share = cost.share(
                amount,
                share_percent=voucher.share_percent,
                voucher_left_minor=self._voucher_left[voucher.id],
            )
            if share.voucher_minor > best[1].voucher_minor:
                best = (voucher, share)
        return best

    def _place(self, request: Request, offer: _Offer) -> Placement:
        self._free[offer.pool.id] -= request.devices
        self.busy[request.organisation] += request.devices
        for draw in offer.draws:
            self._award_left[draw.award] -= draw.device_ms
        if offer.voucher is not None:
            self._voucher_left[offer.voucher.id] -= offer.share.voucher_minor
        if offer.share.cash_minor:
            self._cash[request.organisation, offer.pool.currency] -= offer.share.cash_minor
        return Placement(
            request,
            pool=offer.pool.id,
            draws=offer.draws,
            voucher=None if offer.voucher is None else offer.voucher.id,
            voucher_minor=offer.share.voucher_minor,
            cash_minor=offer.share.cash_minor,
            currency=offer.pool.currency,
        )

    def _no_pool(self, request: Request) -> Why:
        largest = max((pool.devices for pool in self._pools[request.chip]), default=0)
        params = (("chip", request.chip), ("needed", request.devices), ("largest", largest))
        change = Change(
            "compute.change_pool", (("chip", request.chip), ("missing", request.devices))
        )
        return Why("compute.waiting_no_pool", params, (change,))

    def _why(self, request: Request, offer: _Offer, pools: list[PoolView]) -> Why:
        changes = tuple(self._changes(request, offer))
        shorter = 0 if offer.affordable else self._shorter_wall(request, pools)
        unit = device_unit(request.chip)
        params: tuple[tuple[str, str | int], ...]
        if offer.missing_ms:
            expired = any(
                award.expires_at_us <= self._now_us
                for award in self._awards[request.organisation, request.chip]
            )
            code = "compute.waiting_award_expired" if expired else "compute.waiting_award"
            has = sum(draw.device_ms for draw in offer.draws)
            params = (
                ("chip", request.chip),
                ("needed", format_minor(has + offer.missing_ms, unit)),
                ("left", format_minor(has, unit)),
            )
        elif offer.missing_cash:
            code = "compute.waiting_cash"
            cash = offer.share.cash_minor
            params = (
                ("currency", offer.pool.currency),
                ("needed", format_minor(cash, offer.pool.currency)),
                ("left", format_minor(cash - offer.missing_cash, offer.pool.currency)),
                ("voucher", format_minor(offer.share.voucher_minor, offer.pool.currency)),
            )
        elif offer.behind is not None:
            code = "compute.waiting_turn"
            params = (("pool", offer.pool.id), ("older", offer.behind))
        else:
            code = "compute.waiting_capacity"
            params = (
                ("pool", offer.pool.id),
                ("needed", request.devices),
                ("free", max(self._free[offer.pool.id], 0)),
            )
        return Why(code, params, changes, shorter)

    def _changes(self, request: Request, offer: _Offer) -> Iterator[Change]:
        if offer.missing_ms:
            unit = device_unit(request.chip)
            params: tuple[tuple[str, str | int], ...] = (
                ("missing", offer.missing_ms),
                ("amount", format_minor(offer.missing_ms, unit)),
                ("chip", request.chip),
            )
            yield Change("compute.change_award", params)
        if offer.missing_cash:
            params = (
                ("missing", offer.missing_cash),
                ("amount", format_minor(offer.missing_cash, offer.pool.currency)),
                ("currency", offer.pool.currency),
            )
            yield Change("compute.change_cash", params)
        if offer.missing_devices:
            params = (("missing", offer.missing_devices), ("pool", offer.pool.id))
            yield Change("compute.change_devices", params)

    def _shorter_wall(self, request: Request, pools: list[PoolView]) -> int:
        """Longest wall time some pool would admit now; every need grows with it, so bisect."""
        longest = 0
        for pool in pools:
            low, high = longest, request.wall_seconds_max - 1
            while low < high:
                middle = (low + high + 1) // 2
                if self._offer(request, pool, middle).admits:
                    low = middle
                else:
                    high = middle - 1
            longest = low
        return longest
