"""Supply, entitlement, and the training workload: held, placed, run, metered, settled."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload, WorkloadSpec
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Exhausted, Finding, Unavailable
from yunhe.kernel.units import voucher_unit
from yunhe.models import service as models
from yunhe.plans.run import Run
from yunhe.plans.stages import workloads
from yunhe.plans.stages.workloads import GIB

_SAID_LETTERS_MAX = 300
TRAINING = "train-classifier"
"""The entry point that trains."""


def train(run: Run) -> JsonObject:
    """Award, submit, run and settle the training; submit one more that must wait."""
    storage, plan = run.storage, run.plan.compute
    pool = workloads.offer(run)
    consumer = run.organisation(run.plan.consumer)
    award = workloads.award(run, plan.award, key="award", organisation=consumer)
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
    workloads.approve(run, TRAINING, module=entry.module, digest=entry.digest)
    finished = workloads.to_its_end(run, _training(run, consumer))
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


def abandon(run: Run) -> None:
    """Cancel every workload of the run that is not over: it must not be run and paid one day."""
    with run.storage.database.read() as tx:
        known = compute.workloads(tx)
    for workload in known:
        if workload.spec.key.startswith(run.key("")):
            compute.cancel(run.storage, workload.id)


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
