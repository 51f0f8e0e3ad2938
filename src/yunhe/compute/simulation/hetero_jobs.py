"""Jobs as Gavel's simulator makes them, and what their owners would say of their work.

*Source*: Narayanan et al., Gavel, OSDI 2020, and the defaults of its published simulator: the type
is drawn evenly; run times on the reference chip are 10^x minutes, x from 1.5 to 3, for a fifth of
the jobs from 3 to 4; with gangs 70 % ask for one device, 10 % for two, 15 % for four and 5 % for
eight, of the types that can be spread; arrivals are Poisson. The draws are ours, with a seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import Times, Trace

HOUR_US = 3_600_000_000
"""Microseconds in an hour."""
MINUTE_US = 60_000_000
"""Microseconds in a minute."""
LONG = 0.2
"""Part of the jobs that is long."""
SCALES = ((1, 0.7), (2, 0.1), (4, 0.15), (8, 0.05))
"""Devices, and part of the jobs that asks for so many."""
SPREAD = ("ResNet", "Transformer", "LM")
"""How the names begin of the types that run on several devices."""
TIMES_OVER = 5.0
"""Most that a declaration is above the truth, but for the bad ones."""
SPREAD_LOG = 0.5
"""Standard deviation of the logarithm of a declaration over twice the truth."""
BAD = 0.1
"""Part of the declarations that is far too low."""
BAD_TIMES = 0.2
"""What those say, over the truth."""


def gavel_jobs(trace: Trace, *, count: int, per_hour: float, seed: int, gangs: bool) -> Trace:
    """So many jobs on the fleet of a Gavel trace, whose kinds and speeds they use.

    Errors: `KeyError` where the trace knows no speed for a type and number of devices drawn.
    """
    draw = np.random.default_rng(seed)
    scale = np.ones(count, np.int64)
    if gangs:
        bounds = np.cumsum([part for _, part in SCALES])[:-1]
        place = np.searchsorted(bounds, draw.random(count), side="right")
        scale = np.array([size for size, _ in SCALES], np.int64)[place]
    long = draw.random(count) < LONG
    power = np.where(long, draw.uniform(3, 4, count), draw.uniform(1.5, 3, count))
    rows = {name: row for row, name in enumerate(trace.kinds)}
    types = sorted({name.rsplit(" x", 1)[0] for name in trace.kinds})
    spread = [name for name in types if name.startswith(SPREAD)]
    kind = []
    for size, chance in zip(scale.tolist(), draw.random(count).tolist(), strict=True):
        able = types if size == 1 else spread
        kind.append(rows[f"{able[int(chance * len(able))]} x{size}"])
    arrive = np.cumsum(draw.exponential(HOUR_US / per_hour, count)).astype(np.int64)
    first = np.zeros(count, np.int64)
    jobs = trace.jobs
    columns = {
        name: getattr(jobs, name)[first] for name in jobs.__dataclass_fields__ if name != "id"
    }
    columns |= {
        "arrive_us": arrive - arrive[0],
        "service_us": (10**power * MINUTE_US).astype(np.int64),
        "wall_us": np.zeros(count, np.int64),
        "devices": scale.astype(np.int32),
        "kind": np.array(kind, np.int32),
        "preemptible": np.ones(count, np.bool_),
    }
    names = tuple(f"made-{number}" for number in range(count))
    return replace(trace, name="gavel-made", jobs=replace(jobs, id=names, **columns))


def declared(service_us: Times, *, seed: int) -> Times:
    """What owners say their work is: mostly one to five times too much, a tenth far too little.

    *Shapes*: int64[n]. A declaration is about twice the truth, lognormal, held within one and five
    times; of the others a fifth of the truth is said.
    """
    draw = np.random.default_rng((seed, 1))
    times: NDArray[np.float64] = 2 * np.exp(draw.normal(0, SPREAD_LOG, len(service_us)))
    times = np.clip(times, 1.0, TIMES_OVER)
    times[draw.random(len(service_us)) < BAD] = BAD_TIMES
    found: Times = np.maximum((service_us * times).astype(np.int64), 1)
    return found


def at_least_us(trace: Trace, room: NDArray[np.int64]) -> Times:
    """int64[n]: time of each job alone on the fastest chip that has devices for it.

    No schedule can end it sooner after its arrival. *Shapes*: room int64[chips].
    """
    jobs = trace.jobs
    speed = trace.speeds[jobs.kind].astype(np.float64)
    speed = np.where(room >= jobs.devices[:, None], speed, 0.0).max(axis=1)
    found: Times = np.ceil(jobs.service_us * 1_000.0 / np.maximum(speed, 1e-9)).astype(np.int64)
    return found
