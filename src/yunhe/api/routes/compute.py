"""Pools, awards, vouchers and workloads."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.responses import Response

from yunhe.api.asking import Asked, Require
from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.files import BYTES, file
from yunhe.api.handing import hand_over
from yunhe.api.paths import Routes
from yunhe.client.wire import compute as wire
from yunhe.client.wire.accepting import Accepted, Counted
from yunhe.client.wire.entry_points import EntryPoint, NewEntryPoint
from yunhe.client.wire.shapes import Page
from yunhe.compute import domain, errors
from yunhe.compute import service as compute
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.language import Language
from yunhe.storage.database import Transaction
from yunhe.vault.domain import reference

routes = Routes("compute")
"""Of the compute floor."""
_FileName = Annotated[str, Path(max_length=800, examples=["model.safetensors"])]


@routes.add("GET /v1/pools", Page[wire.Pool])
async def list_pools(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Pool]:
    """Devices on offer and how busy they are, by id."""
    [last] = call.place(after, like=("",))
    found = await call.read(lambda tx: compute.pools(tx, after=last, limit=limit + 1))
    return page(call, found, limit=limit, shown=pool_shown, place=lambda each: (each.pool.id,))


@routes.add("POST /v1/pools", wire.Pool, status=201)
async def create_pool(call: Caller, key: Key, body: wire.NewPool) -> Response:
    """Offer devices; they are placed on from now on."""

    def make(name: str) -> wire.Pool:
        nodes = [compute.supply.NodeRow(**row.model_dump()) for row in body.nodes]
        said = body.model_dump(exclude={"nodes"})
        if body.adapter not in compute.OWN:
            said["sites"] = compute.remote.named(call.runtime.settings.sites_file)
        made = compute.register_pool(call.runtime.storage, key=name, nodes=nodes, **said)
        return pool_shown(domain.PoolStatus(made, 0))

    return await call.command(key, body, make)


@routes.add("GET /v1/awards", Page[wire.Award])
async def list_awards(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Award]:
    """Device time granted and what is left of it, by id."""
    [last] = call.place(after, like=("",))
    found = await call.read(
        lambda tx: compute.awards(tx, organisation=call.tenant, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_award, place=lambda each: (each.award.id,))


@routes.add("POST /v1/awards", wire.Award, status=201)
async def create_award(call: Caller, key: Key, body: wire.NewAward) -> Response:
    """Grant device time; recorded in the log with who granted it."""
    expires_at_us = call.now_us() + body.expires_in_days * DAY_US

    def make(name: str) -> wire.Award:
        made = compute.award(
            call.runtime.storage,
            key=name,
            organisation=body.organisation,
            chip=body.chip,
            device_ms=body.device_ms,
            expires_at_us=expires_at_us,
            awarded_by=call.who.member,
            priority_max=body.priority_max,
        )
        return _award(domain.AwardStatus(made, used_ms=0, held_ms=0, lapsed_ms=0))

    return await call.command(key, body, make)


@routes.add("GET /v1/vouchers", Page[wire.Voucher])
async def list_vouchers(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Voucher]:
    """Vouchers and what is left of them, by id."""
    [last] = call.place(after, like=("",))
    found = await call.read(
        lambda tx: compute.vouchers(tx, organisation=call.tenant, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_voucher, place=lambda each: (each.voucher.id,))


@routes.add("POST /v1/vouchers", wire.Voucher, status=201)
async def create_voucher(call: Caller, key: Key, body: wire.NewVoucher) -> Response:
    """Issue a voucher that pays a share of an organisation's compute costs."""

    def make(name: str) -> wire.Voucher:
        made = compute.issue_voucher(
            call.runtime.storage,
            key=name,
            organisation=body.organisation,
            currency=body.currency,
            amount=body.amount_minor,
            share_percent=body.share_percent,
        )
        return _voucher(domain.VoucherStatus(made, used_minor=0, held_minor=0))

    return await call.command(key, body, make)


@routes.add("GET /v1/entry-points", Page[EntryPoint])
async def list_entry_points(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[EntryPoint]:
    """Program files that may run without a sandbox, by name and digest."""
    last = call.place(after, like=("", ""))
    found = await call.look(lambda tx: compute.approvals(tx, after=last, limit=limit + 1))
    return page(
        call, found, limit=limit, shown=_approval, place=lambda each: (each.name, each.digest)
    )


@routes.add("POST /v1/entry-points", EntryPoint, status=201)
async def approve_entry_point(call: Caller, key: Key, body: NewEntryPoint) -> Response:
    """Let a program file run without a sandbox; workloads that waited for this are placed."""

    def make(_: str) -> EntryPoint:
        return _approval(
            compute.approve_entry_point(
                call.runtime.storage,
                name=body.name,
                module=body.module,
                digest=body.digest,
                approved_by=call.who.member,
            )
        )

    return await call.command(key, body, make)


@routes.add("GET /v1/workloads", Page[wire.Workload])
async def list_workloads(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Workload]:
    """Workloads, the last submitted first, each with why it waits."""
    [last] = call.place(after, like=("",))
    found = await call.look(
        lambda tx: compute.newest(
            tx,
            organisation=call.tenant,
            projects=call.projects,
            before=str(last),
            limit=limit + 1,
        )
    )
    language = call.facts.language
    return page(
        call,
        found,
        limit=limit,
        shown=lambda each: _workload(each, language),
        place=lambda each: (each.id,),
    )


@routes.add("POST /v1/workloads", wire.Workload, status=201)
async def create_workload(call: Caller, key: Key, body: Asked) -> Response:
    """Ask for a workload to be run; it is placed under holds, or waits and says why."""
    language = call.facts.language
    return await hand_over(
        call,
        key,
        body,
        require=required(call, body),
        shown=lambda made: _workload(made, language),
    )


@routes.add("GET /v1/workloads/{workload}", wire.Workload)
async def get_workload(workload: PathId, call: Caller) -> wire.Workload:
    """One workload as it stands."""
    found = await call.look(lambda tx: _reached(tx, call, workload))
    return _workload(found, call.facts.language)


@routes.add("POST /v1/workloads/{workload}/cancel", wire.Workload)
async def cancel_workload(workload: PathId, call: Caller) -> wire.Workload:
    """Stop a workload: at once unless it runs, then within seconds; what it used is paid."""

    def cancel() -> domain.Workload:
        with call.runtime.storage.database.read() as tx:
            _reached(tx, call, workload)
        return compute.cancel(call.runtime.storage, workload)

    return _workload(await call.apart(cancel), call.facts.language)


@routes.add("GET /v1/workloads/{workload}/log", produces="text/plain")
async def get_workload_log(workload: PathId, call: Caller) -> Response:
    """The end of what a workload printed, once it ran; values of its secrets are masked."""

    def read() -> bytes:
        with call.runtime.storage.database.read() as tx:
            found = _reached(tx, call, workload)
        if found.log is None:
            raise errors.log_missing(workload)
        return call.runtime.storage.blobs.read(found.log)

    return Response(await call.apart(read), media_type="text/plain; charset=utf-8")


@routes.add("GET /v1/workloads/{workload}/outputs/{output}", produces=BYTES)
async def get_workload_output(workload: PathId, output: _FileName, call: Caller) -> Response:
    """One file that a workload wrote."""
    found = await call.look(lambda tx: _reached(tx, call, workload))
    if output not in found.outputs:
        raise errors.output_unknown(workload, output)
    return await file(call, found.outputs[output])


def _reached(tx: Transaction, call: Call, workload: str) -> domain.Workload:
    found = compute.workload(tx, workload)
    if not call.reaches(found.spec.organisation, found.spec.project):
        raise errors.workload_unknown(workload)
    return found


def require_project(tx: Transaction, call: Call, body: wire.NewWorkload) -> None:
    """A project of one's own, and only secrets that are in reach of whoever asks.

    Errors: `NotFound`, the same for what is another's and what is not there; `NotAllowed`
    ``api.project_needed``.
    """
    for _, allowed in required(call, body):
        allowed(tx)


def required(call: Call, body: wire.NewWorkload) -> list[tuple[str, Require]]:
    """What whoever asks must be allowed, by the place that says so; each as `require_project`."""

    def named(secret: str) -> Require:
        return lambda _: _require_secret(call, secret)

    secrets = [(f"secrets.{name[:80]}", named(each)) for name, each in body.secrets.items()]
    return [("project", lambda tx: _require_project(tx, call, body.project)), *secrets]


def _require_project(tx: Transaction, call: Call, project: str) -> None:
    organisation = call.who.organisation
    if project:
        known = identity.project(tx, project)
        if known.organisation != organisation or not call.reaches(organisation, known.id):
            raise NotFound("identity.project_unknown", project=project)
    elif not call.reaches(organisation):
        raise NotAllowed("api.project_needed")


def _require_secret(call: Call, name: str) -> None:
    secret = reference(name)
    if secret is not None and not call.reaches(call.who.organisation, secret.project):
        raise NotFound("vault.secret_unknown", name=name)


def pool_shown(found: domain.PoolStatus) -> wire.Pool:
    """A pool as registered and how busy it is."""
    pool = found.pool
    return wire.Pool(
        id=pool.id,
        provider=pool.provider,
        site=pool.site,
        adapter=pool.adapter,
        chip=pool.chip,
        devices=pool.devices,
        devices_busy=found.devices_busy,
        price_minor_per_device_hour=pool.price_minor_per_device_hour,
        currency=pool.currency,
    )


def _award(found: domain.AwardStatus) -> wire.Award:
    award = found.award
    return wire.Award(
        id=award.id,
        organisation=award.organisation,
        chip=award.chip,
        device_ms=award.device_ms,
        used_ms=found.used_ms,
        held_ms=found.held_ms,
        left_ms=found.left_ms,
        expires_at=iso(award.expires_at_us),
        reference=award.reference,
        priority_max=award.priority_max,
        accepts=accepted(award.accepts),
    )


def accepted(found: domain.Accepted | None) -> Accepted | None:
    """What an award for several chips accepts."""
    if found is None:
        return None
    return Accepted(
        chips=list(found.chips),
        reference=found.reference,
        rate_card=found.card,
        version=found.version,
        rates=[
            Counted(chip=chip, workload_class=work, per_thousand=rate)
            for chip, work, rate in found.rates
        ],
    )


def _voucher(found: domain.VoucherStatus) -> wire.Voucher:
    voucher = found.voucher
    return wire.Voucher(
        id=voucher.id,
        organisation=voucher.organisation,
        currency=voucher.currency,
        amount_minor=voucher.amount_minor,
        used_minor=found.used_minor,
        held_minor=found.held_minor,
        left_minor=found.left_minor,
        share_percent=voucher.share_percent,
    )


def _approval(found: domain.Approval) -> EntryPoint:
    return EntryPoint(
        name=found.name,
        module=found.module,
        digest=found.digest,
        approved_by=found.approved_by,
        at=iso(found.at_us),
    )


def _workload(found: domain.Workload, language: Language) -> wire.Workload:
    spec, why, usage = found.spec, found.why, found.usage
    return wire.Workload(
        id=found.id,
        organisation=spec.organisation,
        project=spec.project,
        state=found.state,
        why=None
        if why is None
        else wire.Why(code=why.code, message=why.message(language), params=dict(why.params)),
        kind=spec.kind,
        entry_point=spec.entry_point,
        program=spec.program[:200],
        chip=spec.chip,
        chip_placed=found.chip_placed or None,
        devices=spec.devices,
        devices_milli=spec.devices_milli,
        replicas=found.replicas or spec.replicas,
        pool=found.pool,
        outputs=dict(found.outputs),
        usage=None
        if usage is None
        else wire.Usage(
            device_ms=usage.device_ms,
            wall_ms=usage.wall_ms,
            cpu_ms=usage.cpu_ms,
            memory_bytes_peak=usage.memory_bytes_peak,
            isolation=usage.isolation,
            cost_minor=usage.cost_minor,
            voucher_minor=usage.voucher_minor,
            currency=usage.currency,
            term=usage.term,
            utilisation_per_thousand=usage.utilisation_per_thousand,
            utilisation_samples=usage.utilisation_samples,
            drawn_of=usage.drawn_of,
            drawn_ms=usage.drawn_ms,
        ),
        reference=found.reference,
    )
