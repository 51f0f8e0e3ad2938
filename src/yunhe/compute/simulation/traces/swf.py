"""The standard workload format of the Parallel Workloads Archive.

*Source*: Feitelson, "The Standard Workload Format" 2.2: 18 fields a line, header lines begin with
``;``, -1 means unknown.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from yunhe.compute.simulation.domain import Note
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.fleets import Supply, one_site
from yunhe.compute.simulation.traces.table import NUMBER_MAX, Problems, micros
from yunhe.kernel.errors import Invalid

NAMES = (
    "job number", "submit time", "wait time", "run time", "allocated processors",
    "average CPU time used", "used memory", "requested processors", "requested time",
    "requested memory", "status", "user", "group", "executable", "queue", "partition",
    "preceding job", "think time",
)  # fmt: skip
"""Of the fields of a line, in their order."""
FIELDS = len(NAMES)
"""Of every line."""
_JOB, _SUBMIT, _RUN, _ALLOCATED, _ASKED, _LIMIT, _MEMORY, _USER, _GROUP = (
    0, 1, 3, 4, 7, 8, 9, 11, 12,
)  # fmt: skip
_HEADER = re.compile(r"^;\s*(MaxNodes|MaxProcs|UnixStartTime)\s*:\s*(\d{1,15})", re.MULTILINE)


def read(name: str, content: str, wanted: Wanted, problems: Problems) -> Loaded:
    """A processor of the log is a device here; users are tenants.

    Jobs that never ran (run time 0 or unknown) are left out, counted; a run time below -1 is a
    fault. A limit below the run time is raised to it, as the log says it was not kept.
    """
    table, lines = _numbers(content, problems)
    headers = {key: int(value) for key, value in _HEADER.findall(content)}
    run, asked = table[:, _RUN], table[:, _ASKED]
    devices = np.where(table[:, _ALLOCATED] > 0, table[:, _ALLOCATED], asked)
    good = np.ones(len(table), np.bool_)
    _fault(good, (table[:, _SUBMIT] < 0), lines, problems, "simulate.swf_submit")
    _fault(good, run < -1, lines, problems, "simulate.row_no_time")
    never = good & (run <= 0)
    good &= ~never
    _fault(good, devices < 1, lines, problems, "simulate.swf_processors")
    number = table[:, _JOB].astype(np.int64)
    _, first = np.unique(number, return_index=True)
    repeated = np.ones(len(table), np.bool_)
    repeated[first] = False
    _fault(good, repeated, lines, problems, "simulate.row_repeated", column="1")
    user = np.where(table[:, _USER] >= 0, table[:, _USER], table[:, _GROUP]).astype(np.int64)
    users, tenant = np.unique(user, return_inverse=True)
    start = headers.get("UnixStartTime", 0)
    draft = Draft(
        id=[str(one) for one in number.tolist()],
        arrive_us=micros(table[:, _SUBMIT] + start),
        service_us=micros(np.maximum(run, 0)),
        devices=devices.astype(np.int64),
        good=good,
        lines=lines,
        wall_us=micros(np.maximum(table[:, _LIMIT], 0)),
        tenant=tenant.astype(np.int32).reshape(-1),
    )
    if never.any():
        draft.notes.append(Note("swf_never_ran", {"jobs": int(never.sum())}))
    names = tuple(f"user-{one}" if one >= 0 else "unknown" for one in users.tolist())
    about = About("swf", name, names, calendar=start > 0, notes=(Note("swf"),))
    supply = wanted.supply or _fleet(headers, name)
    return build(draft, about, supply=supply, wanted=wanted, problems=problems)


def _fault(
    good: NDArray[np.bool_],
    bad: NDArray[np.bool_],
    lines: NDArray[np.int64],
    problems: Problems,
    code: str,
    **params: str | int,
) -> None:
    problems.rows(lines[good & bad], code, **params)
    good &= ~bad


def _numbers(content: str, problems: Problems) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """float64[n, 18] and the line of each row; lines that are no 18 numbers are faults."""
    parts: list[list[float]] = []
    lines: list[int] = []
    for line, said in enumerate(content.split("\n"), 1):
        if not said.strip() or said.lstrip().startswith(";"):
            continue
        words = said.split()
        if len(words) != FIELDS:
            problems.add(line, "simulate.row_fields", found=len(words), wanted=FIELDS)
            continue
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            problems.add(line, "simulate.swf_number")
            continue
        if all(abs(one) <= NUMBER_MAX for one in numbers):  # also false for what is no number
            parts.append(numbers)
            lines.append(line)
        else:
            wrong = next(at for at, one in enumerate(numbers) if not abs(one) <= NUMBER_MAX)
            problems.add(line, "simulate.swf_large", column=wrong + 1, name=NAMES[wrong])
    table = np.array(parts, np.float64).reshape(len(parts), FIELDS)
    return table, np.array(lines, np.int64)


def _fleet(headers: dict[str, int], name: str) -> Supply:
    """Equal nodes, as many as the header says."""
    processors = headers.get("MaxProcs", headers.get("MaxNodes", 0))
    nodes = headers.get("MaxNodes", processors) or processors
    if not processors:
        raise Invalid("simulate.fleet_needed", file=name)
    if processors % nodes or processors // nodes > 1024:
        nodes = processors
    return one_site("cpu", nodes=nodes, devices=processors // nodes, note="fleet_swf")
