"""Intervals for proportions, so that a share is never printed without saying how sure it is."""

from __future__ import annotations

from math import sqrt

from yunhe.kernel.canonical import JsonObject, decimal_text

Z_95 = 1.959963984540054
"""Quantile of the normal distribution for 95 % confidence, two-sided."""


def wilson(found: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share from ``found`` of ``of`` trials; (0, 1) from no trial at all.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22
    (1927).
    """
    if of == 0:
        return 0.0, 1.0
    share, square = found / of, Z_95**2
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = Z_95 / (1 + square / of) * sqrt(share * (1 - share) / of + square / (4 * of**2))
    low = 0.0 if found == 0 else max(0.0, centre - half)
    high = 1.0 if found == of else min(1.0, centre + half)
    return low, high


def share(found: int, of: int) -> JsonObject:
    """``{"found", "of", "share", "low", "high"}``; the last three are null from no trial at all."""
    if of == 0:
        return {"found": found, "of": of, "share": None, "low": None, "high": None}
    low, high = wilson(found, of)
    return {
        "found": found,
        "of": of,
        "share": decimal_text(found / of),
        "low": decimal_text(low),
        "high": decimal_text(high),
    }
