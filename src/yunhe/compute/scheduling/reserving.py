"""Keeping nodes free for a request that was overtaken long enough, and lending them out meanwhile.

Nodes are closed to others until enough is free. Where wall limits say when that is, short work may
use them until then (EASY backfill, by node); where they do not, nobody does and the nodes drain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yunhe.compute.scheduling.estate import Estate, Group, Spot, bits, nodes_needed, spot_of
from yunhe.compute.scheduling.fitting import per_node
from yunhe.compute.scheduling.guarantees import Limits, beyond
from yunhe.compute.scheduling.running import Floor, Running
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.state import Request

LOOKED_AT_MAX = 16
"""Groups that are compared for one reservation: bounds what a decision costs."""
_NEVER_US = 1 << 62
_End = tuple[int, int, int]
"""Of work on a node: the instant of its wall limit, minus its devices there, minus its start."""
_Question = tuple[int, int, int, bool]
"""Group, devices needed of each node, number of nodes, and whether in one fabric domain."""
_Chosen = tuple[tuple[int, ...], int]
"""Rank of a group, and mask of its nodes that are free soonest."""


@dataclass(slots=True, eq=False)
class Reservation:
    """Nodes kept free for somebody."""

    request: Request
    """For whom."""
    shape: Shape
    """Its shape."""
    group: int
    """Where."""
    nodes: int
    """Mask of the nodes."""
    ready_us: int | None
    """When enough is free at the latest; None: nobody knows."""


class Reservations:
    """All reservations, over one estate."""

    def __init__(self, estate: Estate, floor: Floor, *, permille: int) -> None:
        self._estate = estate
        self._floor = floor
        self._most = estate.capacity * permille // 1_000
        self._devices = 0
        self._known: dict[_Question, tuple[tuple[int, int], _Chosen | None]] = {}
        self.all: dict[str, Reservation] = {}
        self._of_group: dict[int, Reservation] = {}
        self.groups = 0
        """Mask of the groups that have one; none has two."""
        self.idle = 0
        """Mask of the groups of which nodes kept free may have free devices."""
        self.limits: Limits = {}
        """Devices of nodes that whoever is looked at may use, where some are guaranteed."""
        self.full = False
        """Whether the last attempt found nothing more to keep, and none was given up since."""

    def in_group(self, group: int) -> list[Reservation]:
        """Those there."""
        one = self._of_group.get(group)
        return [] if one is None else [one]

    def make(self, request: Request, shape: Shape, *, groups: int, patient: bool) -> bool:
        """Keep the nodes of these groups that are free first; whether any could be kept.

        For a `patient` request only nodes are kept of which wall limits say when they are free.
        """
        best: tuple[tuple[int, ...], int, int, int | None] | None = None
        estate = self._estate
        candidates = list(bits(shape.fits & groups & ~self.groups))
        if patient:  # without a limit nobody knows when anything there becomes free
            candidates = [number for number in candidates if self._floor.limited[number]]
        if len(candidates) > LOOKED_AT_MAX:
            candidates.sort(key=lambda g: (-estate.groups[g].free_all, g))
        for number in candidates[:LOOKED_AT_MAX]:
            chosen = self._chosen(number, shape)
            if chosen is not None and (best is None or chosen[0] < best[0]):
                rank, nodes = chosen
                best = rank, number, nodes, rank[0] if rank[0] < _NEVER_US else None
        if best is None:
            self.full = self.full or not patient
            return False
        _, number, nodes, ready = best
        if patient and ready is None:
            return False
        devices = nodes.bit_count() * estate.groups[number].size
        if self.all and self._devices + devices > self._most:
            self.full = True
            return False
        self._devices += devices
        estate.close(number, nodes)
        one = Reservation(request, shape, number, nodes, ready)
        self.all[request.id] = self._of_group[number] = one
        self.groups |= 1 << number
        self.idle |= 1 << number
        return True

    def freed(self, groups: int) -> None:
        """Something ended in these groups."""
        self.idle |= groups & self.groups

    def _chosen(self, number: int, shape: Shape) -> tuple[tuple[int, ...], int] | None:
        """As `_choose`, without a second look where nothing changed since an equal question."""
        group = self._estate.groups[number]
        if group.packed or self.limits:
            return self._choose(number, shape)
        each = min(shape.devices, group.size)
        question = number, each, _nodes_for(shape, group), shape.fabric == "domain"
        state = self._floor.changes[number], group.closed
        known = self._known.get(question)
        if known is None or known[0] != state:
            known = self._known[question] = state, self._choose(number, shape)
        return known[1]

    def _choose(self, number: int, shape: Shape) -> tuple[tuple[int, ...], int] | None:
        """The nodes of a group that are free soonest; its rank among groups and their mask."""
        group = self._estate.groups[number]
        shut = group.closed | beyond(self.limits, number, min(shape.devices, group.size))
        there: dict[int, list[Running]] = {}
        ends: dict[int, list[_End]] = {}
        for running in self._floor.on(number):
            limit_us = running.limit_us or _NEVER_US
            for node, devices in running.spot[1]:
                if group.packed:
                    there.setdefault(node, []).append(running)
                else:
                    ends.setdefault(node, []).append((limit_us, -devices, -running.start_us))
        best: tuple[tuple[int, ...], int] | None = None
        for domain in group.domains if shape.fabric == "domain" else (-1,):
            ranks = []
            for node in bits(domain & ~shut & (1 << len(group.free)) - 1):
                if group.packed:
                    ready = self._ready_packed(number, node, there.get(node, []), shape)
                else:
                    ready = _ready(group, node, ends.get(node, []), shape)
                ranks.append((*ready, -group.free[node], node))
            needed = _nodes_for(shape, group)
            if len(ranks) >= needed:
                ranks.sort()
                chosen = ranks[:needed]
                limit_us, in_way = chosen[-1][0], sum(rank[1] for rank in chosen)
                found = (limit_us, in_way, max(rank[2] for rank in chosen), number)
                if best is None or found < best[0]:
                    best = found, sum(1 << rank[4] for rank in chosen)
        return best

    def spot(self, one: Reservation) -> Spot | None:
        """Its room, once there is enough."""
        group = self._estate.groups[one.group]
        nodes = list(bits(one.nodes))
        if group.packed:
            return self._spot_packed(one, nodes)
        each, parts, replicas = one.shape.devices, [], one.shape.replicas
        if each > group.size:
            if any(group.free[node] < group.size for node in nodes):
                return None
            places = iter(nodes)
            for _ in range(replicas):
                left = each
                while left > 0:
                    parts.append((next(places), min(left, group.size)))
                    left -= group.size
            return Spot(one.group, tuple(parts))
        for node in nodes:
            some = min(max(group.free[node], 0) // each, replicas)
            if some:
                parts.append((node, some * each))
                replicas -= some
        return None if replicas else Spot(one.group, tuple(parts))

    def _spot_packed(self, one: Reservation, nodes: list[int]) -> Spot | None:
        group, packs = self._estate.groups[one.group], self._estate.packs
        assert packs is not None  # noqa: S101 - the group is packed
        if not one.shape.milli and sum(group.free[n] for n in nodes) < one.request.devices_all:
            return None
        claims = packs.gather(one.group, one.shape.needs(group.size), nodes)
        return None if claims is None else spot_of(one.group, claims)

    def _ready_packed(
        self, number: int, node: int, running: Iterable[Running], shape: Shape
    ) -> tuple[int, int, int]:
        """As `_ready`: when the node takes its part of the shape.

        Coarser: of several replicas each node is to take as many as it could when empty, and of one
        that is split the largest piece.
        """
        group = self._estate.groups[number]
        each = _holds(shape, group) if shape.replicas > 1 else 1
        needs = [shape.needs(group.size)[0]] * min(each, shape.replicas)
        free = self._estate.free_on(number, node)
        if free.lets(needs):
            return 0, 0, -_NEVER_US
        by_end = sorted((one.limit_us or _NEVER_US, one.request.id, one) for one in running)
        oldest = -_NEVER_US
        for count, (limit_us, _, one) in enumerate(by_end, 1):
            for claim in one.spot.claims:
                if claim.node == node:
                    free.take(claim, times=-1)
            oldest = max(oldest, -one.start_us)
            if free.lets(needs):
                return limit_us, count, oldest
        return _NEVER_US, len(by_end), oldest

    def swap(self, one: Reservation) -> int:
        """Exchange its busiest nodes for others of its group that are free; how many."""
        group = self._estate.groups[one.group]
        if group.packed or one.shape.devices <= group.size or one.shape.fabric == "domain":
            return 0
        waiting = [node for node in bits(one.nodes) if group.free[node] < group.size]
        waiting.sort(key=lambda node: (group.free[node], node))
        others = list(bits(group.by_free.get(group.size, 0)))
        for old, new in zip(waiting, others, strict=False):
            self._estate.close(one.group, 1 << new)
            self._estate.open(one.group, 1 << old)
            one.nodes ^= 1 << new | 1 << old
            self.idle |= 1 << one.group
        return min(len(waiting), len(others))

    def drop(self, name: str) -> Reservation | None:
        """Let everybody onto its nodes again; None if there is none of that name."""
        one = self.all.pop(name, None)
        if one is not None:
            del self._of_group[one.group]
            self.groups ^= 1 << one.group
            self.idle &= ~(1 << one.group)
            group = self._estate.groups[one.group]
            self._devices -= one.nodes.bit_count() * group.size
            self._estate.open(one.group, one.nodes)
            self.full = False
        return one

    def lend(self, shape: Shape, groups: int, *, now_us: int, wall_us: int) -> Spot | None:
        """Room on one node that is kept free, for work that will not be in the way.

        That is what ends by its wall limit before the node is needed, or needs no more than the
        node has beyond what it is kept free for.
        """
        for number in list(bits(groups & self.idle)) if shape.replicas == 1 else ():
            one, group = self._of_group[number], self._estate.groups[number]
            if one.ready_us is None:
                continue
            ends_soon = bool(wall_us) and now_us + wall_us <= one.ready_us
            if group.packed:
                spot = self._lend_packed(one, shape) if ends_soon else None
                if spot is not None:
                    return spot
                continue
            if not ends_soon and (one.shape.replicas > 1 or one.shape.devices > group.size):
                continue
            having = [node for node in bits(one.nodes) if group.free[node] > 0]
            if not having:
                self.idle ^= 1 << number
            for node in having:
                if group.free[node] >= shape.devices and (
                    ends_soon or shape.devices <= self._spare(one, group, node)
                ):
                    return Spot(number, ((node, shape.devices),))
        return None

    def lendable(self, number: int, *, now_us: int) -> Iterator[tuple[int, int | None]]:
        """Devices that `lend` may give on one node of a group, and for how long; None: for ever."""
        one, group = self._of_group[number], self._estate.groups[number]
        if one.ready_us is not None:
            for node in bits(one.nodes):
                if group.free[node] > 0:
                    yield group.free[node], one.ready_us - now_us
                    spare = self._spare(one, group, node)
                    if spare > 0:
                        yield min(spare, group.free[node]), None

    def _lend_packed(self, one: Reservation, shape: Shape) -> Spot | None:
        group, packs = self._estate.groups[one.group], self._estate.packs
        assert packs is not None  # noqa: S101 - the group is packed
        if shape.devices > group.size:
            return None
        nodes = [node for node in bits(one.nodes) if not group.broken >> node & 1]
        claims = packs.gather(one.group, shape.needs(group.size), nodes)
        return None if claims is None else spot_of(one.group, claims)

    def _spare(self, one: Reservation, group: Group, node: int) -> int:
        """Devices of a node that will not be needed when the reservation is due."""
        if one.shape.replicas > 1 or one.shape.devices > group.size or one.ready_us is None:
            return 0
        longer = sum(
            dict(running.spot[1]).get(node, 0)
            for running in self._floor.on(one.group)
            if not 0 < running.limit_us <= one.ready_us
        )
        return group.size - one.shape.devices - longer


def _holds(shape: Shape, group: Group) -> int:
    """Replicas that a packed group's node takes when empty; of a split one, its pieces."""
    return per_node(shape, size=group.size, cpu_milli=group.cpu_milli, memory_mib=group.memory_mib)


def _nodes_for(shape: Shape, group: Group) -> int:
    if group.packed:
        return nodes_needed(len(shape.needs(group.size)), _holds(shape, group))
    if shape.devices > group.size:
        return nodes_needed(shape.devices, group.size) * shape.replicas
    return nodes_needed(shape.replicas, group.size // shape.devices)


def _ready(group: Group, node: int, by_end: list[_End], shape: Shape) -> tuple[int, int, int]:
    """When a node has enough free at the latest, how much work is in the way, and its age.

    Without limits a node with few pieces of work on it is waited for, since every one of them may
    last; and with young work, since what has run long usually runs long on.
    """
    needed = min(shape.devices, group.size) - group.free[node]
    if needed <= 0:
        return 0, 0, -_NEVER_US
    by_end.sort()
    oldest = -_NEVER_US
    for count, (limit_us, minus_devices, minus_start_us) in enumerate(by_end, 1):
        needed += minus_devices
        oldest = max(oldest, minus_start_us)
        if needed <= 0:
            return limit_us, count, oldest
    return _NEVER_US, len(by_end), oldest
