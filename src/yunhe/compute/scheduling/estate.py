"""What is free where: whole devices on nodes, as bit masks, so that a look costs microseconds.

Nodes of one pool with equally many devices form a group. For each number of free devices there is a
mask of the groups that have such a node, and in each group a mask of those nodes. The lowest bit
wins, so a choice depends on what is free and never on how it came about.

*Units*: devices; positions of nodes count within their pool.
*Cost*: taking or giving a node O(1) big-integer steps; a look O(distinct numbers of free devices).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from yunhe.compute.scheduling.fitting import Claim, Free
from yunhe.compute.scheduling.groups import Group, Spot, bits, groups_of, spot_of
from yunhe.compute.scheduling.policies import Packing
from yunhe.compute.scheduling.state import Piece, PoolView

if TYPE_CHECKING:
    from yunhe.compute.scheduling.packed import Packs, Usual

__all__ = ["Estate", "Group", "Spot", "bits", "nodes_needed", "spot_of"]


class Estate:
    """All groups, and an index over them. Pools are taken in order of their ids."""

    def __init__(
        self, pools: Iterable[PoolView], *, rule: Packing = "yunhe", usual: Usual | None = None
    ) -> None:
        """``usual``: what is usually asked for, for rules of packing that look at it."""
        self.groups: list[Group] = []
        self._of_pool: dict[str, list[int]] = {}
        self._levels: dict[int, int] = {}
        self._order: list[int] | None = []
        for pool in sorted(pools, key=lambda pool: pool.id):
            self._of_pool[pool.id] = []
            for group in groups_of(pool):
                self._of_pool[pool.id].append(len(self.groups))
                self.groups.append(group)
        self.packed = sum(1 << n for n, group in enumerate(self.groups) if group.packed)
        """Mask of the packed groups."""
        self.packs: Packs | None = None
        """What is free in them."""
        if self.packed:
            from yunhe.compute.scheduling.packed import Packs  # noqa: PLC0415 - loads kernels

            self.packs = Packs(self.groups, rule=rule, usual=usual or {})
        for number, group in enumerate(self.groups):
            for node, free in enumerate(group.free):
                if group.packed:
                    group.free_all += free
                else:
                    self._enter(number, node, free)
            for node in bits(group.broken):
                self.close(number, 1 << node)
        self._of_size: dict[int, int] = {}
        for number, group in enumerate(self.groups):
            self._of_size[group.size] = self._of_size.get(group.size, 0) | 1 << number
        self.capacity = sum(group.size * len(group.free) for group in self.groups)

    def of_pool(self, pool: str) -> list[int]:
        """Groups of a pool; none for a pool that is not there."""
        return self._of_pool.get(pool, [])

    def locate(self, pool: str, position: int) -> tuple[int, int]:
        """Group and node of a pool's node. *Errors*: `KeyError` for one that is not there."""
        for number in self.of_pool(pool):
            positions = self.groups[number].positions
            if position in positions:
                return number, positions.index(position)
        raise KeyError((pool, position))

    def _enter(self, number: int, node: int, free: int) -> None:
        group = self.groups[number]
        group.free_all += free
        if free > 0:
            mask = group.by_free.get(free, 0)
            group.by_free[free] = mask | 1 << node
            if not mask:
                level = self._levels.get(free, 0)
                if not level:
                    self._order = None
                self._levels[free] = level | 1 << number

    def _leave(self, number: int, node: int, free: int) -> None:
        group = self.groups[number]
        group.free_all -= free
        if free > 0:
            mask = group.by_free[free] & ~(1 << node)
            if mask:
                group.by_free[free] = mask
                return
            del group.by_free[free]
            level = self._levels[free] & ~(1 << number)
            if level:
                self._levels[free] = level
            else:
                del self._levels[free]
                self._order = None

    def take(self, spot: Spot) -> None:
        """Occupy it."""
        number, parts, claims = spot
        group = self.groups[number]
        if claims:
            self._claim(number, claims, times=1)
            return
        for node, devices in parts:
            free = group.free[node]
            group.free[node] = free - devices
            if not group.closed >> node & 1:
                self._leave(number, node, free)
                self._enter(number, node, free - devices)

    def give(self, spot: Spot) -> None:
        """Free it."""
        number, parts, claims = spot
        group = self.groups[number]
        if claims:
            self._claim(number, claims, times=-1)
            return
        for node, devices in parts:
            free = group.free[node]
            group.free[node] = free + devices
            if not group.closed >> node & 1:
                self._leave(number, node, free)
                self._enter(number, node, free + devices)

    def _claim(self, number: int, claims: tuple[Claim, ...], *, times: int) -> None:
        assert self.packs is not None  # noqa: S101 - claims are made by it
        group = self.groups[number]
        for claim in claims:
            free, before = self.packs.change(number, claim, times=times), group.free[claim.node]
            group.free[claim.node] = free
            if not group.closed >> claim.node & 1:
                group.free_all += free - before

    def free_on(self, number: int, node: int) -> Free:
        """What is free on a node of a packed group; yours to change."""
        assert self.packs is not None  # noqa: S101 - only asked of packed groups
        return self.packs.free(number, node)

    def pieces(self, spot: Spot) -> tuple[Piece, ...]:
        """What a spot takes of which node of its pool; nothing where only devices are counted."""
        positions = self.groups[spot.group].positions
        return tuple(Piece(positions[claim.node], *claim[1:]) for claim in spot.claims)

    def located(self, pool: str, pieces: Iterable[Piece]) -> Spot:
        """The spot of such pieces; of a packed pool. *Errors*: `KeyError` as `locate`."""
        at = [(self.locate(pool, piece.node), piece) for piece in pieces]
        claims = [Claim(node, p.devices, p.milli, p.cpu_milli, p.memory_mib)
                  for (_, node), p in at]  # fmt: skip
        return spot_of(at[0][0][0], claims)

    def close(self, number: int, nodes: int) -> None:
        """Let nobody else onto these nodes."""
        group = self.groups[number]
        for node in bits(nodes & ~group.closed):
            if self.packs is not None and group.packed:
                group.free_all -= group.free[node]
                self.packs.close(number, node)
            else:
                self._leave(number, node, group.free[node])
        group.closed |= nodes

    def open(self, number: int, nodes: int) -> None:
        """Let everybody onto these nodes again."""
        group = self.groups[number]
        nodes &= group.closed & ~group.broken
        group.closed &= ~nodes
        for node in bits(nodes):
            if self.packs is not None and group.packed:
                group.free_all += group.free[node]
                self.packs.open(number, node)
            else:
                self._enter(number, node, group.free[node])

    def room(self, groups: int, devices: int) -> bool:
        """Whether one node of these groups may have so many free devices."""
        return bool(groups & self.packed) or any(
            free >= devices and self._levels[free] & groups for free in reversed(self.levels())
        )

    def most(self, number: int) -> int:
        """Devices that something in this group may take at once, at most; 0 where it is full."""
        group = self.groups[number]
        if group.packed:
            return group.size * len(group.free)
        if group.size in group.by_free:
            return group.by_free[group.size].bit_count() * group.size
        return max(group.by_free, default=0)

    def promising(self, devices: int) -> int:
        """Groups with a node that has so many free devices or, where it is smaller, all of its."""
        groups = self.packed
        for free, having in self._levels.items():
            groups |= having if free >= devices else having & self._of_size.get(free, 0)
        return groups

    def whole(self, groups: int, devices: int) -> bool:
        """Whether one of these groups has a whole free node for what takes several."""
        return any(
            devices > group.size and group.size in group.by_free
            for group in (self.groups[number] for number in bits(groups))
        )

    def levels(self) -> list[int]:
        """Numbers of free devices that some usable node has, rising."""
        if self._order is None:
            self._order = sorted(self._levels)
        return self._order

    def find(self, groups: int, devices: int, *, fullest: bool = False) -> Spot | None:
        """Room on one node of these groups: where least is left over; then the lowest numbers.

        With `fullest` the group with the least free counts first, then the tightest node.
        """
        if fullest:
            having = 0
            for free in self.levels():
                if free >= devices:
                    having |= self._levels[free]
            having &= groups
            if not having:
                return None
            groups = 1 << min(bits(having), key=lambda number: self.groups[number].free_all)
        for free in self.levels():
            if free >= devices:
                hit = self._levels[free] & groups
                if hit:
                    number = (hit & -hit).bit_length() - 1
                    mask = self.groups[number].by_free[free]
                    return Spot(number, (((mask & -mask).bit_length() - 1, devices),))
        return None

    def find_many(
        self, groups: int, *, devices: int, replicas: int, domain: bool, fullest: bool
    ) -> Spot | None:
        """Room for several replicas, or for one that takes whole nodes.

        In the group that has the fewest whole nodes, or with `fullest` the fewest devices, free.
        """
        best: tuple[int, int] | None = None
        chosen: Spot | None = None
        wanted = devices * replicas
        having = 0
        for mask in self._levels.values():
            having |= mask
        for number in bits(groups & having):
            group = self.groups[number]
            free, size = group.free_all, group.size
            if free < wanted or (replicas == 1 and devices <= size):
                continue  # `find` looked where one node is enough
            rank = (free if fullest else group.by_free.get(size, 0).bit_count(), free)
            if best is None or rank < best:
                parts = self.gather(number, devices=devices, replicas=replicas, domain=domain)
                if parts is not None:
                    best, chosen = rank, Spot(number, parts)
        return chosen

    def gather(
        self, number: int, *, devices: int, replicas: int, domain: bool, within: int = -1
    ) -> tuple[tuple[int, int], ...] | None:
        """Nodes of one group for it, among the nodes `within`; None where they do not suffice."""
        group = self.groups[number]
        for allowed in group.domains if domain else (-1,):
            if devices > group.size:
                parts = _whole(group, devices, replicas, allowed & within)
            else:
                parts = _spread(group, devices, replicas, allowed & within)
            if parts is not None:
                return parts
        return None


def nodes_needed(devices: int, size: int) -> int:
    """Nodes of `size` devices that `devices` take."""
    return -(-devices // size)


def _whole(
    group: Group, devices: int, replicas: int, allowed: int
) -> tuple[tuple[int, int], ...] | None:
    each = nodes_needed(devices, group.size)
    mask = group.by_free.get(group.size, 0) & allowed
    if mask.bit_count() < each * replicas:
        return None
    nodes = bits(mask)
    parts = []
    for _ in range(replicas):
        left = devices
        for _ in range(each):
            parts.append((next(nodes), min(left, group.size)))
            left -= group.size
    return tuple(parts)


def _spread(
    group: Group, devices: int, replicas: int, allowed: int
) -> tuple[tuple[int, int], ...] | None:
    parts = []
    for free in sorted(group.by_free):
        for node in bits(group.by_free[free] & allowed) if free >= devices else ():
            some = min(free // devices, replicas)
            parts.append((node, some * devices))
            replicas -= some
            if not replicas:
                return tuple(parts)
    return None
