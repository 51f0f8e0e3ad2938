"""Our own export: JSON lines with the pools and workloads of a live platform.

The first line names the format and its version; then one object a line, told apart by ``type``.
``pool``: ``id, site, chip, devices, price_minor_per_device_hour, currency, nodes`` (rows of equal
nodes with ``count, devices, domain, cpu_milli, memory_mib``; none: one node) and ``gone``.
``workload``: ``id, organisation, submitted_at_us, devices, replicas, milli, wall_seconds_max, chip,
substitutes`` with speeds, ``fabric, priority, preemptible, checkpoint_seconds, cpu_milli,
memory_mib, data_site, egress, jurisdictions`` (where rules of place let it run, by the pools'
``jurisdiction``) and, where known, ``run_ms, speed_permille``; ``stretch``: a run of
the workload ``of`` that was broken off. In version 1, ``nodes`` was a number, ``chips`` stood for
``substitutes`` and ``home`` for ``data_site``; both are read still. Other types (windows, weights,
awards, passes, …) are not for this reader, and unknown types and fields are passed over, so that a
newer platform's export still reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from yunhe.compute.limits.jurisdictions import within
from yunhe.compute.simulation.domain import (
    FABRIC_ANY,
    FABRIC_DOMAIN,
    FABRIC_NODE,
    FABRIC_SITE,
    NONE,
    Flags,
    Note,
)
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.fleets import DEVICES_MAX, NODES_MAX, Rack, Supply, supply
from yunhe.compute.simulation.traces.table import Problems
from yunhe.kernel.errors import Invalid
from yunhe.kernel.units import CURRENCIES

FORMAT = "yunhe-trace"
"""Named in the first line."""
VERSION = 2
"""Raised when old readers could no longer read it."""
VERSIONS = (1, 2)
"""Those that are read."""
SPEED_MAX = 1_000_000
"""Fastest chip, per thousand of the reference."""
NUMBER_MAX = 1 << 56
"""Largest number taken: microseconds of two thousand years."""
MILLISECONDS_MAX = 10**15
"""Longest run time taken."""
NODE_DEVICES = 8
"""Devices of one node where a pool does not say: assumed, and noted."""

_FABRICS: Mapping[str, int] = {
    "any": FABRIC_ANY,
    "site": FABRIC_SITE,
    "domain": FABRIC_DOMAIN,
    "node": FABRIC_NODE,
}
PRIORITY_MAX = 1_000
"""Highest class."""
REPLICAS_MAX = 1_000_000
"""Most replicas of one workload."""

_Line = Mapping[str, object]


def read(name: str, content: str, wanted: Wanted, problems: Problems) -> Loaded:
    """The export's workloads against its own pools, or against the fleet the caller names.

    Workloads that never ran have no run time and are left out, counted.
    Errors: `Invalid` ``simulate.export_version`` for a version this reader does not know.
    """
    pools: list[tuple[int, _Line]] = []
    works: list[tuple[int, _Line]] = []
    before_ms: dict[str, int] = {}
    cities: dict[str, int] = {}
    for line, said in _lines(content, problems):
        if line == 1:
            _version(said, name)
        elif said.get("type") == "pool":
            pools.append((line, said))
        elif said.get("type") == "workload":
            works.append((line, said))
        elif said.get("type") == "stretch":
            name_of = str(said.get("of"))
            before_ms[name_of] = before_ms.get(name_of, 0) + _work_ms(said)
        elif said.get("type") == "city":
            cities[str(said.get("city", ""))[:64]] = number(said, "weight", least=1) or 1
    offered = wanted.supply or _supply(pools, problems, name)
    law = _law(pools) if wanted.supply is None else {}
    reading = _Reading(offered, problems, before_ms, law=law)
    for line, said in works:
        reading.add(line, said)
    draft = reading.draft()
    if reading.never:
        draft.notes.append(Note("export_never_ran", {"workloads": reading.never}))
    about = About(
        "yunhe",
        name,
        tuple(reading.tenants),
        kinds=tuple(json.dumps(dict(kind)) for kind in reading.kinds),
        speeds=np.array(
            [[dict(kind).get(chip, 0) for chip in offered.fleet.chips] for kind in reading.kinds],
            np.int32,
        ).reshape(len(reading.kinds), len(offered.fleet.chips)),
        bounds=reading.bounded(),
        cities=reading.cities_of_tenants(),
        city_weights=cities,
        calendar=True,
        notes=(Note("export"),),
    )
    return build(draft, about, supply=offered, wanted=wanted, problems=problems)


def _lines(content: str, problems: Problems) -> Iterator[tuple[int, _Line]]:
    for line, text in enumerate(content.split("\n"), 1):
        if not text.strip():
            continue
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict):
            yield line, said
        else:
            problems.add(line, "simulate.export_line")


def _version(said: _Line, name: str) -> None:
    if said.get("format") != FORMAT or said.get("version") not in VERSIONS:
        raise Invalid("simulate.export_version", file=name, version=str(said.get("version"))[:20])


def _supply(pools: list[tuple[int, _Line]], problems: Problems, name: str) -> Supply:
    racks, guessed = [], False
    for line, said in pools:
        devices = number(said, "devices", least=1, most=NODES_MAX * DEVICES_MAX)
        if devices is None or not isinstance(said.get("chip"), str):
            problems.add(line, "simulate.export_field", field="devices, chip")
            continue
        price = number(said, "price_minor_per_device_hour")
        if price is not None and str(said.get("currency")) not in CURRENCIES:
            problems.add(line, "simulate.export_field", field="currency")
            continue
        parts, assumed = _parts(said, devices)
        guessed |= assumed
        if any(part.size > DEVICES_MAX for part in parts):
            problems.add(line, "simulate.export_field", field="devices, nodes")
            continue
        racks += [
            Rack(
                str(said.get("site") or said.get("id")),
                str(said["chip"]),
                part.count,
                part.size,
                part.cpu_milli,
                part.memory_mib,
                part.count if part.apart else 0,
                NONE if price is None else price,
                str(said.get("currency", "")),
            )
            for part in parts
            if part.count
        ]
    if not racks:
        raise Invalid("simulate.fleet_needed", file=name)
    notes = (Note("export_nodes", {"devices": NODE_DEVICES}),) if guessed else ()
    return supply(racks, name=name, notes=notes)


def _law(pools: list[tuple[int, _Line]]) -> dict[str, str]:
    """Whose law holds at each site, as far as its pools say so and agree."""
    found: dict[str, str] = {}
    for _, said in pools:
        site, law = str(said.get("site") or said.get("id")), said.get("jurisdiction")
        found[site] = law if isinstance(law, str) and found.get(site, law) == law else ""
    return found


@dataclass(frozen=True, slots=True)
class _Part:
    """Equal nodes of a pool."""

    count: int
    size: int
    cpu_milli: int
    memory_mib: int
    apart: bool
    """Whether they are a fabric domain by themselves."""


def _parts(said: _Line, devices: int) -> tuple[list[_Part], bool]:
    """The nodes of a pool, and whether that was guessed."""
    cpu, memory = number(said, "cpu_milli") or 0, number(said, "memory_mib") or 0
    rows = said.get("nodes")
    if isinstance(rows, list):
        gone = said.get("gone")
        away = {at for at in gone if isinstance(at, int)} if isinstance(gone, list) else set()
        parts, at = [], 0
        for row in rows:
            if not isinstance(row, dict):
                continue
            size = number(row, "devices", most=NUMBER_MAX) or 0
            count = number(row, "count", least=1, most=NODES_MAX) or 0
            here = count - sum(at <= one < at + count for one in away)
            at += count
            each = number(row, "cpu_milli") or 0, number(row, "memory_mib") or 0
            parts.append(_Part(here, size, *each, apart=True))
        return parts or [_Part(1, devices, cpu, memory, apart=False)], False
    nodes = number(said, "nodes", least=1, most=min(devices, NODES_MAX))
    if nodes is None:
        whole, rest = divmod(devices, NODE_DEVICES)
        counts = ((whole, NODE_DEVICES), (1 if rest else 0, rest))
    else:
        each_has, larger = divmod(devices, nodes)
        counts = ((larger, each_has + 1), (nodes - larger, each_has))
    found = [_Part(count, size, cpu, memory, apart=False) for count, size in counts if count]
    return found, nodes is None


def number(said: _Line, field: str, *, least: int = 0, most: int = NUMBER_MAX) -> int | None:
    """A whole number of a line within its bounds; None when it is none."""
    value = said.get(field)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if least <= value <= most else None


class _Reading:
    """The workloads so far, as columns."""

    def __init__(
        self,
        offered: Supply,
        problems: Problems,
        before_ms: Mapping[str, int],
        *,
        law: Mapping[str, str],
    ) -> None:
        """``law``: whose holds at each site; none said: the fleet is not the trace's own."""
        self._law = law
        self._bounds: dict[tuple[str, ...], int] = {}
        self._before_ms = before_ms
        self._sites = {site: place for place, site in enumerate(offered.fleet.sites)}
        self._problems = problems
        self.tenants: dict[str, int] = {}
        self.cities: dict[str, str] = {}
        self.kinds: dict[tuple[tuple[str, int], ...], int] = {}
        self.never = 0
        self._seen: set[str] = set()
        self._rows: list[tuple[int, ...]] = []
        self._ids: list[str] = []
        self._lines: list[int] = []

    def add(self, line: int, said: _Line) -> None:
        """One workload, or a finding."""
        name = said.get("id")
        submitted = number(said, "submitted_at_us")
        devices, milli = number(said, "devices") or 0, number(said, "milli", most=999) or 0
        kind = _chips(said)
        if not isinstance(name, str) or submitted is None or kind is None or devices + milli < 1:
            self._problems.add(
                line, "simulate.export_field", field="id, submitted_at_us, devices, chip"
            )
            return
        if name in self._seen:
            self._problems.add(line, "simulate.row_repeated", column="id")
            return
        self._seen.add(name)
        run_ms = number(said, "run_ms", least=1, most=MILLISECONDS_MAX)
        if run_ms is None:
            self.never += 1
            return
        work_ms = _work_ms(said) + self._before_ms.get(name, 0)
        tenant = f"{said.get('organisation', '')}"
        self.cities[tenant] = str(said.get("city") or "")[:64]
        home = said.get("data_site") or said.get("home")
        parts = number(said, "replicas", least=1, most=REPLICAS_MAX) or 1
        fabric = said.get("fabric")
        self._ids.append(name)
        self._lines.append(line)
        self._rows.append(
            (
                submitted,
                work_ms * 1000,
                0 if milli else devices * parts,
                milli,
                (number(said, "wall_seconds_max", most=10**12) or 0) * 1_000_000,
                self.tenants.setdefault(tenant, len(self.tenants)),
                self._sites.get(home, NONE) if isinstance(home, str) else NONE,
                self.kinds.setdefault(kind, len(self.kinds)),
                bool(said.get("preemptible")),
                number(said, "priority", least=-PRIORITY_MAX, most=PRIORITY_MAX) or 0,
                said.get("egress") == "forbid",
                parts,
                number(said, "checkpoint_seconds", most=10**9) or 0,
                (number(said, "cpu_milli", most=10**12) or 0) * parts,
                (number(said, "memory_mib", most=10**12) or 0) * parts,
                _FABRICS.get(fabric, FABRIC_SITE) if isinstance(fabric, str) else FABRIC_SITE,
                self._bound(said),
            )
        )

    def _bound(self, said: _Line) -> int:
        """The row of the places where rules let it run; NONE: everywhere."""
        codes = said.get("jurisdictions")
        if not self._law or not isinstance(codes, list) or not codes:
            return NONE
        return self._bounds.setdefault(tuple(sorted(map(str, codes))), len(self._bounds))

    def bounded(self) -> Flags:
        """Those rows: sites in each of which the law of an allowed place holds."""
        rows = [[within(self._law.get(site, ""), codes) for site in self._sites]
                for codes in self._bounds]  # fmt: skip
        return np.array(rows, np.bool_).reshape(len(rows), len(self._sites))

    def cities_of_tenants(self) -> tuple[str, ...]:
        """Of each tenant its city, as the last of its workloads says; none where all are of one."""
        found = tuple(self.cities[tenant] for tenant in self.tenants)
        return found if any(found) else ()

    def draft(self) -> Draft:
        """Everything read."""
        table = np.array(self._rows, np.int64).reshape(len(self._rows), 17)
        return Draft(
            id=self._ids,
            arrive_us=table[:, 0],
            service_us=table[:, 1],
            devices=table[:, 2],
            milli=table[:, 3],
            wall_us=table[:, 4],
            tenant=table[:, 5].astype(np.int32),
            home=table[:, 6].astype(np.int32),
            kind=table[:, 7].astype(np.int32),
            preemptible=table[:, 8].astype(np.bool_),
            priority=table[:, 9].astype(np.int16),
            pinned=table[:, 10].astype(np.bool_),
            replicas=table[:, 11],
            saves_seconds=table[:, 12],
            cpu_milli=table[:, 13],
            memory_mib=table[:, 14],
            fabric=table[:, 15],
            bound=table[:, 16].astype(np.int32),
            good=np.ones(len(table), np.bool_),
            lines=np.array(self._lines, np.int64),
        )


def _work_ms(said: _Line) -> int:
    """How long a run took, as if on the chip that speeds are given for."""
    run_ms = number(said, "run_ms", least=1, most=MILLISECONDS_MAX) or 0
    speed = number(said, "speed_permille", least=1, most=SPEED_MAX) or 1_000
    return run_ms * speed // 1_000 or bool(run_ms)


def _chips(said: _Line) -> tuple[tuple[str, int], ...] | None:
    chips = said.get("chips")
    if isinstance(chips, dict) and chips:
        rates = {str(chip): number(chips, chip, most=SPEED_MAX) for chip in chips}
        if None in rates.values():
            return None
        return tuple(sorted((chip, rate or 0) for chip, rate in rates.items()))
    chip, others = said.get("chip"), said.get("substitutes")
    if not isinstance(chip, str):
        return None
    found = {chip: 1000}
    for name, speed in others.items() if isinstance(others, dict) else ():
        if isinstance(speed, bool) or not isinstance(speed, int) or not 0 <= speed <= SPEED_MAX:
            return None
        found[str(name)] = speed
    return tuple(sorted(found.items()))
