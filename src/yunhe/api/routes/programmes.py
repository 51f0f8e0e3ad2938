"""Programmes: their rules and facts, their money, and the register of affiliations."""

from __future__ import annotations

from starlette.responses import Response

from yunhe.api.call import After, Caller, Key, Limit, page
from yunhe.api.paths import Routes
from yunhe.api.routes.applications import proposal_of, reached
from yunhe.client.wire import programmes as wire
from yunhe.client.wire.applications import NewRuling
from yunhe.client.wire.shapes import Page
from yunhe.compute import service as compute
from yunhe.compute.domain import applications as kinds
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.language import Language
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of the compute floor, beside `compute` and `applications`."""


@routes.add("GET /v1/programmes", Page[wire.Programme])
async def list_programmes(call: Caller) -> Page[wire.Programme]:
    """What is given, to whom, by which rules, and which facts a proposal states."""
    language = call.facts.language
    found = await call.look(compute.applications.programmes)
    shown = [_programme(each, language) for each in found]
    return Page.model_construct(items=shown, next=None)


@routes.add("POST /v1/rulings", wire.Ruling)
async def preview_ruling(call: Caller, body: NewRuling) -> wire.Ruling:
    """What would follow if this were applied for now; nothing is written."""
    who = call.who
    if not call.reaches(who.organisation, body.project):
        raise NotAllowed("api.project_needed")

    def explain(tx: Transaction) -> compute.applications.Ruling:
        if body.concerns:
            reached(tx, call, body.concerns)
        return compute.applications.explain(
            tx,
            proposal_of(body, key="", organisation=who.organisation),
            now_us=call.runtime.storage.clock.now_us(),
            own="supposed" if who.programme else "own",
        )

    said = await call.look(explain)
    language = call.facts.language
    return wire.Ruling(
        outcome=said.outcome,
        rules=[
            wire.Rule(
                rule=hit.rule,
                decides=hit.decides,
                text=hit.text.of(language),
                verified=hit.verified,
            )
            for hit in said.fired
        ],
        missing=list(said.missing),
        verified=said.verified,
    )


@routes.add("POST /v1/funds", wire.Fund, status=201)
async def create_fund(call: Caller, key: Key, body: wire.NewFund) -> Response:
    """Put money into a programme; what it promises is set aside from it."""

    def make(name: str) -> wire.Fund:
        transfer = compute.applications.fund(
            call.runtime.storage,
            body.programme,
            key=name,
            amount_minor=body.amount_minor,
            by=call.who.member,
        )
        with call.runtime.storage.database.read() as tx:
            currency = compute.applications.rules_of(tx, body.programme).currency
        return wire.Fund(
            programme=body.programme,
            amount_minor=body.amount_minor,
            currency=currency,
            transfer=transfer,
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/affiliations", Page[wire.Affiliation])
async def list_affiliations(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Affiliation]:
    """The register of affiliated organisations."""
    last = call.place(after, like=("", ""))
    found = await call.look(
        lambda tx: compute.applications.affiliations(tx, after=last, limit=limit + 1)
    )
    return page(
        call, found, limit=limit, shown=_affiliation, place=lambda each: (each.first, each.second)
    )


@routes.add("POST /v1/affiliations", wire.Affiliation, status=201)
async def create_affiliation(call: Caller, key: Key, body: wire.NewAffiliation) -> Response:
    """Put on the register that two organisations are affiliated."""

    def make(_: str) -> wire.Affiliation:
        made = compute.applications.affiliate(
            call.runtime.storage,
            first=body.first,
            second=body.second,
            basis=body.basis,
            by=call.who.member,
        )
        return _affiliation(made)

    return await call.command(key, body, make)


def _affiliation(found: kinds.Affiliation) -> wire.Affiliation:
    return wire.Affiliation(
        first=found.first, second=found.second, basis=found.basis, at=iso(found.at_us)
    )


def _programme(found: compute.applications.RuleSet, language: Language) -> wire.Programme:
    asked = sorted({name for ask in found.asks for name in ask.facts})
    return wire.Programme(
        id=found.id,
        title=found.title.of(language),
        subject=found.subject,
        currency=found.currency,
        version=found.version,
        digest=found.digest,
        asks=[
            wire.FactAsked(
                id=fact.id,
                kind=fact.kind,
                options=list(fact.options),
                least=fact.least,
                most=fact.most,
                told_by_platform=fact.by_platform,
            )
            for fact in (found.vocabulary[name] for name in asked)
        ],
        rules=[
            wire.Rule(
                rule=rule.id,
                decides=rule.decides,
                text=rule.text.of(language),
                verified=rule.source.verified,
            )
            for rule in (*found.rules, found.otherwise)
        ],
        quorum=found.deciders["committee"].quorum,
    )
