"""Which usage events of a provider count. Pure: a provider that errs or lies is found here.

A duration is taken by one clock, the provider's, so that it needs no correction; whether it can be
true at all is held against ours, with the difference of the clocks as far as it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from yunhe.compute.providers.remote import UsageEvent
from yunhe.compute.scheduling.cost import cost
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.clock import SECOND_US

CLOCK_UNKNOWN_US = 300 * SECOND_US
"""How far a clock may be off that nobody could look at."""
TOLERANCE_US = 5 * SECOND_US
"""What is forgiven beyond the uncertainty of the estimate: whole seconds, a slow answer."""


@dataclass(frozen=True, slots=True)
class Skew:
    """How far the provider's clock is ahead of ours."""

    ahead_us: int = 0
    """Negative where it is behind."""
    error_us: int = CLOCK_UNKNOWN_US
    """At most so wrong is the estimate."""


@dataclass(frozen=True, slots=True)
class Window:
    """What can be true of one job's usage."""

    since_us: int
    """When it was handed over, by our clock."""
    now_us: int
    """Now, by our clock."""
    skew: Skew
    """Of the provider's clock."""
    devices: int
    """How many it asked for."""
    device_ms_max: int
    """What was held for it."""
    price_minor_per_device_hour: int | None = None
    """What is paid for it here; None: charges of the provider are not looked at."""
    currency: str = ""
    """Of that price."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One event and what was made of it."""

    event: UsageEvent
    """As reported."""
    counts: bool
    """Whether it is part of what is charged."""
    finding: str = ""
    """Key of the sentence that says what is wrong with it; empty when nothing is."""


def skew(*, clock_us: int | None, asked_us: int, answered_us: int) -> Skew:
    """What one answer tells of the other clock: it was read some time between the two moments."""
    if clock_us is None:
        return Skew()
    # Half a second more on either side: most providers tell whole seconds, rounded down.
    middle, half = (asked_us + answered_us) // 2, abs(answered_us - asked_us) // 2
    return Skew(clock_us + SECOND_US // 2 - middle, half + SECOND_US // 2)


def judge(
    events: Iterable[UsageEvent], known: Sequence[Judged], window: Window
) -> tuple[Judged, ...]:
    """What is new among the events of one job, each with whether it counts.

    The very same event again is nothing new, in whatever order. Of two that contradict each other
    the one that came first counts; in one answer that is the one which begins first.
    """
    have = list(known)
    new: list[Judged] = []
    for event in sorted(events, key=lambda e: (e.start_us, e.end_us, e.id)):
        if any(event == one.event for one in have):
            continue
        code = _fault(event, have, window)
        charged = charged_ms(have, run=event.run)
        if not code and charged + event.device_ms > window.device_ms_max:
            judged = Judged(event, counts=True, finding="compute.usage_capped")
        elif not code and event.device_ms > passed_ms(
            event.devices, since_us=window.since_us, until_us=window.now_us
        ):
            judged = Judged(event, counts=True, finding="compute.usage_clock")
        elif not code and _dearer(event, window):
            judged = Judged(event, counts=True, finding="compute.usage_price")
        else:
            judged = Judged(event, counts=not code, finding=code)
        have.append(judged)
        new.append(judged)
    return tuple(new)


def charged_ms(judged: Iterable[Judged], *, run: int) -> int:
    """Device time of the last run: what the provider started over is its own loss."""
    return sum(one.event.device_ms for one in judged if one.counts and one.event.run == run)


def passed_ms(devices: int, *, since_us: int, until_us: int) -> int:
    """Most device time between two moments of our own clock, whatever another one says.

    Nothing is known where that ran backwards in between: then as much as there are numbers.
    """
    if until_us < since_us:
        return INTEGER_MAX
    return -(-(until_us - since_us + TOLERANCE_US) * devices // 1_000)


def _dearer(event: UsageEvent, window: Window) -> bool:
    """Whether the provider charges more for it than is paid here, or in other money."""
    price = window.price_minor_per_device_hour
    if price is None or not event.cost_minor:
        return False
    due = cost(event.device_ms, price_minor_per_device_hour=price)
    return event.currency != window.currency or event.cost_minor > due


def _fault(event: UsageEvent, have: Sequence[Judged], window: Window) -> str:
    """What is wrong with it, or nothing."""
    slack = window.skew.error_us + TOLERANCE_US
    counted = [one.event for one in have if one.counts]
    wrong = (
        (any(event.id == one.event.id for one in have), "compute.usage_changed"),
        (event.end_us < event.start_us or event.devices < 1, "compute.usage_negative"),
        (event.devices > window.devices, "compute.usage_devices"),
        (event.end_us - window.skew.ahead_us > window.now_us + slack, "compute.usage_future"),
        (event.start_us - window.skew.ahead_us < window.since_us - slack, "compute.usage_early"),
        (
            any(e.start_us < event.end_us and event.start_us < e.end_us for e in counted),
            "compute.usage_overlapping",
        ),
    )
    return next((code for holds, code in wrong if holds), "")
