"""Philly: jobs of Microsoft's GPU clusters, as the Sia artefact publishes them.

*Source*: msr-fiddle/philly-traces (CC BY 4.0), Jeon et al., ATC 2019; columns of the Sia artefact:
``timestamp, duration, num_gpus, gpu_time, cluster``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from yunhe.compute.simulation.domain import NONE, Note, Times
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.fleets import CONTENDED, contended
from yunhe.compute.simulation.traces.table import Problems, micros, read_csv

COLUMNS = ("timestamp", "duration", "num_gpus", "cluster")
"""What the reader needs."""
SINCE_US = 1_506_816_000_000_000
"""2017-10-01, the first day of the contended preset."""
UNTIL_US = 1_512_086_400_000_000
"""2017-12-01, the day after its last."""


def read(name: str, content: str, wanted: Wanted, problems: Problems) -> Loaded:
    """Virtual clusters become sites and tenants.

    Without a fleet of the caller's, the contended preset: 61 days, eleven centres, 560 devices.
    Jobs of a virtual cluster that is no site of the fleet are left out and counted.
    """
    rows = read_csv(name, content, problems, needed=COLUMNS)
    arrive = rows.times("timestamp")
    service = rows.numbers("duration", least=0)
    devices = rows.whole("num_gpus", least=1)
    cluster, clusters = rows.codes("cluster")
    supply = wanted.supply
    if supply is None:
        supply = contended()
        if wanted.since_us is None and wanted.until_us is None:
            wanted = replace(wanted, since_us=SINCE_US, until_us=UNTIL_US)
    sites = {site: place for place, site in enumerate(supply.fleet.sites)}
    home = np.array([sites.get(word, NONE) for word in clusters], np.int32)[cluster]
    known = bool(set(sites) & set(clusters))
    room = np.bincount(supply.fleet.site, weights=supply.fleet.devices).astype(np.int64)
    draft = Draft(
        id=[f"row-{line}" for line in rows.lines.tolist()],
        arrive_us=arrive,
        service_us=micros(service),
        devices=devices,
        good=rows.good & (home >= 0) if known else rows.good,
        lines=rows.lines,
        tenant=cluster,
        home=home,
    )
    if known:
        foreign = int((rows.good & (home < 0)).sum())
        if foreign:
            draft.notes.append(Note("philly_other_clusters", {"jobs": foreign}))
        if set(sites) == set(CONTENDED):
            _own_cluster_only(draft, room)
    about = About(
        "philly",
        name,
        clusters,
        weights=_weights(clusters, sites, room) if known else None,
        calendar=True,
        notes=(Note("philly"),),
    )
    return build(draft, about, supply=supply, wanted=wanted, problems=problems)


def _weights(clusters: tuple[str, ...], sites: dict[str, int], room: Times) -> Times:
    """A cluster's share is what it brings: its own devices."""
    return np.array([max(room[sites[c]], 1) if c in sites else 1 for c in clusters], np.int64)


def _own_cluster_only(draft: Draft, room: Times) -> None:
    """The preset leaves out jobs larger than their own cluster, so that silos can be compared."""
    home = draft.home if draft.home is not None else np.zeros(0, np.int32)
    large = draft.good & (draft.devices > room[home])
    if large.any():
        draft.notes.append(Note("philly_larger_than_home", {}))
        draft.good &= ~large
