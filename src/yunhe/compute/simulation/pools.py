"""The nodes of a fleet as pools of the scheduler, and how much is free on nodes partly taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from yunhe.compute.scheduling.state import NodeView, Placement, PoolView
from yunhe.compute.simulation.domain import NONE, Fleet, Trace

Held = tuple[tuple[int, int], ...]
"""Nodes of the fleet, and thousandths of devices held there."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes of one chip at one site."""

    name: str
    """Of the pool."""
    site: int
    """Where."""
    chip: int
    """Which; NONE: nodes without devices."""
    nodes: tuple[int, ...]
    """Nodes of the fleet, by position in the pool."""
    position: dict[int, int]
    """The other way round."""
    view: PoolView
    """As the scheduler sees it."""

    def held(self, placement: Placement) -> Held:
        """What a placement holds of which node of the fleet."""
        if not placement.pieces:
            return tuple((self.nodes[node], count * 1_000) for node, count in placement.nodes)
        held: dict[int, int] = {}
        for piece in placement.pieces:
            node = self.nodes[piece.node]
            held[node] = held.get(node, 0) + len(piece.devices) * piece.milli
        return tuple(held.items())


def pools_of(trace: Trace) -> dict[str, Pool]:
    """Pools by name, a pool for each site and chip.

    CPU and memory of nodes count where some job asks for them, and devices are divided where some
    job asks for a share. Nodes without devices count where some job wants none.
    """
    fleet, jobs = trace.fleet, trace.jobs
    cpu = fleet.cpu_milli * bool(jobs.cpu_milli.any())
    memory = fleet.memory_mib * bool(jobs.memory_mib.any())
    bare = bool((jobs.load_milli() == 0).any())
    divided = bare or bool(jobs.milli.any())
    views = [
        NodeView(*row)
        for row in zip(
            fleet.devices.tolist(),
            fleet.domain.tolist(),
            [1] * len(fleet),
            cpu.tolist(),
            memory.tolist(),
            strict=True,
        )
    ]
    members: dict[tuple[int, int], list[int]] = {}
    for node, key in enumerate(zip(fleet.site.tolist(), fleet.chip.tolist(), strict=True)):
        if bare or key[1] != NONE:
            members.setdefault(key, []).append(node)
    pools: dict[str, Pool] = {}
    for (site, chip), nodes in members.items():
        name = f"{nodes[0]:08d}"
        own = tuple(views[node] for node in nodes)
        priced = trace.prices is not None and chip != NONE
        view = PoolView(
            id=name,
            chip="" if chip == NONE else fleet.chips[chip],
            devices=sum(view.devices for view in own),
            devices_busy=0,
            price_minor_per_device_hour=(
                int(trace.prices[site, chip]) if priced and trace.prices is not None else 0
            ),
            currency=trace.currency,
            site=fleet.sites[site],
            nodes=own,
            divided=divided,
        )
        position = {node: at for at, node in enumerate(nodes)}
        pools[name] = Pool(name, site, chip, tuple(nodes), position, view)
    return pools


@dataclass(slots=True)
class Fragments:
    """Free thousandths of devices on nodes of which a part is taken, over time."""

    fleet: Fleet
    """Whose nodes."""
    at_us: list[int] = field(default_factory=list)
    """When it changed."""
    free_milli: list[int] = field(default_factory=list)
    """To what."""
    _whole: list[int] = field(default_factory=list)
    _held: list[int] = field(default_factory=list)
    _now: int = 0

    def __post_init__(self) -> None:
        self._whole = [1_000 * devices for devices in self.fleet.devices.tolist()]
        self._held = [0] * len(self._whole)

    def take(self, held: Held) -> None:
        """Something holds that from now on."""
        self._change(held, 1)

    def give(self, held: Held) -> None:
        """It is over."""
        self._change(held, -1)

    def _change(self, held: Iterable[tuple[int, int]], sign: int) -> None:
        for node, milli in held:
            before, whole = self._held[node], self._whole[node]
            after = self._held[node] = before + sign * milli
            self._now += (whole - after if after else 0) - (whole - before if before else 0)

    def note(self, now_us: int) -> None:
        """All of an instant is known."""
        if not self.free_milli or self.free_milli[-1] != self._now:
            self.at_us.append(now_us)
            self.free_milli.append(self._now)
