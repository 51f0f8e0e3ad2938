"""The slow plan, as the operator sees it: demand of all tenants together."""

from __future__ import annotations

from yunhe.api.call import Caller
from yunhe.api.paths import Routes
from yunhe.client.wire import planning as wire
from yunhe.compute.service import planning
from yunhe.kernel.clock import iso

routes = Routes("compute")
"""Of the plan."""


@routes.add("GET /v1/plan", wire.Plan)
async def get_plan(call: Caller) -> wire.Plan:
    """The last plan: demand and supply by chip, scarcity, what it bounds and what runs."""
    now_us = call.now_us()
    made = await call.read(planning.latest)
    if made is None:
        return wire.Plan(
            state="none",
            followed=False,
            reason="",
            at=None,
            until=None,
            cpu_us=0,
            classes=0,
            served_ppm=0,
            bound_ppm=0,
            reached_ppm=0,
            gap_ppm=0,
            chips=[],
            pools=[],
        )
    return wire.Plan(
        state=made.state,
        followed=made.followed(now_us),
        reason=made.reason,
        at=iso(made.at_us),
        until=iso(made.until_us),
        cpu_us=made.cpu_us,
        classes=made.classes,
        served_ppm=made.served_ppm,
        bound_ppm=made.bound_ppm,
        reached_ppm=made.reached_ppm,
        gap_ppm=made.gap_ppm,
        chips=[wire.PlanChip.model_validate(each, from_attributes=True) for each in made.chips],
        pools=[wire.PlanPool.model_validate(each, from_attributes=True) for each in made.pools],
    )
