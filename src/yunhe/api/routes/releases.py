"""Approvals, releases and withdrawals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from yunhe.api import judged
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.models import model_shown
from yunhe.client.wire import models as models_wire
from yunhe.client.wire import releases as wire
from yunhe.client.wire.shapes import Page
from yunhe.evaluation.domain import Evaluation
from yunhe.governance import service as governance
from yunhe.governance.domain import Approval, Release
from yunhe.kernel.clock import iso
from yunhe.models import service as models
from yunhe.models.domain import ModelVersion
from yunhe.storage.database import Transaction

routes = Routes("governance")
"""Of decisions about model versions."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@routes.add("POST /v1/approvals", wire.Approval, status=201)
async def create_approval(call: Caller, key: Key, body: wire.NewApproval) -> Response:
    """Decide about a model version, for oneself: whoever sends this is the approver."""
    storage = call.runtime.storage

    def make(name: str) -> wire.Approval:
        version, tested = _together(call, body)
        return _approval(
            governance.approve(
                storage,
                key=name,
                model_version=version.id,
                model_reference=version.reference,
                model_digest=version.model_digest,
                approver=call.who.member,
                role=body.role,
                evaluation_reference=tested.reference,
                risk=body.risk,
                decision=body.decision,
                expires_at_us=_us(body.expires_at),
            )
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/models/{model}/approvals", Page[wire.Approval])
async def list_approvals(
    call: Caller, model: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Approval]:
    """Every decision about a version, oldest first, those no longer in force included."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Approval]:
        judged.model(tx, call, model)
        return governance.approvals_page(tx, model, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_approval,
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("POST /v1/releases", wire.Release, status=201)
async def create_release(call: Caller, key: Key, body: wire.NewRelease) -> Response:
    """Release a version on the approvals in force, at most until the first of them expires."""
    storage = call.runtime.storage

    def make(name: str) -> wire.Release:
        version, tested = _together(call, body)
        return _release(
            governance.release(
                storage,
                key=name,
                model_version=version.id,
                model_reference=version.reference,
                model_digest=version.model_digest,
                evaluation_reference=tested.reference,
                risk=body.risk,
                valid_until_us=None if body.valid_until is None else _us(body.valid_until),
            )
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/models/{model}/releases", Page[wire.Release])
async def list_releases(
    call: Caller, model: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Release]:
    """Every release of a version, oldest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Release]:
        judged.model(tx, call, model)
        return governance.releases_page(tx, model, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_release,
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("POST /v1/models/{model}/withdraw", models_wire.Model)
async def withdraw_model(call: Caller, model: PathId) -> models_wire.Model:
    """Stop a version from serving, from the next answer on; again changes nothing."""
    storage = call.runtime.storage

    def withdraw() -> ModelVersion:
        with storage.database.read() as tx:
            judged.model(tx, call, model)
        governance.withdraw(storage, model_version=model, member=call.who.member)
        with storage.database.read() as tx:
            return models.version(tx, model)

    return model_shown(await call.apart(withdraw))


def _together(
    call: Call, body: wire.NewApproval | wire.NewRelease
) -> tuple[ModelVersion, Evaluation]:
    """The version and the evaluation that the body names, both in reach, and a grading of it."""
    with call.runtime.storage.database.read() as tx:
        version = judged.model(tx, call, body.model)
        tested, _ = judged.examined(tx, call, body.evaluation, of=version.id)
        judged.graded(tx, call, body.risk, of=version.id)
    return version, tested


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _approval(found: Approval) -> wire.Approval:
    return wire.Approval(
        id=found.id,
        model=found.model_version,
        reference=found.reference,
        approver=found.approver,
        role=found.role,
        decision=found.decision,
        evaluation_reference=found.evaluation_reference,
        risk=found.risk,
        expires_at=iso(found.expires_at_us),
        at=iso(found.at_us),
    )


def _release(found: Release) -> wire.Release:
    return wire.Release(
        id=found.id,
        model=found.model_version,
        reference=found.reference,
        evaluation_reference=found.evaluation_reference,
        risk=found.risk,
        approvals=list(found.approvals),
        valid_until=iso(found.valid_until_us),
        at=iso(found.at_us),
    )
