"""Where a workload could ever be placed, and for one that never can, the nearest that could.

What fits is asked of the scheduler's own measure, over empty pools with their nodes, so that what
is named would be placed. *Cost*: nothing but a look at the pools for a single device; else the
groups of nodes once, and some hundred looks at them where nothing fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from yunhe.compute.abilities import UNSEEN, Abilities
from yunhe.compute.asking import sites_of
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.scheduling.groups import Group, groups_of
from yunhe.compute.scheduling.shapes import could
from yunhe.compute.scheduling.state import NodeView, PoolView, Request
from yunhe.compute.supply import store
from yunhe.storage.database import Transaction

Nodes = Mapping[str, Sequence[NodeView]]
"""Nodes that are there or will be again, by pool; a pool that is not named is flat."""
FLAT: Nodes = {}
"""No pool said what its nodes are."""
Changes = dict[str, object]
"""Fields of the request, with other values."""
SITES_NAMED_MAX = 10
"""Most sites that are named as the nearest."""
_FABRICS = ("node", "domain", "site", "any")
_MIB = 20


def nodes_for(tx: Transaction, spec: WorkloadSpec, pools: Sequence[Pool]) -> Nodes:
    """The nodes that matter for a request: none where any device will do. Cost: one query."""
    if alone(spec):
        return FLAT
    chips = {spec.chip, *spec.substitutes}
    alike = [pool.id for pool in pools if pool.chip in chips] or [pool.id for pool in pools]
    return store.lasting_nodes(tx, alike)


def alone(spec: WorkloadSpec) -> bool:
    """Whether it asks for one device and nothing else that a node might lack."""
    single = (spec.devices, spec.replicas_least) == (1, 1)
    return single and not spec.cpu_milli and not spec.replica_memory_bytes


@dataclass(frozen=True, slots=True)
class Rooms:
    """Empty pools with the groups of their nodes."""

    pools: Sequence[Pool]
    """All there are."""
    groups: Mapping[str, Sequence[Group]]
    """By pool."""
    able: Abilities
    """What sites run."""

    def homes(self, spec: WorkloadSpec) -> list[Pool]:
        """The pools that could take it when empty, as many replicas as it needs at least."""
        allowed = sites_of(spec, self.pools, able=self.able)
        chips = {spec.chip, *spec.substitutes}
        request = _least(spec)
        return [
            pool
            for pool in self.pools
            if pool.chip in chips
            and request.devices <= pool.devices
            and (allowed is None or pool.id in allowed)
            and any(could(group, request) for group in self.groups[pool.id])
        ]

    def can(self, spec: WorkloadSpec) -> bool:
        """Whether any could."""
        return bool(self.homes(spec))


def rooms(
    spec: WorkloadSpec, pools: Sequence[Pool], nodes: Nodes = FLAT, *, able: Abilities = UNSEEN
) -> Rooms:
    """The pools as they are when empty, divided where a share is asked for."""
    groups = {pool.id: _groups(pool, nodes, divided=spec.devices_milli > 0) for pool in pools}
    return Rooms(pools, groups, able)


def _groups(pool: Pool, nodes: Nodes, *, divided: bool) -> list[Group]:
    own = nodes.get(pool.id)
    if own is not None and not own:
        return []  # every node is gone
    view = PoolView(
        pool.id, pool.chip, pool.devices, 0, 0, "", nodes=tuple(own or ()), divided=divided
    )
    return list(groups_of(view))


def _least(spec: WorkloadSpec) -> Request:
    """The fewest replicas that will do, as the scheduler is asked for them."""
    return Request(
        id=spec.key,
        number=0,
        organisation=spec.organisation,
        chip=spec.chip,
        devices=spec.devices,
        wall_seconds_max=1,
        since_us=0,
        milli=spec.devices_milli,
        replicas=spec.replicas_least,
        fabric=spec.fabric,
        cpu_milli=spec.cpu_milli or spec.devices * (spec.devices_milli or 1_000),
        memory_mib=-(-spec.replica_memory_bytes >> _MIB),
    )


def alternatives(spec: WorkloadSpec, there: Rooms) -> list[Changes]:
    """What could be placed instead: each change that is enough alone, or else several together.

    Each is as small as it can be. Nothing where no change of these fields helps.
    """
    single = [found for name in _STEPS for found in [_STEPS[name](spec, there.can)] if found]
    if single:
        return [_named(spec, each, there) for each in single]
    together = _together(spec, there.can)
    return [_named(spec, together, there)] if together else []


def _together(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    """The fewest changes that are enough together, each no greater than it needs to be."""
    least = {name: value for name, value in _LEAST.items() if getattr(spec, name) != value}
    if "cpu_milli" in least and not spec.cpu_milli and not spec.devices_milli:
        del least["cpu_milli"]  # unsaid, it follows the devices
    if not can(_with(spec, least)):
        least = {"cpu_milli": _LEAST["cpu_milli"], **least}
        if not can(_with(spec, least)):
            return {}
    for name in list(least):
        rest = {key: value for key, value in least.items() if key != name}
        if can(_with(spec, rest)):
            least = rest
    for name in list(least):
        rest = {key: value for key, value in least.items() if key != name}
        step = _STEPS.get(name)
        found = step(_with(spec, rest), can) if step is not None else {}
        least |= found
    return least


def _with(spec: WorkloadSpec, changes: Mapping[str, object]) -> WorkloadSpec:
    return replace(spec, **changes)  # type: ignore[arg-type] # names and kinds of its own fields


def _sites(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    """Anywhere."""
    if spec.egress == "forbid":
        changes: Changes = {"egress": "allow"}
        if can(_with(spec, changes)):
            return changes
        changes["sites"] = ()
    else:
        changes = {"sites": ()}
    return changes if spec.sites and can(_with(spec, changes)) else {}


def _jurisdictions(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    """Wherever else its data and its pools allow."""
    changes: Changes = {"jurisdictions": ()}
    return changes if spec.jurisdictions and can(_with(spec, changes)) else {}


def _providers(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    """Whoever offers it."""
    changes: Changes = {"excluded_providers": ()}
    return changes if spec.excluded_providers and can(_with(spec, changes)) else {}


def _fabric(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    """The closest of those that are less close."""
    wider = _FABRICS[_FABRICS.index(spec.fabric) + 1 :] if spec.fabric in _FABRICS else ()
    return next(({"fabric": one} for one in wider if can(_with(spec, {"fabric": one}))), {})


def _most(
    name: str, below: int, can: Callable[[WorkloadSpec], bool], *, unit: int = 0
) -> Callable[[WorkloadSpec], Changes]:
    """The greatest smaller number of a field that will do, by halving."""

    def found(spec: WorkloadSpec) -> Changes:
        low, high = 0, below
        while high - low > 1:
            half = (low + high) // 2
            if can(_with(spec, {name: half << unit})):
                low = half
            else:
                high = half
        return {name: low << unit} if low else {}

    return found


def _replicas(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    return _most("replicas_min", spec.replicas_least, can)(spec)


def _memory(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    mib = -(-spec.replica_memory_bytes >> _MIB)
    return _most("replica_memory_bytes", mib, can, unit=_MIB)(spec)


def _cpu(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    asked = spec.cpu_milli or spec.devices * (spec.devices_milli or 1_000)
    return _most("cpu_milli", asked, can)(spec)


def _devices(spec: WorkloadSpec, can: Callable[[WorkloadSpec], bool]) -> Changes:
    return _most("devices", spec.devices, can)(spec)


_STEPS: Mapping[str, Callable[[WorkloadSpec, Callable[[WorkloadSpec], bool]], Changes]] = {
    "sites": _sites,
    "jurisdictions": _jurisdictions,
    "excluded_providers": _providers,
    "fabric": _fabric,
    "replicas_min": _replicas,
    "replica_memory_bytes": _memory,
    "cpu_milli": _cpu,
    "devices": _devices,
}
"""What may be changed, what costs the least first."""
_LEAST: Mapping[str, object] = {
    "sites": (),
    "jurisdictions": (),
    "excluded_providers": (),
    "egress": "allow",
    "fabric": "any",
    "replicas_min": 1,
    "replica_memory_bytes": 0,
    "cpu_milli": 1,
    "devices": 1,
}
"""The least that can be asked of each."""


def _named(spec: WorkloadSpec, changes: Changes, there: Rooms) -> Changes:
    """Sites and jurisdictions by their names instead of anywhere."""
    named = {name: changes[name] for name in ("sites", "jurisdictions") if name in changes}
    if () not in named.values():
        return changes
    homes = there.homes(_with(spec, changes))
    law = there.able.limits.jurisdictions
    names = {
        "sites": sorted({pool.site for pool in homes}),
        "jurisdictions": sorted({*spec.jurisdictions, *(law.get(pool.id, "") for pool in homes)}),
    }
    found: Changes = {name: tuple(filter(None, names[name]))[:SITES_NAMED_MAX] for name in named}
    return {**changes, **found}


def told(changes: Changes) -> str:
    """As ``yunhe submit --set`` takes them, and a workload's file but for commas."""
    return " ".join(f"--set {part}" for part in _parts(changes))


def _parts(changes: Changes) -> Iterator[str]:
    for name, value in changes.items():
        if isinstance(value, tuple):
            yield f"{name}=[{','.join(str(each) for each in value)}]"
        else:
            yield f"{name}={value}"
