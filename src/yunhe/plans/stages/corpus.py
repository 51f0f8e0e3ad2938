"""From raw text to a certified dataset."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from yunhe.corpus import service as corpus
from yunhe.corpus.domain import CleanseRequest, Columns, Profile
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Exhausted, Finding
from yunhe.ledger import service as ledger
from yunhe.plans.domain import Metered
from yunhe.plans.run import Run
from yunhe.plans.stages import workloads


def cleanse(run: Run) -> JsonObject:
    """Cleanse the input for its holder; leaves ids, references and digests."""
    data, source = run.plan.data, run.source
    with run.storage.database.begin() as tx:
        run.actor(tx, data.holder, "data_steward")
    request = CleanseRequest(
        key=run.key("corpus"),
        path=source.path,
        name=data.name,
        holder=run.organisation(data.holder),
        licence=data.licence,
        synthetic=data.synthetic,
        columns=Columns(source.text, source.label, source.id),
        profile=profile_of(run),
        truth=source.truth,
        threads=run.equipment.threads,
    )
    if data.metered is not None:
        request = replace(request, workload=_metered(run, request, data.metered))
    made = corpus.cleanse(run.storage, request, progress=run.progress)
    return {
        "source": made.source_id,
        "source_reference": made.source_reference,
        "certificate": made.certificate_id,
        "certificate_reference": made.certificate_reference,
        "certificate_digest": made.certificate_digest,
        "input": made.input_digest,
        "output": made.output_digest,
        "decisions": made.decisions_digest,
        "spans": made.spans_digest,
        "sample": made.sample_digest,
        **({"workload": request.workload} if request.workload else {}),
    }


def _metered(run: Run, request: CleanseRequest, how: Metered) -> str:
    """Run the cleansing as a workload, paid for by the holder; its id, whatever became of it.

    Errors: `Exhausted` ``plans.cleansing_waits``.
    """
    workloads.offer(run)
    workloads.award(run, how.award, key="holder-award", organisation=request.holder)
    _fund(run, request.holder, run.minor(how.funds))
    program = corpus.metering.program()
    name = corpus.metering.CLEANSING
    workloads.approve(run, name, module=program.module, digest=program.digest)
    limits = corpus.metering.Limits(
        chip=run.plan.compute.pool.chip,
        wall_seconds=how.limits.wall_seconds,
        cpu_seconds=how.limits.cpu_seconds,
        memory_bytes=how.limits.memory_gib * workloads.GIB,
    )
    corpus.compile_kernels(run.progress)  # a job may read what is compiled, and never keeps any
    with tempfile.TemporaryDirectory(prefix="yunhe-plan-") as folder:
        spec = corpus.metering.spec(run.storage, request, limits, folder=Path(folder))
    done = workloads.to_its_end(run, spec)
    if done.state == "waiting":
        why = done.why
        findings = [Finding(done.id, why.code, why.params)] if why else []
        raise Exhausted("plans.cleansing_waits", findings=findings)
    return done.id


def _fund(run: Run, holder: str, amount: int) -> None:
    with run.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=holder, unit=run.plan.currency, purpose="cash")
        if amount:
            at_us = run.storage.clock.now_us()
            ledger.grant(
                tx, key=run.key("holder-funds"), account=account, amount=amount, at_us=at_us
            )


def profile_of(run: Run) -> Profile:
    """The plan's profile with the thresholds it changes.

    Errors: `Invalid` of corpus for an unknown profile, step or threshold.
    """
    wanted = run.plan.data.profile
    profile = corpus.load_profile(wanted.name)
    for step, thresholds in wanted.changes.items():
        for name, value in thresholds.items():
            profile = profile.with_value(step, name, value, source=f"plan {run.plan.name}")
    return profile
