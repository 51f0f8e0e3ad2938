"""The packed groups of an estate, all under one packer: the fast half of placing shares of devices.

Nodes are numbered by a digest of where they stand, so that ties do not fill one kind of node first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.scheduling.fitting import WHOLE, Claim, Free, Need
from yunhe.compute.scheduling.packing import CHIPS_MAX, Nodes, Packer, Spot
from yunhe.compute.scheduling.policies import Packing
from yunhe.compute.scheduling.prices import Kind, Prices, Shape, prices

if TYPE_CHECKING:
    from yunhe.compute.scheduling.estate import Group

Usual = Mapping[tuple[Need, tuple[str, ...]], int]
"""What is usually asked of one node, on which chips (none named: any), and how often."""
MASKS_MAX = 256
"""Selections of groups that are kept ready: one for each set of sites and chips that work may use.
"""


class Packs:
    """What is free on the nodes of packed groups. Numbers of groups and nodes are the estate's."""

    def __init__(self, groups: Sequence[Group], *, rule: Packing, usual: Usual) -> None:
        rows = sorted(
            (crc32(f"{group.pool.id}/{position}".encode()), number, node)
            for number, group in enumerate(groups)
            if group.packed
            for node, position in enumerate(group.positions)
        )
        self._at = {(number, node): at for at, (_, number, node) in enumerate(rows)}
        self._where = [(number, node) for _, number, node in rows]
        self._group = np.array([number for _, number, _ in rows], np.int64)
        self._closed = np.zeros(len(rows), np.bool_)
        self._masks: dict[int, NDArray[np.int64]] = {}
        chips = sorted({groups[number].pool.chip for number, _ in self._where})
        numbers = {chip: min(at, CHIPS_MAX - 1) for at, chip in enumerate(chips)}
        nodes = _nodes([groups[number] for number, _ in self._where], numbers)
        typical = _typical(usual, numbers)
        if not typical and rule in {"yunhe", "fgd"}:
            rule = "best_fit"
        made = None
        if rule == "yunhe":
            try:
                made = _prices(tuple(sorted(nodes.kinds().items())), tuple(sorted(typical.items())))
            except ArithmeticError:  # no prices, but work is placed
                rule = "best_fit"
        self._busy_flat(nodes, groups)
        self._packer = Packer(nodes, typical, rule=rule, made=made)

    def _busy_flat(self, nodes: Nodes, groups: Sequence[Group]) -> None:
        """Take off what is busy in pools without nodes, of which nobody knows where it is."""
        for at, (number, _) in enumerate(self._where):
            pool = groups[number].pool
            if not pool.nodes and pool.devices_busy > 0:
                nodes.device_free[at, max(pool.devices - pool.devices_busy, 0) : pool.devices] = 0

    def _open(self, groups: int) -> NDArray[np.int64]:
        """The open nodes of these groups, as the packer reads them."""
        found = self._masks.get(groups)
        if found is None:
            if len(self._masks) >= MASKS_MAX:
                self._masks.clear()
            wanted = [number for number in set(self._group.tolist()) if groups >> number & 1]
            inside = np.isin(self._group, wanted) & ~self._closed
            found = self._masks[groups] = np.where(inside, self._group, -1)
        return found

    def place(self, need: Need, groups: int) -> tuple[int, Claim] | None:
        """The group and what is taken there, on the open nodes of these groups; None: no room."""
        spot = self._packer.place(_shape(need), within=self._open(groups))
        return None if spot is None else self._claim(spot)

    def gather(
        self, number: int, needs: Iterable[Need], nodes: Iterable[int]
    ) -> list[Claim] | None:
        """Room for all of them on these nodes of a group, closed or not; None where there is not.

        *Cost*: a look at all nodes for each of them.
        """
        within = np.full(len(self._group), -1, np.int64)
        within[[self._at[number, node] for node in nodes]] = number
        taken: list[Spot] = []
        for need in needs:
            spot = self._packer.place(_shape(need), within=within)
            if spot is None:
                break
            self._packer.take(spot)
            taken.append(spot)
        else:
            needs = ()
        for spot in taken:
            self._packer.give(spot)
        return [self._claim(spot)[1] for spot in taken] if needs == () else None

    def _claim(self, spot: Spot) -> tuple[int, Claim]:
        number, node = self._where[spot.node]
        return number, Claim(node, spot.devices, spot.milli, spot.cpu_milli, spot.memory_mib)

    def change(self, number: int, claim: Claim, *, times: int) -> int:
        """Take it, or with ``times`` -1 give it back; devices of the node that are wholly free.

        Errors: `ValueError` where it is not free, or was never taken.
        """
        at = self._at[number, claim.node]
        spot = Spot(at, claim.devices, claim.milli, claim.cpu_milli, claim.memory_mib)
        if times > 0:
            self._packer.take(spot)
        else:
            self._packer.give(spot)
        return self._packer.free(at)[2].count(WHOLE)

    def free(self, number: int, node: int) -> Free:
        """What is free on a node."""
        cpu_milli, memory_mib, devices = self._packer.free(self._at[number, node])
        return Free(cpu_milli, memory_mib, [free for free in devices if free >= 0])

    def close(self, number: int, node: int) -> None:
        """Place nothing there until it is opened."""
        self._set(number, node, closed=True)

    def open(self, number: int, node: int) -> None:
        """Place there again."""
        self._set(number, node, closed=False)

    def _set(self, number: int, node: int, *, closed: bool) -> None:
        at = self._at[number, node]
        self._closed[at] = closed
        for groups, mask in self._masks.items():
            if groups >> number & 1:
                mask[at] = -1 if closed else number


def _nodes(groups: Sequence[Group], chips: Mapping[str, int]) -> Nodes:
    """Empty nodes, one of each group named."""
    wide = max((group.size for group in groups), default=0)
    devices = np.full((len(groups), wide), -1, np.int16)
    for at, group in enumerate(groups):
        devices[at, : group.size] = WHOLE
    return Nodes(
        np.array([chips[g.pool.chip] if g.size else -1 for g in groups], np.int16),
        np.zeros(len(groups), np.int32),
        np.array([group.cpu_milli for group in groups], np.int64),
        np.array([group.memory_mib for group in groups], np.int64),
        devices,
    )


def _shape(need: Need) -> Shape:
    return Shape(need.devices, need.milli, need.cpu_milli, need.memory_mib)


def _typical(usual: Usual, chips: Mapping[str, int]) -> dict[Shape, int]:
    found: dict[Shape, int] = {}
    for (need, names), count in usual.items():
        some = {chips[name] for name in names if name in chips}
        if names and not some:
            continue  # no such chip here
        every = not names or len(some) == len(set(chips.values())) or not need.devices
        shape = replace(_shape(need), chips=() if every else tuple(sorted(some)))
        found[shape] = found.get(shape, 0) + count
    return found


@lru_cache(maxsize=16)
def _prices(kinds: tuple[tuple[Kind, int], ...], typical: tuple[tuple[Shape, int], ...]) -> Prices:
    """Prices by fleet and demand; made once for several engines that are alike."""
    return prices(dict(kinds), dict(typical))
