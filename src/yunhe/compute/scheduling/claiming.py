"""Room for the holder of a guaranteed window: free, or made by pushing out as little as will do."""

from __future__ import annotations

from yunhe.compute.scheduling.estate import Estate, Spot, bits
from yunhe.compute.scheduling.guarantees import Guarantees
from yunhe.compute.scheduling.placing import Placer, Room
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.running import Floor, Running
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Request


class KeptPlacer(Placer):
    """A placer that shows each request only what is not kept for others."""

    def __init__(self, plain: Placer, kept: Guarantees) -> None:
        self.__dict__.update(vars(plain))
        self._kept = kept

    def find(
        self, request: Request, shape: Shape, *, now_us: int, within: int = -1
    ) -> tuple[Room | None, int]:
        """As `Placer.find`."""
        self._kept.show(request, now_us=now_us)
        return super().find(request, shape, now_us=now_us, within=within)


class Claimer:
    """Looks for it on one estate; changes nothing."""

    def __init__(
        self,
        kept: Guarantees | None,
        placer: Placer,
        estate: Estate,
        floor: Floor,
        policy: Policy,
    ) -> None:
        self._kept = kept
        self._placer = placer
        self._estate = estate
        self._floor = floor
        self._pushes = policy.preempts
        self._restart_us = policy.restart_us

    def find(self, request: Request, shape: Shape, *, at: int, now_us: int) -> Room | None:
        """Room in the groups of a window that has begun; None: it lacks devices, or budget.

        Where it lacks only devices, nobody borrows those of the window until it runs.
        """
        kept = self._kept
        assert kept is not None  # noqa: S101 - the caller has a window of it
        kept.show(request, now_us=now_us)
        paid = self._placer.paid(request, shape, now_us=now_us)
        tiers = [(room, room.tier.groups & kept.of[at]) for room in paid]
        for room, groups in tiers:
            spot = self._placer.free(shape, groups) if groups else None
            if spot is not None:
                return Room(spot, room.tier, room.bill)
        for room, groups in tiers if self._pushes else ():
            for number in bits(groups):
                found = self._pushed(shape, number, now_us)
                if found is not None:
                    return Room(found[0], room.tier, room.bill, tuple(found[1]))
        if any(groups for _, groups in tiers):
            kept.hungry[at] = True
        return None

    def _pushed(self, shape: Shape, number: int, now_us: int) -> tuple[Spot, list[Running]] | None:
        """Room in a group, and whom to push out for it: none of them could stay."""
        gone: list[Running] = []
        spot = None
        for one in self._victims(number, now_us):
            self._estate.give(one.spot)
            gone.append(one)
            spot = self._placer.free(shape, 1 << number)
            if spot is not None:
                spot = self._fewest(shape, number, gone, spot)
                break
        for one in gone:
            self._estate.take(one.spot)
        return None if spot is None else (spot, gone)

    def _fewest(self, shape: Shape, number: int, gone: list[Running], spot: Spot) -> Spot:
        """Let those stay who need not go, the one who loses most first."""
        for one in gone[-2::-1]:
            self._estate.take(one.spot)
            again = self._placer.free(shape, 1 << number)
            if again is None:
                self._estate.give(one.spot)
            else:
                spot = again
                gone.remove(one)
        return spot

    def _victims(self, number: int, now_us: int) -> list[Running]:
        """What may be pushed out there, the least loss first; not what a window's holder uses."""
        firm = () if self._kept is None else self._kept.counted
        there = [
            one
            for one in self._floor.on(number)
            if one.request.preemptible and one.request.id not in firm
        ]
        return sorted(
            there,
            key=lambda one: (
                one.loss_us(now_us, self._restart_us),
                -one.attained_us(now_us),
                one.request.id,
            ),
        )
