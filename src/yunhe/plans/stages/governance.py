"""Risk tier, approvals by two people in two roles, release."""

from __future__ import annotations

from yunhe.governance import service as governance
from yunhe.governance.domain import Risk
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.clock import DAY_US
from yunhe.models import service as models
from yunhe.plans.run import Run


def release(run: Run) -> JsonObject:
    """Classify, approve for each member the plan names, and release.

    Errors: whatever governance refuses, e.g. a failed gate, a missing second approval, tier R4.
    """
    plan = run.plan.governance
    _ask_reviewers(run)
    version, reference = run.left("models", "version"), run.left("models", "reference")
    digest = run.left("models", "digest")
    risk = governance.classify(
        run.storage,
        key=run.key("risk"),
        model_version=version,
        model_reference=reference,
        model_digest=digest,
        facts=plan.facts,
    )
    _record_evidence(run, risk)
    valid_until_us = run.started_at_us + plan.valid_days * DAY_US
    approvals = [
        governance.approve(
            run.storage,
            key=run.key("approval", item.member),
            model_version=version,
            model_reference=reference,
            model_digest=digest,
            approver=run.member(item.member),
            role=item.role,
            evaluation_reference=run.left("evaluation", "reference"),
            risk=risk.id,
            decision="approve",
            expires_at_us=valid_until_us,
        ).id
        for item in plan.approvals
    ]
    released = governance.release(
        run.storage,
        key=run.key("release"),
        model_version=version,
        model_reference=reference,
        model_digest=digest,
        evaluation_reference=run.left("evaluation", "reference"),
        risk=risk.id,
    )
    return {
        "risk": risk.id,
        "approvals": approvals,
        "release": released.id,
        "reference": released.reference,
        "valid_until_us": released.valid_until_us,
    }


def _ask_reviewers(run: Run) -> None:
    """The plan's approvers may be of other organisations than the model's owner."""
    people = run.plan.members
    asked = {people[item.member].organisation for item in run.plan.governance.approvals}
    with run.storage.database.begin() as tx:
        for name in sorted(asked - {run.plan.consumer}):
            models.ask_review(
                tx,
                version=run.left("models", "version"),
                organisation=run.organisation(name),
                at_us=run.storage.clock.now_us(),
            )


def _record_evidence(run: Run, risk: Risk) -> None:
    """Put what the run itself produced on record; other measures stay visibly without evidence."""
    certificate = run.left("corpus", "certificate_digest")
    card = run.left_in("compute", "outputs")["card.json"]
    due = {measure.id for measure in risk.measures}
    for measure, digest in (("model_card", card), ("dataset_records", certificate)):
        if measure in due:
            governance.record_evidence(
                run.storage,
                key=run.key("evidence", measure),
                risk=risk.id,
                measure=measure,
                digest=digest,
                member=run.member(run.plan.governance.approvals[0].member),
            )
