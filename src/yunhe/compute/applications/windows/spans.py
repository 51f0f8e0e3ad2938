"""How device time is spread over windows and what is carried from one to the next. Pure."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.compute.applications.rules import RuleSet, Terms
from yunhe.kernel.units import split

MONTHS_MAX = 120
"""Longest award."""


@dataclass(frozen=True, slots=True)
class Span:
    """A while and the device time for it."""

    starts_at_us: int
    """From when."""
    ends_at_us: int
    """Until when."""
    device_ms: int
    """How much."""


def months_later(day: datetime.date, months: int) -> datetime.date:
    """The same day of a later month, or that month's last one."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return datetime.date(year, month + 1, min(day.day, last))


def end_us(rules: RuleSet, starts_at_us: int, months: int) -> int:
    """When so many months from the start are over, at the same time of day."""
    day = rules.day(starts_at_us)
    offset_us = starts_at_us - rules.midnight_us(day)
    return rules.midnight_us(months_later(day, months)) + offset_us


def spread(rules: RuleSet, *, starts_at_us: int, months: int, device_ms: int) -> Sequence[Span]:
    """Windows of the programme's length, the last perhaps shorter; their amounts add up exactly.

    Each month counts alike, so a shorter last window gets less.
    """
    each = rules.terms.window_months or months
    firsts = list(range(0, months, each))
    lengths = [min(each, months - first) for first in firsts]
    amounts = split(device_ms, lengths)
    return [
        Span(
            end_us(rules, starts_at_us, first) if first else starts_at_us,
            end_us(rules, starts_at_us, first + length),
            amount,
        )
        for first, length, amount in zip(firsts, lengths, amounts, strict=True)
    ]


def carry(terms: Terms, *, unused_ms: int, carried: int) -> int:
    """How much of what a window left the next one gets; ``carried``: how often it was before."""
    if carried >= terms.carry_windows_max:
        return 0
    percent = terms.carry_over_percent if carried == 0 else 100 - terms.decay_percent
    return unused_ms * percent // 100
