"""Finds numbers in a profile that cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from yunhe.corpus.domain import StepPlan, Threshold
from yunhe.kernel.errors import Finding

_PARTS = {"percent": 100, "per_thousand": 1000, "per_million": 1_000_000}
"""Units of a part of a whole, as they stand in a threshold's name, and the whole in them."""

_MOST = (1 << 31) - 1
"""Largest number of any other unit: what is measured is kept in 32 bits."""


def impossible(where: str, plan: StepPlan) -> Iterator[Finding]:
    """A finding for every number below zero, above its whole, and every minimum over its maximum.

    ``where``: the step's place, put before the name of the threshold.
    """
    for name, threshold in plan.thresholds.items():
        most = next((whole for unit, whole in _PARTS.items() if unit in name), _MOST)
        place = f"{where}.thresholds.{name}"
        if threshold.value < 0:
            yield Finding(place, "corpus.threshold_negative", (("value", threshold.value),))
        elif threshold.value > most:
            params = (("value", threshold.value), ("most", most))
            yield Finding(place, "corpus.threshold_over", params)
    yield from _crossed(where, plan.thresholds)


def _crossed(where: str, thresholds: Mapping[str, Threshold]) -> Iterator[Finding]:
    for name, least in thresholds.items():
        other = "_max".join(name.rsplit("_min", 1))
        if other == name or other not in thresholds:
            continue
        most = thresholds[other]
        if least.value > most.value:
            params = (("least", least.value), ("other", other), ("most", most.value))
            yield Finding(f"{where}.thresholds.{name}", "corpus.threshold_crossed", params)
