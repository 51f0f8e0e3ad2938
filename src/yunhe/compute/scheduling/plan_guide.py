"""What the dispatcher takes from a plan: scarcity prices, and where each kind of work belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from yunhe.compute.scheduling.plan import FULL_PERMILLE, Cell, Inputs, Plan

LATE = 100
"""From this level on a place is taken only when everybody had a turn at it."""
_TIES_PPM = 2_000
"""Places whose values differ by less are equally good: prices are rounded, and ties are usual."""
_STEP_PPM = 50_000
"""Beyond that, places within so much of each other are on one level: keeps the levels few."""
_EXCLUSIVE_PERMILLE = 950
Kin = tuple[str, tuple[tuple[str, int], ...]]
"""Work that may run on the same chips at the same speeds."""


def kin_of(chip: str, speeds: Mapping[str, int]) -> Kin:
    """Which kin a request belongs to; `speeds` with or without the chip it asks for."""
    whole = {chip: FULL_PERMILLE} | {name: speed for name, speed in speeds.items() if speed > 0}
    return chip, tuple(sorted(whole.items()))


@dataclass(frozen=True, slots=True)
class Guide:
    """Prices for what others need more, kept until the next plan."""

    prices_ppm: Mapping[Cell, int]
    """What one more device of a chip at a site would be worth."""
    planned: Mapping[Kin, Mapping[Cell, int]] = field(default_factory=dict)
    """Part of a cell that the plan gives to a kin, per thousand of what it gives away there."""
    price_ppm_per_minor: int = 0
    """What money is worth, as in the plan."""

    def value(self, cell: Cell, *, speed: int, price_minor: int) -> int:
        """What work of that speed gains there over what others would."""
        gain = min(speed, FULL_PERMILLE) * 1_000
        return gain - price_minor * self.price_ppm_per_minor - self.prices_ppm.get(cell, 0)

    def level(self, kin: Kin, cell: Cell, *, value: int, best: int) -> int:
        """How soon such work goes there, 0 the first; `best` is its best value anywhere."""
        if value < -_TIES_PPM:
            return LATE
        behind = best - value
        steps = 0 if behind <= _TIES_PPM else min(1 + behind // _STEP_PPM, LATE // 4 - 1)
        part = self.planned.get(kin, {}).get(cell, 0)
        rung = 0 if part >= _EXCLUSIVE_PERMILLE else 1 if part >= 500 else 2 if part else 3
        return steps * 4 + rung


def guide_of(plan: Plan, inputs: Inputs) -> Guide:
    """The guide that a plan gives."""
    kin = {each.id: kin_of(each.chip, each.speeds) for each in inputs.demands}
    whole: dict[Cell, int] = {}
    planned: dict[Kin, dict[Cell, int]] = {}
    for amount in plan.amounts:
        cell = amount.chip, amount.site
        whole[cell] = whole.get(cell, 0) + amount.devices_micro
        own = planned.setdefault(kin[amount.demand], {})
        own[cell] = own.get(cell, 0) + amount.devices_micro
    shares = {
        name: {cell: micro * 1_000 // whole[cell] for cell, micro in own.items()}
        for name, own in planned.items()
    }
    return Guide(plan.prices_ppm, shares, inputs.price_ppm_per_minor)
