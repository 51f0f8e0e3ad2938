"""From a reader's columns to a trace: rows in order, defaults filled in, impossible ones out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import (
    FABRIC_SITE,
    NONE,
    Flags,
    Jobs,
    Note,
    Small,
    Times,
    Trace,
    Whole,
)
from yunhe.compute.simulation.traces.fleets import Supply
from yunhe.compute.simulation.traces.table import Problems
from yunhe.kernel.errors import Finding, Invalid

JOBS_MAX = 20_000_000
"""Most jobs of one trace."""
DEVICES_MAX = 10_000_000
"""Most devices of one job."""
SERVICE_US_MAX = 10 * 365 * 86_400 * 1_000_000
"""Longest run time taken for true: ten years."""
ARRIVE_US_MAX = 130 * 365 * 86_400 * 1_000_000
"""Latest arrival taken for true: in the year 2099, or 130 years after the first."""
GAP_SHARE = 0.05
"""A silence of this share of the whole trace, and of a day at least, is pointed out."""
_DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller chose about a trace."""

    supply: Supply | None = None
    """The fleet it meets; None = the format's own."""
    since_us: int | None = None
    """Jobs from this instant on, microseconds since 1970."""
    until_us: int | None = None
    """Jobs before this instant."""
    first: int | None = None
    """So many jobs at most, the earliest."""
    reach: int | None = None
    """Sites a job may use: its home and so many others; None = all."""
    transfer_seconds: int = 0
    """Time a job needs to bring its data to a site that is not its home."""
    throughputs: str | None = None
    """Path of Gavel's table of throughputs; None = beside the trace."""


@dataclass(slots=True)
class Draft:
    """Columns as a reader found them, in the order of the file; None = the default of `Jobs`."""

    id: Sequence[str]
    """Names."""
    arrive_us: Times
    """Absolute or relative, any start."""
    service_us: Times
    """Run time."""
    devices: NDArray[np.int64]
    """Whole devices."""
    good: Flags
    """Which rows may be used."""
    lines: NDArray[np.int64]
    """Where in the file."""
    wall_us: Times | None = None
    """Limit."""
    milli: NDArray[np.int64] | None = None
    """Share of one device."""
    cpu_milli: NDArray[np.int64] | None = None
    """Processor."""
    memory_mib: NDArray[np.int64] | None = None
    """Memory."""
    tenant: Whole | None = None
    """Position in the tenants."""
    home: Whole | None = None
    """Position in the fleet's sites."""
    kind: Whole | None = None
    """Row of the speeds."""
    preemptible: Flags | None = None
    """May be pushed out."""
    priority: Small | None = None
    """More goes first."""
    pinned: Flags | None = None
    """Stays at home."""
    replicas: NDArray[np.int64] | None = None
    """Equal parts that start together."""
    saves_seconds: NDArray[np.int64] | None = None
    """How often it saves its work."""
    fabric: NDArray[np.int64] | None = None
    """How close its devices must lie, one of `FABRIC_SITE` and its like."""
    bound: Whole | None = None
    """Row of the bounds."""
    notes: list[Note] = field(default_factory=list)
    """What is to be said."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A trace and what was wrong with its file."""

    trace: Trace
    """What could be used."""
    findings: tuple[Finding, ...]
    """The first faults, row by row."""
    faults: int
    """How many there were in all."""
    rows: int
    """Rows read."""


@dataclass(frozen=True, slots=True)
class About:
    """What a reader says of its trace."""

    format: str
    """Its name."""
    source: str
    """The file."""
    tenants: tuple[str, ...]
    """Who sends; the draft's positions point here."""
    kinds: tuple[str, ...] = ()
    """Names of the rows of speeds."""
    speeds: Whole | None = None
    """int32[K, C]."""
    weights: NDArray[np.int64] | None = None
    """int64[T], more than 0; None = all alike."""
    cities: tuple[str, ...] = ()
    """Of each tenant its city; none: all of one."""
    bounds: Flags | None = None
    """Of each row of `Draft.bound` the sites where rules of place let it run; None: none rule."""
    city_weights: Mapping[str, int] = field(default_factory=dict)
    """Shares of the cities to one another; 1 unsaid."""
    calendar: bool = False
    """Whether the draft's times are microseconds since 1970."""
    notes: tuple[Note, ...] = ()
    """Licence and limits."""


def build(
    draft: Draft, about: About, *, supply: Supply, wanted: Wanted, problems: Problems
) -> Loaded:
    """The trace of a draft: window, order, first arrival at 0.

    Rows that were not in order of time are sorted and counted in a note; a long silence is named.
    Errors: `Invalid` ``simulate.trace_empty`` with the findings when nothing is left.
    """
    fleet = supply.fleet
    _check(draft, problems)
    kept = draft.good & _window(draft, wanted)
    places = np.flatnonzero(kept)
    if len(places) == 0:
        raise Invalid("simulate.trace_empty", findings=problems.findings, file=about.source)
    if len(places) > JOBS_MAX:
        raise Invalid("simulate.trace_too_large", file=about.source, most=JOBS_MAX)
    arrive = draft.arrive_us[places]
    unordered = int((np.diff(arrive) < 0).sum())
    order = places[np.argsort(arrive, kind="stable")][: wanted.first]
    start = int(draft.arrive_us[order[0]])
    jobs = _jobs(draft, order, start)
    notes = [*about.notes, *supply.notes, *draft.notes, *_order_notes(unordered, jobs)]
    if jobs.milli.any() or jobs.cpu_milli.any() or jobs.memory_mib.any():
        notes.append(Note("packed"))
    if wanted.first is not None and wanted.first < len(places):
        notes.append(Note("first_jobs", {"kept": len(order), "all": len(places)}))
    eligible, transfer, said = reach_of(len(fleet.sites), wanted)
    trace = Trace(
        name=about.source.removesuffix(".gz").rsplit(".", 1)[0],
        format=about.format,
        jobs=jobs,
        fleet=fleet,
        tenants=about.tenants,
        weights=np.ones(len(about.tenants), np.int64) if about.weights is None else about.weights,
        speeds=about.speeds
        if about.speeds is not None
        else np.zeros((0, len(fleet.chips)), np.int32),
        kinds=about.kinds,
        eligible=eligible,
        transfer_us=transfer,
        prices=supply.prices,
        currency=supply.currency,
        cities=about.cities,
        city_weights=about.city_weights,
        bounds=np.zeros((0, 0), np.bool_) if about.bounds is None else about.bounds,
        epoch_us=start if about.calendar else 0,
        source=about.source,
        notes=tuple(notes + said),
    )
    trace = without_impossible(trace)
    return Loaded(trace, tuple(problems.findings), problems.count, len(draft.good))


def _check(draft: Draft, problems: Problems) -> None:
    faults = {
        "simulate.row_no_time": draft.service_us <= 0,
        "simulate.row_too_long": draft.service_us > SERVICE_US_MAX,
        "simulate.row_too_late": np.abs(draft.arrive_us) > ARRIVE_US_MAX,
        "simulate.row_too_many": draft.devices > DEVICES_MAX,
    }
    for code, bad in faults.items():
        fresh = bad & draft.good
        problems.rows(draft.lines[fresh], code)
        draft.good &= ~bad


def _window(draft: Draft, wanted: Wanted) -> Flags:
    inside = np.ones(len(draft.good), np.bool_)
    if wanted.since_us is not None:
        inside &= draft.arrive_us >= wanted.since_us
    if wanted.until_us is not None:
        inside &= draft.arrive_us < wanted.until_us
    return inside


def _jobs(draft: Draft, order: NDArray[np.intp], start: int) -> Jobs:
    count = len(order)

    def column(found: NDArray[np.generic] | None, default: int, kind: type) -> NDArray[np.generic]:
        if found is None:
            return np.full(count, default, kind)
        return found[order].astype(kind)

    service = draft.service_us[order].astype(np.int64)
    wall = column(draft.wall_us, 0, np.int64).astype(np.int64)
    wall = np.where(wall > 0, np.maximum(wall, service), 0)
    devices = draft.devices[order].astype(np.int32)
    return Jobs(
        id=tuple(draft.id[place] for place in order.tolist()),
        arrive_us=draft.arrive_us[order].astype(np.int64) - start,
        service_us=service,
        wall_us=wall,
        devices=devices,
        milli=column(draft.milli, 0, np.int16),  # type: ignore[arg-type]
        cpu_milli=column(draft.cpu_milli, 0, np.int64),  # type: ignore[arg-type]
        memory_mib=column(draft.memory_mib, 0, np.int64),  # type: ignore[arg-type]
        tenant=column(draft.tenant, 0, np.int32),  # type: ignore[arg-type]
        home=column(draft.home, NONE, np.int32),  # type: ignore[arg-type]
        kind=column(draft.kind, NONE, np.int32),  # type: ignore[arg-type]
        fabric=column(draft.fabric, FABRIC_SITE, np.int8),  # type: ignore[arg-type]
        priority=column(draft.priority, 0, np.int16),  # type: ignore[arg-type]
        preemptible=column(draft.preemptible, 1, np.bool_),  # type: ignore[arg-type]
        pinned=column(draft.pinned, 0, np.bool_),  # type: ignore[arg-type]
        replicas=column(draft.replicas, 1, np.int32),  # type: ignore[arg-type]
        saves_seconds=column(draft.saves_seconds, 0, np.int32),  # type: ignore[arg-type]
        bound=column(draft.bound, NONE, np.int32),  # type: ignore[arg-type]
    )


def _order_notes(unordered: int, jobs: Jobs) -> list[Note]:
    notes = []
    if unordered:
        notes.append(Note("sorted", {"rows": unordered}))
    span = int(jobs.arrive_us[-1])
    gaps = np.diff(jobs.arrive_us)
    long = np.flatnonzero(gaps > max(span * GAP_SHARE, _DAY_US))
    if len(long):
        most = int(gaps[long].max()) // 1_000_000
        notes.append(Note("gaps", {"gaps": len(long), "hours": most // 3600}))
    return notes


def reach_of(sites: int, wanted: Wanted) -> tuple[Flags, Times, list[Note]]:
    """Which sites a job of each home may use, and how long its data takes to get there.

    With a limited reach a job may use its home and the next sites in the order of the fleet, as
    on a ring: an assumption of ours, and noted.
    """
    eligible = np.ones((sites, sites), np.bool_)
    notes = []
    if wanted.reach is not None and wanted.reach < sites - 1:
        distance = (np.arange(sites)[None, :] - np.arange(sites)[:, None]) % sites
        eligible = distance <= wanted.reach
        notes.append(Note("reach", {"others": wanted.reach}))
    transfer = np.full((sites, sites), wanted.transfer_seconds * 1_000_000, np.int64)
    np.fill_diagonal(transfer, 0)
    if wanted.transfer_seconds and sites > 1:
        notes.append(Note("transfer", {"seconds": wanted.transfer_seconds}))
    return eligible, transfer, notes


def without_impossible(trace: Trace) -> Trace:
    """The trace without jobs that no site could ever run, counted in a note.

    A job must fit into the devices of some one site it may use, on chips that run it; a share into
    one device; processor and memory of a job on one node, into a node.
    Errors: `Invalid` ``simulate.trace_too_big_for_fleet`` when that leaves nothing.
    """
    fits = fitting(trace)
    lost = int((~fits).sum())
    if not lost:
        return trace
    if lost == len(fits):
        raise Invalid("simulate.trace_too_big_for_fleet", file=trace.source)
    note = Note("too_big", {"jobs": lost, "all": len(fits)})
    kept = pick(trace.jobs, np.flatnonzero(fits))
    return replace(trace, jobs=kept, notes=(*trace.notes, note))


def fitting(trace: Trace) -> Flags:
    """Which jobs some site and chip could run when empty. *Cost*: jobs' distinct shapes × nodes."""
    jobs = trace.jobs
    shape = np.stack(
        [jobs.devices, jobs.milli, jobs.cpu_milli, jobs.memory_mib, jobs.home, jobs.kind,
         jobs.pinned, jobs.replicas, jobs.bound], axis=1
    ).astype(np.int64)  # fmt: skip
    distinct, which = np.unique(shape, axis=0, return_inverse=True)
    found = np.array([_fits(trace, row) for row in distinct.tolist()], np.bool_)
    return found[which.reshape(-1)]


def _fits(trace: Trace, shape: list[int]) -> bool:
    devices, milli, cpu, memory, home, kind, pinned, parts, bound = shape
    fleet = trace.fleet
    usable = np.ones(len(fleet), np.bool_)
    if home >= 0:
        sites = trace.eligible[home] if not pinned else np.arange(len(fleet.sites)) == home
        usable &= sites[fleet.site]
    if bound >= 0:
        usable &= trace.bounds[bound][fleet.site]
    if kind >= 0:
        able = np.append(trace.speeds[kind] > 0, devices == 0 and milli == 0)
        usable &= able[fleet.chip]  # a node without devices has chip -1: the appended place
    each = devices // parts
    holds = _holds(trace, -(-cpu // parts), -(-memory // parts))
    if devices == 0:
        usable &= fleet.devices >= (1 if milli else 0)
        return bool((usable & holds).any())
    if (usable & (fleet.devices >= devices) & holds).any():
        return True
    group = fleet.site.astype(np.int64) * (len(fleet.chips) + 1) + fleet.chip
    totals = np.bincount(group[usable & (fleet.chip >= 0)],
                         weights=fleet.devices[usable & (fleet.chip >= 0)])  # fmt: skip
    largest = int(fleet.devices.max(initial=0))
    apart = each > largest or (parts > 1 and (usable & (fleet.devices >= each) & holds).any())
    return bool(apart and (totals >= devices).any())


def _holds(trace: Trace, cpu: int, memory: int) -> Flags:
    fleet = trace.fleet
    enough: Flags = ((fleet.cpu_milli == 0) | (fleet.cpu_milli >= cpu)) & (
        (fleet.memory_mib == 0) | (fleet.memory_mib >= memory)
    )
    return enough


def pick(jobs: Jobs, places: NDArray[np.intp]) -> Jobs:
    """Some of the jobs, by position."""
    names = {name: getattr(jobs, name)[places] for name in jobs.__slots__ if name != "id"}
    return Jobs(id=tuple(jobs.id[place] for place in places.tolist()), **names)
