"""Where work may be placed: what an operator says of data, awards, organisations and pools."""

from __future__ import annotations

from yunhe.api.call import After, Caller, Limit, page
from yunhe.api.paths import Routes
from yunhe.client.wire import limits as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import limits
from yunhe.kernel.clock import iso

routes = Routes("compute")
"""Of rules of place."""


@routes.add("GET /v1/limits", Page[wire.Limit])
async def list_limits(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Limit]:
    """What was said, the last first; the last of a subject holds."""
    [last] = call.place(after, like=(0,))
    return page(
        call,
        await call.read(lambda tx: limits.said(tx, before=int(last), limit=limit + 1)),
        limit=limit,
        shown=_limit,
        place=lambda one: (one.number,),
    )


@routes.add("PUT /v1/limits", wire.Limit)
async def set_limit(call: Caller, body: wire.NewLimit) -> wire.Limit:
    """Say where something is bound to, from the next decision on; what is placed goes on."""

    def work() -> wire.Limit:
        return _limit(
            limits.say(
                call.runtime.storage,
                body.what,
                body.subject,
                body.jurisdictions,
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.apart(work)


def _limit(said: limits.Said) -> wire.Limit:
    return wire.Limit(
        number=said.number,
        what=said.what,
        subject=said.subject,
        jurisdictions=list(said.jurisdictions),
        reason=said.reason,
        by=said.by,
        at=iso(said.at_us),
    )
