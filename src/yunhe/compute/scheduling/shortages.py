"""What a group of nodes lacks for a shape: devices, devices close together, or open nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yunhe.compute.scheduling.estate import Estate, Group, bits, nodes_needed
from yunhe.compute.scheduling.fitting import per_node
from yunhe.compute.scheduling.shapes import Shape, nodes_for

NAMED_MAX = 8
"""Closed nodes that a sentence names; of more it gives the number."""
Params = tuple[tuple[str, str | int], ...]
"""Values of a sentence."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What is missing in a group; of several nodes or domains that would do, the least."""

    devices: int
    """How many would have to become free; 0: none."""
    free: int
    """How many are, on the nodes that it would take; where several domains would do, in one."""


def near(group: Group, shape: Shape) -> tuple[int, ...]:
    """Masks of nodes that lie close enough together for a shape, each for all of it."""
    pieces = shape.replicas * (nodes_needed(shape.devices, group.size) if group.size else 1)
    return group.domains if shape.fabric == "domain" and pieces > 1 else (-1,)


def lack(group: Group, shape: Shape, nodes: int) -> Lack | None:
    """What is missing on these nodes of a group that counts devices; None: they are too few."""
    found: list[Lack] = []
    for mask in near(group, shape):
        able = [free for node, free in enumerate(group.free) if (mask & nodes) >> node & 1]
        missing, free = _missing(shape, group.size, able)
        if missing is not None:
            found.append(Lack(missing, free))
    return min(found, key=lambda each: (each.devices, -each.free), default=None)


def _missing(shape: Shape, size: int, usable: list[int]) -> tuple[int | None, int]:
    """Devices that would have to become free, and those that are, on the nodes it would take."""
    wanted = min(shape.devices, size)
    count = shape.replicas
    if shape.devices > size:
        count *= nodes_needed(shape.devices, size)
    elif shape.replicas > 1:
        places = sum(max(free, 0) // shape.devices for free in usable)
        if len(usable) * (size // shape.devices) < shape.replicas:
            return None, 0
        return max(shape.replicas - places, 0) * shape.devices, sum(max(f, 0) for f in usable)
    freest = sorted(usable, reverse=True)[:count]
    if len(freest) < count:
        return None, 0
    return sum(max(wanted - free, 0) for free in freest), sum(max(free, 0) for free in freest)


def room_in(estate: Estate, number: int, shape: Shape, nodes: int) -> bool:
    """Whether a packed group has room for it on these nodes."""
    group, packs = estate.groups[number], estate.packs
    assert packs is not None  # noqa: S101 - the group is packed
    needs = shape.needs(group.size)
    every = (1 << len(group.free)) - 1
    return any(
        packs.gather(number, needs, bits(mask & nodes & every)) is not None
        for mask in near(group, shape)
    )


def to_open(group: Group, shape: Shape) -> tuple[int, ...]:
    """Closed nodes without which a group could not take it even if nothing ran there.

    As few as would do, those of the lowest numbers; none where the open ones suffice, or where no
    node that may come back would help.
    """
    if not group.broken:
        return ()
    needed = _least(group, shape)
    gone = {*group.pool.gone}
    best: tuple[int, ...] | None = None
    for mask in near(group, shape):
        inside = mask & (1 << len(group.free)) - 1
        short = needed - (inside & ~group.broken).bit_count()
        if short <= 0:
            return ()
        back = [n for n in bits(inside & group.broken) if group.positions[n] not in gone]
        if needed and len(back) >= short and (best is None or short < len(best)):
            best = tuple(back[:short])
    return best or ()


def _least(group: Group, shape: Shape) -> int:
    """Empty nodes that it takes at least, where what is left of replicas shares nodes."""
    size, needed = group.size, nodes_for(group, shape)
    rest = shape.devices % size if size and shape.devices > size else 0
    if not needed or not rest or not group.packed:
        return needed
    last = shape.needs(size)[shape.devices // size]
    cpu_milli, memory_mib = group.cpu_milli, group.memory_mib
    each = per_node(last, size=size, cpu_milli=cpu_milli, memory_mib=memory_mib)
    return shape.devices // size * shape.replicas + nodes_needed(shape.replicas, max(each, 1))


def closed(group: Group, nodes: tuple[int, ...]) -> Params:
    """Such nodes as a sentence names them."""
    named = ", ".join(str(group.positions[node]) for node in nodes[:NAMED_MAX])
    more = ", …" if len(nodes) > NAMED_MAX else ""
    return ("pool", group.pool.id), ("count", len(nodes)), ("nodes", named + more)


def scattered(group: Group, shape: Shape) -> tuple[str, Params] | None:
    """That enough is free in a group and not close enough together; None where it is not enough."""
    needed = shape.devices * shape.replicas
    able = ~group.broken
    free = sum(_free(group, able))
    if free < needed or not needed or shape.milli:
        return None
    most = max(sum(_free(group, mask & able)) for mask in near(group, shape))
    pool = ("pool", group.pool.id)
    if most < needed:
        return "compute.waiting_domain", (pool, ("needed", needed), ("most", most), ("free", free))
    each = min(shape.devices, group.size)
    count = shape.replicas * nodes_needed(shape.devices, group.size)
    room = max(sum(one // each for one in _free(group, m & able)) for m in near(group, shape))
    if room >= count:
        return None  # something else is the reason
    said = (("count", count), ("each", each), ("room", room), ("free", free))
    return "compute.waiting_whole", (pool, *said)


def _free(group: Group, nodes: int) -> Iterator[int]:
    """Devices on each of these nodes that are free."""
    return (max(free, 0) for node, free in enumerate(group.free) if nodes >> node & 1)
