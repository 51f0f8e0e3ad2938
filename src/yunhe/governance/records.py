"""What governance reads from custody before it decides, and what it writes there afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.governance.domain import Approval, Release, Risk
from yunhe.kernel.errors import Finding, YunheError
from yunhe.storage.database import Transaction

MODEL, EVALUATION = "model.version", "evaluation.run"
"""Kinds of record that governance relies on."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model version as its caller describes it."""

    version: str
    """Id."""
    reference: str
    """Its record in custody."""
    digest: str
    """Its bytes."""


def faults(
    tx: Transaction, model: Subject, *, evaluation: str | None = None, risk: Risk | None = None
) -> list[Finding]:
    """Where the records do not say what the caller says, or belong to another model version."""
    findings = list(_model_faults(tx, model))
    if evaluation is not None:
        findings += _evaluation_faults(tx, evaluation, model)
    if risk is not None:
        findings += _differs("risk.model_version", risk.model_version, model.version)
        findings += _differs("risk.model", risk.model_reference, model.reference)
        findings += _differs("risk.model_digest", risk.model_digest, model.digest)
    return findings


def _model_faults(tx: Transaction, model: Subject) -> Iterator[Finding]:
    record = _record(tx, "model_reference", model.reference)
    if isinstance(record, Finding):
        yield record
    elif record.kind != MODEL:
        yield _kind("model_reference", record, MODEL)
    else:
        yield from _differs("model_version", record.subject, model.version)
        yield from _differs("model_digest", record.body.get("model_digest"), model.digest)


def _evaluation_faults(tx: Transaction, reference: str, model: Subject) -> Iterator[Finding]:
    record = _record(tx, "evaluation_reference", reference)
    if isinstance(record, Finding):
        yield record
    elif record.kind != EVALUATION:
        yield _kind("evaluation_reference", record, EVALUATION)
    else:
        yield from _differs("evaluation.model", record.links.get("model"), model.reference)
        digest = record.body.get("model_digest")
        yield from _differs("evaluation.model_digest", digest, model.digest)


def of_risk(risk: Risk) -> Record:
    """The ``governance.risk`` record; a rule that counts for want of facts is marked with ``?``."""
    return Record(
        kind="governance.risk",
        subject=risk.id,
        at_us=risk.at_us,
        body={
            "model_digest": risk.model_digest,
            "facts_digest": risk.facts_digest,
            "rules_version": risk.rules_version,
            "tier": risk.tier,
            "fired": [hit.id if hit.certain else f"{hit.id}?" for hit in risk.fired],
            "measures_digest": risk.measures_digest,
        },
        links={"model": risk.model_reference},
    )


def of_approval(approval: Approval, risk: Risk) -> Record:
    """The ``governance.approval`` record."""
    return Record(
        kind="governance.approval",
        subject=approval.id,
        at_us=approval.at_us,
        body={
            "model_digest": approval.model_digest,
            "approver": approval.approver,
            "role": approval.role,
            "decision": approval.decision,
            "expires_at_us": approval.expires_at_us,
        },
        links={
            "model": risk.model_reference,
            "evaluation": approval.evaluation_reference,
            "risk": risk.reference,
        },
    )


def of_release(release: Release, risk: Risk, approvals: tuple[Approval, ...]) -> Record:
    """The ``governance.release`` record, with a numbered link to each approval."""
    links = {
        "model": risk.model_reference,
        "evaluation": release.evaluation_reference,
        "risk": risk.reference,
    }
    for number, approval in enumerate(approvals, start=1):
        links[f"approval_{number}"] = approval.reference
    return Record(
        kind="governance.release",
        subject=release.id,
        at_us=release.at_us,
        body={"model_digest": release.model_digest, "valid_until_us": release.valid_until_us},
        links=links,
    )


def _record(tx: Transaction, where: str, reference: str) -> Record | Finding:
    try:
        return custody.record(tx, reference)
    except YunheError as error:
        return Finding(where, error.code, tuple(error.params.items()))


def _kind(where: str, record: Record, expected: str) -> Finding:
    params = (("found", record.kind), ("expected", expected))
    return Finding(where, "governance.record_kind", params)


def _differs(where: str, found: object, expected: str) -> Iterator[Finding]:
    if found != expected:
        params = (("found", str(found)[:80]), ("expected", expected[:80]))
        yield Finding(where, "governance.record_differs", params)
