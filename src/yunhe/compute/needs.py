"""What is wrong with what a workload asks of the platform beyond its program, all of it at once.

What can never be is told with the nearest that could, from the pools there are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from yunhe.client.folders.manifest import path_faults
from yunhe.client.folders.patterns import PATTERN_LETTERS_MAX
from yunhe.compute.abilities import UNSEEN, Abilities
from yunhe.compute.asking import UNSAID, Ways, named, sites_of, within
from yunhe.compute.domain import DEVICES_MAX, WALL_SECONDS_MAX, Pool, WorkloadSpec
from yunhe.compute.images import image_fault
from yunhe.compute.limits.domain import UNLIMITED
from yunhe.compute.limits.jurisdictions import faults as jurisdiction_faults
from yunhe.compute.moving import site_faults, time_faults
from yunhe.compute.nearest import FLAT, Nodes, Rooms, alone, alternatives, rooms, told
from yunhe.compute.wanted import FABRICS, KINDS, MILLI, PRIORITIES, wall_seconds_on
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Finding

REPLICAS_MAX = 10_000
"""Most replicas of one workload."""
SPEED_MAX = 100_000
"""Fastest substitute: a hundred times the chip asked for."""
SITES_MAX = 100
"""Most sites one workload names."""
SUBSTITUTES_MAX = 20
"""Most further chips."""
IDLE_MINUTES_MAX = 10_080
"""Longest idle limit of one workload; that of the platform's own setting."""
OUTPUTS_MAX = 50
"""Most patterns of outputs."""
_COMMAND_PARTS_MAX = 200
_COMMAND_BYTES_MAX = 32 << 10
_ENVIRONMENT_MAX = 100
_VALUE_LETTERS_MAX = 4_096
_NAME_LETTERS_MAX = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def field_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    """Fields that are wrong by themselves: of the wrong kind, or out of their bounds."""
    yield from _choice_faults(spec)
    yield from _command_faults(spec)
    yield from _environment_faults(spec)
    yield from _output_faults(spec)
    yield from _count_faults(spec)
    yield from _place_faults(spec)
    yield from _substitute_faults(spec)
    if spec.deadline_us:
        yield from _number_faults("deadline", spec.deadline_us, 1, INTEGER_MAX)


def together_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    """Needs that contradict each other, of a request whose fields are sound."""
    yield from _program_faults(spec)
    yield from _named_twice(spec)
    if spec.replicas_min > spec.replicas:
        params = (("least", spec.replicas_min), ("most", spec.replicas))
        yield Finding("replicas_min", "compute.elastic_backwards", params)
    if spec.devices_milli and spec.devices != 1:
        yield Finding("devices_milli", "compute.share_of_many", (("devices", spec.devices),))
    if spec.checkpoint_seconds and not spec.preemptible:
        yield Finding("checkpoint_seconds", "compute.checkpoint_alone")
    if spec.preemptible and spec.checkpoint_seconds > spec.wall_seconds_max:
        latest = (("wall_seconds_max", spec.wall_seconds_max),)
        yield Finding("checkpoint_seconds", "compute.checkpoint_late", latest)
    if not spec.data_site and (spec.egress_bytes or spec.egress == "forbid"):
        yield Finding("data_site", "compute.data_nowhere")
    elif spec.egress == "forbid" and spec.sites and spec.data_site not in spec.sites:
        yield Finding("egress", "compute.data_elsewhere", (("site", spec.data_site),))


def _named_twice(spec: WorkloadSpec) -> Iterator[Finding]:
    for name in spec.environment:
        if name in spec.secrets:
            where = f"environment.{ascii(name)[1:-1][:80]}"
            yield Finding(where, "compute.variable_twice", (("name", name[:80]),))
    for chip in spec.substitutes:
        where = f"substitutes.{ascii(chip)[1:-1][:80]}"
        if chip == spec.chip:
            yield Finding(where, "compute.chip_twice", (("chip", chip[:64]),))
        elif wall_seconds_on(spec, chip) > WALL_SECONDS_MAX:
            longest = (("chip", chip[:64]), ("wall_seconds_max", WALL_SECONDS_MAX))
            yield Finding(where, "compute.chip_slow", longest)


def _choice_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    chosen: tuple[tuple[str, str, Sequence[str]], ...] = (
        ("kind", spec.kind, KINDS),
        ("priority", spec.priority, tuple(PRIORITIES)),
        ("fabric", spec.fabric, FABRICS),
        ("egress", spec.egress, ("allow", "forbid")),
    )
    for where, value, known in chosen:
        if value not in known:
            params = (("value", str(value)[:40]), ("known", ", ".join(known)))
            yield Finding(where, "compute.choice_unknown", params)


def _program_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    said = [
        name
        for name, value in (
            ("entry_point", spec.entry_point),
            ("command", spec.command),
            ("image", spec.image),
        )
        if value
    ]
    if not said:
        yield Finding("command", "compute.program_missing")
    elif set(said) >= {"entry_point", "command"} or set(said) >= {"entry_point", "image"}:
        yield Finding(said[-1], "compute.program_twice", (("found", ", ".join(said)),))
    if spec.image and not spec.command and not spec.entry_point:
        yield Finding("command", "compute.image_alone")


def _command_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    size = sum(len(part.encode("utf-8", "replace")) + 1 for part in spec.command)
    if len(spec.command) > _COMMAND_PARTS_MAX or size > _COMMAND_BYTES_MAX:
        yield Finding("command", "compute.command_long", (("bytes_max", _COMMAND_BYTES_MAX),))
    # Behind an operator's runtime, an option in its place would be one of the runtime's.
    first = spec.command[0][:1] if spec.command else "c"
    if any("\0" in part for part in spec.command) or first in ("", "-"):
        yield Finding("command", "compute.command_invalid")
    yield from _image_faults(spec)
    if spec.folder and not _DIGEST.fullmatch(spec.folder):
        yield Finding(
            "folder", "compute.digest_invalid", (("value", ascii(spec.folder)[1:-1][:80]),)
        )


def _image_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    code = image_fault(spec.image) if spec.image else ""
    if code:
        yield Finding("image", code, (("value", ascii(spec.image)[1:-1][:80]),))


def _environment_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    if len(spec.environment) > _ENVIRONMENT_MAX:
        yield Finding("environment", "compute.environment_large", (("most", _ENVIRONMENT_MAX),))
    for name, value in spec.environment.items():
        where = f"environment.{ascii(name)[1:-1][:80]}"
        if not isinstance(value, str) or len(value) > _VALUE_LETTERS_MAX or "\0" in value:
            yield Finding(where, "compute.value_invalid", (("letters_max", _VALUE_LETTERS_MAX),))


def _output_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    if len(spec.outputs) > OUTPUTS_MAX:
        yield Finding("outputs", "compute.outputs_many", (("most", OUTPUTS_MAX),))
    for number, pattern in enumerate(spec.outputs):
        if len(pattern) > PATTERN_LETTERS_MAX or any(path_faults(pattern)):
            params = (("value", ascii(pattern)[1:-1][:80]),)
            yield Finding(f"outputs.{number}", "compute.output_pattern", params)


def _number_faults(where: str, value: object, least: int, most: int) -> Iterator[Finding]:
    if type(value) is not int or not least <= value <= most:
        params = (("value", str(value)[:40]), ("least", least), ("most", most))
        yield Finding(where, "compute.amount_invalid", params)


def _count_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    bounds = (
        ("replicas", spec.replicas, 1, REPLICAS_MAX),
        ("replicas_min", spec.replicas_min, 0, REPLICAS_MAX),
        ("devices_milli", spec.devices_milli, 0, MILLI - 1),
        ("checkpoint_seconds", spec.checkpoint_seconds, 0, WALL_SECONDS_MAX),
        ("egress_bytes", spec.egress_bytes, 0, 1 << 50),
        ("cpu_milli", spec.cpu_milli, 0, DEVICES_MAX * MILLI),
        ("replica_memory_bytes", spec.replica_memory_bytes, 0, 1 << 50),
        ("idle_minutes", spec.idle_minutes, 0, IDLE_MINUTES_MAX),
    )
    for bound in bounds:
        yield from _number_faults(*bound)


def _place_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    for where, names in (("sites", spec.sites), ("data_site", (spec.data_site,))):
        for name in names:
            empty = not name and where == "sites"
            if empty or len(name) > _NAME_LETTERS_MAX or not name.isprintable():
                params = (("letters_max", _NAME_LETTERS_MAX),)
                yield Finding(where, "compute.text_invalid", params)
    if len(spec.sites) > SITES_MAX:
        yield Finding("sites", "compute.sites_many", (("most", SITES_MAX),))
    yield from jurisdiction_faults("jurisdictions", spec.jurisdictions)


def _substitute_faults(spec: WorkloadSpec) -> Iterator[Finding]:
    if len(spec.substitutes) > SUBSTITUTES_MAX:
        yield Finding("substitutes", "compute.sites_many", (("most", SUBSTITUTES_MAX),))
    for chip, speed in spec.substitutes.items():
        where = f"substitutes.{ascii(chip)[1:-1][:80]}"
        yield from _number_faults(where, speed, 1, SPEED_MAX)


def supply_faults(
    spec: WorkloadSpec,
    pools: Sequence[Pool],
    *,
    able: Abilities = UNSEEN,
    nodes: Nodes = FLAT,
    ways: Ways = UNSAID,
    now_us: int = 0,
    gaps: Collection[str] = (),
) -> Iterator[Finding]:
    """What no pool that there is could ever take, with the nearest that one could.

    What is told of one need is left aside for the others, so that all come at once: size is
    judged where the sites named have nothing as if none were named, and of a chip that nobody has
    as if any would do. ``gaps``: fields whose value is not known. All others must be sound.
    """
    chips = (spec.chip, *spec.substitutes)
    alike = [pool for pool in pools if pool.chip in chips]
    if not alike:
        known = ", ".join(sorted({pool.chip for pool in pools})) or "-"
        yield Finding("chip", "compute.chip_nowhere", (("chip", spec.chip[:64]), ("known", known)))
    if not alike or "chip" in gaps:
        alike = list(pools)
        spec = replace(spec, substitutes={pool.chip: MILLI for pool in pools})
    strange = list(site_faults(spec, pools, ways))
    if any(each.where == "data_site" for each in strange):
        spec = replace(spec, data_site="", egress="allow")
    yield from able.limits.faults(spec, pools)
    ruled, there = list(_ruled(spec, named(spec, alike), able, nodes)), within(spec, alike, able)
    if ruled:
        yield from ruled
        able = replace(able, limits=UNLIMITED)
        spec = replace(spec, jurisdictions=(), excluded_providers=())
        there = named(spec, alike)
    if there or not alike:
        yield from strange
    else:
        sites = ", ".join(sorted({pool.site for pool in alike})) or "-"
        params = (("chip", spec.chip[:64]), ("sites", sites[:200]))
        yield from (each for each in strange if each.where == "data_site")
        yield Finding("sites", "compute.sites_without", params)
        spec, there = replace(spec, sites=(), egress="allow"), alike
    why = None if spec.image and image_fault(spec.image) else able.nowhere(spec, there)
    if why is not None:
        brings = "command" if spec.command else "folder" if spec.folder else "secrets"
        yield Finding("image" if ".image_" in why.code else brings, why.code, why.params)
    if why is not None or (spec.image and image_fault(spec.image)):
        able = replace(UNSEEN, limits=able.limits)
        spec = replace(spec, image="")
    allowed = sites_of(spec, pools, able=able)
    there = [pool for pool in there if allowed is None or pool.id in allowed]
    yield from time_faults(spec, there, alike, ways=ways, now_us=now_us)
    if there and (not alone(spec) or not any(pool.devices for pool in there)):
        yield from _size_faults(spec, there, rooms(spec, pools, nodes, able=able))


def _ruled(
    spec: WorkloadSpec, there: Sequence[Pool], able: Abilities, nodes: Nodes
) -> Iterator[Finding]:
    """Where rules keep it off all of these pools, that of the nearest of those that are enough."""
    if there and not within(spec, there, able):
        free = replace(spec, jurisdictions=(), excluded_providers=())
        fits = rooms(free, there, nodes, able=replace(able, limits=UNLIMITED)).homes(free)
        yield from able.limits.told(spec, fits or there)


def _size_faults(spec: WorkloadSpec, there: Sequence[Pool], empty: Rooms) -> Iterator[Finding]:
    """What no pool could take however empty, with each single change by which one could."""
    if empty.can(spec):
        return
    largest = max(there, key=lambda pool: (pool.devices, pool.id))
    params: tuple[tuple[str, str | int], ...] = (
        ("devices", _devices_least(spec)),
        ("chip", largest.chip),
        ("largest", largest.devices),
    )
    nearest = alternatives(spec, empty)
    first = nearest[0] if nearest else {}
    where = "devices" if spec.replicas_least == 1 else "replicas"
    if not nearest:
        yield Finding("devices", "compute.never_room", params)
    elif set(first) == {"sites"}:
        named = ", ".join(str(each) for each in cast("tuple[str, ...]", first["sites"]))
        yield Finding(where, "compute.nearest_site", (*params, ("sites", named[:200])))
    elif _devices_least(spec) <= largest.devices or len(first) > 1:
        ways = tuple(told(each) for each in nearest)
        yield Finding(_where(first), "compute.nearest_needs", (("nearest", " | ".join(ways)),))
    elif set(first) == {"replicas_min"}:
        fewer = cast("int", first["replicas_min"])
        yield Finding(where, "compute.nearest_replicas", (*params, ("replicas", fewer)))
    else:
        ways = tuple(told(each) for each in nearest)
        yield Finding(
            "devices", "compute.devices_too_many", (*params, ("nearest", " | ".join(ways)))
        )


def _where(changes: Mapping[str, object]) -> str:
    """The field of the request that the first of the changes is about."""
    name = next(iter(changes))
    return "replicas" if name == "replicas_min" else name


def _devices_least(spec: WorkloadSpec) -> int:
    """The fewest devices that all it needs at once lies on."""
    milli = spec.devices_milli
    sharing = MILLI // milli if type(milli) is int and 0 < milli < MILLI else 1
    return -(-spec.devices * spec.replicas_least // sharing)
