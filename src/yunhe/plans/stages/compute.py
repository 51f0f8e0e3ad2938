"""Supply, entitlement, and the training workload: held, placed, run, metered, settled."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload, WorkloadSpec
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Exhausted, Finding, Unavailable
from yunhe.kernel.units import voucher_unit
from yunhe.models import service as models
from yunhe.plans.run import Run

GIB = 1 << 30
_SAID_LETTERS_MAX = 300
TRAINING = "train-classifier"
"""The entry point that trains."""


def train(run: Run) -> JsonObject:
    """Award, submit, run and settle the training; submit one more that must wait."""
    storage, plan = run.storage, run.plan.compute
    pool = compute.register_pool(
        storage,
        key=run.plan.name,
        provider=run.organisation(plan.pool.provider),
        site=plan.pool.site,
        chip=plan.pool.chip,
        devices=plan.pool.devices,
        price_minor_per_device_hour=run.minor(plan.pool.price_per_device_hour),
        currency=run.plan.currency,
    )
    consumer = run.organisation(run.plan.consumer)
    award = compute.award(
        storage,
        key=run.key("award"),
        organisation=consumer,
        chip=plan.pool.chip,
        device_ms=plan.award.device_seconds * 1_000,
        expires_at_us=run.started_at_us + plan.award.days * DAY_US,
        awarded_by=run.member(run.plan.operator),
    )
    if plan.voucher is not None:
        compute.issue_voucher(
            storage,
            key=run.key("voucher"),
            organisation=consumer,
            currency=run.plan.currency,
            amount=run.minor(plan.voucher.amount, voucher_unit(run.plan.currency)),
            share_percent=plan.voucher.share_percent,
        )
    entry = models.training_entry_point()
    compute.approve_entry_point(
        storage,
        name=TRAINING,
        module=entry.module,
        digest=entry.digest,
        approved_by=run.member(run.plan.operator),
    )
    finished = _trained(run, consumer)
    _must_be_settled(run, finished)
    return {
        "pool": pool.id,
        "award": award.id,
        "workload": finished.id,
        "reference": finished.reference,
        "outputs": dict(finished.outputs),
        "beyond": _beyond(run, consumer, plan.beyond.wall_seconds) if plan.beyond else None,
    }


def _beyond(run: Run, consumer: str, wall_seconds: int) -> JsonObject:
    """Ask for more than the award and note what is said; `call_off` ends it."""
    asked = compute.submit(run.storage, _training(run, consumer, name="beyond", wall=wall_seconds))
    why = asked.why
    return {
        "workload": asked.id,
        "waited": asked.state == "waiting",
        "code": why.code if why else "",
        "params": [[name, value] for name, value in why.params] if why else [],
    }


def call_off(run: Run) -> None:
    """End the workload beyond the award: left in the queue it would start, and be paid, one day."""
    beyond = run.results["compute"]["beyond"]
    if isinstance(beyond, Mapping):
        compute.cancel(run.storage, str(beyond["workload"]))


def _trained(run: Run, consumer: str) -> Workload:
    """The training, run to its end; an attempt that failed stays on record and the next is made."""
    storage, provider = run.storage, run.equipment.provider
    submitted = compute.submit(storage, _training(run, consumer))
    for attempt in count(2):
        if submitted.state != "failed":
            break
        submitted = compute.submit(storage, _training(run, consumer, name=f"training-{attempt}"))
    while True:
        finished = compute.run_next(storage, provider, workload=submitted.id, progress=run.progress)
        if finished is not None:
            return finished
        # Perhaps it waits for the machine: what earlier runs left placed in the pool goes first.
        if compute.run_next(storage, provider) is None:
            with storage.database.read() as tx:
                return compute.workload(tx, submitted.id)


def _training(
    run: Run, organisation: str, *, name: str = "training", wall: int | None = None
) -> WorkloadSpec:
    plan, limits = run.plan, run.plan.compute.limits
    arguments: dict[str, str | int | bool] = {
        "seed": plan.seed,
        "name": plan.model.name,
        "synthetic": plan.data.synthetic,
        **plan.model.arguments,
    }
    return WorkloadSpec(
        key=run.key(name),
        organisation=organisation,
        entry_point=TRAINING,
        arguments=arguments,
        inputs={"train": run.left("exchange", "train")},
        chip=plan.compute.pool.chip,
        devices=1,
        wall_seconds_max=wall or limits.wall_seconds,
        cpu_seconds_max=limits.cpu_seconds,
        memory_bytes_max=limits.memory_gib * GIB,
        input_reference=run.left("exchange", "split_reference"),
    )


def _must_be_settled(run: Run, workload: Workload) -> None:
    if workload.state == "settled":
        return
    why = workload.why
    findings = [Finding(workload.id, why.code, why.params)] if why else []
    if workload.state == "waiting":
        raise Exhausted("plans.training_waits", findings=findings)
    if workload.log is not None:
        said = run.storage.blobs.read(workload.log).rpartition(b"--- stderr\n")[2]
        for line in said.decode(errors="replace").splitlines()[:1]:
            shown = (("line", line[:_SAID_LETTERS_MAX]),)
            findings.append(Finding(workload.id, "plans.program_said", shown))
    raise Unavailable("plans.training_failed", findings=findings)
