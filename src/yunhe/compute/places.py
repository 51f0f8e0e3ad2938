"""Where a workload runs within its pool, as it is kept beside it: nodes, devices, what is taken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import RowMapping

from yunhe.compute.domain import Pool
from yunhe.compute.machine import LOCAL, PROCESSOR
from yunhe.compute.scheduling.fitting import UNCOUNTED, WHOLE
from yunhe.compute.scheduling.state import Piece, Placement
from yunhe.compute.supply.domain import Node
from yunhe.kernel.canonical import Json, canonical_bytes

Places = tuple[tuple[tuple[int, int], ...], tuple[Piece, ...]]
"""Nodes with how many devices there, and exactly what is taken where that is known."""


def places_text(placement: Placement) -> str:
    """As it is kept: rows of node, how many devices, which, thousandths of each, CPU milli, MiB."""
    rows: list[Json] = [
        [p.node, len(p.devices), list(p.devices), p.milli, p.cpu_milli, p.memory_mib]
        for p in placement.pieces
    ]
    rows = rows or [[node, devices] for node, devices in placement.nodes]
    return canonical_bytes(rows).decode()


def places_of(text: str | None) -> Places:
    """What was kept; nothing of what was placed before it was."""
    rows: list[list[int]] = json.loads(text) if text else []
    pieces = tuple(
        Piece(row[0], tuple(row[2]), *row[3:])  # type: ignore[arg-type] # as `places_text` writes
        for row in rows
        if len(row) > 2
    )
    return tuple((row[0], row[1]) for row in rows), pieces


def places_here(row: RowMapping, pool: Pool | None) -> tuple[str, ...] | None:
    """Where a workload shares devices of this machine, one place for each replica.

    None of them: it has whole ones. None: no device of this machine is given to it.
    """
    if pool is None or pool.adapter != LOCAL or pool.chip == PROCESSOR:
        return None
    if not row["milli"]:
        return ()
    _, pieces = places_of(row["nodes"])
    return tuple(f"{pool.id}/{each.node}/{at}" for each in pieces for at in each.devices)


def lies_on(text: str | None, node: int) -> bool:
    """Whether any of it is on that node; where nobody knows, it is on the first."""
    nodes, _ = places_of(text)
    return any(each == node for each, _ in nodes) if nodes else node == 0


@dataclass(slots=True)
class _Stand:
    size: int
    cpu_milli: int
    memory_mib: int
    open: bool
    left: dict[int, int] = field(default_factory=dict)  # of devices partly or wholly taken
    unnamed: int = 0  # whole devices taken, nobody knows which

    @property
    def whole(self) -> int:
        return self.size - len(self.left) - self.unnamed

    @property
    def sound(self) -> bool:
        named = all(at < self.size and left >= 0 for at, left in self.left.items())
        return named and self.whole >= 0 and self.cpu_milli >= 0 and self.memory_mib >= 0


class Occupancy:
    """What is free on the nodes of one pool now; of work that nobody can place, only how many.

    A decision is made from a look that may be old when it is written: this says whether the very
    devices it named are free still.
    """

    def __init__(self, devices: int, nodes: Iterable[Node] = ()) -> None:
        """``devices``: of a pool without nodes; those of ``nodes`` count otherwise."""
        self._stands = {
            node.position: _Stand(
                node.devices,
                node.cpu_milli or UNCOUNTED,
                node.memory_mib or UNCOUNTED,
                node.state == "open",
            )
            for node in nodes
            if node.state != "gone"
        } or {0: _Stand(devices, UNCOUNTED, UNCOUNTED, open=True)}
        self._astray = 0

    def runs(self, text: str | None, *, devices: int) -> None:
        """Something that runs, as its places are kept, with so many devices."""
        nodes, pieces = places_of(text)
        if not nodes or any(node not in self._stands for node, _ in nodes):
            self._astray += devices
        else:
            self._put(nodes, pieces, 1)

    def busy(self, devices: int) -> None:
        """Whole devices that are taken, nobody knows which."""
        self._astray += devices

    def take(self, placement: Placement) -> bool:
        """Whether there is room exactly where it was decided; if so it is taken from now on."""
        nodes, pieces = placement.nodes, placement.pieces
        if pieces:
            nodes = tuple((piece.node, len(piece.devices)) for piece in pieces)
        stands = [self._stands.get(node) for node, _ in nodes]
        if not all(stand is not None and stand.open for stand in stands):
            return False
        self._put(nodes, pieces, 1)
        astray = 0 if nodes else placement.request.devices_all
        sound = all(stand is not None and stand.sound for stand in stands)
        if sound and self._whole() >= self._astray + astray:
            self._astray += astray
            return True
        self._put(nodes, pieces, -1)
        return False

    def room(self, devices: int) -> int:
        """How many replicas of so many whole devices find room on open nodes, at most."""
        able = [stand for stand in self._stands.values() if stand.open]
        fit = sum(max(stand.whole, 0) // devices for stand in able if stand.size >= devices)
        spread: dict[int, int] = {}
        for stand in able:
            if stand.size < devices and stand.size == stand.whole:
                spread[stand.size] = spread.get(stand.size, 0) + 1
        fit += sum(count // -(-devices // size) for size, count in spread.items() if size)
        return min(fit, max(self._whole() - self._astray, 0) // devices)

    def free(self) -> int:
        """Whole devices of open nodes on which nothing runs."""
        able = sum(max(stand.whole, 0) for stand in self._stands.values() if stand.open)
        return max(able - self._astray, 0)

    def _whole(self) -> int:
        return sum(stand.whole for stand in self._stands.values())

    def _put(self, nodes: Iterable[tuple[int, int]], pieces: Iterable[Piece], times: int) -> None:
        named = False
        for piece in pieces:
            named, stand = True, self._stands[piece.node]
            stand.cpu_milli -= times * piece.cpu_milli
            stand.memory_mib -= times * piece.memory_mib
            for at in piece.devices:
                left = stand.left.get(at, WHOLE) - times * piece.milli
                stand.left[at] = left
                if left == WHOLE:
                    del stand.left[at]
        for node, devices in () if named else nodes:
            self._stands[node].unnamed += times * devices


def shared(texts: Iterable[str | None]) -> int:
    """Devices of one pool of which shares are given out, each counted once."""
    found = set()
    for text in texts:
        _, pieces = places_of(text)
        found |= {(piece.node, at) for piece in pieces for at in piece.devices}
    return len(found)
