"""Equal nodes of one pool as a group, and a place in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from yunhe.compute.scheduling.fitting import DEVICES_MAX, UNCOUNTED, Claim
from yunhe.compute.scheduling.state import PoolView


class Spot(NamedTuple):
    """A place for a request."""

    group: int
    """Number of a group."""
    parts: tuple[tuple[int, int], ...]
    """Nodes of the group, and devices there."""
    claims: tuple[Claim, ...] = ()
    """In packed groups, exactly what is taken of which node; empty in others."""


def bits(mask: int) -> Iterator[int]:
    """Positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(slots=True)
class Group:
    """Equal nodes of one pool."""

    pool: PoolView
    """Which pool."""
    site: str
    """Where."""
    size: int
    """Devices of each node."""
    positions: tuple[int, ...]
    """Position in the pool, by node of the group."""
    domains: tuple[int, ...]
    """Masks of the nodes of each fabric domain."""
    free: list[int]
    """Free devices by node; below zero where the pool shrank below its load."""
    by_free: dict[int, int] = field(default_factory=dict)
    """Mask of the usable nodes with so many free devices."""
    closed: int = 0
    """Mask of the nodes kept free for somebody or broken: not in `by_free`."""
    broken: int = 0
    """Mask of the nodes that nobody may use."""
    free_all: int = 0
    """Sum of `free` over the usable nodes."""
    packed: bool = False
    """Whether a packer places here; `free` then counts devices of which nothing is taken, and
    `by_free` stays empty.
    """
    cpu_milli: int = UNCOUNTED
    """Thousandths of a CPU of each node."""
    memory_mib: int = UNCOUNTED
    """MiB of each node."""
    lasting: tuple[int, ...] = ()
    """Nodes of each fabric domain that are not gone for good: what a request can ever hope for."""


def spot_of(number: int, claims: Iterable[Claim]) -> Spot:
    """Claims as a spot: nodes in rising order, with their devices counted."""
    rows = sorted(claims)
    parts = tuple(
        (node, sum(len(claim.devices) for claim in some))
        for node, some in groupby(rows, key=lambda claim: claim.node)
    )
    return Spot(number, parts, tuple(rows))


def groups_of(pool: PoolView) -> Iterator[Group]:
    """Its nodes by what they have: devices, CPU and memory."""
    site = pool.site or pool.id
    widest = max((view.devices for view in pool.nodes), default=pool.devices)
    packed = pool.packed and widest <= DEVICES_MAX
    if not pool.nodes:
        free = pool.devices - pool.devices_busy
        group = Group(pool, site, pool.devices, (0,), (1,), [free], packed=packed)
        group.broken = 1 if pool.down else 0
        group.lasting = (0 if pool.gone else 1,)
        yield group
        return
    kinds: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    position = 0
    for view in pool.nodes:
        rows = kinds.setdefault((view.devices, view.cpu_milli, view.memory_mib), [])
        rows += ((position + step, view.domain) for step in range(view.count))
        position += view.count
    down, gone = {*pool.down, *pool.gone}, set(pool.gone)
    for (size, cpu_milli, memory_mib), rows in sorted(kinds.items()):
        domains: dict[int, int] = {}
        broken = 0
        lasting: dict[int, int] = {}
        for node, (position, domain) in enumerate(rows):
            lasting[domain] = lasting.get(domain, 0) + (position not in gone)
            domains[domain] = domains.get(domain, 0) | 1 << node
            broken |= (position in down) << node
        yield Group(
            pool,
            site,
            size,
            tuple(position for position, _ in rows),
            tuple(mask for _, mask in sorted(domains.items())),
            [size] * len(rows),
            broken=broken,
            packed=packed,
            cpu_milli=cpu_milli or UNCOUNTED,
            memory_mib=memory_mib or UNCOUNTED,
            lasting=tuple(count for _, count in sorted(lasting.items())),
        )
