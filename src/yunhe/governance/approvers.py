"""Who may decide about a model version, and whether what the decision rests on belongs together."""

from __future__ import annotations

from yunhe.governance import records, tables
from yunhe.governance.domain import DECISIONS, Approval, Risk
from yunhe.governance.records import Subject
from yunhe.identity import service as identity
from yunhe.kernel.errors import Finding, Invalid, NotAllowed, NotFound
from yunhe.models import service as models
from yunhe.storage.database import Transaction


def check(tx: Transaction, wanted: Approval, graded: Risk, model: Subject) -> None:
    """Return only if the approval may be given.

    Errors: `Invalid` ``governance.approval_invalid`` with every finding; `NotAllowed`
    ``identity.role_missing``, ``governance.approver_elsewhere``, ``governance.own_model``.
    """
    findings = []
    allowed = tables.book().release.roles
    if wanted.role not in allowed:
        params = (("role", wanted.role[:64]), ("known", ", ".join(allowed)))
        findings.append(Finding("role", "governance.role_not_approving", params))
    if wanted.decision not in DECISIONS:
        params = (("value", str(wanted.decision)[:64]), ("known", ", ".join(DECISIONS)))
        findings.append(Finding("decision", "governance.decision_unknown", params))
    if wanted.expires_at_us <= wanted.at_us:
        findings.append(Finding("expires_at_us", "governance.expiry_past"))
    findings += records.faults(tx, model, evaluation=wanted.evaluation_reference, risk=graded)
    if findings:
        raise Invalid("governance.approval_invalid", findings=findings)
    for role in allowed:
        if role == wanted.role:
            identity.require(tx, wanted.approver, role)
    _check_concerned(tx, wanted)


def _check_concerned(tx: Transaction, wanted: Approval) -> None:
    """Somebody of the owner, of a reviewer or of the operator, who had no part in making it."""
    try:
        version = models.version(tx, wanted.model_version)
    except NotFound:  # on record in custody alone: nobody is known to own or have made it
        return
    who = identity.member(tx, wanted.approver)
    if not models.concerns(tx, version, who.organisation):
        raise NotAllowed("governance.approver_elsewhere", member=who.id)
    if version.made_by(who.id):
        raise NotAllowed("governance.own_model", member=who.id)
