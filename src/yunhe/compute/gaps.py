"""Fields of a request that cannot be read, and what stands for them while the rest is looked at.

What is wrong with one field hides nothing about the others: it is given the value that asks the
least, and whatever could only be said with its own value is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace

from yunhe.compute.scheduling.state import Fabric
from yunhe.compute.wanted import MILLI, WorkloadSpec
from yunhe.kernel.errors import Finding


@dataclass(frozen=True, slots=True)
class Unread:
    """What whoever hands a request over found wrong with it already."""

    findings: tuple[Finding, ...] = ()
    """Told with everything else; with any of them the request is refused."""
    places: frozenset[str] = frozenset()
    """Fields, or parts of them such as ``inputs.train``, of which the value is unknown."""


READ = Unread()
"""All of it could be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, with what was found out about it outside any transaction."""

    spec: WorkloadSpec
    """What is asked for."""
    unread: Unread = READ
    """What whoever hands it over found wrong with it."""
    unfound: tuple[Finding, ...] = ()
    """What is wrong with its working folder."""
    lying: tuple[str, ...] = ()
    """Digests of all that lies in its working folder."""
    member: str | None = None
    """Who asks; None: the platform itself."""


_ANY: Fabric = "any"
_LEAST: Mapping[str, object] = {
    "kind": "batch",
    "chip": "",
    "devices": 1,
    "wall_seconds_max": 1,
    "cpu_seconds_max": 1,
    "memory_bytes_max": 1 << 30,
    "entry_point": "",
    "command": (),
    "image": "",
    "folder": "",
    "replicas_min": 1,
    "cpu_milli": 1,
    "fabric": _ANY,
    "priority": "usual",
    "egress": "allow",
}
"""What asks the least, where that is not what a field has unless it is said."""
_USUAL: Mapping[str, object] = {each.name: each.default for each in fields(WorkloadSpec)}
_PROGRAM = ("entry_point", "command", "image")
_SIZE = ("devices_milli",)
_FASTEST = 100 * MILLI  # the greatest speed there is
_RESTS_ON: Mapping[str, Collection[str]] = {
    "compute.program_missing": _PROGRAM,
    "compute.image_alone": _PROGRAM,
    "compute.elastic_backwards": ("replicas", "replicas_min"),
    "compute.share_of_many": ("devices", "devices_milli"),
    "compute.checkpoint_alone": ("checkpoint_seconds", "preemptible"),
    "compute.checkpoint_late": ("checkpoint_seconds", "preemptible", "wall_seconds_max"),
    "compute.checkpoint_file": ("preemptible", "folder"),
    "compute.data_nowhere": ("data_site", "egress", "egress_bytes"),
    "compute.data_elsewhere": ("data_site", "egress", "sites"),
    "compute.chip_twice": ("chip",),
    "compute.chip_nowhere": ("chip", "substitutes"),
    "compute.sites_without": ("sites", "data_site", "egress"),
    "compute.deadline_short": ("deadline", "substitutes"),
    "compute.deadline_moving": ("deadline", "substitutes", "data_site", "egress_bytes"),
    "compute.priority_reserved": ("chip", "substitutes"),
    "compute.priority_award": ("chip", "substitutes"),
    "compute.devices_too_many": _SIZE,
    "compute.never_room": _SIZE,
    "compute.nearest_needs": _SIZE,
    "compute.nearest_site": (*_SIZE, "sites"),
    "compute.nearest_replicas": _SIZE,
}
"""Fields without which a finding cannot be told, but for the one it stands at.

Of a chip whose speed is unknown it is known that it will do, so parts of fields hide nothing.
"""
_FIELDS = {"deadline": "deadline_us"}
"""Fields that a request calls otherwise than whoever makes it."""


def without(spec: WorkloadSpec, places: Collection[str]) -> WorkloadSpec:
    """The request with what asks the least in those places."""
    changes: dict[str, object] = {}
    for place in sorted(places):  # a field before its parts, of which nothing is left then
        name, _, part = place.partition(".")
        name = _FIELDS.get(name, name)
        if name not in _USUAL:
            continue
        there = changes.get(name, getattr(spec, name))
        if part and isinstance(there, Mapping):
            kept = {key: one for key, one in there.items() if _shown(key) != part}
            if name == "substitutes" and len(kept) < len(there):
                kept |= {key: _FASTEST for key in there if _shown(key) == part}
            changes[name] = kept
        elif not part:
            changes[name] = _LEAST.get(name, _emptied(spec, name))
    return replace(spec, **changes)  # type: ignore[arg-type] # its own fields and their kinds


def _shown(key: object) -> str:
    """A key as places name it."""
    return ascii(key)[1:-1][:80]


def _emptied(spec: WorkloadSpec, name: str) -> object:
    usual = _USUAL[name]
    return usual if isinstance(usual, str | int | tuple | None) else type(getattr(spec, name))()


def tellable(found: Iterable[Finding], places: Collection[str]) -> list[Finding]:
    """Those that rest on nothing in these places, each once."""
    unsound = set(places)
    told: dict[tuple[str, str, object], Finding] = {}
    for each in found:
        name = each.where.partition(".")[0]
        at = each.where in unsound or name in unsound
        if not at and not unsound & set(_RESTS_ON.get(each.code, ())):
            told.setdefault((each.where, each.code, each.params), each)
    return list(told.values())
