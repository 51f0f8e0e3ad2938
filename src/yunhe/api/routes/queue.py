"""The queue, and why one workload waits."""

from __future__ import annotations

from dataclasses import replace

from yunhe.api.asking import Asked, ask
from yunhe.api.call import After, Caller, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.compute import required
from yunhe.client.wire import queue as wire
from yunhe.client.wire.compute import Why
from yunhe.client.wire.previews import Home, Preview
from yunhe.client.wire.shapes import Page
from yunhe.compute import domain, errors
from yunhe.compute import service as compute
from yunhe.compute.service import queueing
from yunhe.kernel.clock import iso
from yunhe.kernel.ids import new_id
from yunhe.kernel.language import Language, text
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of the queue."""


@routes.add("GET /v1/queue", Page[wire.Queued])
async def list_queue(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Queued]:
    """What waits, in the order in which the scheduler considers it now.

    The order follows what others do: a workload may move between two pages.
    """
    [last] = call.place(after, like=(0,))
    now_us, language = call.now_us(), call.facts.language
    found = await call.read(
        lambda tx: queueing.queue(
            tx,
            organisation=call.tenant,
            projects=call.projects,
            after=last,
            limit=limit + 1,
            now_us=now_us,
        )
    )
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _queued(each, language),
        place=lambda each: (each.place,),
    )


@routes.add("POST /v1/previews", Preview)
async def preview_workload(call: Caller, body: Asked) -> Preview:
    """What would become of a workload now: findings, place, holds, start; nothing is kept."""
    who, runtime = call.who, call.runtime

    def see() -> compute.Preview:
        return ask(
            runtime.storage,
            body,
            key=new_id("preview"),
            organisation=who.organisation,
            require=required(call, body),
            work=lambda spec, unread: compute.preview(
                runtime.storage, spec, member=who.member, unread=unread
            ),
        )

    return _preview(await call.apart(see), call.facts.language)


@routes.add("GET /v1/workloads/{workload}/why", wire.Waiting)
async def get_workload_why(workload: PathId, call: Caller) -> wire.Waiting:
    """Why a workload is not running: the binding constraint, its rank, when it starts, changes."""
    now_us = call.now_us()

    def read(tx: Transaction) -> tuple[domain.Workload, queueing.Standing | None]:
        found = compute.workload(tx, workload)
        if not call.reaches(found.spec.organisation, found.spec.project):
            raise errors.workload_unknown(workload)
        if found.state == "placed" and found.why is None:
            found = replace(found, why=queueing.held_up(tx, workload))
        return found, queueing.standing(tx, workload, now_us=now_us)

    return _waiting(*await call.read(read), call.facts.language)


@routes.add("GET /v1/weights", Page[wire.Weight])
async def list_weights(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Weight]:
    """What the operator said parts of the fair share weigh: kinds and below, then cities."""
    last = call.place(after, like=("", "", "", ""))
    found = await call.look(compute.passes.weights)
    rest = [one for one in found if one.part > tuple(last)]
    return page(
        call,
        rest[: limit + 1],
        limit=limit,
        shown=_weight,
        place=lambda one: one.part,
    )


@routes.add("PUT /v1/weights", wire.Weight)
async def set_weight(call: Caller, body: wire.NewWeight) -> wire.Weight:
    """Say what a city, a kind of organisation, an organisation or a project weighs among equals."""
    said = compute.passes.Weight(
        body.kind, body.organisation, body.project, body.weight, city=body.city
    )
    at_us = call.now_us()
    return _weight(
        await call.write(
            lambda tx: compute.passes.weigh(tx, said, said_by=call.who.member, at_us=at_us)
        )
    )


@routes.add("GET /v1/policy", wire.Policy)
async def get_policy(call: Caller) -> wire.Policy:
    """By which policy the scheduler decides, and which there are."""
    return _policy(await call.look(compute.policy.chosen))


@routes.add("PUT /v1/policy", wire.Policy)
async def set_policy(call: Caller, body: wire.NewPolicy) -> wire.Policy:
    """Let the scheduler decide by another policy from its next pass on."""
    at_us, member = call.now_us(), call.who.member
    return _policy(
        await call.write(
            lambda tx: compute.policy.choose(tx, body.policy, said_by=member, at_us=at_us)
        )
    )


def _policy(found: compute.policy.Chosen) -> wire.Policy:
    known = list(compute.policy.ON_PLATFORM)
    return wire.Policy(policy=found.name, reference=found.reference, known=known)


def _preview(found: compute.Preview, language: Language) -> Preview:
    made, standing = found.workload, found.standing
    why = made.why if standing is None else standing.why
    early_us, late_us = (None, None) if standing is None else (standing.early_us, standing.late_us)
    return Preview.model_validate(
        {
            "state": made.state,
            "pool": made.pool,
            "why": _why(why, language),
            "rank": None if standing is None else standing.rank,
            "of": None if standing is None else standing.of,
            "early_at": None if early_us is None else iso(early_us),
            "late_at": None if late_us is None else iso(late_us),
            "held_ms": made.held_device_ms,
            "held_minor": made.held_minor,
            "homes": [
                Home(
                    pool=home.pool.id,
                    site=home.pool.site,
                    chip=compute.shown_chip(home.pool.chip, home.pool.adapter),
                    device_ms=home.device_ms,
                    cost_minor=home.cost_minor,
                    currency=home.pool.currency,
                )
                for home in found.homes
            ],
        }
    )


def _weight(said: compute.passes.Weight) -> wire.Weight:
    return wire.Weight.model_validate(said, from_attributes=True)


def _queued(found: queueing.Queued, language: Language) -> wire.Queued:
    return wire.Queued(
        rank=found.rank,
        workload=found.id,
        organisation=found.organisation,
        project=found.project,
        entry_point=found.entry_point,
        chip=found.chip,
        substitutes=list(found.substitutes),
        devices=found.devices,
        devices_milli=found.devices_milli,
        since=iso(found.since_us),
        why=_why(found.why, language),
        early_at=_at(found.early_us),
        late_at=_at(found.late_us),
        as_of=_at(found.at_us),
    )


def _waiting(
    found: domain.Workload, standing: queueing.Standing | None, language: Language
) -> wire.Waiting:
    why = found.why if standing is None else standing.why
    changes = () if why is None else why.changes
    alternatives = [] if standing is None else list(standing.alternatives)
    if standing is None and why is not None and why.shorter_wall_seconds:
        shorter = (("wall_seconds", why.shorter_wall_seconds),)
        alternatives.insert(0, domain.Change("compute.change_wall", shorter))
    return wire.Waiting(
        workload=found.id,
        state=found.state,
        why=_why(why, language),
        do="" if why is None else text(f"{why.code}.do", language, **dict(why.params)),
        rank=None if standing is None else standing.rank,
        of=None if standing is None else standing.of,
        early_at=None if standing is None else _at(standing.early_us),
        late_at=None if standing is None else _at(standing.late_us),
        together=[_change(each, language) for each in changes],
        alternatives=[_change(each, language) for each in alternatives],
        sooner=[] if standing is None else [_change(e, language) for e in standing.sooner],
        notes=[] if standing is None else [_change(e, language) for e in standing.notes],
        levels=[] if standing is None else [_level(each, language) for each in standing.levels],
        as_of=None if standing is None else _at(standing.at_us),
    )


def _why(why: domain.Why | None, language: Language) -> Why | None:
    """The reason in one sentence; the changes stand beside it."""
    if why is None:
        return None
    params = dict(why.params)
    return Why(code=why.code, message=text(why.code, language, **params), params=params)


def _level(found: queueing.Level, language: Language) -> wire.Level:
    had = text(queueing.WORDS[found.had], language)
    code = queueing.TURNS[found.name]
    return wire.Level(
        level=found.name,
        place=found.place,
        of=found.of,
        had=found.had,
        message=text(code, language, place=found.place, of=found.of, had=had),
    )


def _change(change: domain.Change, language: Language) -> wire.Change:
    return wire.Change(
        code=change.code, message=change.message(language), params=dict(change.params)
    )


def _at(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
