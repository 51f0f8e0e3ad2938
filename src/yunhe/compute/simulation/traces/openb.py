"""Alibaba openb: pods that share devices, with processor and memory.

*Source*: alibaba/clusterdata cluster-trace-gpu-v2023 ("research or study purpose"); Weng et al.,
ATC 2023.
"""

from __future__ import annotations

import numpy as np

from yunhe.compute.simulation.domain import Note, Whole
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.table import Problems, Rows, micros, read_csv
from yunhe.kernel.errors import Invalid

COLUMNS = (
    "name",
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "gpu_spec",
    "qos",
    "creation_time",
    "deletion_time",
    "scheduled_time",
)
"""What the reader needs; ``multigpu20`` has no times and cannot be replayed."""


def read(name: str, content: str, wanted: Wanted, problems: Problems) -> Loaded:
    """Pods become jobs; their run time is from scheduling to deletion.

    Pods that were never scheduled have no run time and are left out, counted. ``gpu_spec`` becomes
    a kind that only the named chips run. ``qos`` ``BE`` may be pushed out.
    Errors: `Invalid` ``simulate.fleet_needed`` without the table of nodes.
    """
    rows = read_csv(name, content, problems, needed=COLUMNS)
    if wanted.supply is None:
        raise Invalid("simulate.fleet_needed", file=name)
    created = rows.numbers("creation_time", least=0)
    deleted = rows.numbers("deletion_time", least=0)
    scheduled = rows.numbers("scheduled_time", least=0, empty=-1)
    devices = rows.whole("num_gpu", least=0)
    milli = rows.whole("gpu_milli", least=0)
    rows.fault(milli > 1000, "simulate.row_share", column="gpu_milli")
    pending = scheduled < 0
    rows.fault(~pending & (deleted < scheduled), "simulate.row_ends_early")
    shared = (devices == 1) & (milli < 1000)
    rows.fault(shared & (milli == 0), "simulate.row_share", column="gpu_milli")
    kinds, kind, speeds = _kinds(rows, wanted.supply.fleet.chips)
    quality, classes = rows.codes("qos")
    best_effort = np.array([word == "BE" for word in classes], np.bool_)
    draft = Draft(
        id=rows.names("name"),
        arrive_us=micros(created),
        service_us=micros(deleted - scheduled),
        devices=np.where(shared, 0, devices),
        good=rows.good & ~pending & (deleted != scheduled),
        lines=rows.lines,
        milli=np.where(shared, milli, 0),
        cpu_milli=rows.whole("cpu_milli", least=0),
        memory_mib=rows.whole("memory_mib", least=0),
        kind=kind,
        preemptible=best_effort[quality] if len(classes) else None,
    )
    draft.good &= rows.good
    never = int((rows.good & pending).sum())
    if never:
        draft.notes.append(Note("openb_never_scheduled", {"pods": never}))
    about = About("openb", name, ("openb",), kinds=kinds, speeds=speeds, notes=(Note("openb"),))
    return build(draft, about, supply=wanted.supply, wanted=wanted, problems=problems)


def _kinds(rows: Rows, chips: tuple[str, ...]) -> tuple[tuple[str, ...], Whole, Whole]:
    """One kind for each list of chips: reference speed on those, none elsewhere."""
    codes, specs = rows.codes("gpu_spec")
    named = [word for word in specs if word]
    place = np.array([named.index(word) if word else -1 for word in specs] or [-1], np.int32)
    speeds = np.array(
        [[1000 if chip in word.split("|") else 0 for chip in chips] for word in named], np.int32
    ).reshape(len(named), len(chips))
    return tuple(named), place[codes], speeds
