"""A national estate and its queue, from a fixed seed: 250 sites, six chip models, 2,000 tenants.

*Measured*: the mix of nodes, i.e. how many devices of which model stand on nodes of which size, is
that of ``shared/data/traces/alibaba-spot-v2026/node_info_df.csv``, read in place and scaled.

*Synthesised, from the seed*: everything else. Which site has how many nodes, fabric domains,
prices, which chip stands in for which and how fast, tenants, their kinds, projects and weights, and
every request. The file has no sites, no prices, no tenants and no jobs.

    estate = nation(devices=100_000)
    requests = estate.requests(100_000, now_us=NOW_US)
"""

from __future__ import annotations

import csv
import random
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from yunhe.compute.scheduling.state import NodeView, PoolView, Request

SHARED = Path(__file__).parents[2].parent / "shared"
NODES = Path("data/traces/alibaba-spot-v2026/node_info_df.csv")
SEED = 20261122
SECOND_US = 10**6
HOUR_US = 3_600 * SECOND_US
NOW_US = 1_795_000_000 * SECOND_US
"""Instant at which the estate is looked at."""

KINDS = ("university", "enterprise", "institute", "start-up", "government")
SPEEDS = {  # synthesised: per thousand of the chip asked for, for work of training
    "A10": {"GPU-series-1": 900, "A100-SXM4-80GB": 2_800},
    "A100-SXM4-80GB": {"A800-SXM4-80GB": 950, "H800": 1_900, "GPU-series-2": 700},
    "A800-SXM4-80GB": {"A100-SXM4-80GB": 1_050, "H800": 2_000, "GPU-series-2": 750},
    "H800": {"A100-SXM4-80GB": 525, "GPU-series-2": 400},
    "GPU-series-1": {"A10": 1_100},
    "GPU-series-2": {"A100-SXM4-80GB": 1_400, "A800-SXM4-80GB": 1_300},
}
PRICES = {  # synthesised: minor units of CNY a device-hour
    "A10": 450,
    "A100-SXM4-80GB": 1_600,
    "A800-SXM4-80GB": 1_500,
    "H800": 3_000,
    "GPU-series-1": 400,
    "GPU-series-2": 1_100,
}
SIZES = ((1, 520), (2, 130), (4, 120), (8, 130), (16, 50), (32, 30), (64, 15), (128, 5))
"""Devices of a request, and how many in 1,000 ask for so many: most are small, most time is not."""
WALLS = ((1, 250), (4, 300), (12, 200), (24, 150), (72, 80), (168, 20))
"""Wall limit in hours, and how many in 1,000 ask for it."""
REGIONS = 10
DOMAIN_NODES = 32
"""Nodes of one fabric domain."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project of an organisation."""

    kind: str
    """Kind of its organisation."""
    organisation: str
    """Who pays."""
    project: str
    """Which of its projects."""
    home: str
    """Where its data lies."""
    region: frozenset[str]
    """Sites it may be bound to."""


@dataclass(frozen=True, slots=True)
class Nation:
    """Pools, tenants, and as many requests as are wanted."""

    pools: tuple[PoolView, ...]
    """At most one for each site and chip."""
    tenants: tuple[Tenant, ...]
    """In order of how often they ask, the most frequent first."""
    weights: dict[tuple[str, ...], int]
    """For the fair share."""
    chips: dict[str, int]
    """Devices by chip."""
    seed: int
    """What all of it came from."""

    @property
    def devices(self) -> int:
        """Devices of all pools."""
        return sum(pool.devices for pool in self.pools)

    def requests(self, count: int, *, now_us: int = NOW_US, first: int = 0) -> Iterator[Request]:
        """So many requests from number `first` on; all have waited for less than ten minutes.

        The same numbers give the same requests whatever was drawn before, but for `since_us`.
        """
        draw = _Draw(self)
        for number in range(first, first + count):
            yield draw.request(number, now_us=now_us)


class _Draw:
    """Draws one request after the other."""

    def __init__(self, nation: Nation) -> None:
        self._seed = nation.seed
        self._tenants = nation.tenants
        tails = accumulate(1 / (rank + 10) for rank in range(len(nation.tenants)))
        self._often = list(tails)  # heavy tails: how often the n-th asks falls as 1/n
        self._chips = sorted(nation.chips)
        self._demand = list(accumulate(nation.chips[chip] for chip in self._chips))
        self._largest: dict[str, int] = {}
        for pool in nation.pools:
            most = max(view.devices * view.count for view in pool.nodes)
            self._largest[pool.chip] = max(self._largest.get(pool.chip, 0), most)
        self._joined = {p.chip for p in nation.pools if any(v.devices >= 8 for v in p.nodes)}

    def request(self, number: int, *, now_us: int) -> Request:
        draw = random.Random(self._seed * 1_000_003 + number)
        tenant = self._tenants[bisect(self._often, draw.random() * self._often[-1])]
        chip = self._chips[bisect(self._demand, draw.random() * self._demand[-1])]
        devices = _weighed(SIZES, draw.randrange(1_000))
        devices = min(devices, 1 << self._largest[chip].bit_length() - 1)
        substitutes = SPEEDS[chip] if draw.random() < 0.5 else {}
        bound = draw.random() < 0.3
        joined = devices >= 16 and chip in self._joined
        return Request(
            id=f"r{number:08}",
            number=number,
            organisation=tenant.organisation,
            chip=chip,
            devices=devices,
            wall_seconds_max=3_600 * _weighed(WALLS, draw.randrange(1_000)),
            since_us=now_us - draw.randrange(600) * SECOND_US,
            kind=tenant.kind,
            project=tenant.project,
            substitutes=substitutes,
            fabric="domain" if joined and draw.random() < 0.5 else "any",
            sites=tenant.region if bound else None,
            home=tenant.home if draw.random() < 0.7 else "",
            priority=1 if draw.random() < 0.02 else 0,
            preemptible=draw.random() < 0.2,
        )


def _weighed(rows: tuple[tuple[int, int], ...], at: int) -> int:
    for value, weight in rows:
        at -= weight
        if at < 0:
            return value
    raise ValueError(at)


def nation(
    *, devices: int = 100_000, sites: int = 250, tenants: int = 2_000, shared: Path = SHARED
) -> Nation:
    """The estate with about so many devices. *Errors*: `OSError` where the file is not there."""
    mix = node_mix(shared)
    chips = sorted({chip for chip, _ in mix})
    draw = random.Random(SEED)
    names = [f"site-{number:03}" for number in range(sites)]
    size_of = {name: 1 + draw.paretovariate(1.5) for name in names}  # a few sites are large
    scale = devices / sum(size * count for (_, size), count in mix.items())
    rows: dict[tuple[str, str], list[NodeView]] = {}
    for (chip, size), count in sorted(mix.items()):
        wanted = round(count * scale)
        counts = _spread(names, size_of, wanted, draw)
        for name in names:
            if counts[name]:
                rows.setdefault((name, chip), []).extend(_domains(size, counts[name]))
    pools = []
    for (name, chip), views in sorted(rows.items()):
        price = PRICES[chip] * draw.choice((90, 95, 100, 105, 110)) // 100
        total = sum(view.devices * view.count for view in views)
        pools.append(PoolView(f"{name}/{chip}", chip, total, 0, price, "CNY", name, tuple(views)))
    regions = [frozenset(names[region::REGIONS]) for region in range(REGIONS)]
    found, weights = _tenants(tenants, names, regions, draw)
    held = {chip: sum(pool.devices for pool in pools if pool.chip == chip) for chip in chips}
    return Nation(tuple(pools), found, weights, held, SEED)


def node_mix(shared: Path = SHARED) -> Counter[tuple[str, int]]:
    """Nodes of the trace by chip and devices."""
    with (shared / NODES).open(encoding="utf-8", newline="") as file:
        return Counter(
            (row["gpu_model"], int(row["gpu_capacity_num"])) for row in csv.DictReader(file)
        )


def _spread(
    names: list[str], size_of: dict[str, float], wanted: int, draw: random.Random
) -> dict[str, int]:
    """So many nodes over all sites: one each while they last, the rest by the sites' sizes."""
    counts = dict.fromkeys(names, 0)
    for name in draw.sample(names, min(wanted, len(names))):
        counts[name] = 1
    rest = wanted - sum(counts.values())
    for name in draw.choices(names, [size_of[name] for name in names], k=rest):
        counts[name] += 1
    return counts


def _domains(size: int, count: int) -> Iterator[NodeView]:
    """Nodes of one size; those with several devices stand in fabric domains."""
    bounds = [*range(0, count, DOMAIN_NODES), count]
    for number, (start, end) in enumerate(pairwise(bounds)):
        yield NodeView(size, size * 10_000 + number, end - start)


def _tenants(
    count: int, names: list[str], regions: list[frozenset[str]], draw: random.Random
) -> tuple[tuple[Tenant, ...], dict[tuple[str, ...], int]]:
    found, weights = [], {}
    for number in range(count):
        kind = KINDS[bisect((35, 70, 80, 97), draw.randrange(100))]
        organisation, home = f"org-{number:04}", draw.choice(names)
        region = next(some for some in regions if home in some)
        if draw.random() < 0.1:
            weights[kind, organisation] = draw.choice((2, 4))
        found += [
            Tenant(kind, organisation, f"{organisation}-{project}", home, region)
            for project in range(min(int(draw.paretovariate(1.2)), 20))
        ]
    draw.shuffle(found)
    return tuple(found), weights
