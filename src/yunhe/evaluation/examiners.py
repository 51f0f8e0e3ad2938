"""Who may test a model version."""

from __future__ import annotations

from yunhe.identity import service as identity
from yunhe.kernel.errors import NotAllowed
from yunhe.models import errors as model_errors
from yunhe.models import service as models
from yunhe.models.domain import ModelVersion
from yunhe.storage.database import Transaction


def require_examiner(tx: Transaction, *, version: str, member: str) -> ModelVersion:
    """The version, if this member may test it: an evaluator who had no part in making it.

    Errors: `NotFound` ``models.version_unknown``, also when the member's organisation is neither
    the owner nor a reviewer nor the operator's; `NotAllowed` ``identity.role_missing``,
    ``evaluation.own_model``.
    """
    found = models.version(tx, version)
    if not models.concerns(tx, found, identity.member(tx, member).organisation):
        raise model_errors.version_unknown(version)
    identity.require(tx, member, "evaluator")
    if found.made_by(member):
        raise NotAllowed("evaluation.own_model", version=version)
    return found
