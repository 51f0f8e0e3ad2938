"""What a run is judged by: waiting, run times, use of the fleet, fairness, money, cost of deciding.

Two windows hold throughout. *Jobs* count when they arrive between 5 % and 95 % of the span of all
arrivals (warm-up and cool-down are left out), unless the whole trace is asked for or fewer than
`JOBS_MIN` are left. *Use of the fleet* is measured over the same span of time. Both are said with
the figures.

A job that never started or never finished is counted as waiting until the simulation stopped, so
starving a job never makes a figure better; how many there are is a figure of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import FINISHED, Flags, Run, Stretches, Times, Trace
from yunhe.compute.simulation.fairness import Fairness, fairness

WARM_PERMILLE, COOL_PERMILLE = 50, 950
"""The window, per thousand of the span of arrivals."""
JOBS_MIN = 50
"""With fewer jobs in the window, all jobs of the trace are counted."""
SLOWDOWN_US = 10_000_000
"""Run times below 10 s count as 10 s. *Source*: Feitelson, bounded slowdown."""
POINTS = 240
"""Points of a series over time."""
CLASSES: tuple[tuple[str, int, int], ...] = (
    ("0", 0, 0),
    ("<1", 1, 999),
    ("1", 1_000, 1_000),
    ("2-4", 2_000, 4_000),
    ("5-8", 5_000, 8_000),
    ("9-31", 9_000, 31_000),
    ("32+", 32_000, 1 << 62),
)
"""Classes of size: name, least and most thousandths of a device."""
ALL = "all"
"""Name of the class of every job."""
_SECOND_US, _HOUR_US = 1e6, 3_600e6


@dataclass(frozen=True, slots=True)
class Spread:
    """How a quantity is distributed over jobs."""

    mean: float
    """Arithmetic mean."""
    p50: float
    """Median."""
    p90: float
    """90th percentile."""
    p99: float
    """99th percentile."""
    most: float
    """Largest."""


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Jobs of like size."""

    name: str
    """`ALL` or a name of `CLASSES`."""
    jobs: int
    """How many are counted."""
    wait_seconds: Spread
    """Time in the queue, all of it."""
    jct_seconds: Spread
    """From arrival to the end."""
    slowdown: Spread
    """Bounded: from arrival to the end, over run time alone on the reference chip."""
    starved: int
    """Waited more than ten times its run time, and more than an hour."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Device time and money at one site on one chip."""

    site: str
    """Where."""
    chip: str
    """On what."""
    device_hours: float
    """Held."""
    cost_minor: int
    """Minor units of the trace's currency; 0 without prices."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured of one run."""

    policy: str
    """Which policy."""
    window_us: tuple[int, int]
    """Jobs that arrive in it are counted; use is measured over it."""
    whole: bool
    """Whether that is the whole trace."""
    classes: tuple[SizeClass, ...]
    """All jobs, then every class of size that has some."""
    wait_seconds_quantiles: tuple[float, ...]
    """Wait at each percent from 0 to 100 of the counted jobs, in order of waiting."""
    wait_seconds_mean_whole: float
    """Mean wait of all jobs of the trace, without a window."""
    jct_seconds_mean_whole: float
    """Mean from arrival to end of all jobs of the trace."""
    service_seconds_mean: float
    """Mean run time on the reference chip: no schedule has a smaller mean JCT on one chip."""
    utilisation: float
    """Device time held over device time there is."""
    wanted_but_idle: float
    """Devices free while at least as much was waiting: lost to fragments, rules and order."""
    partial: float | None
    """Devices free on nodes that are partly taken; None where the run does not say."""
    series_hours: tuple[float, ...]
    """Hours since the start, for the two series."""
    series_busy: tuple[float, ...]
    """Share of devices held, mean of each interval."""
    series_waiting: tuple[float, ...]
    """Devices waited for over devices there are, mean of each interval."""
    fairness: Fairness
    """Between tenants."""
    spent: tuple[Spent, ...]
    """By site and chip, most device time first."""
    cost_minor: int | None
    """In all; None without prices."""
    currency: str
    """Of the costs."""
    unfinished: int
    """Jobs that had not finished when the simulation stopped."""
    never_started: int
    """Of those, jobs that never started."""
    preemptions: int
    """Times that jobs were pushed out."""
    failures: int
    """Times that jobs lost a node."""
    lost_device_hours: float
    """Work done twice, and restarts."""
    makespan_hours: float
    """From the first arrival to the last end."""
    decisions: int
    """Given by the engine."""
    engine_cpu_seconds: float
    """Inside the engine."""
    decisions_per_cpu_second: float
    """Of both."""


def measure(trace: Trace, run: Run, *, whole: bool = False) -> Figures:
    """The figures of a run. *Cost*: n log n in jobs and stretches."""
    jobs = trace.jobs
    window = _window(jobs.arrive_us, whole=whole)
    counted = (jobs.arrive_us >= window[0]) & (jobs.arrive_us <= window[1])
    ended = np.where(run.end_us >= 0, run.end_us, np.maximum(run.stopped_us, jobs.arrive_us))
    jct = ended - jobs.arrive_us
    wait = np.minimum(run.waited_us, jct)
    load = jobs.load_milli()
    span = _series_span(window, run)
    busy = _busy(run.stretches, load)
    waiting = _waiting(trace, run, load)
    capacity = max(trace.fleet.capacity_milli(), 1)
    spent = _spent(trace, run.stretches, load)
    seconds = run.engine_cpu_seconds
    hours, series_busy = _sampled(busy, run.stopped_us, capacity)
    return Figures(
        policy=run.policy,
        window_us=window,
        whole=window == (int(jobs.arrive_us[0]), int(jobs.arrive_us[-1])),
        classes=_classes(trace, counted, wait, jct, load),
        wait_seconds_quantiles=tuple(
            (np.percentile(wait[counted], np.arange(101)) / _SECOND_US).tolist()
        ),
        wait_seconds_mean_whole=float(wait.mean()) / _SECOND_US,
        jct_seconds_mean_whole=float(jct.mean()) / _SECOND_US,
        service_seconds_mean=float(jobs.service_us[counted].mean()) / _SECOND_US,
        utilisation=_mean(busy, span) / capacity,
        wanted_but_idle=_idle(busy, waiting, span, capacity) / capacity,
        partial=_mean((run.partial_us, run.partial_milli), span) / capacity
        if len(run.partial_us)
        else None,
        series_hours=hours,
        series_busy=series_busy,
        series_waiting=_sampled(waiting, run.stopped_us, capacity)[1],
        fairness=fairness(trace, jct, counted),
        spent=spent,
        cost_minor=sum(one.cost_minor for one in spent) if trace.prices is not None else None,
        currency=trace.currency,
        unfinished=int((run.end_us < 0).sum()),
        never_started=int((run.first_start_us < 0).sum()),
        preemptions=int(run.preemptions.sum()),
        failures=int(run.failures.sum()),
        lost_device_hours=float((run.lost_us * (load / 1000)).sum()) / _HOUR_US,
        makespan_hours=float(ended.max() - jobs.arrive_us[0]) / _HOUR_US,
        decisions=run.decisions,
        engine_cpu_seconds=seconds,
        decisions_per_cpu_second=run.decisions / seconds if seconds > 0 else 0.0,
    )


def _window(arrive: Times, *, whole: bool) -> tuple[int, int]:
    first, last = int(arrive[0]), int(arrive[-1])
    if whole or last == first:
        return first, last
    span = last - first
    low, high = first + span * WARM_PERMILLE // 1000, first + span * COOL_PERMILLE // 1000
    if int(((arrive >= low) & (arrive <= high)).sum()) < JOBS_MIN:
        return first, last
    return low, high


def _series_span(window: tuple[int, int], run: Run) -> tuple[int, int]:
    """The window, or the whole run where all jobs arrive at once."""
    return window if window[1] > window[0] else (window[0], max(run.stopped_us, window[0] + 1))


def spread(values: NDArray[np.float64]) -> Spread:
    """Mean and percentiles; zeros of nothing."""
    if len(values) == 0:
        return Spread(0.0, 0.0, 0.0, 0.0, 0.0)
    p50, p90, p99 = (float(one) for one in np.percentile(values, (50, 90, 99)))
    return Spread(float(values.mean()), p50, p90, p99, float(values.max()))


def _classes(
    trace: Trace, counted: Flags, wait: Times, jct: Times, load: Times
) -> tuple[SizeClass, ...]:
    service = trace.jobs.service_us
    slowdown = np.maximum(jct / np.maximum(service, SLOWDOWN_US), 1.0)
    starving = (wait > 10 * service) & (wait > _HOUR_US)
    found = []
    for name, least, most in ((ALL, 0, 1 << 62), *CLASSES):
        inside = counted & (load >= least) & (load <= most)
        if not inside.any():
            continue
        found.append(
            SizeClass(
                name,
                int(inside.sum()),
                spread(wait[inside] / _SECOND_US),
                spread(jct[inside] / _SECOND_US),
                spread(slowdown[inside]),
                int(starving[inside].sum()),
            )
        )
    return tuple(found)


_Steps = tuple[Times, Times]
"""Instants that do not fall, and the value from each on."""


def _steps(at: Times, change: Times) -> _Steps:
    order = np.argsort(at, kind="stable")
    return at[order], np.cumsum(change[order])


def _busy(stretches: Stretches, load: Times) -> _Steps:
    held = load[stretches.job]
    return _steps(
        np.concatenate([stretches.start_us, stretches.end_us]), np.concatenate([held, -held])
    )


def _waiting(trace: Trace, run: Run, load: Times) -> _Steps:
    """Thousandths of devices waited for: from arrival or push to the next start."""
    stretches = run.stretches
    held = load[stretches.job]
    again = stretches.ended != FINISHED
    back = stretches.end_us[again & (stretches.end_us < run.stopped_us)]
    returned = held[again & (stretches.end_us < run.stopped_us)]
    return _steps(
        np.concatenate([trace.jobs.arrive_us, back, stretches.start_us]),
        np.concatenate([load, returned, -held]),
    )


def _integral(steps: _Steps, edges: Times) -> NDArray[np.float64]:
    """float64[len(edges)]: the integral from the beginning to each edge."""
    at, value = steps
    if len(at) == 0:
        return np.zeros(len(edges), np.float64)
    area = np.concatenate([[0.0], np.cumsum(value[:-1].astype(np.float64) * np.diff(at))])
    place = np.searchsorted(at, edges, side="right") - 1
    inside = np.maximum(place, 0)
    found: NDArray[np.float64] = area[inside] + value[inside] * (edges - at[inside])
    return np.where(place >= 0, found, 0.0)


def _mean(steps: _Steps, span: tuple[int, int]) -> float:
    low, high = _integral(steps, np.array(span, np.int64)).tolist()
    return float((high - low) / (span[1] - span[0]))


def _idle(busy: _Steps, waiting: _Steps, span: tuple[int, int], capacity: int) -> float:
    """Mean of what is free, where and as far as as much is waited for."""
    at = np.unique(np.concatenate([busy[0], waiting[0]]))
    if len(at) == 0:
        return 0.0

    def values(steps: _Steps) -> Times:
        place = np.searchsorted(steps[0], at, side="right") - 1
        return np.where(place >= 0, steps[1][np.maximum(place, 0)], 0)

    free = np.maximum(capacity - values(busy), 0)
    return _mean((at, np.minimum(free, np.maximum(values(waiting), 0))), span)


def _sampled(
    steps: _Steps, stopped_us: int, capacity: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    edges = np.unique(np.linspace(0, max(stopped_us, 1), POINTS + 1).astype(np.int64))
    means = np.diff(_integral(steps, edges)) / np.diff(edges) / capacity
    hours = (edges[:-1] + edges[1:]) / 2 / _HOUR_US
    return tuple(hours.tolist()), tuple(np.maximum(means, 0).tolist())


def _spent(trace: Trace, stretches: Stretches, load: Times) -> tuple[Spent, ...]:
    """Device time and cost of each site and chip; costs are rounded once, at the end."""
    fleet = trace.fleet
    chips = len(fleet.chips)
    held = (stretches.end_us - stretches.start_us) / _HOUR_US * (load[stretches.job] / 1000)
    on_devices = stretches.chip >= 0
    place = (stretches.site.astype(np.int64) * chips + stretches.chip)[on_devices]
    hours = np.bincount(place, weights=held[on_devices], minlength=len(fleet.sites) * chips)
    found = []
    for at in np.argsort(-hours, kind="stable").tolist():
        if hours[at] <= 0:
            continue
        site, chip = divmod(at, chips)
        price = int(trace.prices[site, chip]) if trace.prices is not None else 0
        cost = round(float(hours[at]) * price)
        found.append(Spent(fleet.sites[site], fleet.chips[chip], float(hours[at]), cost))
    return tuple(found)
