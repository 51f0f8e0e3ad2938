"""Guaranteed windows of awards: given, listed, shortened, withdrawn."""

from __future__ import annotations

from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.supply import instant
from yunhe.client.wire import windows as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import windows
from yunhe.kernel.clock import iso

routes = Routes("compute")
"""Of guaranteed windows."""


@routes.add("GET /v1/windows", Page[wire.GuaranteedWindow])
async def list_windows(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.GuaranteedWindow]:
    """Devices guaranteed to awards' holders, by id: one's own, or everybody's for the operator."""
    [last] = call.place(after, like=("",))
    now_us = call.now_us()
    found = await call.read(
        lambda tx: windows.windows(
            tx,
            organisation=call.tenant,
            projects=call.projects,
            after=str(last),
            limit=limit + 1,
            now_us=now_us,
        )
    )
    return page(call, found, limit=limit, shown=_shown, place=lambda each: (each.guarantee.id,))


@routes.add("POST /v1/windows", wire.GuaranteedWindow, status=201)
async def create_window(call: Caller, key: Key, body: wire.NewWindow) -> Response:
    """Guarantee devices to an award's holder; refused, with what is nearest, where it cannot be."""
    until_us = instant(body.until_at)
    assert until_us is not None  # noqa: S101 - the message demands it

    def make(name: str) -> wire.GuaranteedWindow:
        made = windows.give(
            call.runtime.storage,
            key=name,
            award=body.award,
            devices=body.devices,
            from_us=instant(body.from_at),
            until_us=until_us,
            pool=body.pool,
            site=body.site,
            project=body.project,
            reason=body.reason,
            given_by=call.who.member,
        )
        return _looked_up(call, made.id)

    return await call.command(key, body, make)


@routes.add("POST /v1/windows/{window}/change", wire.GuaranteedWindow)
async def change_window(
    window: PathId, call: Caller, body: wire.WindowChange
) -> wire.GuaranteedWindow:
    """End a window sooner, guarantee fewer devices, or withdraw it; what runs goes on."""

    def work() -> wire.GuaranteedWindow:
        windows.change(
            call.runtime.storage,
            window,
            until_us=instant(body.until_at),
            devices=body.devices,
            withdraw=body.withdraw,
            reason=body.reason,
            by=call.who.member,
        )
        return _looked_up(call, window)

    return await call.apart(work)


def _looked_up(call: Call, window: str) -> wire.GuaranteedWindow:
    with call.runtime.storage.database.read() as tx:
        return _shown(windows.window(tx, window, now_us=call.now_us()))


def _shown(found: windows.GuaranteeStatus) -> wire.GuaranteedWindow:
    one = found.guarantee
    return wire.GuaranteedWindow(
        id=one.id,
        award=one.award,
        organisation=one.organisation,
        project=one.project,
        chip=one.chip,
        devices=one.devices,
        pool=one.pool,
        site=one.site,
        from_at=iso(one.from_us),
        until_at=iso(one.until_us),
        ends_at=iso(found.ends_at_us),
        state=found.state,
        used=found.used,
        idle=found.idle,
        missing=found.missing,
        reason=one.reason,
        given_by=one.given_by,
        ended_reason=one.ended_reason,
        reference=one.reference,
    )
