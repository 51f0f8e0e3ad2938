"""Tells those who may approve that a model version waits for them, and takes it back when done."""

from __future__ import annotations

from collections.abc import Iterable

from yunhe.governance.domain import Risk
from yunhe.governance.rules import ReleaseTerms
from yunhe.identity import service as identity
from yunhe.kernel.errors import NotFound
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.notices.domain import PROGRAMME
from yunhe.storage.database import Transaction


def approvals_due(
    tx: Transaction, risk: Risk, terms: ReleaseTerms, *, earlier: Iterable[Risk]
) -> None:
    """A grading was made: tell each approving role of the model's owner and of the operator.

    What was told about earlier gradings of the version is taken back. A tier that no approval
    opens is told to nobody.
    """
    for before in earlier:
        nothing_due(tx, before.id, terms.roles, at_us=risk.at_us)
    if risk.tier in terms.refused_tiers:
        return
    try:
        version = models.version(tx, risk.model_version)
        owner = identity.organisation(tx, version.owner)
    except NotFound:  # on record in custody alone: it has no owner to tell
        return
    for role in terms.roles:
        to_owner, to_programme = _keys(risk.id, role)
        told = {to_programme: PROGRAMME}
        if owner.kind != "operator":
            told[to_owner] = owner.id
        for key, organisation in told.items():
            notices.notify(
                tx,
                key=key,
                kind="approval_due",
                organisation=organisation,
                role=role,
                subject=version.id,
                params={"model": version.name, "role": role, "tier": risk.tier},
                at_us=risk.at_us,
            )


def nothing_due(tx: Transaction, risk: str, roles: Iterable[str], *, at_us: int) -> None:
    """These roles have decided about the grading, or need not any more."""
    keys = [key for role in roles for key in _keys(risk, role)]
    notices.withdraw(tx, *keys, at_us=at_us)


def _keys(risk: str, role: str) -> tuple[str, str]:
    return f"approval_due:{risk}:{role}:owner", f"approval_due:{risk}:{role}:programme"
