"""Who runs next, and where: one set of rules, kept between events or applied to a picture once.

`dispatching` has the rules; this is their face for those who have a picture.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.adopting import crowd, divided, usual_needs
from yunhe.compute.scheduling.budgets import Budgets
from yunhe.compute.scheduling.dispatching import PATIENCE_US, Engine
from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.explaining import CLOSED, FOR_DEVICES, Explainer
from yunhe.compute.scheduling.policies import YUNHE, Policy
from yunhe.compute.scheduling.shares import Cities
from yunhe.compute.scheduling.state import Decision, Picture, Request, Wait

__all__ = [
    "PATIENCE_US",
    "Engine",
    "decide",
    "engine_of",
    "explainer_of",
    "opening_of",
    "passed",
    "why_of",
]


def engine_of(picture: Picture, policy: Policy, *, now_us: int) -> Engine:
    """An engine that knows what a picture shows, and has decided nothing yet.

    Errors: `ValueError` for a policy that deals out anew; it would move work within one pass.
    """
    if policy.matched:
        raise ValueError("only the simulator deals devices out anew")
    budgets = Budgets(picture.awards, picture.vouchers, picture.cash)
    engine = Engine(
        divided(picture),
        policy,
        budgets=budgets,
        usual=usual_needs(picture),
        guide=picture.guide,
        weights=picture.weights,
        cities=Cities(picture.cities, picture.city_weights),
        windows=picture.windows,
    )
    for project, used_us in sorted(picture.used_us.items()):
        engine.shares.used_by(project, used_us, now_us=now_us)
    shown: Counter[str] = Counter()
    for view in picture.running:
        shown[view.request.organisation] += view.request.devices_all
    kinds = {request.organisation: request.kind for request in picture.queue}
    for organisation, devices in sorted(picture.busy.items()):
        path = kinds.get(organisation, ""), organisation
        engine.shares.occupy_by(path, devices - shown[organisation], now_us=now_us)
    kept = engine.kept
    firm: frozenset[str] = frozenset()
    if kept is not None:
        firm = kept.protected(picture.running, now_us=now_us)
        kept.leaving = {view.request.id for view in picture.running if view.leaving}
    for view in sorted(picture.running, key=lambda view: view.request.id):
        one = replace(view.request, preemptible=False) if view.request.id in firm else view.request
        engine.start(replace(view, request=one), now_us=now_us)
    crowd(engine.estate, picture.pools)
    for request in sorted(picture.queue, key=lambda request: (request.number, request.id)):
        engine.note(Arrived(request), now_us=now_us)
    return engine


def why_of(engine: Engine, request: Request, *, now_us: int) -> Why:
    """Why a request waits, after a pass of the engine."""
    return explainer_of(engine, now_us=now_us).why(request, engine.shape(request))


def opening_of(engine: Engine, request: Request, why: Why, *, now_us: int) -> tuple[Change, ...]:
    """The closed node that alone would let it start at once, where others' work is the reason."""
    shape = engine.shape(request)
    if why.code not in FOR_DEVICES or why.code in CLOSED or not shape.fits:
        return ()
    found = explainer_of(engine, now_us=now_us).opening(request, shape)
    return () if found is None else (found,)


def explainer_of(engine: Engine, *, now_us: int) -> Explainer:
    """Says why requests wait; for all that one pass of the engine left."""
    return Explainer(
        engine.estate,
        engine.shapes,
        engine.budgets,
        engine.reservations,
        kept=engine.kept,
        now_us=now_us,
    )


def decide(picture: Picture, *, now_us: int, policy: Policy = YUNHE) -> tuple[Decision, ...]:
    """A decision for every request of a picture: one pass of the rules over it.

    What is placed comes first, in the order it was placed, then what waits, in the order of its
    rank. Taken together the placements never exceed a pool's devices, an award, a voucher, its
    share, or the money there is; the same picture and time give the same decisions whatever its
    order. Requests of one organisation that are alike share one `Why`.
    """
    return passed(picture, now_us=now_us, policy=policy)[1]


def passed(
    picture: Picture, *, now_us: int, policy: Policy = YUNHE
) -> tuple[Engine, tuple[Decision, ...]]:
    """As `decide`, with the engine that made the pass: it knows what is kept free for whom."""
    engine = engine_of(picture, policy, now_us=now_us)
    decisions = engine.decide(now_us=now_us)
    waiting = [*engine.queue.ranked(now_us=now_us), *engine.aside.values()]
    explainer = explainer_of(engine, now_us=now_us)
    decisions += (Wait(each, explainer.why(each, engine.shape(each))) for each in waiting)
    return engine, tuple(decisions)
