"""Room for several replicas at once: which of what runs on a group's nodes is pushed out for them.

All of them find room, within one fabric domain where they ask for that, or nobody is pushed. No
victim could stay: without any single one the gang would not fit. Where at most `TRIED_MAX` pieces
of work may be pushed out on the nodes looked at, and `LOOKS_MAX` looks suffice, no other choice of
victims loses less device time; where more may, victims are taken by what they lose for each piece
of the gang they let in.

*Cost*: O(nodes) a victim, and `LOOKS_MAX` looks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from yunhe.compute.scheduling.estate import Estate, Spot, nodes_needed, spot_of
from yunhe.compute.scheduling.running import Running
from yunhe.compute.scheduling.shapes import Shape

TRIED_MAX = 24
"""Victims among whom all choices are compared, as far as looks suffice."""
LOOKS_MAX = 4_000
"""Looks for one domain of a group: bounds what a decision costs."""
Cost = tuple[int, int, int]
"""Device time lost, then minus what the victims attained, then how many are pushed."""
Losing = Callable[[Sequence[Running]], Cost]
"""What pushing these out costs."""


@dataclass(slots=True)
class Nodes:
    """Some nodes of a group, and how many pieces of a gang they take once work is gone."""

    estate: Estate
    """Where they stand."""
    group: int
    """Number of their group."""
    shape: Shape
    """What the gang is."""
    most: Mapping[int, int]
    """Pieces by usable node that it may take at most, whatever is free."""

    @property
    def pieces(self) -> int:
        """Into how many pieces the gang falls: replicas, or nodes where each takes several."""
        size = self.estate.groups[self.group].size
        split = nodes_needed(self.shape.devices, size) if self.shape.devices > size else 1
        return split * self.shape.replicas

    def takes(self, node: int, gone: Sequence[Running]) -> int:
        """Pieces that a node takes without these; of a split replica each counts as the largest."""
        group, most = self.estate.groups[self.group], self.most[node]
        if not group.packed:
            each = min(self.shape.devices, group.size)
            free = group.free[node] + sum(dict(one.spot.parts)[node] for one in gone)
            return max(min(free // each, most), 0) if each else most
        need = self.shape.needs(group.size)[0]
        free_there = self.estate.free_on(self.group, node)
        for one in gone:
            for claim in one.spot.claims:
                if claim.node == node:
                    free_there.take(claim, times=-1)
        count = 0
        while count < most and (devices := free_there.choose(need)) is not None:
            free_there.take(need.claim(node, devices))
            count += 1
        return count

    def spot(self, gone: Sequence[Running]) -> Spot:
        """The room for all of it without these, first on the nodes that they leave."""
        group = self.estate.groups[self.group]
        left = {node: [one for one in gone if _on(one, node)] for node in self.most}
        order = sorted(left, key=lambda node: (not left[node], node))
        places = [node for node in order for _ in range(self.takes(node, left[node]))]
        if group.packed:
            return self._claimed(places, left)
        taken: dict[int, int] = {}
        places = places[: self.pieces]
        split = self.pieces // self.shape.replicas
        for at, node in enumerate(places):
            rest = self.shape.devices - at % split * group.size
            taken[node] = taken.get(node, 0) + min(rest, group.size)
        return Spot(self.group, tuple(sorted(taken.items())))

    def _claimed(self, places: Sequence[int], left: Mapping[int, Sequence[Running]]) -> Spot:
        claims = []
        free = {node: self.estate.free_on(self.group, node) for node in set(places)}
        for node, there in free.items():
            for claim in (claim for one in left[node] for claim in one.spot.claims):
                if claim.node == node:
                    there.take(claim, times=-1)
        size = self.estate.groups[self.group].size
        for node, need in zip(places, self.shape.needs(size), strict=False):
            devices = free[node].choose(need)
            assert devices is not None  # noqa: S101 - `takes` counted with the largest piece
            claims.append(need.claim(node, devices))
            free[node].take(claims[-1])
        return spot_of(self.group, claims)


def _on(one: Running, node: int) -> bool:
    return any(at == node for at, _ in one.spot.parts)


def cheapest(nodes: Nodes, victims: Sequence[Running], losing: Losing) -> list[Running] | None:
    """Whom of these to push out, by id; None where all of them together do not suffice."""
    room = _Room(nodes, victims)
    if room.count(room.everybody) < nodes.pieces:
        return None
    chosen = _spared(room, _gathered(room, losing), losing)
    if len(victims) <= TRIED_MAX:
        better = _Search(room, losing, losing(chosen)[0]).found()
        chosen = chosen if better is None else _spared(room, better, losing)
    return sorted(chosen, key=lambda one: one.request.id)


class _Room:
    """Pieces by node and by who is gone, each reckoned once."""

    def __init__(self, nodes: Nodes, victims: Sequence[Running]) -> None:
        self.nodes = nodes
        self.there: dict[int, list[Running]] = {node: [] for node in nodes.most}
        self.everybody = frozenset(one.request.id for one in victims)
        self.victims = sorted(victims, key=lambda one: one.request.id)
        for one in self.victims:
            for node, _ in one.spot.parts:
                if node in self.there:
                    self.there[node].append(one)
        self._known: dict[tuple[int, tuple[str, ...]], int] = {}

    def on(self, node: int, gone: frozenset[str]) -> int:
        """Pieces that a node takes without these."""
        left = [one for one in self.there[node] if one.request.id in gone]
        key = node, tuple(one.request.id for one in left)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.nodes.takes(node, left)
        return found

    def count(self, gone: frozenset[str]) -> int:
        """Pieces that all nodes take without these."""
        return sum(self.on(node, gone) for node in self.there)

    def gained(self, before: frozenset[str], after: frozenset[str], more: Sequence[Running]) -> int:
        """Pieces more, where only these are gone in addition. Cost: a look at their nodes."""
        touched = {node for one in more for node, _ in one.spot.parts if node in self.there}
        return sum(self.on(node, after) - self.on(node, before) for node in touched)


def _gathered(room: _Room, losing: Losing) -> list[Running]:
    """Victims that suffice, node by node, those first that lose least for each piece."""
    gone: frozenset[str] = frozenset()
    chosen: list[Running] = []
    missing = room.nodes.pieces - room.count(gone)
    offers: dict[int, tuple[int, list[Running]] | None] = {}
    while missing > 0:
        best: tuple[int, Cost, int] | None = None
        for node in room.there:
            if node not in offers:
                offers[node] = _offer(room, node, gone, losing)
            offer = offers[node]
            if offer is not None:
                cost, gain = losing(offer[1]), min(offer[0], missing)
                rank = cost[0] * room.nodes.pieces // gain, cost, node
                best = rank if best is None or rank < best else best
        assert best is not None  # noqa: S101 - all victims together suffice
        offer = offers[best[2]]
        assert offer is not None  # noqa: S101 - it was ranked
        gone |= {one.request.id for one in offer[1]}
        chosen += offer[1]
        missing -= offer[0]
        for one in offer[1]:
            for node, _ in one.spot.parts:
                offers.pop(node, None)
    return chosen


def _offer(
    room: _Room, node: int, gone: frozenset[str], losing: Losing
) -> tuple[int, list[Running]] | None:
    """The next piece on a node: pieces gained on all nodes, and who goes for it."""
    now, more = room.on(node, gone), list[Running]()
    rest = [one for one in room.there[node] if one.request.id not in gone]
    for one in sorted(rest, key=lambda one: (losing([one]), one.request.id)):
        more.append(one)
        after = gone | {each.request.id for each in more}
        if room.on(node, after) > now:
            for idle in sorted(more, key=lambda one: losing([one]), reverse=True):
                without = after - {idle.request.id}
                if room.on(node, without) > now:
                    after, more = without, [each for each in more if each is not idle]
            return room.gained(gone, after, more), more
    return None


def _spared(room: _Room, chosen: Sequence[Running], losing: Losing) -> list[Running]:
    """Those of them who must go: each who need not stays, the one who loses most first."""
    kept = list(chosen)
    gone = frozenset(one.request.id for one in kept)
    spare = room.count(gone) - room.nodes.pieces
    for one in sorted(chosen, key=lambda one: (losing([one]), one.request.id), reverse=True):
        without = gone - {one.request.id}
        less = room.gained(without, gone, [one])
        if less <= spare:
            gone, spare = without, spare - less
            kept.remove(one)
    return kept


def spared(nodes: Nodes, chosen: Sequence[Running], losing: Losing) -> list[Running]:
    """Those of these who must go, where all of them together suffice."""
    return _spared(_Room(nodes, chosen), chosen, losing)


class _Search:
    """Every choice that loses less than the best so far, those who lose most staying first."""

    def __init__(self, room: _Room, losing: Losing, least: int) -> None:
        self._room = room
        self._ranked = sorted(
            ((losing([one])[0], one) for one in room.victims),
            key=lambda entry: (-entry[0], entry[1].request.id),
        )
        self._least = least
        self._best: list[Running] | None = None
        self._looks = LOOKS_MAX

    def found(self) -> list[Running] | None:
        """The choice that loses least; None where none loses less."""
        everybody = self._room.everybody
        spare = self._room.count(everybody) - self._room.nodes.pieces
        self._look(0, everybody, spare, lost=0, chosen=[])
        return self._best

    def _look(
        self, at: int, gone: frozenset[str], spare: int, *, lost: int, chosen: list[Running]
    ) -> None:
        """``gone``: those chosen, and all who are not decided on; ``spare``: pieces too many."""
        self._looks -= 1
        if self._looks < 0 or lost >= self._least:
            return
        if at == len(self._ranked):
            self._least, self._best = lost, list(chosen)
            return
        loss, one = self._ranked[at]
        without = gone - {one.request.id}
        less = self._room.gained(without, gone, [one])
        if less <= spare:
            self._look(at + 1, without, spare - less, lost=lost, chosen=chosen)
        self._look(at + 1, gone, spare, lost=lost + loss, chosen=[*chosen, one])
