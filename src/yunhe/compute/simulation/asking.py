"""Jobs of a trace as the scheduler may see them: never with their true run time."""

from __future__ import annotations

from collections import Counter

from yunhe.compute.scheduling.fitting import Need
from yunhe.compute.scheduling.state import Fabric, Request
from yunhe.compute.simulation.domain import NONE, Times, Trace
from yunhe.kernel.clock import SECOND_US

_FABRICS: tuple[Fabric, ...] = ("any", "site", "domain", "node")


class Asking:
    """Turns rows into requests; tables are read once, as lists, because that is quicker by far."""

    def __init__(self, trace: Trace, *, siloed: bool, expected_us: Times | None) -> None:
        jobs, fleet = trace.jobs, trace.fleet
        self._ids = jobs.id
        self._arrive = jobs.arrive_us.tolist()
        self._wall = jobs.wall_us.tolist()
        self._devices = jobs.devices.tolist()
        self._milli = jobs.milli.tolist()
        self._cpu = jobs.cpu_milli.tolist()
        self._memory = jobs.memory_mib.tolist()
        self._tenant = jobs.tenant.tolist()
        self._home = jobs.home.tolist()
        self._kind = jobs.kind.tolist()
        self._fabric = jobs.fabric.tolist()
        self._priority = jobs.priority.tolist()
        self._preemptible = jobs.preemptible.tolist()
        self._pinned = jobs.pinned.tolist()
        self._replicas = jobs.replicas.tolist()
        self._saves = jobs.saves_seconds.tolist()
        self._bound = jobs.bound.tolist()
        self._expected = None if expected_us is None else expected_us.tolist()
        self._tenants = trace.tenants
        self._names = fleet.sites
        self._chips = fleet.chips
        self._speeds = trace.speeds.tolist()
        self._transfer = trace.transfer_us.tolist()
        self._siloed = siloed
        self._allowed = [
            None if all(row) else frozenset(n for n, ok in zip(self._names, row, strict=True) if ok)
            for row in trace.eligible.tolist()
        ]
        self._bounds = [
            frozenset(n for n, ok in zip(self._names, row, strict=True) if ok)
            for row in trace.bounds.tolist()
        ]
        self._own = [frozenset({name}) for name in self._names]
        self._moves = [
            {n: -(-us // SECOND_US) for n, us in zip(self._names, row, strict=True) if us}
            for row in self._transfer
        ]
        self._substitutes = [
            {chip: speed for chip, speed in zip(self._chips, row, strict=True) if speed > 0}
            for row in self._speeds
        ]
        self._any = dict.fromkeys(self._chips, 1_000)

    def home(self, job: int) -> int:
        """Its site; the first where it has none."""
        home: int = self._home[job]
        return max(home, 0)

    def request(self, job: int, *, pushed: int) -> Request:
        """What it asks for."""
        home, kind, parts = self._home[job], self._kind[job], self._replicas[job]
        speeds = self._any if kind == NONE else self._substitutes[kind]
        sites = None
        if home != NONE:
            sites = self._own[home] if self._pinned[job] else self._allowed[home]
        if self._bound[job] != NONE:
            bound = self._bounds[self._bound[job]]
            sites = bound if sites is None else sites & bound
        return Request(
            id=self._ids[job],
            number=job,
            organisation=self._tenants[self._tenant[job]],
            chip=max(speeds, key=lambda chip: speeds[chip]) if speeds else self._chips[0],
            devices=self._devices[job] // parts or int(self._milli[job] > 0),
            wall_seconds_max=-(-self._wall[job] // SECOND_US),
            since_us=self._arrive[job],
            substitutes=speeds,
            milli=self._milli[job],
            replicas=parts,
            checkpoint_seconds=self._saves[job],
            fabric=_FABRICS[self._fabric[job]],
            sites=sites,
            home="" if home == NONE else self._names[home],
            transfer_seconds={} if home == NONE else self._moves[home],
            priority=self._priority[job],
            preemptible=self._preemptible[job],
            pushed_out=pushed,
            expected_us=0 if self._expected is None else self._expected[job],
            cpu_milli=-(-self._cpu[job] // parts),
            memory_mib=-(-self._memory[job] // parts),
        )

    def transfer_us(self, job: int, site: int) -> int:
        """How long its data takes there."""
        home = self._home[job]
        return 0 if home == NONE else int(self._transfer[home][site])

    def speed(self, job: int, chip: int) -> int:
        """Its speed on a chip, per thousand."""
        kind = self._kind[job]
        return 1_000 if NONE in {kind, chip} else int(self._speeds[kind][chip])


def usual(trace: Trace) -> dict[tuple[Need, tuple[str, ...]], int]:
    """How often each need for a node occurs in a trace: what a platform knows from its past."""
    jobs = trace.jobs
    whole = (jobs.devices, jobs.cpu_milli, jobs.memory_mib)
    devices, cpu, memory = (-(-column // jobs.replicas) for column in whole)
    columns = (devices, jobs.milli, cpu, memory, jobs.kind, jobs.replicas)
    rows = Counter(zip(*(column.tolist() for column in columns), strict=True))
    found: dict[tuple[Need, tuple[str, ...]], int] = {}
    for (devices, milli, cpu, memory, kind, parts), count in rows.items():
        speeds = [1] * len(trace.fleet.chips) if kind == NONE else trace.speeds[kind].tolist()
        able = tuple(c for c, speed in zip(trace.fleet.chips, speeds, strict=True) if speed > 0)
        chips = () if len(able) == len(trace.fleet.chips) else able
        need = Need(devices or int(milli > 0), milli, cpu, memory)
        found[need, chips] = found.get((need, chips), 0) + count * parts
    return found
