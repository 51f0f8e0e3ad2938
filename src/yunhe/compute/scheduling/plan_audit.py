"""Whether a plan holds and how far it can be from the best, worked out without the solver.

Feasibility is checked amount by amount. The bound is weak duality: whatever prices somebody names,
what cells, classes and budgets are worth at them is at least what any allocation can serve; so the
plan's own prices prove how good it is. Whole numbers throughout.

*Source*: D. Gale, H. W. Kuhn, A. W. Tucker, "Linear programming and the theory of games", in
Activity Analysis of Production and Allocation (1951): the duality theorem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from yunhe.compute.scheduling.plan import (
    BUDGET_SCALE,
    SHORT_PPM,
    Inputs,
    Plan,
    entitled,
    pairs,
)

GAP_PPM_MAX = 1_000
"""Gap between plan and bound up to which a plan counts as the best."""
_MICRO = 1_000_000
Fault = Literal["impossible", "cell", "class", "budget", "entitlement", "price", "gap"]
"""What is wrong: an amount where the class may not run; more than a cell has, a class asks for, a
budget has left; a shortfall told wrongly; a price below zero or above its bound; a gap too wide.
"""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a plan."""

    fault: Fault
    """What."""
    where: str
    """Class, cell, tenant or budget."""
    found: int
    """What the plan says."""
    bound: int
    """What it may say at most."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found."""

    flaws: tuple[Flaw, ...]
    """Everything that is wrong; empty: the plan holds and is the best within the gap."""
    served_ppm: int
    """What the plan serves, shortfalls not counted against it."""
    objective_ppm: int
    """What it reaches: served, less the shortfalls of entitlements."""
    bound_ppm: int
    """No allocation reaches more."""

    @property
    def gap_ppm(self) -> int:
        """How far below the bound the plan may be, per million of the bound, or of one device."""
        apart = max(self.bound_ppm - self.objective_ppm, 0)
        return -(-apart * 1_000_000 // max(abs(self.bound_ppm), 1_000_000))

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


def audit(plan: Plan, inputs: Inputs) -> Audit:
    """Feasibility, value and gap of a plan, recomputed. *Cost*: O(pairs)."""
    flaws = [*_overdrawn(plan, inputs), *_mispriced(plan, inputs)]
    worth = {
        (inputs.demands[pair.demand].id, *inputs.supplies[pair.supply].cell): pair.worth_ppm
        for pair in pairs(inputs)
    }
    served_micro = 0
    for amount in plan.amounts:
        value = worth.get((amount.demand, amount.chip, amount.site))
        if value is None or amount.devices_micro <= 0:
            flaws.append(Flaw("impossible", amount.demand, amount.devices_micro, 0))
        else:
            served_micro += value * amount.devices_micro
    had: Counter[str] = Counter()
    tenants = {demand.id: demand.tenant for demand in inputs.demands}
    for amount in plan.amounts:
        had[tenants.get(amount.demand, "")] += amount.devices_micro
    short_micro = 0
    for tenant, least in entitled(inputs).items():
        short = max(least * _MICRO - had[tenant], 0)
        short_micro += short
        said = plan.short_micro.get(tenant, 0)
        if said != short:
            flaws.append(Flaw("entitlement", tenant, said, short))
    found = Audit(
        tuple(flaws),
        served_micro // _MICRO,
        (served_micro - short_micro * SHORT_PPM) // _MICRO,
        bound(plan, inputs),
    )
    if found.gap_ppm > GAP_PPM_MAX:
        wide = Flaw("gap", "", found.gap_ppm, GAP_PPM_MAX)
        found = Audit((*flaws, wide), found.served_ppm, found.objective_ppm, found.bound_ppm)
    return found


def _overdrawn(plan: Plan, inputs: Inputs) -> Iterator[Flaw]:
    cells: Counter[tuple[str, str]] = Counter()
    classes: Counter[str] = Counter()
    budgets: Counter[tuple[str, str]] = Counter()
    known = {demand.id: demand for demand in inputs.demands}
    for amount in plan.amounts:
        cells[amount.chip, amount.site] += amount.devices_micro
        classes[amount.demand] += amount.devices_micro
        if amount.demand in known:
            demand = known[amount.demand]
            drawn = amount.devices_micro * demand.wall_seconds
            budgets[demand.tenant, amount.chip] += drawn
    for supply in inputs.supplies:
        if cells[supply.cell] > supply.devices * _MICRO:
            where = f"{supply.chip}@{supply.site}"
            yield Flaw("cell", where, cells[supply.cell], supply.devices * _MICRO)
    for demand in inputs.demands:
        if classes[demand.id] > demand.devices * _MICRO:
            yield Flaw("class", demand.id, classes[demand.id], demand.devices * _MICRO)
    for name, left in inputs.budgets.items():
        if budgets[name] > max(left, 0) * _MICRO:
            yield Flaw("budget", "/".join(name), budgets[name], max(left, 0) * _MICRO)


def _mispriced(plan: Plan, inputs: Inputs) -> Iterator[Flaw]:
    """Prices that prove nothing: the bound holds for any that are within these limits."""
    for (chip, site), price in plan.prices_ppm.items():
        if price < 0:
            yield Flaw("price", f"{chip}@{site}", price, 0)
    for tenant, price in plan.floors_ppm.items():
        if not 0 <= price <= SHORT_PPM or tenant not in inputs.entitled:
            yield Flaw("price", tenant, price, SHORT_PPM)
    for name, price in plan.budget_prices.items():
        if price < 0 or name not in inputs.budgets:
            yield Flaw("price", "/".join(name), price, 0)


def bound(plan: Plan, inputs: Inputs) -> int:
    """What no allocation can exceed, in ppm of a device, by the prices of the plan."""
    owed = entitled(inputs)
    best = [0] * len(inputs.demands)
    floors = {t: min(max(p, 0), SHORT_PPM) for t, p in plan.floors_ppm.items() if t in owed}
    prices = [max(plan.prices_ppm.get(each.cell, 0), 0) for each in inputs.supplies]
    for pair in pairs(inputs):
        demand, supply = inputs.demands[pair.demand], inputs.supplies[pair.supply]
        name = demand.tenant, supply.chip
        drawn = 0
        if name in inputs.budgets:
            price = max(plan.budget_prices.get(name, 0), 0)
            drawn = price * demand.wall_seconds // BUDGET_SCALE
        left = pair.worth_ppm + floors.get(demand.tenant, 0) - prices[pair.supply] - drawn
        best[pair.demand] = max(best[pair.demand], left)
    total = sum(p * each.devices for p, each in zip(prices, inputs.supplies, strict=True))
    total += sum(p * each.devices for p, each in zip(best, inputs.demands, strict=True))
    total -= sum(price * owed[tenant] for tenant, price in floors.items())
    for name, price in plan.budget_prices.items():
        if name in inputs.budgets:
            total += -(-max(price, 0) * max(inputs.budgets[name], 0) // BUDGET_SCALE)
    return total
