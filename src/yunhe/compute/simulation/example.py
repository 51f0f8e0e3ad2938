"""A small made-up trace, so that the simulator can be tried without any data. Wholly synthetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from yunhe.compute.simulation.domain import (
    FABRIC_SITE,
    Jobs,
    Note,
    Times,
    Trace,
    Whole,
)
from yunhe.compute.simulation.faults import exponential, uniform
from yunhe.compute.simulation.traces.building import Wanted, pick, reach_of, without_impossible
from yunhe.compute.simulation.traces.fleets import Rack, Supply, supply

SEED = 42
"""Published, so that everybody sees the same trace."""
JOBS = 2_000
"""How many jobs."""
LOAD = 0.75
"""Device time asked for over device time there is."""
TENANTS = ("university", "hospital", "start-up", "city-office", "institute")
"""Who sends them; invented."""
_SIZES = (1, 2, 4, 8, 16, 32)
_SHARES = (0.62, 0.12, 0.11, 0.10, 0.035, 0.015)
_MEDIAN_SECONDS, _SPREAD = 900.0, 1.9
_WALL_FACTORS = (1.2, 6.0)


def example_fleet() -> Supply:
    """Three sites with two kinds of chip and prices; invented."""
    racks = [
        Rack("north", "chip-a", 6, 8, price_minor=1_800, currency="CNY"),
        Rack("east", "chip-a", 4, 8, price_minor=2_100, currency="CNY"),
        Rack("east", "chip-b", 4, 8, price_minor=900, currency="CNY"),
        Rack("south", "chip-b", 6, 8, price_minor=800, currency="CNY"),
    ]
    return supply(racks, name="example")


def example(wanted: Wanted | None = None, *, seed: int = SEED, jobs: int = JOBS) -> Trace:
    """A trace with the shape of real ones: mostly small, heavy-tailed, more by day than by night.

    Half of the jobs also run on ``chip-b``, at 55 % of the speed. The same seed gives the same
    trace everywhere.
    """
    wanted = wanted or Wanted()
    offered = wanted.supply or example_fleet()
    devices = np.array(_SIZES)[
        np.searchsorted(np.cumsum(_SHARES)[:-1], uniform(seed, "size", jobs))
    ]
    service = _service(seed, jobs)
    span = int((devices * service).sum() / (offered.fleet.capacity_milli() / 1000) / LOAD)
    arrive = _arrivals(seed, jobs, span)
    low, high = _WALL_FACTORS
    wall = service * (low + (high - low) * uniform(seed, "wall", jobs))
    chips = offered.fleet.chips
    speeds = [[1000] * len(chips)]
    if "chip-b" in chips:
        speeds = [
            [1000 if chip != "chip-b" else 0 for chip in chips],
            [1000 if chip != "chip-b" else 550 for chip in chips],
        ]
    columns = Jobs(
        id=tuple(f"job-{number + 1}" for number in range(jobs)),
        arrive_us=arrive,
        service_us=service,
        wall_us=np.ceil(wall / 1e6).astype(np.int64) * 1_000_000,
        devices=devices.astype(np.int32),
        milli=np.zeros(jobs, np.int16),
        cpu_milli=np.zeros(jobs, np.int64),
        memory_mib=np.zeros(jobs, np.int64),
        tenant=_choice(seed, "tenant", jobs, len(TENANTS)),
        home=_choice(seed, "home", jobs, len(offered.fleet.sites)),
        kind=_choice(seed, "kind", jobs, len(speeds)),
        fabric=np.full(jobs, FABRIC_SITE, np.int8),
        priority=np.zeros(jobs, np.int16),
        preemptible=uniform(seed, "preemptible", jobs) < 0.7,
        pinned=np.zeros(jobs, np.bool_),
    )
    eligible, transfer, notes = reach_of(len(offered.fleet.sites), wanted)
    trace = Trace(
        name="example",
        format="synthetic",
        jobs=columns,
        fleet=offered.fleet,
        tenants=TENANTS,
        weights=np.ones(len(TENANTS), np.int64),
        speeds=np.array(speeds, np.int32),
        kinds=tuple(f"kind-{number + 1}" for number in range(len(speeds))),
        eligible=eligible,
        transfer_us=transfer,
        prices=offered.prices,
        currency=offered.currency,
        source="example",
        notes=(Note("synthetic", {"seed": seed, "jobs": jobs}), *offered.notes, *notes),
    )
    if wanted.first is not None and wanted.first < jobs:
        note = Note("first_jobs", {"kept": wanted.first, "all": jobs})
        some = pick(trace.jobs, np.arange(wanted.first))
        trace = replace(trace, jobs=some, notes=(*trace.notes, note))
    return without_impossible(trace)


def _service(seed: int, jobs: int) -> Times:
    """Log-normal run times (Box-Muller), cut at one day."""
    first, second = uniform(seed, "service-1", jobs), uniform(seed, "service-2", jobs)
    normal = np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)
    seconds = np.clip(_MEDIAN_SECONDS * np.exp(_SPREAD * normal), 10, 86_400)
    whole: Times = np.round(seconds).astype(np.int64) * 1_000_000
    return whole


def _arrivals(seed: int, jobs: int, span: int) -> Times:
    """Exponential gaps, stretched so that twice as many come at noon as at midnight."""
    gaps = exponential(seed, "arrival", jobs, mean_us=1_000_000)
    even = np.cumsum(gaps) / gaps.sum()
    grid = np.linspace(0, 1, 10_001)
    days = max(span / 86_400e6, 1e-9)
    rate = 1 - np.cos(2 * np.pi * grid * days) / 3
    passed = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
    arrive = np.interp(even, passed / passed[-1], grid) * span
    whole: Times = np.round(arrive / 1e6).astype(np.int64) * 1_000_000
    return whole


def _choice(seed: int, stream: str, jobs: int, count: int) -> Whole:
    return np.floor(uniform(seed, stream, jobs) * count).astype(np.int32)
