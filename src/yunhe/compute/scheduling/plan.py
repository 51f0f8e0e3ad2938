"""The slow plan: which work would go to which chip and site if work could be cut in pieces.

A linear programme over classes of demand, chips and sites. It guides the dispatcher
(`plan_guide`) and bounds what any dispatcher could serve; `plan_audit` checks both without the
solver. All that goes in and comes out is whole numbers.

*Units*: what a device is worth for a class is in millionths of one device of full speed and usual
weight (ppm); device amounts of a plan are in millionths.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Cell = tuple[str, str]
"""A chip at a site."""
FULL_PERMILLE = 1_000
"""Speed of the chip asked for; a faster one counts as much, for nobody asked for more."""
SHORT_PPM = 10_000_000
"""What each device below a tenant's entitlement costs a plan: more than any device is worth at a
weight of up to ten, so entitlements come before everything else."""
BUDGET_SCALE = 1_000_000
"""Prices of budgets are in millionths of a ppm for each device-second."""
PAIRS_MAX = 200_000
"""Pairs of a class and a cell up to which a plan is made: bounds memory and time of the solver."""
SOLVER_SECONDS_MAX = 120
"""After so long without an answer there is no plan, and the last one holds while it is young."""
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Supply:
    """Equal devices at one site; each cell once."""

    chip: str
    """What they are."""
    site: str
    """Where they stand."""
    devices: int
    """How many the plan may give away."""
    price_minor_per_device_hour: int = 0
    """What one costs."""

    @property
    def cell(self) -> Cell:
        """Its chip and site."""
        return self.chip, self.site


@dataclass(frozen=True, slots=True)
class Demand:
    """Requests of one tenant that differ in nothing the plan looks at."""

    id: str
    """Its name, once in the inputs."""
    tenant: str
    """Whose entitlement and budgets count; empty: nobody's."""
    chip: str
    """On what it asks to run."""
    devices: int
    """Of all its requests together."""
    speeds: Mapping[str, int]
    """Per thousand, by chip that will do."""
    sites: frozenset[str] | None = None
    """Where it may run; None: anywhere."""
    devices_least: int = 1
    """Of its smallest request: a cell with fewer devices takes none of them."""
    weight_permille: int = 1_000
    """What one of its devices is worth."""
    wall_seconds: int = 0
    """What one of its devices draws of a budget; 0: nothing."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a plan depends on."""

    supplies: tuple[Supply, ...]
    """Capacity."""
    demands: tuple[Demand, ...]
    """What waits."""
    entitled: Mapping[str, int] = field(default_factory=dict)
    """Devices that a tenant should have at least, if it asks for as many."""
    budgets: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Device-seconds left by tenant and chip; no bound where not said."""
    price_ppm_per_minor: int = 0
    """What a minor unit an hour is worth: 1 means that a device for 10,000.00 an hour is worth
    nothing more. 0: prices do not count."""


class Pair(NamedTuple):
    """A class and a cell where it may run."""

    demand: int
    """Position of the class in the inputs."""
    supply: int
    """Position of the cell in the inputs."""
    worth_ppm: int
    """Of one device."""


class Amount(NamedTuple):
    """What a plan gives a class."""

    demand: str
    """The class."""
    chip: str
    """Of which chip."""
    site: str
    """Where."""
    devices_micro: int
    """How many devices, more than zero."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the programme found; says nothing about whether it is right."""

    amounts: tuple[Amount, ...]
    """Allocation, in the order of the inputs."""
    short_micro: Mapping[str, int]
    """By tenant, what it has below its entitlement."""
    prices_ppm: Mapping[Cell, int]
    """Scarcity of a cell: what one more device there would be worth."""
    floors_ppm: Mapping[str, int]
    """By tenant, what its entitlement costs the others for each device."""
    budget_prices: Mapping[tuple[str, str], int]
    """What a budget keeps from being served, in 1 / `BUDGET_SCALE` ppm for each device-second."""
    cpu_us: int
    """Processor time of the solver."""


class Unsolved(Exception):
    """The programme has no answer; says why in a word for logs."""


def pairs(inputs: Inputs) -> Iterator[Pair]:
    """Every class with every cell where it may run, class by class."""
    by_chip: dict[str, list[tuple[int, Supply]]] = {}
    for number, supply in enumerate(inputs.supplies):
        by_chip.setdefault(supply.chip, []).append((number, supply))
    for number, demand in enumerate(inputs.demands):
        for chip, speed in demand.speeds.items():
            gain = demand.weight_permille * min(speed, FULL_PERMILLE)
            for at, supply in by_chip.get(chip, ()):
                if demand.sites is not None and supply.site not in demand.sites:
                    continue
                if speed <= 0 or supply.devices < max(demand.devices_least, 1):
                    continue
                money = supply.price_minor_per_device_hour * inputs.price_ppm_per_minor
                if gain > money:
                    yield Pair(number, at, gain - money)


def entitled(inputs: Inputs) -> dict[str, int]:
    """What the plan owes each tenant: its entitlement, and no more than it asks for."""
    asked: dict[str, int] = {}
    for demand in inputs.demands:
        if demand.tenant in inputs.entitled:
            asked[demand.tenant] = asked.get(demand.tenant, 0) + demand.devices
    return {
        tenant: least
        for tenant, most in sorted(asked.items())
        if (least := min(inputs.entitled[tenant], most)) > 0
    }


def budgeted(inputs: Inputs, found: list[Pair]) -> dict[tuple[str, str], list[int]]:
    """By budget that bounds something, the positions of the pairs that draw on it."""
    drawn: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(found):
        demand = inputs.demands[pair.demand]
        name = demand.tenant, inputs.supplies[pair.supply].chip
        if demand.wall_seconds and name in inputs.budgets:
            drawn.setdefault(name, []).append(number)
    return drawn


def solve(inputs: Inputs) -> Plan:
    """The best allocation, with the prices that prove it.

    Always feasible: entitlements that cannot be met are missed by as little as possible. *Errors*:
    `Unsolved`. *Cost*: HiGHS over one variable a pair; 0.5 s of processor time for 50,000.
    """
    found = list(pairs(inputs))
    if not found:
        owed = {tenant: least * _MICRO for tenant, least in entitled(inputs).items()}
        prices = {each.cell: 0 for each in inputs.supplies}
        return Plan((), owed, prices, dict.fromkeys(owed, SHORT_PPM), {}, 0)
    if len(found) > PAIRS_MAX:
        raise Unsolved("too_large")
    try:
        from scipy.optimize import linprog  # noqa: PLC0415 - half a second to import
    except ImportError as error:
        raise Unsolved("solver_missing") from error
    began = time.process_time()
    owed, drawn = entitled(inputs), budgeted(inputs, found)
    matrix, limits, costs = _programme(inputs, found, owed, drawn)
    bounded = {"time_limit": float(SOLVER_SECONDS_MAX)}
    answer = linprog(costs, A_ub=matrix, b_ub=limits, method="highs", options=bounded)
    if answer.status != 0:
        raise Unsolved(f"solver_{int(answer.status)}")
    cpu_us = round((time.process_time() - began) * 1_000_000)
    duals = [-float(value) for value in answer.ineqlin.marginals]
    return _plan(inputs, found, answer.x.tolist(), duals, (owed, drawn), cpu_us)


def _programme(
    inputs: Inputs,
    found: list[Pair],
    owed: Mapping[str, int],
    drawn: Mapping[tuple[str, str], list[int]],
) -> tuple[object, list[float], list[float]]:
    """Rows: cells, classes, entitlements, budgets; columns: pairs, then shortfalls."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    cells, classes = len(inputs.supplies), len(inputs.demands)
    floor_of = {tenant: number for number, tenant in enumerate(owed)}
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []

    def put(row: int, column: int, value: float) -> None:
        rows.append(row)
        columns.append(column)
        values.append(value)

    for column, pair in enumerate(found):
        put(pair.supply, column, 1)
        put(cells + pair.demand, column, 1)
        floor = floor_of.get(inputs.demands[pair.demand].tenant)
        if floor is not None:
            put(cells + classes + floor, column, -1)
    for number in range(len(owed)):
        put(cells + classes + number, len(found) + number, -1)
    limits: list[float] = [each.devices for each in inputs.supplies]
    limits += [each.devices for each in inputs.demands]
    limits += [-least for least in owed.values()]
    for name, members in drawn.items():
        left = max(inputs.budgets[name], 0)
        scale = max(inputs.demands[found[m].demand].wall_seconds for m in members)
        for member in members:
            put(len(limits), member, inputs.demands[found[member].demand].wall_seconds / scale)
        limits.append(left / scale)
    costs = [-pair.worth_ppm / 1_000_000 for pair in found]
    costs += [SHORT_PPM / 1_000_000] * len(owed)
    return csr_matrix((values, (rows, columns)), (len(limits), len(costs))), limits, costs


def _plan(
    inputs: Inputs,
    found: list[Pair],
    given: list[float],
    duals: list[float],
    rows: tuple[Mapping[str, int], Mapping[tuple[str, str], list[int]]],
    cpu_us: int,
) -> Plan:
    """The answer in whole numbers: amounts rounded down, prices to the nearest."""
    owed, drawn = rows
    cells, classes = len(inputs.supplies), len(inputs.demands)
    amounts = []
    had = dict.fromkeys(owed, 0)
    for pair, devices in zip(found, given, strict=False):
        # The solver is right to a tenth of a millionth, so rounding down hides what is too much.
        micro = int(devices * _MICRO + 1e-4)
        if micro <= 0:
            continue
        demand, supply = inputs.demands[pair.demand], inputs.supplies[pair.supply]
        amounts.append(Amount(demand.id, supply.chip, supply.site, micro))
        if demand.tenant in had:
            had[demand.tenant] += micro
    ppm = [max(round(value * 1_000_000), 0) for value in duals]
    budget_prices = {}
    for number, (name, members) in enumerate(drawn.items(), cells + classes + len(owed)):
        scale = max(inputs.demands[found[member].demand].wall_seconds for member in members)
        budget_prices[name] = max(round(duals[number] * 1_000_000 * BUDGET_SCALE / scale), 0)
    floors = zip(owed, ppm[cells + classes : cells + classes + len(owed)], strict=True)
    return Plan(
        amounts=tuple(amounts),
        short_micro={
            tenant: short
            for tenant, least in owed.items()
            if (short := least * _MICRO - had[tenant]) > 0
        },
        prices_ppm={each.cell: ppm[number] for number, each in enumerate(inputs.supplies)},
        floors_ppm={tenant: min(price, SHORT_PPM) for tenant, price in floors},
        budget_prices=budget_prices,
        cpu_us=cpu_us,
    )
