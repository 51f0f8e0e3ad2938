"""What every workload of a plan needs: its pool, an approval, and to be run to its end."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import count

from yunhe.compute import service as compute
from yunhe.compute.domain import BUSY_STATES, Award, Pool, Workload, WorkloadSpec
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.progress import Stopped
from yunhe.plans.domain import Award as Granted
from yunhe.plans.run import Run

GIB = 1 << 30
_LOOK_SECONDS = 0.2  # between two looks at a workload that another worker runs


def offer(run: Run) -> Pool:
    """The plan's pool, registered once."""
    plan = run.plan.compute.pool
    return compute.register_pool(
        run.storage,
        key=run.plan.name,
        provider=run.organisation(plan.provider),
        site=plan.site,
        chip=plan.chip,
        devices=plan.devices,
        price_minor_per_device_hour=run.minor(plan.price_per_device_hour),
        currency=run.plan.currency,
        adapter=compute.DEMONSTRATION if plan.demonstration else compute.LOCAL,
    )


def award(run: Run, granted: Granted, *, key: str, organisation: str) -> Award:
    """The device time that the plan's operator grants to an organisation."""
    return compute.award(
        run.storage,
        key=run.key(key),
        organisation=organisation,
        chip=run.plan.compute.pool.chip,
        device_ms=granted.device_seconds * 1_000,
        expires_at_us=run.started_at_us + granted.days * DAY_US,
        awarded_by=run.member(run.plan.operator),
    )


def approve(run: Run, name: str, *, module: str, digest: str) -> None:
    """Let a program of the platform's own run, also where there is no sandbox."""
    compute.approve_entry_point(
        run.storage,
        name=name,
        module=module,
        digest=digest,
        approved_by=run.member(run.plan.operator),
    )


def to_its_end(run: Run, spec: WorkloadSpec) -> Workload:
    """The workload, run to its end; what failed or was cancelled stays, and the next is made."""
    storage = run.storage
    submitted = compute.submit(storage, spec)
    for attempt in count(2):
        if submitted.state not in ("failed", "cancelled"):
            break
        submitted = compute.submit(storage, replace(spec, key=f"{spec.key}-{attempt}"))
    while True:
        finished = _run_next(run, submitted.id) or _ended(run, submitted.id)
        if finished is not None:
            return finished
        time.sleep(_LOOK_SECONDS)


def _run_next(run: Run, workload: str | None) -> Workload | None:
    """As `compute.service.run_next`; `Stopped` when the run itself is to stop."""
    equipment = run.equipment
    if equipment.halt():
        raise Stopped
    finished = compute.run_next(
        run.storage,
        equipment.provider,
        workload=workload,
        progress=run.progress,
        halt=equipment.halt,
        vault=equipment.vault,
    )
    if equipment.halt():
        raise Stopped
    return finished


def _ended(run: Run, workload: str) -> Workload | None:
    """The workload that could not be started here, if there is nothing left to wait for.

    Perhaps it waits for the machine: then what earlier runs left placed in the pool goes first.
    Perhaps another worker runs it, or what it waits for.
    """
    with run.storage.database.read() as tx:
        found = compute.workload(tx, workload)
    if found.state not in (*BUSY_STATES, "waiting"):
        return found
    if _run_next(run, None) is not None:
        return None
    with run.storage.database.read() as tx:
        found = compute.workload(tx, workload)
        busy = any(status.devices_busy for status in compute.pools(tx))
    return None if busy else found
