"""What a workload asks of the scheduler: its row, as a request.

To the scheduler each pool is a site of its own, so the sites somebody names become the pools that
stand there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute.abilities import UNSEEN, Abilities, brought
from yunhe.compute.domain import Pool
from yunhe.compute.limits.domain import Beyond
from yunhe.compute.places import Occupancy
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.state import Request
from yunhe.compute.wanted import PRIORITIES, WorkloadSpec, wall_seconds_on
from yunhe.kernel.clock import SECOND_US

_WAITS = {
    "compute.image_nowhere": "compute.image_nowhere_now",
    "compute.image_registry": "compute.image_registry_now",
    "compute.brought_nowhere": "compute.brought_nowhere_now",
}
"""The same of work that waits, where submitting it would be refused."""

MEGABIT_PER_SECOND_USUAL = 1_000
"""Between two sites of which the operator said nothing. Source: a supposition, kept modest."""
_BITS_PER_MEGABIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Ways:
    """How fast data moves between sites, as far as the operator said."""

    megabit_per_second: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By the site it leaves and the site it reaches."""

    def seconds(self, size_bytes: int, *, start: str, end: str) -> int:
        """How long so many bytes take, rounded up; nothing within a site."""
        if start == end or not size_bytes:
            return 0
        speed = self.megabit_per_second.get((start, end), MEGABIT_PER_SECOND_USUAL)
        return -(-size_bytes * 8 // (speed * _BITS_PER_MEGABIT))


UNSAID = Ways()
"""Where the operator said nothing."""


@dataclass(frozen=True, slots=True)
class Goes:
    """Where a workload may go, and what keeps it from elsewhere."""

    blocked: Why | None
    """Why it may go nowhere."""
    beyond: Beyond | None
    """The nearest pool that a rule keeps it off."""
    sites: frozenset[str] | None
    """The pools where it may run; None: anywhere."""
    moved: Mapping[str, int]
    """Seconds its data takes to each pool."""
    home: str
    """A pool where its data lies."""


Known = dict[tuple[object, ...], Goes]
"""What was found out once for all that are alike."""


def request_of(
    row: RowMapping,
    *,
    pools: Sequence[Pool],
    kind: str,
    ways: Ways = UNSAID,
    able: Abilities = UNSEEN,
    now_us: int = 0,
    known: Known | None = None,
) -> Request:
    """What a waiting workload asks; ``kind`` is that of its organisation.

    One that cannot be over by its deadline any more is blocked with that reason. ``known``: where
    others may go that were looked at with the same pools, ways and abilities; it is added to.
    """
    spec = columns.spec_of(row)
    blocked = columns.why_of(row) if row["blocked"] else None
    if blocked is None and spec.deadline_us and now_us > start_by_us(spec):
        blocked = missed(spec)
    goes = _goes(spec, pools, ways, able, {} if known is None else known)
    blocked, beyond = blocked or goes.blocked, goes.beyond
    return Request(
        id=row["id"],
        number=row["number"],
        organisation=row["organisation"],
        chip=row["chip"],
        devices=spec.devices,
        wall_seconds_max=row["wall_seconds_max"],
        since_us=row["submitted_at_us"],
        blocked=blocked,
        kind=kind,
        project=row["project"] or "",
        substitutes=dict(spec.substitutes),
        milli=spec.devices_milli,
        replicas=spec.replicas,
        fabric=spec.fabric,
        sites=goes.sites,
        home=goes.home,
        transfer_seconds=goes.moved,
        priority=PRIORITIES[spec.priority],
        preemptible=spec.preemptible,
        spot=spec.saves_seconds is not None,
        checkpoint_seconds=spec.checkpoint_seconds,
        attained_us=(row["attained_ms"] or 0) * 1_000,
        pushed_out=row["pushed_out"] or 0,
        cpu_milli=spec.cpu_milli or spec.devices * (spec.devices_milli or 1_000),
        memory_mib=-(-spec.replica_memory_bytes >> 20),
        beyond="" if beyond is None else beyond.pool.id,
        beyond_changes=() if beyond is None else beyond.why.changes,
    )


def _goes(
    spec: WorkloadSpec, pools: Sequence[Pool], ways: Ways, able: Abilities, known: Known
) -> Goes:
    """Where it may go; all that are alike in what that depends on are looked at once."""
    key = _alike(spec, able)
    goes = known.get(key)
    if goes is None:
        beyond = able.limits.beyond(spec, _suited(spec, pools))
        blocked = _ruled_out(spec, pools, able, beyond) or untaken(spec, pools, able)
        moved, home = _moved(spec, pools, ways)
        goes = Goes(blocked, beyond, sites_of(spec, pools, able=able), moved, home)
        known[key] = goes
    return goes


def _alike(spec: WorkloadSpec, able: Abilities) -> tuple[object, ...]:
    """All of a workload that decides where it may go."""
    limits = able.limits
    return (
        spec.chip,
        tuple(sorted(spec.substitutes)),
        spec.sites,
        (spec.data_site, spec.egress, spec.egress_bytes) if spec.data_site else (),
        spec.image,
        frozenset(brought(spec)),
        spec.jurisdictions,
        spec.excluded_providers,
        tuple(limits.of_data(spec)),
        spec.consumer,
        limits.seats.get(spec.organisation, ""),
    )


def _suited(spec: WorkloadSpec, pools: Sequence[Pool]) -> list[Pool]:
    """The pools of its chips at the sites it names, whatever rules say."""
    chips = (spec.chip, *spec.substitutes)
    return [pool for pool in named(spec, pools) if pool.chip in chips]


def _ruled_out(
    spec: WorkloadSpec, pools: Sequence[Pool], able: Abilities, beyond: Beyond | None
) -> Why | None:
    """The rule that keeps it off the nearest pool, where rules keep it off every one."""
    if beyond is None or able.limits.permitted(spec, _suited(spec, pools)):
        return None
    return beyond.why


def untaken(spec: WorkloadSpec, pools: Sequence[Pool], able: Abilities) -> Why | None:
    """Why no site that it may go to takes such work now; None where one does."""
    chips = (spec.chip, *spec.substitutes)
    why = able.nowhere(spec, [p for p in within(spec, pools, able) if p.chip in chips])
    return None if why is None else replace(why, code=_WAITS[why.code])


def within(spec: WorkloadSpec, pools: Sequence[Pool], able: Abilities = UNSEEN) -> list[Pool]:
    """The pools at the sites it names, off which no rule keeps it.

    Data that may not leave keeps it where that lies.
    """
    return able.limits.permitted(spec, named(spec, pools))


def named(spec: WorkloadSpec, pools: Sequence[Pool]) -> list[Pool]:
    """The pools at the sites it names, and where its data lies if that may not leave."""
    kept = spec.egress == "forbid" and spec.data_site != ""
    return [
        pool
        for pool in pools
        if (not spec.sites or pool.site in spec.sites) and (not kept or pool.site == spec.data_site)
    ]


def sites_of(
    spec: WorkloadSpec, pools: Sequence[Pool], *, able: Abilities = UNSEEN
) -> frozenset[str] | None:
    """The pools where it may run; None: anywhere.

    Rules keep it off pools (`within`); what it brings, a command, a folder or an image, keeps it
    off sites that do not take that.
    """
    there = frozenset(p.id for p in within(spec, pools, able) if able.takes(spec, p.adapter))
    free = not spec.sites and not (spec.egress == "forbid" and spec.data_site) and not spec.image
    return None if free and len(there) == len(pools) else there


def _moved(spec: WorkloadSpec, pools: Sequence[Pool], ways: Ways) -> tuple[dict[str, int], str]:
    """Seconds its data takes to each pool, and a pool where it lies."""
    if not spec.data_site:
        return {}, ""
    taken = {
        pool.id: ways.seconds(spec.egress_bytes, start=spec.data_site, end=pool.site)
        for pool in pools
    }
    home = min((pool.id for pool in pools if pool.site == spec.data_site), default="")
    return {pool: seconds for pool, seconds in taken.items() if seconds}, home


def start_by_us(spec: WorkloadSpec) -> int:
    """The last instant at which it can be placed and still be over by its deadline."""
    walls = (wall_seconds_on(spec, chip) for chip in (spec.chip, *spec.substitutes))
    return spec.deadline_us - min(walls) * SECOND_US


def missed(spec: WorkloadSpec) -> Why:
    """Why it ends without having run: nothing brings time back."""
    return Why("compute.failed_deadline", (("wall_seconds_max", spec.wall_seconds_max),))


def fitted(
    request: Request, row: RowMapping, pools: Sequence[Pool], rooms: Mapping[str, Occupancy]
) -> Request:
    """An elastic request with as many replicas as some pool has room for now, or with its fewest.

    So it never waits for more than its minimum. Others may take the room within the same pass; then
    the next one fits it again. ``rooms``: what is free, by pool.
    """
    if '"replicas_min"' not in row["spec"]:
        return request
    least = columns.spec_of(row).replicas_least
    chips = {request.chip, *request.substitutes}
    room = max(
        (
            rooms[pool.id].room(request.devices)
            for pool in pools
            if pool.chip in chips and (request.sites is None or pool.id in request.sites)
        ),
        default=0,
    )
    return replace(request, replicas=max(least, min(request.replicas, room)))
