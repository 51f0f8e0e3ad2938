"""The dispatcher beside the linear programme: what it serves of the optimum, guided and not.

    python benchmarks/compute/plan.py [--samples 12x2000,6x5000,2x20000] [--policy yunhe]

Subsamples of the national generator (`nation.py`, which says what of it is measured): for n
requests an estate of about n devices at n / 400 sites, which is the density of the whole, and
another stretch of the generator's requests each time. All of them wait at one instant before an
empty estate, five times as much as it can take; the dispatcher makes one pass.

*Objective*, the same for both: devices served, times the weight of their priority class (usual 1,
high 2), times their speed in thousandths of the chip asked for, where a faster chip counts as one.

The programme may cut a request in pieces, spread it over nodes and fabric domains, and leave out
whomever it likes, and knows no fair share: its optimum bounds every dispatcher. It is checked by
`plan_audit`, without the solver, and the percentage is of the audited bound. The guided dispatcher
follows a plan made from the very requests it places; on a platform the plan is minutes old. *Stale*
is the dispatcher with a plan made from other requests, as many, of the same generator.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version

from nation import NOW_US, Nation, nation

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived
from yunhe.compute.scheduling.plan import Demand, Inputs, Supply, solve
from yunhe.compute.scheduling.plan_audit import audit
from yunhe.compute.scheduling.plan_guide import Guide, guide_of
from yunhe.compute.scheduling.policies import Policy, preset
from yunhe.compute.scheduling.state import Placement, Request

WEIGHTS = {0: 1_000, 1: 2_000}
GOAL = 98.0


@dataclass
class Sample:
    """What came out for one subsample; per cent of the audited bound."""

    unguided: float
    guided: float
    stale: float
    solver_seconds: float
    unguided_seconds: float
    guided_seconds: float
    gap_ppm: int


def speeds(request: Request) -> dict[str, int]:
    return {request.chip: 1_000} | dict(request.substitutes)


def inputs_of(estate: Nation, requests: list[Request]) -> Inputs:
    classes: dict[tuple[object, ...], tuple[Request, int]] = {}
    for one in requests:
        size = one.devices_all.bit_length()
        key = one.chip, tuple(speeds(one).items()), one.sites, one.priority, size
        first, devices = classes.get(key, (one, 0))
        classes[key] = first, devices + one.devices_all
    demands = tuple(
        Demand(
            id=str(number),
            tenant="",
            chip=one.chip,
            devices=devices,
            speeds=speeds(one),
            sites=one.sites,
            devices_least=1 << one.devices_all.bit_length() - 1,
            weight_permille=WEIGHTS[one.priority],
        )
        for number, (one, devices) in enumerate(classes.values())
    )
    supplies = tuple(Supply(pool.chip, pool.site, pool.devices) for pool in estate.pools)
    return Inputs(supplies, demands)


def dispatched(
    estate: Nation, requests: list[Request], policy: Policy, guide: Guide | None
) -> tuple[int, float]:
    """What one pass serves, in millionths of a device, and its processor time."""
    began = time.process_time()
    engine = Engine(estate.pools, policy, weights=estate.weights, guide=guide)
    for request in requests:
        engine.note(Arrived(request), now_us=NOW_US)
    decisions = engine.decide(now_us=NOW_US)
    seconds = time.process_time() - began
    served = sum(
        each.request.devices_all
        * WEIGHTS[each.request.priority]
        * min(speeds(each.request)[each.chip], 1_000)
        for each in decisions
        if isinstance(each, Placement)
    )
    return served, seconds


def measure(number: int, count: int, policy: Policy) -> Sample:
    estate = nation(devices=count, sites=max(count // 400, 2))
    requests = list(estate.requests(count, first=number * 1_000_000))
    others = list(estate.requests(count, first=number * 1_000_000 + count))
    inputs, before = inputs_of(estate, requests), inputs_of(estate, others)
    began = time.process_time()
    plan = solve(inputs)
    solver = time.process_time() - began
    found = audit(plan, inputs)
    if found.flaws:
        raise SystemExit(f"the audit found {found.flaws[:3]}")
    runs = [
        dispatched(estate, requests, policy, guide)
        for guide in (None, guide_of(plan, inputs), guide_of(solve(before), before))
    ]
    parts = [100 * served / found.bound_ppm for served, _ in runs]
    return Sample(*parts, solver, runs[0][1], runs[1][1], found.gap_ppm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", default="12x2000,6x5000,2x20000", help="howmany x requests")
    parser.add_argument("--policy", default="yunhe")
    asked = parser.parse_args()
    policy, seed = preset(asked.policy), nation(devices=800, sites=2).seed
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs; Python {platform.python_version()}, "
        f"scipy {version('scipy')} (HiGHS); policy {policy.name}; seed {seed}"
    )
    print("requests  % of LP: unguided  guided   stale | CPU s: LP   pass  guided | gap ppm")
    measure(99, 2_000, policy)  # imports and compiles
    samples = []
    for part in asked.samples.split(","):
        many, _, count = part.partition("x")
        for _ in range(int(many)):
            one = measure(len(samples), int(count), policy)
            samples.append(one)
            print(
                f"{int(count):8} {one.unguided:17.2f} {one.guided:8.2f} {one.stale:7.2f} |"
                f"{one.solver_seconds:9.2f} {one.unguided_seconds:6.2f} {one.guided_seconds:7.2f} |"
                f"{one.gap_ppm:6}",
                flush=True,
            )
    for name in ("unguided", "guided", "stale"):
        values = [float(getattr(one, name)) for one in samples]
        print(
            f"{name:9} least {min(values):6.2f}, mean {statistics.mean(values):6.2f}, "
            f"below {GOAL:.0f} %: {sum(value < GOAL for value in values)} of {len(values)}"
        )


if __name__ == "__main__":
    main()
