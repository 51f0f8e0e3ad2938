"""Splits and evaluations."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api import judged
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.operations import shown
from yunhe.api.standing import require_whole, whole
from yunhe.client.wire import evaluation as wire
from yunhe.client.wire import operations
from yunhe.client.wire.shapes import Page
from yunhe.evaluation import errors
from yunhe.evaluation import service as evaluation
from yunhe.evaluation.domain import Evaluation, Split
from yunhe.exchange import service as exchange
from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotFound
from yunhe.storage import operations as work
from yunhe.storage.database import Transaction

routes = Routes("evaluation")
"""Of the evaluation floor."""


@routes.add("GET /v1/splits", Page[wire.Split])
async def list_splits(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Split]:
    """Splits made under grants of one's own organisation, oldest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Split]:
        if not whole(call):
            return []
        return evaluation.splits_page(tx, organisation=call.tenant, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=_split,
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("POST /v1/splits", operations.Operation, status=201)
async def create_split(call: Caller, key: Key, body: wire.NewSplit) -> Response:
    """Divide a dataset, opened under a live grant of one's own organisation."""
    require_whole(call)
    payload = body.model_dump()

    def make(tx: Transaction, name: str) -> operations.Operation:
        grant = exchange.grant(tx, body.grant)
        if grant.buyer != call.who.organisation:
            raise NotFound("exchange.grant_unknown", grant=body.grant)
        return _begin(tx, call, kind="evaluation.split", key=name, payload=payload)

    return await call.create(key, body, make)


@routes.add("GET /v1/splits/{split}", wire.Split)
async def get_split(call: Caller, split: PathId) -> wire.Split:
    """One split."""

    def look(tx: Transaction) -> Split:
        found = evaluation.find_split(tx, split)
        holder = evaluation.holder_of(tx, found)
        if not call.reaches(holder):
            raise errors.split_unknown(split)
        return replace(found, organisation=holder)

    return _split(await call.look(look))


@routes.add("POST /v1/evaluations", operations.Operation, status=201)
async def create_evaluation(call: Caller, key: Key, body: wire.NewEvaluation) -> Response:
    """Test a model version on what its split held out; by somebody who had no part in making it."""
    require_whole(call)
    gate = body.gate
    payload: dict[str, Json] = {
        "model": body.model,
        "baseline": body.baseline.kind,
        "metric": gate.metric,
        "at_least": gate.at_least,
        "over_baseline": gate.over_baseline,
        "seed": body.seed,
    }
    if body.baseline.keywords:
        words = canonical_bytes({name: list(w) for name, w in body.baseline.keywords.items()})
        blobs = call.runtime.storage.blobs
        payload["keywords"] = (await call.apart(lambda: blobs.put(words))).digest

    def make(tx: Transaction, name: str) -> operations.Operation:
        evaluation.require_examiner(tx, version=body.model, member=call.who.member)
        return _begin(tx, call, kind="evaluation.evaluate", key=name, payload=payload)

    return await call.create(key, body, make)


@routes.add("GET /v1/evaluations/{evaluation}", wire.Evaluation)
async def get_evaluation(call: Caller, evaluation: PathId) -> wire.Evaluation:
    """One evaluation with everything that was found."""
    await call.look(lambda tx: judged.examined(tx, call, evaluation))
    return _evaluation(await call.apart(lambda: _in_full(call, evaluation)), in_full=True)


@routes.add("GET /v1/models/{model}/evaluations", Page[wire.Evaluation])
async def list_evaluations(
    call: Caller, model: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Evaluation]:
    """Every evaluation of a version, passed and failed alike, oldest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Evaluation]:
        judged.model(tx, call, model)
        return evaluation.evaluations_page(tx, model_version=model, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=lambda each: _evaluation(each, in_full=False),
        place=lambda each: (each.at_us, each.id),
    )


def _begin(
    tx: Transaction, call: Call, *, kind: str, key: str, payload: JsonObject
) -> operations.Operation:
    made = work.create(
        tx,
        kind=kind,
        key=key,
        organisation=call.who.organisation,
        member=call.who.member,
        payload=payload,
        at_us=call.now_us(),
    )
    return shown(made, call.facts.language)


def _in_full(call: Call, run: str) -> Evaluation:
    return evaluation.find_evaluation(call.runtime.storage, run)


def _split(found: Split) -> wire.Split:
    return wire.Split(
        id=found.id,
        organisation=found.organisation,
        reference=found.reference,
        grant_reference=found.grant_reference,
        dataset_digest=found.dataset_digest,
        train_digest=found.train_digest,
        heldout_digest=found.heldout_digest,
        held_out_percent=found.held_out_percent,
        seed=found.seed,
        groups=found.groups,
        groups_heldout=found.groups_heldout,
        documents_train=found.documents_train,
        documents_heldout=found.documents_heldout,
        documents_unlabelled=found.documents_unlabelled,
        at=iso(found.at_us),
    )


def _evaluation(found: Evaluation, *, in_full: bool) -> wire.Evaluation:
    return wire.Evaluation(
        id=found.id,
        model=found.model_version,
        model_digest=found.model_digest,
        split=found.split,
        heldout_digest=found.heldout_digest,
        reference=found.reference,
        metric=found.metric,
        score=found.score,
        score_low=found.score_low,
        score_high=found.score_high,
        baseline=found.baseline,
        baseline_score=found.baseline_score,
        passed=found.passed,
        results_digest=found.results_digest,
        results=cast("JsonValue", found.results) if in_full else None,
        at=iso(found.at_us),
    )
