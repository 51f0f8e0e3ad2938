"""Model versions as a caller may know of them, and what hangs on them."""

from __future__ import annotations

from yunhe.api.call import Call
from yunhe.evaluation import errors as evaluation_errors
from yunhe.evaluation import service as evaluation
from yunhe.evaluation.domain import Evaluation
from yunhe.governance import service as governance
from yunhe.governance.domain import Risk
from yunhe.kernel.errors import NotFound
from yunhe.models import errors, service
from yunhe.models.domain import ModelVersion
from yunhe.storage.database import Transaction


def model(tx: Transaction, call: Call, version: str) -> ModelVersion:
    """The version, if the caller may know of it: its owner's, beyond that, and reviewers.

    Errors: `NotFound` ``models.version_unknown``.
    """
    found = service.version(tx, version)
    if not call.reaches(found.owner, found.project) and not _reviews(tx, call, found):
        raise errors.version_unknown(version)
    return found


def owned(tx: Transaction, call: Call, version: str) -> ModelVersion:
    """The same without reviewers: for what is the owner's business."""
    found = service.version(tx, version)
    if not call.reaches(found.owner, found.project):
        raise errors.version_unknown(version)
    return found


def examined(
    tx: Transaction, call: Call, run: str, *, of: str = ""
) -> tuple[Evaluation, ModelVersion]:
    """An evaluation and its version; with ``of`` only if it is that one's.

    Errors: `NotFound` ``evaluation.unknown``.
    """
    found = evaluation.evaluation(tx, run)
    try:
        about = model(tx, call, found.model_version)
    except NotFound:
        raise evaluation_errors.evaluation_unknown(run) from None
    if of not in ("", about.id):
        raise evaluation_errors.evaluation_unknown(run)
    return found, about


def graded(tx: Transaction, call: Call, risk: str, *, of: str = "") -> tuple[Risk, ModelVersion]:
    """A grading and its version, likewise. Errors: `NotFound` ``governance.risk_unknown``."""
    found = governance.risk(tx, risk)
    about: ModelVersion | None
    try:
        about = model(tx, call, found.model_version)
    except NotFound:
        about = None
    if about is None or of not in ("", about.id):
        raise NotFound("governance.risk_unknown", risk=risk[:64])
    return found, about


def _reviews(tx: Transaction, call: Call, found: ModelVersion) -> bool:
    """Whether the caller acts in a fitting role for an organisation that was asked to review."""
    who, roles = call.who, call.row.roles
    if who.project or (roles and not roles & who.roles):
        return False
    return service.is_reviewer(tx, found.id, organisation=who.organisation)
