"""Model versions, who reviews them, and deployments."""

from __future__ import annotations

from fastapi import Response as Plain
from starlette.responses import Response

from yunhe.api import judged
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES, file
from yunhe.api.paths import Routes
from yunhe.client.wire import models as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute import errors as compute_errors
from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.evaluation import errors as evaluation_errors
from yunhe.evaluation import service as evaluation
from yunhe.evaluation.domain import Split
from yunhe.identity import service as identity
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound
from yunhe.models import service as models
from yunhe.models.domain import Deployment, ModelVersion, Review, Served
from yunhe.storage.database import Transaction

routes = Routes("models")
"""Of the models floor."""
_WEIGHTS, _MANIFEST, _CARD = "model.safetensors", "manifest.json", "card.json"


@routes.add("GET /v1/models", Page[wire.Model])
async def list_models(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Model]:
    """Model versions of one's own organisation, and those it was asked to review, oldest first."""
    last = call.place(after, like=(0, ""))
    found = await call.look(
        lambda tx: models.versions_page(
            tx,
            organisation=call.tenant,
            project=call.who.project or None,
            after=last,
            limit=limit + 1,
        )
    )
    return page(
        call, found, limit=limit, shown=model_shown, place=lambda each: (each.at_us, each.id)
    )


@routes.add("POST /v1/models", wire.Model, status=201)
async def create_model(call: Caller, key: Key, body: wire.NewModel) -> Response:
    """Register what a settled training of one's own left behind."""
    storage, who = call.runtime.storage, call.who

    def make(name: str) -> wire.Model:
        with storage.database.read() as tx:
            workload = _workload(tx, call, body.workload)
            split = _split(tx, call, body.split)
        digests = _outputs(workload)
        return model_shown(
            models.register(
                storage,
                key=name,
                name=body.name,
                model_digest=digests[_WEIGHTS],
                manifest_digest=digests[_MANIFEST],
                card_digest=digests[_CARD],
                train_digest=split.train_digest,
                usage_reference=workload.reference or "",
                split_reference=split.reference,
                owner=who.organisation,
                project=workload.spec.project,
                registered_by=who.member,
                trained_by=workload.member,
            )
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/models/{model}", wire.Model)
async def get_model(call: Caller, model: PathId) -> wire.Model:
    """One model version as it stands."""
    return model_shown(await call.look(lambda tx: judged.model(tx, call, model)))


@routes.add("GET /v1/models/{model}/files/card", produces=BYTES)
async def get_model_card(call: Caller, model: PathId) -> Response:
    """Its model card."""
    found = await call.look(lambda tx: judged.model(tx, call, model))
    return await file(call, found.card_digest)


@routes.add("GET /v1/models/{model}/files/manifest", produces=BYTES)
async def get_model_manifest(call: Caller, model: PathId) -> Response:
    """Its training manifest."""
    found = await call.look(lambda tx: judged.model(tx, call, model))
    return await file(call, found.manifest_digest)


@routes.add("GET /v1/models/{model}/files/model", produces=BYTES)
async def get_model_weights(call: Caller, model: PathId) -> Response:
    """Its weights; for its owner alone."""
    found = await call.look(lambda tx: judged.owned(tx, call, model))
    return await file(call, found.model_digest)


@routes.add("GET /v1/models/{model}/reviewers", Page[wire.Reviewer])
async def list_reviewers(
    call: Caller, model: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Reviewer]:
    """Organisations that were asked to look at a version, by id."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[Review]:
        judged.owned(tx, call, model)
        return models.reviews(tx, model, after=str(last), limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_reviewer,
        place=lambda each: (each.organisation,),
    )


@routes.add("PUT /v1/models/{model}/reviewers/{organisation}", wire.Reviewer)
async def put_reviewer(call: Caller, model: PathId, organisation: PathId) -> wire.Reviewer:
    """Let another organisation test, grade, approve and deploy a version of one's own."""
    at_us = call.now_us()

    def ask(tx: Transaction) -> wire.Reviewer:
        judged.owned(tx, call, model)
        identity.organisation(tx, organisation)
        return _reviewer(
            models.ask_review(
                tx, version=model, organisation=organisation, by=call.who.member, at_us=at_us
            )
        )

    return await call.write(ask)


@routes.add("DELETE /v1/models/{model}/reviewers/{organisation}", status=204)
async def remove_reviewer(call: Caller, model: PathId, organisation: PathId) -> Plain:
    """Ask an organisation no more; what it did stays."""

    def end(tx: Transaction) -> None:
        judged.owned(tx, call, model)
        models.end_review(tx, version=model, organisation=organisation)

    await call.write(end)
    return Plain(status_code=204)


@routes.add("GET /v1/deployments", Page[wire.Deployment])
async def list_deployments(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Deployment]:
    """Deployments of one's own organisation's models, oldest first."""
    last = call.place(after, like=(0, ""))
    found = await call.look(
        lambda tx: models.deployments_page(
            tx,
            owner=call.tenant,
            project=call.who.project or None,
            after=last,
            limit=limit + 1,
        )
    )
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _deployment(each.deployment, each.version),
        place=lambda each: (each.deployment.at_us, each.deployment.id),
    )


@routes.add("GET /v1/deployments/{deployment}", wire.Deployment)
async def get_deployment(call: Caller, deployment: PathId) -> wire.Deployment:
    """One deployment."""

    def look(tx: Transaction) -> Served:
        found = models.deployment(tx, deployment)
        try:
            judged.model(tx, call, found.version.id)
        except NotFound:
            raise NotFound("models.deployment_unknown", deployment=deployment) from None
        return found

    found = await call.look(look)
    return _deployment(found.deployment, found.version)


@routes.add("POST /v1/deployments", wire.Deployment, status=201)
async def create_deployment(call: Caller, key: Key, body: wire.NewDeployment) -> Response:
    """Put an approved version behind a route, which answers with it from then on."""
    storage = call.runtime.storage

    def make(name: str) -> wire.Deployment:
        with storage.database.read() as tx:
            version = judged.model(tx, call, body.model)
        made = models.deploy(storage, key=name, version=version.id, route=body.route)
        return _deployment(made, version)

    return await call.command(key, body, make)


def _workload(tx: Transaction, call: Call, workload: str) -> Workload:
    found = compute.workload(tx, workload)
    own = found.spec.organisation == call.who.organisation
    if not own or not call.reaches(found.spec.organisation, found.spec.project):
        raise compute_errors.workload_unknown(workload)
    if found.state != "settled" or found.reference is None:
        raise Conflict("api.workload_unsettled", workload=workload, state=found.state)
    return found


def _split(tx: Transaction, call: Call, split: str) -> Split:
    found = evaluation.find_split(tx, split)
    if evaluation.holder_of(tx, found) != call.who.organisation:
        raise evaluation_errors.split_unknown(split)
    return found


def _outputs(workload: Workload) -> dict[str, str]:
    findings = [
        Finding("workload", "api.output_missing", (("name", name),))
        for name in (_WEIGHTS, _MANIFEST, _CARD)
        if name not in workload.outputs
    ]
    if findings:
        raise Invalid("models.artefacts_invalid", findings=findings)
    return dict(workload.outputs)


def model_shown(found: ModelVersion) -> wire.Model:
    """A version as it is shown."""
    until_us = found.valid_until_us
    return wire.Model(
        id=found.id,
        name=found.name,
        owner=found.owner,
        project=found.project,
        reference=found.reference,
        model_digest=found.model_digest,
        manifest_digest=found.manifest_digest,
        card_digest=found.card_digest,
        train_digest=found.train_digest,
        state=found.state,
        certificate=found.certificate,
        valid_until=None if until_us is None else iso(until_us),
        registered_by=found.registered_by,
        trained_by=found.trained_by,
        at=iso(found.at_us),
    )


def _reviewer(found: Review) -> wire.Reviewer:
    return wire.Reviewer(organisation=found.organisation, by=found.by, at=iso(found.at_us))


def _deployment(found: Deployment, version: ModelVersion) -> wire.Deployment:
    return wire.Deployment(
        id=found.id,
        route=found.route,
        model=version.id,
        owner=version.owner,
        model_digest=found.model_digest,
        certificate=found.certificate,
        reference=found.reference,
        at=iso(found.at_us),
    )
