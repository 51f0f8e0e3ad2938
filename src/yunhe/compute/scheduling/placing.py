"""Where a request can run now: the best place that is free and that its budget pays for."""

from __future__ import annotations

from typing import NamedTuple

from yunhe.compute.scheduling.budgets import Bill, Budgets, wall_on
from yunhe.compute.scheduling.estate import Estate, Spot, bits, spot_of
from yunhe.compute.scheduling.plan_guide import LATE
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.preempting import Pusher
from yunhe.compute.scheduling.reserving import Reservations
from yunhe.compute.scheduling.running import Running
from yunhe.compute.scheduling.shapes import Shape, Shapes, Tier
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.clock import SECOND_US


class Room(NamedTuple):
    """A place for a request, and what it takes."""

    spot: Spot
    """Where."""
    tier: Tier
    """What that means for it."""
    bill: Bill | None
    """What it costs; None where nobody counts."""
    victims: tuple[Running, ...] = ()
    """What is pushed out first."""


class Placer:
    """Looks over an estate under one policy; changes nothing."""

    def __init__(
        self,
        estate: Estate,
        shapes: Shapes,
        policy: Policy,
        *,
        budgets: Budgets | None,
        reservations: Reservations,
        pusher: Pusher,
    ) -> None:
        self._estate = estate
        self._shapes = shapes
        self._policy = policy
        self._budgets = budgets
        self._reservations = reservations
        self._pusher = pusher
        self._walls = policy.overtaking == "reserved" and policy.limits_trusted
        self.yielded = False
        """Whether the last request looked at left a place to others that need it more."""

    def at(self, request: Request, shape: Shape, spot: Spot, *, now_us: int) -> Room:
        """What a place that was found otherwise means for it."""
        tiers = self._shapes.tiers(shape, request)
        tier = next(tier for tier in tiers if tier.groups >> spot[0] & 1)
        return Room(spot, tier, self._bill(request, tier, now_us))

    def _bill(self, request: Request, tier: Tier, now_us: int) -> Bill | None:
        if self._budgets is None:
            return None
        wall = request.wall_seconds_max
        return self._budgets.bill(request, tier, wall_seconds=wall, now_us=now_us)

    def find(
        self, request: Request, shape: Shape, *, now_us: int, within: int = -1
    ) -> tuple[Room | None, int]:
        """Where it can run now, and the mask of all groups that it could pay for.

        ``within``: mask of the groups outside of which there is no room, as the caller knows.
        """
        groups, hopeful = 0, within & shape.fits
        self.yielded = False
        if not self._policy.preempts:
            hopeful &= self._promising(shape)
            if not hopeful and self._budgets is None and self._shapes.guide is None:
                return None, shape.fits
        yields = self._shapes.yields and now_us - request.since_us < self._policy.yields_us
        poor: set[tuple[str, str, str, bool]] = set()
        for tier in self._tiers(request, shape):
            account = tier.chip, tier.currency, tier.jurisdiction, tier.demonstration
            if account in poor and self._shapes.guide is None:
                continue  # tiers grow dearer
            bill = self._bill(request, tier, now_us)
            if bill is not None and not bill.affordable:
                poor.add(account)
                continue
            groups |= tier.groups
            if tier.level >= LATE and yields:
                self.yielded = True
                continue
            if tier.groups & hopeful:
                room = self._room(request, shape, tier, bill, tier.groups & hopeful, now_us)
                if room is not None:
                    return room, groups
        if self._policy.preempts and groups and not self.yielded:
            return self._pushed(request, shape, groups, now_us), groups
        return None, groups

    def paid(self, request: Request, shape: Shape, *, now_us: int) -> list[Room]:
        """The tiers that it could pay for, the best first, each as a room without a place."""
        found = []
        for tier in self._tiers(request, shape):
            bill = self._bill(request, tier, now_us)
            if bill is None or bill.affordable:
                found.append(Room(Spot(-1, ()), tier, bill))
        return found

    def _tiers(self, request: Request, shape: Shape) -> tuple[Tier, ...]:
        tiers = self._shapes.tiers(shape, request)
        if self._budgets is None and shape.fits & self._estate.packed:
            return _merged(tiers, self._estate.packed)
        return tiers

    def _pushed(self, request: Request, shape: Shape, groups: int, now_us: int) -> Room | None:
        """Room in these groups once somebody is pushed out."""
        ageing = self._policy.ageing_us
        devices, attained_us = request.devices_all, request.attained_us
        aged = bool(ageing) and now_us >= self._policy.ages_at_us(
            request.since_us, attained_us=attained_us, devices=devices
        )
        level = 0 if aged else shape.level
        found = self._pusher.find(request, shape, groups=groups, level=level, now_us=now_us)
        if found is None:
            return None
        spot, victims = found
        room = self.at(request, shape, spot, now_us=now_us)
        return Room(spot, room.tier, room.bill, tuple(victims))

    def _promising(self, shape: Shape) -> int:
        """Groups in which something is free that may do; nothing is in the others."""
        groups = self._estate.promising(shape.devices)
        return groups | self._reservations.idle if self._walls else groups

    def _room(
        self,
        request: Request,
        shape: Shape,
        tier: Tier,
        bill: Bill | None,
        groups: int,
        now_us: int,
    ) -> Room | None:
        """Room in these groups of a tier: free, or kept free for somebody who needs it later."""
        spot = self.free(shape, groups)
        if spot is None and self._walls and groups & self._reservations.idle:
            wall_us = wall_on(tier, request.wall_seconds_max) * SECOND_US
            spot = self._reservations.lend(shape, groups, now_us=now_us, wall_us=wall_us)
        if spot is None:
            return None
        if spot.claims:  # the tier may have been one of several
            return self.at(request, shape, spot, now_us=now_us)
        return Room(spot, tier, bill)

    def free(self, shape: Shape, groups: int) -> Spot | None:
        """Room on what nobody uses and nothing is kept free for."""
        if groups & self._estate.packed:
            spot = self._packed(shape, groups & self._estate.packed)
            if spot is not None or not groups & ~self._estate.packed:
                return spot
        fullest = self._policy.choice == "fullest"
        if shape.replicas == 1:
            spot = self._estate.find(groups, shape.devices, fullest=fullest)
            if spot is not None:
                return spot
        return self._estate.find_many(
            groups,
            devices=shape.devices,
            replicas=shape.replicas,
            domain=shape.fabric == "domain",
            fullest=fullest,
        )

    def _packed(self, shape: Shape, groups: int) -> Spot | None:
        """Room in packed groups: for one piece where it costs least, for several in one group."""
        estate, packs = self._estate, self._estate.packs
        assert packs is not None  # noqa: S101 - some group is packed
        several = 0
        for number in bits(groups) if shape.replicas > 1 or shape.devices > 1 else ():
            if shape.replicas > 1 or shape.devices > estate.groups[number].size:
                several |= 1 << number
        if groups & ~several:
            [need] = shape.needs(shape.devices)
            found = packs.place(need, groups & ~several)
            if found is not None:
                return spot_of(found[0], [found[1]])
        devices = shape.devices * shape.replicas if not shape.milli else 0
        for number in sorted(bits(several), key=lambda n: (estate.groups[n].free_all, n)):
            group = estate.groups[number]
            if group.free_all < devices:
                continue
            for domain in group.domains if shape.fabric == "domain" else (-1,):
                nodes = bits(domain & ~group.closed & (1 << len(group.free)) - 1)
                claims = packs.gather(number, shape.needs(group.size), nodes)
                if claims is not None:
                    return spot_of(number, claims)
        return None


def _merged(tiers: tuple[Tier, ...], packed: int) -> tuple[Tier, ...]:
    """The tiers, each with the packed groups of those that follow and are as good.

    Which chip is taken then is the packer's to decide; only for requests that nobody pays for, as
    awards are for chips.
    """
    merged = []
    for at, tier in enumerate(tiers):
        groups = tier.groups
        for other in tiers[at + 1 :]:
            if other.band != tier.band:
                break
            groups |= other.groups & packed
        merged.append(tier._replace(groups=groups))
    return tuple(merged)
