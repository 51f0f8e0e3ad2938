"""Jobs that another platform hands over, and what it may count on."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from yunhe.api.asking import require_own, spec_of
from yunhe.api.call import Caller
from yunhe.api.paths import Routes
from yunhe.client.wire import forwarding as wire
from yunhe.client.wire.compute import Why
from yunhe.compute.service import forwarding
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.language import Language
from yunhe.storage.database import Transaction

routes = Routes("compute")
"""Of work between platforms."""
JOBS_MAX = 50
"""Most jobs of one question."""
_Job = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$", examples=["workload_w0h1-1"])
]
_Jobs = Annotated[
    str,
    Query(
        max_length=129 * JOBS_MAX,
        pattern=r"^[A-Za-z0-9_,-]*$",
        description="Names of at most 50 jobs, commas between them.",
    ),
]


@routes.add("PUT /v1/forwarded/{job}", wire.Forwarded)
async def hand_over(job: _Job, call: Caller, body: wire.NewForwarded) -> wire.Forwarded:
    """Take a job over, once however often it is sent; it is placed under holds, or waits."""
    who, here = call.who, call.runtime.settings.origin
    if body.workload.project or not call.reaches(who.organisation):
        raise NotAllowed("compute.forward_project")
    if body.workload.secrets:
        raise NotAllowed("compute.remote_secrets", site=here)

    def take() -> forwarding.Forwarded:
        require_own(call.runtime.storage, body.workload, organisation=who.organisation)
        spec = spec_of(body.workload, key=job, organisation=who.organisation)
        return forwarding.take(
            call.runtime.storage,
            spec,
            job=job,
            member=who.member,
            origin=body.origin,
            consumer=body.consumer,
            here=here,
            without=call.runtime.platform.onward,
        )

    return _shown(await call.apart(take), call.facts.language)


@routes.add("PUT /v1/forwarded/{job}/inputs", wire.ForwardedMissing)
async def expect_inputs(
    job: _Job, call: Caller, body: wire.ForwardedInputs
) -> wire.ForwardedMissing:
    """Which files of a job about to be handed over are to be sent; they are released with it."""
    who, digests = call.who, frozenset(body.digests)
    if not call.reaches(who.organisation):
        raise NotAllowed("compute.forward_project")

    def expect(tx: Transaction) -> list[str]:
        return forwarding.expect(
            tx, organisation=who.organisation, member=who.member, job=job, digests=digests
        )

    return wire.ForwardedMissing(missing=await call.write(expect))


@routes.add("GET /v1/forwarded", wire.ForwardedJobs)
async def list_forwarded(call: Caller, jobs: _Jobs = "") -> wire.ForwardedJobs:
    """How far jobs are that one's own organisation handed over."""
    named = list(dict.fromkeys(filter(None, jobs.split(","))))[:JOBS_MAX]
    organisation, language = call.who.organisation, call.facts.language
    found = await call.look(lambda tx: forwarding.look(tx, organisation=organisation, jobs=named))
    items = [_shown(each, language) for each in found]
    return wire.ForwardedJobs(at=iso(call.now_us()), items=items)


@routes.add("POST /v1/forwarded/{job}/cancel", status=204)
async def cancel_forwarded(job: _Job, call: Caller) -> None:
    """Call a job off; one that has not come yet never starts, what it used is paid."""
    storage, organisation = call.runtime.storage, call.who.organisation
    await call.apart(lambda: forwarding.cancel(storage, organisation=organisation, job=job))


@routes.add("DELETE /v1/forwarded/{job}", status=204)
async def forget_forwarded(job: _Job, call: Caller) -> None:
    """Say that nothing more is wanted of a job; its record stays."""
    storage, organisation = call.runtime.storage, call.who.organisation
    await call.apart(lambda: forwarding.forget(storage, organisation=organisation, job=job))


@routes.add("GET /v1/capacity", wire.Capacity)
async def get_capacity(call: Caller) -> wire.Capacity:
    """The platform's own pools, for another platform that counts on them."""
    now_us, without = call.now_us(), call.runtime.platform.onward
    found = await call.read(lambda tx: forwarding.room(tx, now_us=now_us, without=without))
    pools = [wire.Room.model_validate(each, from_attributes=True) for each in found]
    return wire.Capacity(at=iso(now_us), log=call.runtime.settings.origin, pools=pools)


def _shown(found: forwarding.Forwarded, language: Language) -> wire.Forwarded:
    why, usage, ended_us = found.why, found.usage, found.ended_at_us
    said = None
    if why is not None:
        said = Why(code=why.code, message=why.message(language), params=dict(why.params))
    used = None
    if usage is not None:
        used = wire.ForwardedUsage.model_validate(usage, from_attributes=True)
    return wire.Forwarded(
        job=found.job,
        workload=found.workload,
        state=found.state,
        why=said,
        outputs=dict(found.outputs),
        devices=found.devices,
        usage=used,
        ended_at=None if ended_us is None else iso(ended_us),
        reference=found.reference,
        called_off=found.called_off,
        logged=found.logged,
        forgotten=found.forgotten,
    )
