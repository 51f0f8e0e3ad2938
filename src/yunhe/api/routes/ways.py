"""How fast data moves between sites, as the operator says."""

from __future__ import annotations

from yunhe.api.call import After, Caller, Limit, page
from yunhe.api.paths import Routes
from yunhe.client.wire import ways as wire
from yunhe.client.wire.shapes import Page
from yunhe.compute.service import ways

routes = Routes("compute")
"""Of the ways between sites."""


@routes.add("GET /v1/ways", Page[wire.Way])
async def list_ways(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Way]:
    """Every way that was said, by the sites it joins; what is not listed has 1,000 Mbit/s."""
    last = tuple(call.place(after, like=("", "")))
    said = (await call.look(ways.all_of)).megabit_per_second
    rest = [(*sites, speed) for sites, speed in sorted(said.items()) if sites > last]
    return page(
        call,
        rest[: limit + 1],
        limit=limit,
        shown=lambda one: wire.Way(from_site=one[0], to_site=one[1], megabit_per_second=one[2]),
        place=lambda one: (one[0], one[1]),
    )


@routes.add("PUT /v1/ways", wire.Way)
async def set_way(call: Caller, body: wire.NewWay) -> wire.Way:
    """Say how fast data moves from one site to another, from the next decision on."""

    def work() -> wire.Way:
        ways.say(
            call.runtime.storage,
            start=body.from_site,
            end=body.to_site,
            megabit_per_second=body.megabit_per_second,
            member=call.who.member,
        )
        return wire.Way(**body.model_dump())

    return await call.apart(work)
