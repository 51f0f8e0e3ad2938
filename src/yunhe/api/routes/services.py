"""Inference services: created, changed, stopped, and told of their load."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from starlette.responses import Response

from yunhe.api.asking import require_own, spec_of
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.compute import require_project
from yunhe.client.wire import compute as said
from yunhe.client.wire import services as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import scaling
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage.database import Transaction

routes = Routes("services")
"""Of inference services."""


@routes.add("GET /v1/services", Page[wire.Service])
async def list_services(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Service]:
    """Services, by id, each with why it has fewer replicas than it needs."""
    [last] = call.place(after, like=("",))
    found = await call.read(
        lambda tx: scaling.listed(
            tx,
            organisation=call.tenant,
            projects=call.projects,
            after=str(last),
            limit=limit + 1,
        )
    )
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _shown(call, each),
        place=lambda each: (each.id,),
    )


@routes.add("POST /v1/services", wire.Service, status=201)
async def create_service(call: Caller, key: Key, body: wire.NewService) -> Response:
    """Keep a service running; its replicas are workloads, each placed under a hold."""
    who, storage = call.who, call.runtime.storage

    def make(name: str) -> wire.Service:
        with storage.database.read() as tx:
            require_project(tx, call, body.replica)
        require_own(storage, body.replica, organisation=who.organisation)
        spec = spec_of(body.replica, key="", organisation=who.organisation)
        policy = scaling.Policy(**body.policy.model_dump())
        made = scaling.create(
            storage, key=name, name=body.name, spec=spec, policy=policy, member=who.member
        )
        return _shown(call, made)

    return await call.command(key, body, make)


@routes.add("GET /v1/services/{service}", wire.Service)
async def get_service(service: PathId, call: Caller) -> wire.Service:
    """One service as it stands."""
    return _shown(call, await call.look(lambda tx: _reached(tx, call, service)))


@routes.add("POST /v1/services/{service}/change", wire.Service)
async def change_service(service: PathId, call: Caller, body: wire.ServiceChange) -> wire.Service:
    """Give a service another floor, ceiling or target; replicas follow."""
    changes = body.model_dump(exclude_none=True)

    def change() -> scaling.Service:
        _require(call, service)
        return scaling.change(call.runtime.storage, service, changes)

    return _shown(call, await call.apart(change))


@routes.add("POST /v1/services/{service}/stop", wire.Service)
async def stop_service(service: PathId, call: Caller) -> wire.Service:
    """End a service and its replicas; what ran is paid."""

    def stop() -> scaling.Service:
        _require(call, service)
        return scaling.stop(call.runtime.storage, service)

    return _shown(call, await call.apart(stop))


@routes.add("POST /v1/services/{service}/load", wire.LoadTaken)
async def report_load(service: PathId, call: Caller, body: wire.NewLoad) -> wire.LoadTaken:
    """Say what a service had to do; the same report again changes nothing."""
    values = body.model_dump(exclude={"since", "until"})
    sample = scaling.Sample(
        from_us=_instant("since", body.since), until_us=_instant("until", body.until), **values
    )

    def take() -> wire.LoadTaken:
        _require(call, service)
        taken = scaling.report(call.runtime.storage, service, sample)
        return wire.LoadTaken(id=sample.id, taken=taken)

    return await call.apart(take)


def _instant(field: str, value: str) -> int:
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return round(found.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        pass
    finding = Finding(field, "compute.load_instant", (("value", ascii(value)[1:-1][:40]),))
    raise Invalid("compute.load_invalid", findings=[finding])


def _require(call: Call, service: str) -> None:
    with call.runtime.storage.database.read() as tx:
        _reached(tx, call, service)


def _reached(tx: Transaction, call: Call, service: str) -> scaling.Service:
    found = scaling.find(tx, service)
    if not call.reaches(found.organisation, found.project):
        raise scaling.service_unknown(service)
    return found


def _shown(call: Call, found: scaling.Service) -> wire.Service:
    now_us, language, why = call.now_us(), call.facts.language, found.why
    spec = found.spec
    return wire.Service(
        id=found.id,
        organisation=found.organisation,
        project=found.project,
        name=found.name,
        state=found.state,
        program=spec.program[:200],
        chip=spec.chip,
        devices=spec.devices_all,
        policy=wire.PolicyShown(**asdict(found.policy)),
        wanted=found.wanted,
        needed=found.needed,
        running=sum(each.workload_state == "running" for each in found.replicas),
        serving=scaling.serving(found, now_us),
        why=None
        if why is None
        else said.Why(code=why.code, message=why.message(language), params=dict(why.params)),
        replicas=[_replica(found, each, now_us) for each in found.replicas],
        created_at=iso(found.created_at_us),
    )


def _replica(found: scaling.Service, each: scaling.Replica, now_us: int) -> wire.Replica:
    return wire.Replica(
        number=each.number,
        workload=each.workload,
        state=each.state if each.state != "wanted" else each.workload_state or "waiting",
        serves=scaling.serves(each, found.policy, now_us),
    )
