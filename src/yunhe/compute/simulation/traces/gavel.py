"""Gavel: training jobs whose speed depends on the chip.

*Source*: stanford-futuredata/gavel (MIT), Narayanan et al., OSDI 2020: seven fields a line, tabs
between them (job type, command, flag, flag, total steps, arrival seconds, scale factor), and a
table of steps per second.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import NONE, Note
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.fleets import gavel_fleet
from yunhe.compute.simulation.traces.table import SECONDS_MAX, Problems, load
from yunhe.kernel.errors import Invalid

REFERENCE = "v100"
"""The chip whose speed is 1000."""
NODES, NODES_ALL = 9, 60
"""Nodes of each chip in the fleet chosen for one file, and for a folder of files, so that devices
are contended but suffice."""
FIELDS = 7
"""Of every line."""
RATE_MAX = 1e9
"""Steps per second: faster is no training."""
SPEED_MAX = 1_000_000
"""Fastest chip, per thousand of the reference; faster ones are taken for that fast."""
TABLE = "simulation_throughputs.json"
"""Name of the table of throughputs."""
_KEY = re.compile(r"^\('(.+)', (\d{1,4})\)$")

_Rates = dict[str, dict[int, dict[str, float]]]


def read(files: list[tuple[str, str]], wanted: Wanted, problems: Problems, *, at: Path) -> Loaded:
    """The jobs of all files together; each file is a tenant.

    Run time is steps over the reference chip's steps per second. Where the table lacks a scale,
    the nearest smaller scale's speed is taken, and the jobs are counted in a note.
    Errors: `NotFound` ``simulate.file_missing`` without the table of throughputs.
    """
    rates = _rates(_table(wanted, at), problems)
    supply = wanted.supply or gavel_fleet(nodes=NODES if len(files) == 1 else NODES_ALL)
    chips = supply.fleet.chips
    unknown = [chip for chip in chips if chip not in rates["chips"][0]]
    if unknown:
        raise Invalid("simulate.chips_without_speed", chips=", ".join(unknown))
    lines = _Lines(rates, chips)
    for tenant, (name, content) in enumerate(files):
        lines.read(tenant, problems, name, content)
    notes = [Note("gavel")]
    if lines.guessed:
        notes.append(Note("gavel_scaled", {"jobs": lines.guessed}))
    names = tuple(name.removesuffix(".trace") for name, _ in files)
    about = About(
        "gavel",
        at.name if len(files) > 1 else files[0][0],
        names,
        kinds=tuple(f"{kind} x{scale}" for kind, scale in lines.kinds),
        speeds=np.array(lines.speeds, np.int32).reshape(len(lines.speeds), len(chips)),
        notes=tuple(notes),
    )
    return build(lines.draft(), about, supply=supply, wanted=wanted, problems=problems)


def _table(wanted: Wanted, at: Path) -> Path:
    if wanted.throughputs:
        return Path(wanted.throughputs)
    near = [folder / TABLE for folder in (at, *list(at.parents)[:2])]
    return next((path for path in near if path.is_file()), near[0])


def _rates(path: Path, problems: Problems) -> _Rates:
    """Steps per second by job type, scale and chip; under ``chips`` the chips there are."""
    try:
        said = json.loads(load(path, problems))
        found: _Rates = {"chips": {0: {chip: 0.0 for chip in said if "_" not in chip}}}
        for chip in found["chips"][0]:
            for key, row in said[chip].items():
                match = _KEY.match(key)
                if match and isinstance(row.get("null"), (int, float)):
                    rate = float(row["null"])
                    if not 0 <= rate < RATE_MAX:
                        raise ValueError(key)
                    kind = found.setdefault(match[1], {})
                    kind.setdefault(int(match[2]), {})[chip] = rate
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise Invalid(
            "simulate.file_unreadable", file=path.name, reason=type(error).__name__
        ) from None
    return found


class _Lines:
    """The jobs of the files so far."""

    def __init__(self, rates: _Rates, chips: tuple[str, ...]) -> None:
        self._rates, self._chips = rates, chips
        self.kinds: dict[tuple[str, int], int] = {}
        self.speeds: list[list[int]] = []
        self._reference: list[float] = []
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._ids: list[str] = []
        self._lines: list[int] = []
        self.guessed = 0

    def read(self, tenant: int, problems: Problems, name: str, content: str) -> None:
        """Add one file."""
        for line, said in enumerate(content.split("\n"), 1):
            if not said.strip():
                continue
            where = f"{line}" if problems.name == name else f"{name}:{line}"
            words = said.split("\t")
            if len(words) != FIELDS:
                problems.add(where, "simulate.row_fields", found=len(words), wanted=FIELDS)
                continue
            try:
                steps, arrive, scale = float(words[4]), float(words[5]), int(words[6])
            except ValueError:
                problems.add(where, "simulate.swf_number")
                continue
            kind = self._kind(words[0], scale)
            if kind < 0:
                problems.add(where, "simulate.gavel_kind", kind=words[0][:100], scale=scale)
            elif not (0 < steps < 1e12 and 0 <= arrive < 1e9):
                problems.add(where, "simulate.row_no_time")
            else:
                self.guessed += scale not in self._rates[words[0]]
                service = round(min(steps / self._reference[kind], SECONDS_MAX) * 1e6)
                self._rows.append((round(arrive * 1e6), max(service, 1), scale, kind, tenant))
                self._ids.append(f"{name.removesuffix('.trace')}-{line}")
                self._lines.append(line)

    def _kind(self, name: str, scale: int) -> int:
        """Row of the speeds, or NONE where the reference chip has no rate at any smaller scale."""
        if (name, scale) in self.kinds:
            place = self.kinds[name, scale]
        else:
            measured = self._rates.get(name, {})
            nearest = max((s for s in measured if s <= scale), default=0)
            rates = measured.get(nearest, {})
            reference = rates.get(REFERENCE, 0.0)
            if scale < 1 or reference <= 0:
                return NONE
            place = self.kinds[name, scale] = len(self.speeds)
            self._reference.append(reference)
            self.speeds.append(
                [
                    round(min(1000 * rates.get(chip, 0.0) / reference, SPEED_MAX))
                    for chip in self._chips
                ]
            )
        return place

    def draft(self) -> Draft:
        """Everything read."""
        table: NDArray[np.int64] = np.array(self._rows, np.int64).reshape(len(self._rows), 5)
        return Draft(
            id=self._ids,
            arrive_us=table[:, 0],
            service_us=table[:, 1],
            devices=table[:, 2],
            good=np.ones(len(table), np.bool_),
            lines=np.array(self._lines, np.int64),
            kind=table[:, 3].astype(np.int32),
            tenant=table[:, 4].astype(np.int32),
        )
