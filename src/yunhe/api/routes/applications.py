"""Applications: proposals, what is decided about them, and what an award brings."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.compute import accepted
from yunhe.client.wire import applications as wire
from yunhe.client.wire import deciding
from yunhe.client.wire.programmes import Rule
from yunhe.client.wire.shapes import Page
from yunhe.compute import service as compute
from yunhe.compute.domain import applications as kinds
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.language import Language
from yunhe.storage import uploads
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of the compute floor, beside `compute`."""
_State = Annotated[
    str,
    Query(
        pattern=r"^(returned|verifying|voting|awarded|refused|withdrawn|lapsed|reported|closed)?$"
    ),
]
_SECRET_STEPS = frozenset({"voted", "recused"})


@routes.add("GET /v1/applications", Page[wire.Application])
async def list_applications(
    call: Caller, state: _State = "", after: After = None, limit: Limit = 50
) -> Page[wire.Application]:
    """Applications, the last one first, each with the rules that counted."""
    [last] = call.place(after, like=("",), state=state)
    found = await call.look(
        lambda tx: compute.applications.applications(
            tx,
            organisation=call.tenant,
            projects=call.projects,
            states=[state] if state else [],
            before=str(last),
            limit=limit + 1,
        )
    )
    language, now_us = call.facts.language, call.runtime.storage.clock.now_us()
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _application(each, language, now_us=now_us),
        place=lambda each: (each.id,),
        state=state,
    )


@routes.add("POST /v1/applications", wire.Application, status=201)
async def create_application(call: Caller, key: Key, body: wire.NewApplication) -> Response:
    """Apply; what the rules approve at once can be used when this answers."""
    who = call.who
    if not call.reaches(who.organisation, body.project):
        raise NotAllowed("api.project_needed")

    def make(name: str) -> wire.Application:
        if body.concerns:
            with call.runtime.storage.database.read() as tx:
                reached(tx, call, body.concerns)
        proposal = proposal_of(body, key=name, organisation=who.organisation)
        made = compute.applications.apply(call.runtime.storage, proposal, by=who.member)
        return _told(call, made)

    return await call.command(key, body, make)


@routes.add("GET /v1/applications/{application}", wire.ApplicationInFull)
async def get_application(application: PathId, call: Caller) -> wire.ApplicationInFull:
    """One application with its facts, steps, windows and payments."""
    return await call.look(lambda tx: _in_full(tx, call, reached(tx, call, application)))


@routes.add("POST /v1/applications/{application}/amend", wire.Application)
async def amend_application(
    application: PathId, call: Caller, body: wire.Amendment
) -> wire.Application:
    """Supply what was missing from an application that was sent back."""
    return await _act(
        call,
        application,
        lambda: compute.applications.amend(
            call.runtime.storage,
            application,
            reason=body.reason,
            by=call.who.member,
            facts=body.facts,
            conflicts=None if body.conflicts is None else tuple(body.conflicts),
            contract=_contract(body.contract),
            milestones=_milestones(body.milestones),
        ),
    )


@routes.add("POST /v1/applications/{application}/withdraw", wire.Application)
async def withdraw_application(
    application: PathId, call: Caller, body: deciding.Because
) -> wire.Application:
    """Take an application back before it is decided."""
    return await _act(
        call,
        application,
        lambda: compute.applications.withdraw(
            call.runtime.storage, application, reason=body.reason, by=call.who.member
        ),
    )


@routes.add("POST /v1/applications/{application}/decide", wire.Application)
async def decide_application(
    application: PathId, call: Caller, body: deciding.Decision
) -> wire.Application:
    """One person's decision; not by whoever applied.

    Nor by another member of the same organisation, unless the programme lets an institution's own
    verifier decide.
    """

    def decide() -> kinds.Application:
        if not call.who.programme:
            with call.runtime.storage.database.read() as tx:
                found = reached(tx, call, application)
            if not call.who.has("verifier", found.proposal.project):
                raise unknown(application)
        return compute.applications.decide(
            call.runtime.storage,
            application,
            verdict=body.verdict,
            reason=body.reason,
            by=call.who.member,
            hours=body.hours,
            amount_minor=body.amount_minor,
        )

    return _told(call, await call.apart(decide))


@routes.add("POST /v1/applications/{application}/votes", wire.Application)
async def vote_application(
    application: PathId, call: Caller, body: deciding.NewVote
) -> wire.Application:
    """A committee member's vote; the one that makes the quorum and a majority decides."""
    return await _judge(
        call,
        application,
        lambda: compute.applications.vote(
            call.runtime.storage,
            application,
            vote=body.vote,
            reason=body.reason,
            by=call.who.member,
            hours=body.hours,
        ),
    )


@routes.add("POST /v1/applications/{application}/report", wire.Application)
async def report_application(
    application: PathId, call: Caller, body: deciding.FinalReport
) -> wire.Application:
    """Hand in the final report of an award."""

    def report() -> kinds.Application:
        with call.runtime.storage.database.read() as tx:
            uploads.require(tx, call.who.organisation, [body.document])
        return compute.applications.report(
            call.runtime.storage,
            application,
            document=body.document,
            reason=body.reason,
            by=call.who.member,
        )

    return await _act(call, application, report)


@routes.add("POST /v1/applications/{application}/close", wire.Application)
async def close_application(
    application: PathId, call: Caller, body: deciding.Closing
) -> wire.Application:
    """Take a final report, or ask for another one."""
    return await _judge(
        call,
        application,
        lambda: compute.applications.close(
            call.runtime.storage,
            application,
            accept=body.accept,
            reason=body.reason,
            by=call.who.member,
        ),
    )


async def _act(
    call: Call, application: str, command: Callable[[], kinds.Application]
) -> wire.Application:
    """A step of the applicant's."""

    def act() -> kinds.Application:
        with call.runtime.storage.database.read() as tx:
            reached(tx, call, application)
        return command()

    return _told(call, await call.apart(act))


async def _judge(
    call: Call, application: str, command: Callable[[], kinds.Application]
) -> wire.Application:
    """A step of the programme's; the floor asks whether this member may take it."""

    def judge() -> kinds.Application:
        require_programme(call, application)
        return command()

    return _told(call, await call.apart(judge))


def require_programme(call: Call, application: str) -> None:
    """To members of other organisations than the programme's own it is unknown."""
    if not call.who.programme:
        raise unknown(application)


def unknown(application: str) -> NotFound:
    """As if there were none."""
    return NotFound("compute.application_unknown", application=application[:64])


def found_in(tx: Transaction, application: str) -> kinds.Application:
    """The application, whoever asks."""
    return compute.applications.application(tx, application)


def reached(tx: Transaction, call: Call, application: str) -> kinds.Application:
    """The application, if this caller may know of it."""
    found = found_in(tx, application)
    if not call.reaches(found.proposal.organisation, found.proposal.project):
        raise unknown(application)
    return found


def proposal_of(body: wire.NewApplication, *, key: str, organisation: str) -> kinds.Proposal:
    """What is asked for, as it was sent."""
    return kinds.Proposal(
        key=key,
        organisation=organisation,
        programme=body.programme,
        kind=body.kind,
        concerns=body.concerns,
        project=body.project,
        title=body.title,
        chip=body.chip,
        facts=compute.applications.as_facts(body.facts),
        conflicts=tuple(body.conflicts),
        contract=_contract(body.contract),
        milestones=_milestones(body.milestones),
        add_hours=body.add_hours,
        add_months=body.add_months,
    )


def _contract(sent: wire.Contract | None) -> kinds.Contract | None:
    return None if sent is None else kinds.Contract(sent.number, sent.provider, sent.document)


def _milestones(sent: list[wire.Milestone]) -> tuple[kinds.Milestone, ...]:
    return tuple(kinds.Milestone(each.name, each.amount_minor) for each in sent)


def _told(call: Call, found: kinds.Application) -> wire.Application:
    now_us = call.runtime.storage.clock.now_us()
    return _application(found, call.facts.language, now_us=now_us)


def _application(
    found: kinds.Application,
    language: Language,
    *,
    now_us: int,
    payments: Collection[kinds.PaymentState] | None = None,
) -> wire.Application:
    proposal = found.proposal
    return wire.Application(
        id=found.id,
        organisation=proposal.organisation,
        project=proposal.project,
        programme=proposal.programme,
        kind=proposal.kind,
        concerns=proposal.concerns,
        title=proposal.title,
        chip=proposal.chip,
        state=found.state,
        possible=compute.applications.steps_of(found, now_us=now_us, payments=payments),
        outcome=found.outcome,
        rules=[
            Rule(
                rule=hit.rule,
                decides=hit.decides,
                text=hit.zh if language == "zh" else hit.en,
                verified=hit.verified,
            )
            for hit in found.fired
        ],
        missing=list(found.missing),
        verified=found.verified,
        applied_by=found.applied_by,
        applied_at=iso(found.applied_at_us),
        due_at=None if found.due_at_us is None else iso(found.due_at_us),
        decided_by=found.decided_by,
        asked_ms=compute.applications.asked_ms(found),
        add_months=proposal.add_months,
        granted_ms=found.granted_ms,
        ends_at=None if found.ends_at_us is None else iso(found.ends_at_us),
        amount_minor=found.amount_minor,
        currency=found.currency,
        awards=list(found.awards),
        reference=found.reference,
    )


def _in_full(tx: Transaction, call: Call, found: kinds.Application) -> wire.ApplicationInFull:
    paid = compute.applications.payments(tx, found.id)
    shown = _application(
        found,
        call.facts.language,
        now_us=call.runtime.storage.clock.now_us(),
        payments=[each.state for each in paid],
    )
    return wire.ApplicationInFull(
        **dict(shown),
        facts={
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in found.facts.items()
        },
        steps=[
            _step(step)
            for step in compute.applications.steps(tx, found.id)
            if call.who.programme or step.action not in _SECRET_STEPS
        ],
        windows=[
            wire.Window(
                chip=window.chip,
                starts_at=iso(window.starts_at_us),
                ends_at=iso(window.ends_at_us),
                device_ms=window.device_ms,
                carried=window.carried,
                moved_ms=window.moved_ms,
                award=window.award,
                accepts=accepted(window.accepts),
            )
            for window in compute.applications.windows(tx, found.id)
        ],
        payments=[payment(each) for each in paid],
    )


def _step(found: kinds.Step) -> wire.Step:
    said = found.detail
    vote, hours, payment = (said.get(name) for name in ("vote", "hours", "payment"))
    return wire.Step(
        action=found.action,
        actor=found.actor,
        at=iso(found.at_us),
        reason=found.reason,
        state=found.state,
        vote=vote if isinstance(vote, str) else "",
        hours=hours if isinstance(hours, int) else 0,
        payment=payment if isinstance(payment, int) else 0,
    )


def payment(found: kinds.Payment) -> wire.Payment:
    """A payment as it is shown."""
    return wire.Payment(
        number=found.number,
        name=found.name,
        amount_minor=found.amount_minor,
        state=found.state,
        lapses_at=iso(found.lapses_at_us),
        confirmed=found.confirmed_by != "",
        evidence=dict(found.evidence),
        transfer=found.transfer,
    )
