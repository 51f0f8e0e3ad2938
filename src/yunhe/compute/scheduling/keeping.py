"""Which devices of nodes are kept for a guaranteed window, and how they are taken out of sight."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from yunhe.compute.scheduling.estate import Estate, Group, Spot, bits, spot_of
from yunhe.compute.scheduling.fitting import WHOLE, Claim
from yunhe.compute.scheduling.running import Floor
from yunhe.compute.scheduling.state import Picture, Request, WindowView

At = tuple[int, int]
"""Group and node."""
Node = tuple[int, int, int]
"""Number, devices that nothing will be in the way on, and devices that nobody else is promised."""


def groups_of(places: Iterable[At]) -> int:
    """Mask of their groups."""
    return sum(1 << number for number in {number for number, _ in places})


def unseen(estate: Estate, floor: Floor, number: int) -> int:
    """Devices of a pool without nodes that are busy with nobody knows what."""
    group = estate.groups[number]
    if group.pool.nodes or group.packed:
        return 0
    shown = sum(d for one in floor.on(number) for _, d in one.spot.parts)
    return max(group.size - group.free[0] - shown, 0)


def keep(
    kept: dict[At, int],
    nodes: Sequence[Node],
    *,
    wanted: int,
    number: int,
    group: Group,
    ready: bool,
) -> int:
    """Keep so many devices of a group's nodes; how many it could.

    ``ready``: of those that nothing will be in the way on.
    """
    found = 0
    order = [node for node in nodes if (node[1] if ready else node[2]) > 0]
    if ready:
        free_on = {node: max(free, 0) for node, free, _ in order}
        mask = sum(1 << node for node in free_on)
        rank: dict[int, tuple[bool, int, int]] = {}
        for place, domain in enumerate(group.domains):
            nodes_there = list(bits(domain & mask))
            there = sum(free_on[node] for node in nodes_there)
            ranked = there < wanted, -there if there < wanted else 0, place
            rank.update(dict.fromkeys(nodes_there, ranked))
        order.sort(key=lambda n: (rank[n[0]], -min(n[1], wanted), n[0]))
    else:
        order.sort(key=lambda n: (n[2] - n[1], n[0]))
    largest = max((free for _, free, _ in order), default=0) if ready else 0
    for place, one in enumerate(order):
        missing = wanted - found
        if missing <= 0:
            break
        if missing <= largest:
            tight = [n for n in order[place:] if n[1] >= missing]
            # the rest of it where least is left over
            one = min(tight, key=lambda n: (n[1], n[0])) if tight else one  # noqa: PLW2901
        node, free, most = one
        some = min(missing, free if ready else most - kept.get((number, node), 0))
        if some > 0:
            kept[number, node] = kept.get((number, node), 0) + some
            found += some
    return found


def peak_of(own: WindowView, before: Iterable[tuple[WindowView, dict[At, int]]]) -> dict[At, int]:
    """The most devices kept at once, while a window lasts, for those that chose before it."""
    peak: dict[At, int] = {}
    others = [
        (one, kept)
        for one, kept in before
        if kept and one.from_us < own.until_us and own.from_us < one.until_us
    ]
    for at_us in {own.from_us, *(max(one.from_us, own.from_us) for one, _ in others)}:
        sums: defaultdict[At, int] = defaultdict(int)
        for one, kept in others:
            if one.from_us <= at_us < one.until_us:
                for place, devices in kept.items():
                    sums[place] += devices
        for place, devices in sums.items():
            peak[place] = max(peak.get(place, 0), devices)
    return peak


def out_of_sight(estate: Estate, number: int, node: int, allowed: int) -> Spot | None:
    """What to take of a packed node so that no more than ``allowed`` devices are left."""
    left = estate.free_on(number, node)
    whole = [at for at, milli in enumerate(left.devices) if milli >= WHOLE]
    # a device that is used in part may be filled up by what is in the way
    parts = [at for at, milli in enumerate(left.devices) if 0 < milli < WHOLE]
    hidden = min(len(whole) - max(allowed - len(parts), 0), len(whole))
    if hidden <= 0:
        return None
    cpu, memory = max(left.cpu_milli, 0), max(left.memory_mib, 0)
    if allowed - len(parts) <= 0:
        claims = [Claim(node, tuple(whole), WHOLE, cpu, memory)]
        claims += [Claim(node, (at,), left.devices[at], 0, 0) for at in parts]
    else:
        share, of = hidden, len(whole)
        claims = [
            Claim(node, tuple(whole[:hidden]), WHOLE, cpu * share // of, memory * share // of)
        ]
    return spot_of(number, claims)


def guaranteed(picture: Picture, request: Request, *, now_us: int) -> bool:
    """Whether a request is that of somebody whose window has begun."""
    chips = request.chip, *request.substitutes
    return any(
        one.from_us <= now_us < one.until_us and one.chip in chips and holds(one, request)
        for one in picture.windows
    )


def holds(one: WindowView, request: Request) -> bool:
    """Whether a window is this request's."""
    own = one.organisation == request.organisation
    return own and one.project in ("", request.project)
