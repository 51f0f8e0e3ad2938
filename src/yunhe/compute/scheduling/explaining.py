"""Why a request waits, and the least that would admit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.budgets import Bill, Budgets
from yunhe.compute.scheduling.estate import Estate, bits
from yunhe.compute.scheduling.guarantee_whys import behind, kept_for, told
from yunhe.compute.scheduling.guarantees import Guarantees
from yunhe.compute.scheduling.reserving import Reservations
from yunhe.compute.scheduling.shapes import Shape, Shapes, Tier
from yunhe.compute.scheduling.shortages import closed, lack, near, room_in, scattered, to_open
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.units import device_unit, format_minor

LEAST_PERMILLE = 100
"""Part of an amount asked for below which nothing is offered: nobody could use it."""
OPENED_MAX = 8
"""Closed nodes of a pool that are looked at together: bounds what an answer costs."""
_Params = tuple[tuple[str, str | int], ...]
FOR_DEVICES = frozenset(
    f"compute.waiting_{what}"
    for what in ("capacity", "domain", "node", "nodes", "site", "turn", "whole")
)
"""Reasons that are about devices, not about budget or rules."""
CLOSED = frozenset(
    f"compute.waiting_{what}"
    for what in ("maintenance", "nodes", "pool_closed", "silent", "site_none", "unnamed")
)
"""Reasons that the end of other work does nothing about: something has to be opened again."""


@dataclass(frozen=True, slots=True)
class _Place:
    """The best group among equals, and what is missing there."""

    pool: str
    missing_devices: int
    behind: str | None
    free: int
    packed: _Params
    number: int
    shut: tuple[int, ...] = ()

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """What is missing least, before what only an opened node would help, whatever ends."""
        return bool(self.shut), self.behind is not None, self.missing_devices, self.pool


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a tier would mean for one request."""

    tier: Tier
    bill: Bill
    place: _Place

    @property
    def missing_devices(self) -> int:
        return self.place.missing_devices


class Explainer:
    """Looks at an engine's state after a pass; changes nothing.

    Requests of one organisation that are alike wait for the same reason, so it is looked for once
    for all of them; and what groups lack for a shape once for all organisations. So a pass over
    very many that wait explains all of them in little more time than it takes to list them.
    """

    def __init__(
        self,
        estate: Estate,
        shapes: Shapes,
        budgets: Budgets | None,
        reservations: Reservations,
        *,
        now_us: int,
        kept: Guarantees | None = None,
    ) -> None:
        self._estate = estate
        self._shapes = shapes
        self._budgets = Budgets((), (), {}) if budgets is None else budgets
        self._free_of_charge = budgets is None
        self._reservations = reservations
        self._kept = kept
        self._now_us = now_us
        self._known: dict[tuple[object, ...], Why] = {}
        self._places: dict[tuple[int, int], tuple[_Place, bool]] = {}

    def why(self, request: Request, shape: Shape) -> Why:
        """The binding constraint of a waiting request and the least change.

        *Cost*: O(groups it fits) for the first of its shape; for the first of its kind in an
        organisation a bisection of the wall time where budget is missing; else O(1).
        """
        if request.blocked is not None:
            return request.blocked
        if not shape.fits:
            return self._no_pool(request)
        if request.id in self._reservations.all:
            return self._found(request, shape)
        key = (
            shape.number,
            "" if self._free_of_charge else request.organisation,
            request.wall_seconds_max,
            request.home,
            tuple(sorted(request.transfer_seconds.items())),
            request.beyond,
        )
        why = self._known.get(key)
        if why is None:
            why = self._known[key] = self._found(request, shape)
        return why

    def _guaranteed(self, request: Request, shape: Shape, why: Why) -> Why:
        """The same, or the guarantee that is the reason for it."""
        kept = self._kept
        if kept is None or why.code not in FOR_DEVICES:
            return why
        own = told(kept, request, now_us=self._now_us)
        if own is not None:
            return replace(own, changes=why.changes)
        kept.show(None, now_us=self._now_us)
        for at, groups in behind(kept, request, shape.fits, now_us=self._now_us):
            self._places.clear()
            if self._place(request, shape, groups)[1]:
                self._places.clear()
                return kept_for(kept, self._estate, at, groups, now_us=self._now_us)
        self._places.clear()
        return why

    def _found(self, request: Request, shape: Shape) -> Why:
        if self._kept is not None:
            self._kept.show(request, now_us=self._now_us)
        nearest = min(
            self._offers(request, shape),
            key=lambda o: (
                o.bill.missing_cash,
                *o.place.rank[:3],
                o.bill.missing_ms,
                o.place.pool,
            ),
        )
        why = self._guaranteed(request, shape, self._why(request, shape, nearest))
        why = self._beyond(request, shape, why)
        # A wall time that nobody could use is no offer.
        least = -(-request.wall_seconds_max * LEAST_PERMILLE // 1_000)
        return why if why.shorter_wall_seconds >= least else replace(why, shorter_wall_seconds=0)

    def _beyond(self, request: Request, shape: Shape, why: Why) -> Why:
        """The same, with what would lift the rule that alone keeps it off devices that are free."""
        if why.code not in FOR_DEVICES:
            return why
        for number in self._estate.of_pool(request.beyond) if request.beyond else ():
            look = self._room_packed if self._estate.groups[number].packed else self._room
            missing, behind, _ = look(request, shape, number)
            if not missing and behind is None:
                return replace(why, changes=(*why.changes, *request.beyond_changes))
        return why

    def _offers(self, request: Request, shape: Shape) -> Iterator[_Offer]:
        for tier in self._shapes.tiers(shape, request):
            place, _ = self._place(request, shape, tier.groups)
            yield _Offer(tier, self._bill(request, tier, request.wall_seconds_max), place)

    def _place(self, request: Request, shape: Shape, groups: int) -> tuple[_Place, bool]:
        """The group of these that lacks least, and whether one lacks nothing."""
        key, own = (shape.number, groups), request.id in self._reservations.all
        known = None if own else self._places.get(key)
        if known is None:
            places = []
            for number in bits(groups):
                group = self._estate.groups[number]
                look = self._room_packed if group.packed else self._room
                missing, behind, free = look(request, shape, number)
                packed = _piece(shape) if group.packed and missing else ()
                shut = to_open(group, shape)
                places.append(_Place(group.pool.id, missing, behind, free, packed, number, shut))
            best = min(places, key=lambda place: place.rank)
            known = best, best.behind is None and not best.missing_devices
            if not own:
                self._places[key] = known
        return known

    def _bill(self, request: Request, tier: Tier, wall_seconds: int) -> Bill:
        if self._free_of_charge:
            tier, wall_seconds = tier._replace(price=0), 0
        return self._budgets.bill(request, tier, wall_seconds=wall_seconds, now_us=self._now_us)

    def _room(self, request: Request, shape: Shape, number: int) -> tuple[int, str | None, int]:
        """Devices missing in a group, the request it is kept free for, and devices free."""
        group = self._estate.groups[number]
        others = {
            one.request.id: one.nodes
            for one in self._reservations.in_group(number)
            if one.request.id != request.id
        }
        kept = 0
        for nodes in others.values():
            kept |= nodes
        best: tuple[int, bool, int] | None = None
        for shut in (kept, 0):  # without what is kept free for others, then with it
            short = lack(group, shape, ~(group.broken | shut))
            if short is not None and (best is None or short.devices == 0 < best[0]):
                best = short.devices, bool(kept) and shut == 0, short.free
        if best is None:
            return shape.devices * shape.replicas, None, 0
        behind = min(others) if others and best[1] else None
        if others and not best[1] and best[0]:
            behind = min(others)
        return best[0], behind, best[2]

    def _room_packed(
        self, request: Request, shape: Shape, number: int
    ) -> tuple[int, str | None, int]:
        """The same in a packed group; missing is at least 1 where devices alone would do."""
        group = self._estate.groups[number]
        others = [o for o in self._reservations.in_group(number) if o.request.id != request.id]
        kept = 0
        for one in others:
            kept |= one.nodes
        able = ~group.broken
        free = sum(free for node, free in enumerate(group.free) if able >> node & 1)
        if room_in(self._estate, number, shape, able & ~kept):
            return 0, None, free
        if others and room_in(self._estate, number, shape, able):
            return 0, min(one.request.id for one in others), free
        return max(shape.devices * shape.replicas - free, 1), None, free

    def _no_pool(self, request: Request) -> Why:
        chips = {request.chip, *request.substitutes}
        pools = [g.pool for g in self._estate.groups if g.pool.chip in chips]
        largest = max((pool.devices for pool in pools), default=0)
        needed = request.devices_all
        if largest >= needed:
            size = ("replicas", request.replicas), ("devices", request.devices)
            said = ("chip", request.chip), ("largest", largest), *size, ("fabric", request.fabric)
            return Why("compute.waiting_no_fit", said)
        params: _Params = (("chip", request.chip), ("needed", needed), ("largest", largest))
        change = Change("compute.change_pool", (("chip", request.chip), ("missing", needed)))
        return Why("compute.waiting_no_pool", params, (change,))

    def _why(self, request: Request, shape: Shape, offer: _Offer) -> Why:
        changes = (*_changes(offer), *self._placing(shape, offer.place))
        shorter = 0 if offer.bill.affordable else self._shorter_wall(request, shape)
        bill, tier = offer.bill, offer.tier
        params: _Params
        if bill.missing_ms and bill.elsewhere:
            code, allowed = "compute.rule_award", ", ".join(bill.elsewhere)
            at = tier.jurisdiction or "-"
            params = (("pool", offer.place.pool), ("at", at), ("allowed", allowed[:200]))
        elif bill.missing_ms:
            expired = self._budgets.expired(request, now_us=self._now_us)
            code = "compute.waiting_award_expired" if expired else "compute.waiting_award"
            has, unit = sum(draw.device_ms for draw in bill.draws), device_unit(bill.of)
            params = (
                ("chip", bill.of),
                ("needed", format_minor(has + bill.missing_ms, unit)),
                ("left", format_minor(has, unit)),
            )
        elif bill.missing_cash:
            code, cash = "compute.waiting_cash", bill.share.cash_minor
            params = (
                ("currency", tier.currency),
                ("needed", format_minor(cash, tier.currency)),
                ("left", format_minor(cash - bill.missing_cash, tier.currency)),
                ("voucher", format_minor(bill.share.voucher_minor, tier.currency)),
            )
        elif offer.place.shut:
            code, params = self._shut(request, shape, offer.place)
        elif offer.place.behind is not None:
            code = "compute.waiting_turn"
            # whose work goes first is nobody else's business
            params = (("pool", offer.place.pool),)
        else:
            code, params = self._short(request, shape, offer.place)
        return Why(code, params, changes, shorter)

    def _shut(self, request: Request, shape: Shape, place: _Place) -> tuple[str, _Params]:
        """That closed nodes are missing, and how much stands on the others, whoever holds it."""
        group = self._estate.groups[place.number]
        able = (1 << len(group.free)) - 1 & ~group.broken
        most = max((mask & able).bit_count() for mask in near(group, shape)) * group.size
        said = ("needed", request.devices_all), ("open", most)
        return "compute.waiting_nodes", (*said, *closed(group, place.shut))

    def _placing(self, shape: Shape, place: _Place) -> Iterator[Change]:
        """Nodes to be opened, and what has to become free."""
        group, missing, packed = self._estate.groups[place.number], place.missing_devices, True
        if place.shut:
            said = ("missing", len(place.shut) * group.size), *closed(group, place.shut)
            yield Change("compute.change_nodes", said)
            able = ~group.broken | sum(1 << node for node in place.shut)
            if group.packed:
                packed = not room_in(self._estate, place.number, shape, able)
            else:
                short = lack(group, shape, able)
                missing = 0 if short is None else short.devices
        if place.packed:
            if packed:
                yield Change("compute.change_node", (("pool", place.pool), *place.packed))
        elif missing:
            code = (
                "compute.change_domain" if near(group, shape) != (-1,) else "compute.change_devices"
            )
            yield Change(code, (("missing", missing), ("pool", place.pool)))

    def opening(self, request: Request, shape: Shape) -> Change | None:
        """That it starts at once when some closed node is opened, where that alone would do."""
        for tier in self._shapes.tiers(shape, request):
            if self._bill(request, tier, request.wall_seconds_max).affordable:
                for number in bits(tier.groups):
                    nodes = self._freest(shape, number)
                    if nodes:
                        group = self._estate.groups[number]
                        return Change("compute.unseen_opened", closed(group, nodes))
        return None

    def _freest(self, shape: Shape, number: int) -> tuple[int, ...]:
        """Closed nodes of a group that would be enough, as few as would do; none: none would."""
        group, gone = self._estate.groups[number], {*self._estate.groups[number].pool.gone}
        back = [node for node in bits(group.broken) if group.positions[node] not in gone]
        back.sort(key=lambda node: (-group.free[node], node))
        able = ~group.closed
        for count, node in enumerate(back[:OPENED_MAX], 1):
            able |= 1 << node
            short = lack(group, shape, able) if not group.packed else None
            if (short is not None and not short.devices) or (
                group.packed and room_in(self._estate, number, shape, able)
            ):
                return tuple(sorted(back[:count]))
        return ()

    def _short(self, request: Request, shape: Shape, place: _Place) -> tuple[str, _Params]:
        """That devices are missing, or close together, and whether others hold some at the site."""
        group = self._estate.groups[place.number]
        apart = scattered(group, shape)
        if apart is not None:
            return apart
        if place.packed:
            return "compute.waiting_node", (("pool", place.pool), *place.packed)
        params = (("pool", place.pool), ("needed", request.devices_all), ("free", place.free))
        others = group.pool.devices_elsewhere
        if others:
            return "compute.waiting_site", (*params, ("others", others))
        return "compute.waiting_capacity", params

    def _shorter_wall(self, request: Request, shape: Shape) -> int:
        """Longest wall time that would be admitted now; every need grows with it, so bisect."""
        tiers = [
            tier
            for tier in self._shapes.tiers(shape, request)
            if self._place(request, shape, tier.groups)[1]
        ]
        low, high = 0, request.wall_seconds_max - 1 if tiers else 0
        while low < high:
            middle = (low + high + 1) // 2
            if any(self._bill(request, tier, middle).affordable for tier in tiers):
                low = middle
            else:
                high = middle - 1
        return low


def _piece(shape: Shape) -> _Params:
    """What one replica needs together, as a sentence names it."""
    devices = f"{shape.milli / 1_000:g}" if shape.milli else shape.devices
    cpus = f"{shape.cpu_milli / 1_000:g}"
    return ("devices", devices), ("cpus", cpus), ("memory", shape.memory_mib)


def _changes(offer: _Offer) -> Iterator[Change]:
    bill, tier = offer.bill, offer.tier
    params: _Params
    if bill.missing_ms:
        params = (
            ("missing", bill.missing_ms),
            ("amount", format_minor(bill.missing_ms, device_unit(bill.of))),
            ("chip", bill.of),
        )
        yield Change("compute.change_award", params)
    if bill.missing_cash:
        params = (
            ("missing", bill.missing_cash),
            ("amount", format_minor(bill.missing_cash, tier.currency)),
            ("currency", tier.currency),
        )
        yield Change("compute.change_cash", params)
