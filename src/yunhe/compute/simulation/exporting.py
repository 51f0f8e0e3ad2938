"""A platform written down as a trace: all that its scheduler sees of it, and the passes kept.

`simulate` replays it under any policy, and decides the passes in it again (`recording`). One line
each for what there is now (pools with their nodes, windows, weights, use so far, awards, vouchers,
money, ways between sites) and for every workload and run there ever was. What a workload runs, its
arguments, inputs and secrets, and who sent it are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute import store as rows_of
from yunhe.compute.limits import service as limits
from yunhe.compute.passes import store as passes
from yunhe.compute.passes import weighing
from yunhe.compute.passes.domain import PUSHABLE
from yunhe.compute.picture import award_views, picture_of, voucher_views
from yunhe.compute.places import places_of
from yunhe.compute.policy import service as rules
from yunhe.compute.remote import store as remote
from yunhe.compute.scheduling.state import PoolView
from yunhe.compute.simulation import store
from yunhe.compute.simulation.recording import Json, line_of, plain
from yunhe.compute.simulation.traces.export import FORMAT, VERSION
from yunhe.compute.wanted import PRIORITIES
from yunhe.compute.ways import store as ways
from yunhe.compute.windows.views import window_views
from yunhe.identity import service as identity
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_WORKLOAD = ("id", "organisation", "chip", "wall_seconds_max", "state", "pool", "submitted_at_us")
_MAYBE = ("project", "term", "pushed_out", "attained_ms", "placements", "start_by_us")


def write(storage: Storage, path: Path) -> int:
    """Write the platform's export; returns the number of workloads. The file appears whole."""
    fresh = path.with_name(f".{path.name}.new")
    count, now_us = 0, storage.clock.now_us()
    try:
        with storage.database.read() as tx, fresh.open("w", encoding="utf-8") as file:
            header = {"format": FORMAT, "version": VERSION, "written_at_us": now_us}
            file.write(line_of({**header, "policy": rules.chosen(tx).name}))
            for line in _standing(tx, now_us=now_us):
                file.write(line_of(line))
            kinds = identity.kinds(tx, store.organisations(tx))
            cities = identity.cities_of(tx, sorted(kinds))
            chips = {row["id"]: row["chip"] for row in store.pools(tx)}
            for row in store.workloads(tx):
                line = _workload(row, kinds.get(row["organisation"], ""), chips)
                if row["organisation"] in cities:
                    line["city"] = cities[row["organisation"]]
                reach = limits.reach(tx, columns.spec_of(row), awards=())
                if reach is not None:
                    line["jurisdictions"] = list(reach) or ["-"]
                file.write(line_of(line))
                count += line["type"] == "workload"
            for text in passes.journal(tx):
                file.write(line_of({**json.loads(text), "type": "pass"}))
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _standing(tx: Transaction, *, now_us: int) -> Iterator[dict[str, Json]]:
    """What there is now beside workloads, and every window that ever was."""
    seen = picture_of(tx, (), now_us=now_us)
    sites = {row["id"]: row for row in store.pools(tx)}
    for pool in seen.pools:
        yield _pool(pool, sites[pool.id])
    places = [status.pool for status in rows_of.pools(tx)]
    for window in window_views(tx, places, pushable=PUSHABLE | remote.pushing(tx), now_us=0):
        yield {"type": "window", **_plain(window)}
    yield from _weights(tx)
    for whose, used_us in sorted(weighing.used(tx, now_us=now_us).items()):
        yield {"type": "used", "path": list(whose), "used_us": used_us}
    yield from _budgets(tx)
    for (start, end), speed in sorted(ways.ways(tx).megabit_per_second.items()):
        yield {"type": "way", "from_site": start, "to_site": end, "megabit_per_second": speed}


def _budgets(tx: Transaction) -> Iterator[dict[str, Json]]:
    organisations = store.organisations(tx)
    has = ledger.available(tx, organisations)
    for award in award_views(passes.awards(tx, organisations), has):
        yield {"type": "award", **_plain(award)}
    for voucher in voucher_views(passes.vouchers(tx, organisations), has):
        yield {"type": "voucher", **_plain(voucher)}
    for (owner, unit, purpose), amount in sorted(has.items()):
        if purpose == "cash":
            money = {"organisation": owner, "currency": unit, "amount_minor": amount}
            yield {"type": "cash", **money}


def _weights(tx: Transaction) -> Iterator[dict[str, Json]]:
    for path, weight in sorted(weighing.by_path(tx).items()):
        yield {"type": "weight", "path": list(path), "weight": weight}
    for city, weight in sorted(weighing.by_city(tx).items()):
        yield {"type": "city", "city": city, "weight": weight}


def _pool(pool: PoolView, row: RowMapping) -> dict[str, Json]:
    """A pool as the scheduler sees it; ``nodes`` are rows of equal ones, by position."""
    told = _plain(pool)
    del told["devices_busy"]
    site = {"site": row["site"], "adapter": row["adapter"], "provider": row["provider"]}
    return {"type": "pool", **told, **site}


def _workload(row: RowMapping, kind: str, chips: Mapping[str, str]) -> dict[str, Json]:
    """One workload, or a run of it that was broken off: what it asked for and what became of it."""
    spec = columns.spec_of(row)
    said: dict[str, Json] = {"type": "workload", **{name: row[name] for name in _WORKLOAD}}
    if row["stretch_of"] is not None:
        said |= {"type": "stretch", "of": row["stretch_of"]}
    said |= {name: row[name] for name in _MAYBE if row[name]}
    said |= {
        "organisation_kind": kind,
        "kind": spec.kind,
        "devices": spec.devices,
        "milli": spec.devices_milli,
        "replicas": spec.replicas,
        "replicas_min": spec.replicas_min,
        "substitutes": dict(spec.substitutes),
        "fabric": spec.fabric,
        "sites": list(spec.sites),
        "data_site": spec.data_site,
        "egress": spec.egress,
        "egress_bytes": spec.egress_bytes,
        "deadline_us": spec.deadline_us,
        "priority": PRIORITIES[spec.priority],
        "preemptible": spec.preemptible,
        "checkpoint_seconds": spec.checkpoint_seconds,
        "cpu_milli": spec.cpu_milli,
        "memory_mib": -(-spec.replica_memory_bytes >> 20),
    }
    if row["pool"]:
        nodes, pieces = places_of(row["nodes"])
        ran_on = chips.get(row["pool"], spec.chip)
        said |= {
            "ran_on": ran_on,
            "speed_permille": spec.substitutes.get(ran_on, 1_000),
            "replicas_placed": row["replicas"] or spec.replicas,
            "nodes": plain(nodes),
            "pieces": plain(pieces),
        }
    usage = json.loads(row["usage"]) if row["usage"] else None
    if usage and row["ended_at_us"]:
        run_ms = max(int(usage["wall_ms"]), 1)
        ended_us = row["ended_at_us"]
        said |= {"run_ms": run_ms, "ended_at_us": ended_us}
        said["started_at_us"] = ended_us - run_ms * 1000
    return said


def _plain(value: object) -> dict[str, Json]:
    found = plain(value)
    assert isinstance(found, dict)  # noqa: S101 - only dataclasses are asked for
    return found
