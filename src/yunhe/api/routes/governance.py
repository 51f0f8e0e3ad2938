"""The questionnaire, gradings, measures and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import JsonValue
from starlette.responses import Response

from yunhe.api import judged
from yunhe.api.call import After, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import governance as wire
from yunhe.client.wire.shapes import Finding, Page
from yunhe.compute import service as compute
from yunhe.governance import service as governance
from yunhe.governance.domain import (
    Citation,
    Evidence,
    FiredRule,
    Grading,
    Measure,
    MeasureState,
    Risk,
)
from yunhe.kernel import errors
from yunhe.kernel.clock import iso
from yunhe.kernel.language import Language, text
from yunhe.storage import uploads
from yunhe.storage.database import Transaction

routes = Routes("governance")
"""Of gradings; approvals and releases are in `yunhe.api.routes.releases`."""


@routes.add("GET /v1/questionnaire", wire.Questionnaire)
async def get_questionnaire(call: Caller) -> wire.Questionnaire:
    """Every question a grading asks."""
    language = call.facts.language
    return wire.Questionnaire(
        rules_version=governance.rules_version(),
        questions=[
            wire.Question(
                id=each.id,
                kind=each.kind,
                text=text(f"governance.fact.{each.id}", language),
                options=[
                    wire.Option(
                        value=option,
                        text=text(f"governance.option.{each.id}.{option}", language),
                    )
                    for option in each.options
                ],
                ordered=each.ordered,
            )
            for each in governance.questionnaire().values()
        ],
    )


@routes.add("POST /v1/gradings/preview", wire.Grading)
async def preview_grading(call: Caller, body: wire.NewPreview) -> wire.Grading:
    """What the decision table says about a system; nothing is kept."""
    on = body.on or governance.day_of(call.now_us())
    found = await call.apart(lambda: governance.preview(_facts(body.facts), on=on))
    return _grading(found, call.facts.language)


@routes.add("POST /v1/risks", wire.Risk, status=201)
async def create_risk(call: Caller, key: Key, body: wire.NewRisk) -> Response:
    """Grade a model version by today's rules, on record."""
    storage = call.runtime.storage

    def make(name: str) -> wire.Risk:
        with storage.database.read() as tx:
            version = judged.model(tx, call, body.model)
        made = governance.classify(
            storage,
            key=name,
            model_version=version.id,
            model_reference=version.reference,
            model_digest=version.model_digest,
            facts=_facts(body.facts),
        )
        return _risk(made, call.facts.language)

    return await call.command(key, body, make)


@routes.add("GET /v1/risks/{risk}", wire.Risk)
async def get_risk(call: Caller, risk: PathId) -> wire.Risk:
    """One grading with its explanation."""
    found, _ = await call.look(lambda tx: judged.graded(tx, call, risk))
    return _risk(found, call.facts.language)


@routes.add("GET /v1/models/{model}/risks", Page[wire.Risk])
async def list_risks(
    call: Caller, model: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Risk]:
    """Every grading of a version, oldest first."""
    last = call.place(after, like=(0, ""))

    def look(tx: Transaction) -> list[Risk]:
        judged.model(tx, call, model)
        return governance.risks_page(tx, model, after=last, limit=limit + 1)

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=lambda each: _risk(each, call.facts.language),
        place=lambda each: (each.at_us, each.id),
    )


@routes.add("GET /v1/risks/{risk}/measures", Page[wire.Due])
async def list_measures(
    call: Caller, risk: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Due]:
    """Every measure of a grading and where it stands, by id."""
    [last] = call.place(after, like=("",))
    now_us = call.now_us()

    def look(tx: Transaction) -> list[MeasureState]:
        judged.graded(tx, call, risk)
        found = governance.measures_due(tx, risk, now_us=now_us)
        later = (each for each in found if each.measure.id > str(last))
        return sorted(later, key=lambda each: each.measure.id)[: limit + 1]

    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=lambda each: _due(each, call.facts.language),
        place=lambda each: (each.measure.id,),
    )


@routes.add("POST /v1/evidence", wire.Evidence, status=201)
async def create_evidence(call: Caller, key: Key, body: wire.NewEvidence) -> Response:
    """Put a file of one's own on record as evidence of a measure."""
    storage, who = call.runtime.storage, call.who

    def make(name: str) -> wire.Evidence:
        with storage.database.read() as tx:
            judged.graded(tx, call, body.risk)
            own = uploads.sent(tx, who.organisation, [body.digest]) or compute.made(
                tx, organisation=who.organisation, digests=[body.digest]
            )
        if not own:  # exactly as for bytes that are not there
            raise errors.NotFound("storage.blob_missing", digest=body.digest)
        return _evidence(
            governance.record_evidence(
                storage,
                key=name,
                risk=body.risk,
                measure=body.measure,
                digest=body.digest,
                member=who.member,
            )
        )

    return await call.command(key, body, make)


def _facts(facts: Mapping[str, wire.Answer]) -> dict[str, object]:
    return dict(facts)


def _risk(found: Risk, language: Language) -> wire.Risk:
    return wire.Risk(
        id=found.id,
        model=found.model_version,
        reference=found.reference,
        on=found.on,
        rules_version=found.rules_version,
        facts=cast("dict[str, JsonValue]", dict(found.facts)),
        grading=_grading(found, language),
        at=iso(found.at_us),
    )


def _grading(found: Grading | Risk, language: Language) -> wire.Grading:
    return wire.Grading(
        tier=found.tier,
        text=text(f"governance.tier.{found.tier}", language),
        fired=_fired(found.fired, language),
        upcoming=_fired(found.upcoming, language),
        missing=list(found.missing),
        by_jurisdiction=dict(found.by_jurisdiction),
        measures=[_measure(each, language) for each in found.measures],
        findings=[
            Finding(where=each.where, code=each.code, message=each.message(language))
            for each in found.findings
        ],
    )


def _fired(rules: Sequence[FiredRule], language: Language) -> list[wire.Fired]:
    return [
        wire.Fired(
            id=each.id,
            tier=each.tier,
            lift=each.lift,
            missing=list(each.missing),
            citation=_citation(each.citation, language),
        )
        for each in rules
    ]


def _measure(found: Measure, language: Language) -> wire.Measure:
    return wire.Measure(
        id=found.id,
        text=text(f"governance.measure.{found.id}", language),
        stage=found.stage,
        evidence=text(f"governance.evidence.{found.evidence}", language),
        every_days=found.every_days,
        rows=list(found.rows),
        citation=_citation(found.citation, language),
    )


def _citation(found: Citation, language: Language) -> wire.Citation:
    return wire.Citation(
        jurisdiction=found.jurisdiction,
        instrument=found.instrument_zh if language == "zh" else found.instrument_en,
        article=found.article,
        valid_from=found.valid_from,
        valid_to=found.valid_to,
        certainty=found.certainty,
        verified=found.verified,
        note=found.note,
    )


def _due(found: MeasureState, language: Language) -> wire.Due:
    return wire.Due(
        measure=_measure(found.measure, language),
        status=found.status,
        due_at=None if found.due_at_us is None else iso(found.due_at_us),
        evidence_digest=found.evidence,
        evidence_at=None if found.evidence_at_us is None else iso(found.evidence_at_us),
    )


def _evidence(found: Evidence) -> wire.Evidence:
    return wire.Evidence(
        id=found.id,
        risk=found.risk,
        measure=found.measure,
        digest=found.digest,
        member=found.member,
        at=iso(found.at_us),
    )
