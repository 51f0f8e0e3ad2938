"""Whom to push out for a request: only what may be, only for somebody, and with the least loss.

What was pushed out waits like everything else, and may in the same pass push out others that it
outranks, by class or by level of what it had. That is allowed, because work that outranks other
work should not wait while that runs. It is bounded: a link of such a chain always leads down in
rank, share decides no link but the first (only work that may not be pushed out pushes by share),
and what was placed in a pass has not run for long enough to be pushed out in it. So nobody is
pushed out twice in a pass, and no chain is longer than there are ranks.

It is not free. Whoever pushes takes the victim that loses least, not the one of the lowest rank, so
a chain can lose more than pushing out its last link at once would have. Where the first could have
used the last one's devices, the first link loses no more than the last, and two links no more than
twice what the direct choice would lose. Taking the lowest rank first would avoid that and lose more
wherever no chain follows, which is nearly always. A platform's pass asks only for those who wait
when it begins (`passes.pushing`), so there a chain ends with its first link: the pushed out waits,
and the next pass that sees it wait decides anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from yunhe.compute.scheduling.estate import Estate, Group, Spot, bits, nodes_needed, spot_of
from yunhe.compute.scheduling.fitting import Claim
from yunhe.compute.scheduling.guarantees import Limits, beyond
from yunhe.compute.scheduling.policies import Policy
from yunhe.compute.scheduling.preempting_gangs import Cost, Nodes, cheapest, spared
from yunhe.compute.scheduling.running import NEVER, Floor, Running
from yunhe.compute.scheduling.shapes import Shape
from yunhe.compute.scheduling.shares import SCALE, Shares
from yunhe.compute.scheduling.state import Request

LOOKED_AT_MAX = 64
"""Groups that are compared for one request: bounds what a decision costs."""


class Pusher:
    """Finds victims on one estate."""

    def __init__(self, estate: Estate, floor: Floor, policy: Policy, shares: Shares) -> None:
        self._estate = estate
        self._floor = floor
        self._restart_us = policy.restart_us
        self.limits: Limits = {}
        """Devices of nodes that whoever is looked at may use, where some are guaranteed."""
        self._shares = shares if policy.pushes_below_share else None

    def find(
        self, request: Request, shape: Shape, *, groups: int, level: int, now_us: int
    ) -> tuple[Spot, list[Running]] | None:
        """Room in these groups, and whom to push out for it; None where that does not suffice."""
        having = 0
        for exposed, mask in self._floor.exposed.items():
            if exposed > level or request.priority > 0 or self._shares is not None:
                having |= mask
        if shape.replicas > 1:
            return self._find_gang(request, shape, groups & having, level, now_us)
        best: tuple[Cost, int, list[int], list[Running]] | None = None
        for count, number in enumerate(bits(groups & having)):
            if count >= LOOKED_AT_MAX:
                break
            found = self._in_group(number, request, shape, level, now_us)
            if found is not None and (best is None or found[0] < best[0]):
                best = (found[0], number, found[1], found[2])
        if best is None:
            return None
        _, number, nodes, victims = best
        group = self._estate.groups[number]
        if shape.devices > group.size:  # what runs on several nodes may make others needless
            each = Nodes(self._estate, number, shape, dict.fromkeys(nodes, 1))
            victims = spared(each, victims, lambda some: self._cost(some, now_us))
        if group.packed:
            return spot_of(number, self._claims(number, shape, nodes, victims)), victims
        return Spot(number, _parts(shape, group, nodes)), victims

    def _find_gang(
        self, request: Request, shape: Shape, groups: int, level: int, now_us: int
    ) -> tuple[Spot, list[Running]] | None:
        """The same for several replicas: in one group, and in one fabric domain if they say so."""

        def losing(some: Iterable[Running]) -> Cost:
            return self._cost(some, now_us)

        best: tuple[Cost, int, int] | None = None
        found: tuple[Nodes, list[Running]] | None = None
        for number in islice(bits(groups), LOOKED_AT_MAX):
            group = self._estate.groups[number]
            by_node = self._victims(number, request, level, now_us)
            each = min(shape.devices, group.size)
            limits = self.limits.get(number, {})
            for domain in group.domains if shape.fabric == "domain" else (-1,):
                usable = bits(domain & ~group.closed & (1 << len(group.free)) - 1)
                pieces = shape.replicas * nodes_needed(max(shape.devices, 1), max(group.size, 1))
                most = {
                    node: min(limits[node] // max(each, 1), pieces) if node in limits else pieces
                    for node in usable
                }
                there = {one.request.id: one for node in most for one in by_node.get(node, ())}
                nodes = Nodes(self._estate, number, shape, most)
                chosen = cheapest(nodes, list(there.values()), losing)
                if chosen is not None and (best is None or (losing(chosen), number, domain) < best):
                    best, found = (losing(chosen), number, domain), (nodes, chosen)
        return None if found is None else (found[0].spot(found[1]), found[1])

    def _claims(
        self, number: int, shape: Shape, nodes: list[int], victims: list[Running]
    ) -> list[Claim]:
        """What it takes of these nodes once the victims are gone."""
        claims = []
        for node, need in zip(nodes, shape.needs(self._estate.groups[number].size), strict=True):
            free = self._estate.free_on(number, node)
            for one in victims:
                for claim in one.spot.claims:
                    if claim.node == node:
                        free.take(claim, times=-1)
            devices = free.choose(need)
            assert devices is not None  # noqa: S101 - the victims were chosen for that
            claims.append(need.claim(node, devices))
        return claims

    def _in_group(
        self, number: int, request: Request, shape: Shape, level: int, now_us: int
    ) -> tuple[Cost, list[int], list[Running]] | None:
        group = self._estate.groups[number]
        victims = self._victims(number, request, level, now_us)
        needed = nodes_needed(shape.devices, group.size)
        wanted = min(shape.devices, group.size)
        if group.packed:
            needed = len(shape.needs(group.size))
        offers = []
        shut = group.closed | beyond(self.limits, number, wanted)
        for node, free in enumerate(group.free):
            if not shut >> node & 1 and (free >= wanted or node in victims):
                if group.packed:
                    chosen = self._on_packed(number, node, victims[node], shape, now_us)
                else:
                    chosen = self._on_node(node, victims[node], wanted - free, now_us)
                if chosen is not None:
                    offers.append((self._cost(chosen, now_us), node, chosen))
        offers.sort(key=lambda offer: offer[:2])
        best: tuple[Cost, list[int], list[Running]] | None = None
        for domain in group.domains if shape.fabric == "domain" else (-1,):
            taken = [offer for offer in offers if domain >> offer[1] & 1][:needed]
            pushed = {one.request.id: one for offer in taken for one in offer[2]}
            together = [pushed[name] for name in sorted(pushed)]
            lost = self._cost(together, now_us)
            if len(taken) == needed and (best is None or lost < best[0]):
                best = lost, sorted(offer[1] for offer in taken), together
        return best

    def _victims(
        self, number: int, request: Request, level: int, now_us: int
    ) -> defaultdict[int, list[Running]]:
        victims: defaultdict[int, list[Running]] = defaultdict(list)
        for running in self._floor.on(number):
            if running.exposed != NEVER and (
                _outranked(running, request, level) or self._favoured(running, request, now_us)
            ):
                for node, _ in running.spot[1]:
                    victims[node].append(running)
        return victims

    def _favoured(self, running: Running, request: Request, now_us: int) -> bool:
        """Whether it goes to somebody who will not have more of their share than these have now."""
        victim = running.request
        if self._shares is None or request.preemptible or victim.priority > request.priority:
            return False
        tick = self._shares.tick(now_us)
        pairs = zip(self._shares.paths(victim), self._shares.paths(request), strict=True)
        for theirs, ours in pairs:
            if theirs == ours:
                continue
            has, wants = self._shares.account(theirs), self._shares.account(ours)
            gains = request.devices_all * SCALE // wants.weight
            return self._shares.share(wants, tick) + gains <= self._shares.share(has, tick)
        return False

    def _on_node(
        self, node: int, victims: list[Running], missing: int, now_us: int
    ) -> list[Running] | None:
        """The victims that free so many devices of a node; None where all do not."""
        chosen: list[Running] = []
        ranked = [(self._cost([one], now_us), one.request.id, one) for one in victims]
        for _, _, one in sorted(ranked, key=lambda entry: entry[:2]):
            if missing <= 0:
                break
            chosen.append(one)
            missing -= dict(one.spot[1])[node]
        if missing > 0:
            return None
        for one in reversed(chosen[:-1]):  # whoever came last makes some of the others needless
            if dict(one.spot[1])[node] <= -missing:
                chosen.remove(one)
                missing += dict(one.spot[1])[node]
        return chosen

    def _on_packed(
        self, number: int, node: int, victims: list[Running], shape: Shape, now_us: int
    ) -> list[Running] | None:
        """The same on a packed node: room for the shape, or for the largest piece of it."""
        need = shape.needs(self._estate.groups[number].size)[0]
        free = self._estate.free_on(number, node)
        chosen: list[Running] = []
        ranked = [(self._cost([one], now_us), one.request.id, one) for one in victims]
        for _, _, one in sorted(ranked, key=lambda entry: entry[:2]):
            if free.choose(need) is not None:
                break
            chosen.append(one)
            for claim in one.spot.claims:
                if claim.node == node:
                    free.take(claim, times=-1)
        if free.choose(need) is None:
            return None
        for one in reversed(chosen[:-1]):
            claims = [claim for claim in one.spot.claims if claim.node == node]
            for claim in claims:
                free.take(claim)
            if free.choose(need) is not None:
                chosen.remove(one)
                continue
            for claim in claims:
                free.take(claim, times=-1)
        return chosen

    def _cost(self, victims: Iterable[Running], now_us: int) -> Cost:
        lost, attained, count = 0, 0, 0
        for one in victims:
            lost += one.loss_us(now_us, self._restart_us)
            attained += one.attained_us(now_us)
            count += 1
        return lost, -attained, count


def _outranked(running: Running, request: Request, level: int) -> bool:
    if running.request.priority != request.priority:
        return running.request.priority < request.priority
    return running.exposed > level


def _parts(shape: Shape, group: Group, nodes: list[int]) -> tuple[tuple[int, int], ...]:
    parts, left = [], shape.devices
    for node in nodes:
        parts.append((node, min(left, group.size)))
        left -= group.size
    return tuple(parts)
