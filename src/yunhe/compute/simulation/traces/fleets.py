"""What a trace meets: presets, and fleets read from a table of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yunhe.compute.simulation.domain import NONE, Fleet, Note, Times
from yunhe.compute.simulation.traces.table import Problems, Rows, load, read_csv
from yunhe.kernel.errors import Invalid
from yunhe.kernel.units import CURRENCIES

NODES_MAX = 1_000_000
"""Most nodes of one fleet."""
DEVICES_MAX = 1024
"""Most devices of one node."""

CONTENDED = {
    "6214e9": 7,
    "7f04ca": 9,
    "11cb48": 3,
    "b436b2": 5,
    "ee9e8c": 20,
    "e13805": 1,
    "6c71a0": 7,
    "2869ce": 7,
    "ed69ec": 1,
    "103959": 3,
    "0e4a51": 7,
}
"""Nodes of 8 devices for each Philly virtual cluster, chosen so that 560 devices are contended."""


@dataclass(frozen=True, slots=True)
class Rack:
    """Equal nodes at one site."""

    site: str
    """Where."""
    chip: str
    """What their devices are; empty: none."""
    nodes: int
    """How many."""
    devices: int
    """Of each node."""
    cpu_milli: int = 0
    """Of each node; 0 = not limited."""
    memory_mib: int = 0
    """Of each node; 0 = not limited."""
    domain_nodes: int = 0
    """Nodes of one fabric domain; 0 = all of the site."""
    price_minor: int = NONE
    """Price of one device-hour; NONE = not said."""
    currency: str = ""
    """Of the price."""


@dataclass(frozen=True, slots=True)
class Supply:
    """A fleet with its prices."""

    fleet: Fleet
    """What there is."""
    prices: Times | None = None
    """int64[S, C], minor units per device-hour; None = not known."""
    currency: str = ""
    """Of the prices."""
    notes: tuple[Note, ...] = ()
    """What must be said about it."""
    name: str = ""
    """Preset or file."""


def supply(racks: Sequence[Rack], *, name: str, notes: tuple[Note, ...] = ()) -> Supply:
    """A fleet of racks; sites in order of first mention.

    Errors: `Invalid` ``simulate.fleet_invalid``: no node, too many, or several currencies.
    """
    sites = tuple(dict.fromkeys(rack.site for rack in racks))
    chips = tuple(dict.fromkeys(rack.chip for rack in racks if rack.chip))
    currencies = {rack.currency for rack in racks if rack.price_minor >= 0}
    total = sum(rack.nodes for rack in racks)
    if not 0 < total <= NODES_MAX or not chips or len(currencies) > 1:
        raise Invalid("simulate.fleet_invalid", nodes=total, currencies=len(currencies))
    ordered = sorted(racks, key=lambda rack: sites.index(rack.site))
    counts = [rack.nodes for rack in ordered]
    site = np.repeat([sites.index(rack.site) for rack in ordered], counts).astype(np.int32)
    fleet = Fleet(
        sites=sites,
        chips=chips,
        site=site,
        chip=np.repeat(
            [chips.index(r.chip) if r.chip and r.devices else NONE for r in ordered], counts
        ).astype(np.int16),
        devices=np.repeat([rack.devices for rack in ordered], counts).astype(np.int16),
        cpu_milli=np.repeat([rack.cpu_milli for rack in ordered], counts).astype(np.int64),
        memory_mib=np.repeat([rack.memory_mib for rack in ordered], counts).astype(np.int64),
        domain=_domains(ordered),
    )
    prices = None
    if currencies:
        prices = np.zeros((len(sites), len(chips)), np.int64)
        for rack in ordered:
            if rack.chip and rack.price_minor >= 0:  # else another rack's price holds
                prices[sites.index(rack.site), chips.index(rack.chip)] = rack.price_minor
    return Supply(fleet, prices, next(iter(currencies), ""), notes, name)


def _domains(racks: Sequence[Rack]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    parts: list[int] = []
    last, site, room = -1, "", 0
    for rack in racks:
        split = rack.domain_nodes > 0
        for position in range(rack.nodes):
            fresh = rack.site != site or (split and (room == 0 or position == 0))
            if fresh:
                last, room = last + 1, rack.domain_nodes
            site, room = rack.site, room - 1
            parts.append(last)
    return np.array(parts, np.int32)


def contended() -> Supply:
    """70 nodes of 8 at eleven centres: the fact sheet's contended Philly."""
    racks = [Rack(site, "gpu", nodes, 8) for site, nodes in CONTENDED.items()]
    return supply(racks, name="contended", notes=(Note("fleet_contended"),))


def one_site(chip: str, *, nodes: int, devices: int, note: str) -> Supply:
    """Equal nodes at one site, chosen by us and said so."""
    notes = (Note(note, {"nodes": nodes, "devices": devices}),)
    return supply([Rack("site", chip, nodes, devices)], name=note, notes=notes)


def gavel_fleet(*, nodes: int) -> Supply:
    """Equally many nodes of 4 devices of each of three generations."""
    racks = [Rack("cluster", chip, nodes, 4) for chip in ("v100", "p100", "k80")]
    return supply(racks, name="gavel", notes=(Note("fleet_gavel", {"devices": 4 * nodes}),))


def read_fleet(path: Path) -> Supply:
    """A table of nodes: ours, Alibaba openb's or the spot fleet's, told apart by its columns.

    Ours has a row for each group of equal nodes: ``site, chip, nodes, devices`` and, if wanted,
    ``cpu_milli, memory_mib, domain_nodes, price_minor, currency``.

    Errors: `Invalid` ``simulate.fleet_rows`` with every faulty row: half a fleet is none.
    """
    problems = Problems(path.name)
    content = load(path, problems)
    head = content.split("\n", 1)[0]
    if head.startswith("sn,"):
        needed, build = ["sn", "cpu_milli", "memory_mib", "gpu", "model"], _openb
    elif "gpu_capacity_num" in head:
        needed, build = ["gpu_model", "gpu_capacity_num", "cpu_num"], _spot
    else:
        needed, build = ["site", "chip", "nodes", "devices"], _own
    rows = read_csv(path.name, content, problems, needed=needed)
    racks = build(rows)
    if problems.count:
        raise Invalid("simulate.fleet_rows", findings=problems.findings, file=path.name)
    return supply(racks, name=path.name)


def _own(rows: Rows) -> list[Rack]:
    site, chip = rows.words("site"), rows.words("chip")
    columns = [rows.whole("nodes", least=1), rows.whole("devices", least=0)]
    for extra in ("cpu_milli", "memory_mib", "domain_nodes"):
        known = extra in rows.columns
        columns.append(rows.whole(extra, least=0, empty=0) if known else rows.lines * 0)
    priced = "price_minor" in rows.columns
    columns.append(
        rows.whole("price_minor", least=0, empty=NONE) if priced else rows.lines * 0 + NONE
    )
    currency = rows.words("currency") if "currency" in rows.columns else [""] * len(rows)
    rows.fault(columns[1] > DEVICES_MAX, "simulate.row_too_large", column="devices")
    unnamed = np.array([not word for word in site], np.bool_)
    rows.fault(unnamed, "simulate.row_empty", column="site")
    money = np.array([word in CURRENCIES for word in currency], np.bool_)
    rows.fault((columns[-1] >= 0) & ~money, "simulate.row_currency", column="currency")
    numbers = np.stack(columns, axis=1).tolist()
    return [
        Rack(site[i], chip[i], *(*line, currency[i]))  # in the order of Rack's fields
        for i, line in enumerate(numbers)
    ]


def _openb(rows: Rows) -> list[Rack]:
    columns = [rows.whole(c, least=0, empty=0) for c in ("gpu", "cpu_milli", "memory_mib")]
    rows.fault(columns[0] > DEVICES_MAX, "simulate.row_too_large", column="gpu")
    chips = rows.words("model")
    return [
        Rack("openb", chips[i], 1, *line) for i, line in enumerate(np.stack(columns, 1).tolist())
    ]


def _spot(rows: Rows) -> list[Rack]:
    devices, cores = rows.whole("gpu_capacity_num", least=0), rows.whole("cpu_num", least=0)
    rows.fault(devices > DEVICES_MAX, "simulate.row_too_large", column="gpu_capacity_num")
    chips = rows.words("gpu_model")
    return [
        Rack("spot", chips[i], 1, int(devices[i]), int(cores[i]) * 1000) for i in range(len(rows))
    ]
