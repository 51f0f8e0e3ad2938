"""What a pass of the scheduler may place on: open pools, at the prices of the moment.

A pool that is draining or down, and one whose maintenance begins before the work would be over, is
not offered; a request that nothing else would suit waits and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from yunhe.compute.domain import Pool
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.groups import Group, groups_of
from yunhe.compute.scheduling.shapes import could
from yunhe.compute.scheduling.state import NodeView, PoolView, Request
from yunhe.compute.supply import store
from yunhe.compute.supply.crowding import crowded
from yunhe.compute.supply.domain import Maintenance, Node, Price, Standing, Term, price_at
from yunhe.compute.supply.silence import waiting_for
from yunhe.kernel.clock import SECOND_US, iso
from yunhe.storage.database import Transaction

_Need = tuple[object, ...]
FAR_US = 2**62
"""After everything: a pool that nobody said will open again opens then."""


class Offering:
    """The pools of one pass."""

    def __init__(
        self,
        pools: Sequence[Pool],
        *,
        standings: Mapping[str, Standing],
        prices: Iterable[Price],
        maintenances: Iterable[Maintenance],
        now_us: int,
        nodes: Iterable[Node] = (),
        others: Mapping[str, int] | None = None,
        closings: Mapping[str, str] | None = None,
    ) -> None:
        """``maintenances``: those that stand; others do no harm. ``others``: as `crowding` says.

        ``closings``: why the platform itself closed pools, as it was kept.
        """
        self._closings = closings or {}
        self.others = others or {}
        """Devices of each pool that others hold at its site."""
        self._pools = pools
        self._now_us = now_us
        self._standings = standings
        self._closed = {pool: said for pool, said in standings.items() if said.state != "open"}
        self._prices: dict[tuple[str, Term], list[Price]] = {}
        for price in prices:
            self._prices.setdefault((price.pool, price.term), []).append(price)
        self._nodes: dict[str, list[Node]] = {}
        for node in nodes:
            self._nodes.setdefault(node.pool, []).append(node)
        self._planned: dict[str, list[Maintenance]] = {}
        for planned in maintenances:
            if planned.cancelled_at_us is None and planned.until_us > now_us:
                self._planned.setdefault(planned.pool, []).append(planned)
        self._busy: dict[int, dict[str, tuple[int, Why]]] = {}
        self._sites: dict[int, frozenset[str] | None] = {}
        self._shut: dict[_Need, tuple[int, Why] | None] = {}
        self._groups: dict[str, list[Group]] = {}

    def price(self, pool: Pool) -> int:
        """What an hour of a device costs now, on demand."""
        otherwise = pool.price_minor_per_device_hour
        prices = self._prices.get((pool.id, "on_demand"), ())
        return price_at(prices, self._now_us, otherwise=otherwise)

    def special(self, pool: Pool, term: Term) -> int | None:
        """What it costs now under another term; None where none is published."""
        found = self._prices.get((pool.id, term), ())
        return next((p.price_minor_per_device_hour for p in found if p.holds(self._now_us)), None)

    def jurisdiction(self, pool: str) -> str:
        """Whose law holds at a pool; empty: nobody said."""
        said = self._standings.get(pool)
        return "" if said is None else said.jurisdiction

    def nodes_of(self, pool: str) -> Sequence[Node]:
        """Nodes of a pool; none: flat."""
        return self._nodes.get(pool, ())

    def standing_of(self, pool: str) -> tuple[tuple[NodeView, ...], tuple[int, ...]]:
        """Nodes of a pool as the scheduler sees them, and which take nothing new; none: flat."""
        own = self._nodes.get(pool, [])
        kinds = groupby(own, lambda n: (n.devices, n.domain, n.cpu_milli, n.memory_mib))
        views = (
            NodeView(devices, domain, len(list(some)), cpu_milli, memory_mib)
            for (devices, domain, cpu_milli, memory_mib), some in kinds
        )
        return tuple(views), tuple(node.position for node in own if node.state != "open")

    def limited(self, request: Request) -> Request:
        """The request, kept to pools that are open for its wall time, or blocked with the reason.

        Each pool counts as a site of its own, as `admission` shows it to the scheduler. *Cost*: a
        look at every pool for each wall time, and for each need of chips and devices.
        """
        if not self._closed and not self._planned:
            return request
        closed = self._closed_for(request.wall_seconds_max)
        if not closed or request.blocked is not None:
            return request
        shut = self._nothing_open(request, closed)
        sites = self._sites[request.wall_seconds_max]
        if request.sites is not None and sites is not None:
            sites &= request.sites
        return replace(request, sites=sites, blocked=None if shut is None else shut[1])

    def opens_us(self, request: Request) -> int | None:
        """When the first of the pools that would suit is open again; None: nobody said.

        As it was before it was limited. None as well where one is open.
        """
        shut = self._nothing_open(request, self._closed_for(request.wall_seconds_max))
        return None if shut is None or shut[0] == FAR_US else shut[0]

    def shorter_walls(self, request: Request) -> list[int]:
        """Wall times that end before a maintenance that comes, the longest first.

        At a pool that would suit the request, as it was before it was limited.
        """
        found = set()
        for pool in self._pools:
            planned = self._planned.get(pool.id, ())
            if planned and pool.id not in self._closed and self._suits(pool, request):
                first_us = min(each.from_us for each in planned)
                found.add((first_us - self._now_us) // SECOND_US)
        return sorted((n for n in found if 0 < n < request.wall_seconds_max), reverse=True)

    def _nothing_open(
        self, request: Request, closed: Mapping[str, tuple[int, Why]]
    ) -> tuple[int, Why] | None:
        """When the first of the pools that would suit opens, and why all of them are closed.

        None while one is open, or none would suit.
        """
        need = _need(request)
        if need not in self._shut:
            suited = [pool for pool in self._pools if self._might(pool, request)]
            open_ones = [pool for pool in suited if pool.id not in closed]
            if any(self._suits(pool, request) for pool in open_ones):
                self._shut[need] = None
            else:
                shut = [closed[p.id] for p in suited if p.id in closed and self._suits(p, request)]
                self._shut[need] = min(shut, key=lambda each: each[0], default=None)
        return self._shut[need]

    def _might(self, pool: Pool, request: Request) -> bool:
        """Whether a pool has the chip and the devices, where the request may go."""
        chip = pool.chip == request.chip or pool.chip in request.substitutes
        there = request.sites is None or pool.id in request.sites
        return chip and there and pool.devices >= request.devices_all

    def _suits(self, pool: Pool, request: Request) -> bool:
        """Whether it could take it when empty."""
        if not self._might(pool, request):
            return False
        if pool.id not in self._groups:
            views, _ = self.standing_of(pool.id)
            gone = tuple(n.position for n in self.nodes_of(pool.id) if n.state == "gone")
            view = PoolView(
                pool.id, pool.chip, pool.devices, 0, 0, pool.currency, nodes=views, gone=gone
            )
            self._groups[pool.id] = list(groups_of(view))
        return any(could(group, request) for group in self._groups[pool.id])

    def _closed_for(self, wall_seconds: int) -> dict[str, tuple[int, Why]]:
        """Pools not offered to work of that length, with when they open again and why."""
        if wall_seconds not in self._busy:
            over_us = self._now_us + wall_seconds * SECOND_US
            found: dict[str, tuple[int, Why]] = {}
            for pool, windows in self._planned.items():
                for window in windows:
                    if window.from_us < over_us:
                        found[pool] = window.until_us, _maintained(window)
                        break
            for pool, said in self._closed.items():
                found[pool] = FAR_US, self._closing(pool, said)
            self._busy[wall_seconds] = found
            open_ones = frozenset(p.id for p in self._pools if p.id not in found)
            self._sites[wall_seconds] = open_ones if found else None
        return self._busy[wall_seconds]

    def _closing(self, pool: str, said: Standing) -> Why:
        """Why a pool takes nothing: its site is gone, or somebody said so."""
        reason = self._closings.get(pool)
        for each in self._pools if reason else ():
            if each.id == pool and (why := waiting_for(each, reason or "")) is not None:
                return why
        return Why("compute.waiting_pool_closed", (("pool", pool), ("state", said.state)))


def _need(request: Request) -> _Need:
    """All of a request that decides which pools would suit it, and for how long."""
    return (
        request.chip,
        tuple(sorted(request.substitutes)),
        request.devices,
        request.replicas,
        request.fabric,
        request.milli,
        request.cpu_milli,
        request.memory_mib,
        request.wall_seconds_max,
        request.sites,
    )


def _maintained(window: Maintenance) -> Why:
    begins, ends = iso(window.from_us), iso(window.until_us)
    params = (("pool", window.pool), ("begins", begins), ("ends", ends))
    return Why("compute.waiting_maintenance", params)


def offering(tx: Transaction, pools: Sequence[Pool], *, now_us: int) -> Offering:
    """The pools as they stand at an instant. Cost: five queries, six where one is down."""
    standings = store.standings(tx)
    down = [pool for pool, said in standings.items() if said.state == "down"]
    return Offering(
        pools,
        standings=standings,
        prices=store.prices(tx, at_us=now_us),
        maintenances=store.maintenances(tx, over_after_us=now_us),
        now_us=now_us,
        nodes=store.nodes(tx),
        others=crowded(tx, pools, now_us=now_us),
        closings=store.closings(tx, down) if down else {},
    )
