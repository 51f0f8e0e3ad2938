"""Time as a seam: integer microseconds since 1970 in UTC, so records compare and sort exactly."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND_US = 1_000_000
"""Microseconds in a second."""
DAY_US = 86_400 * SECOND_US
"""Microseconds in a day without leap seconds."""


class Clock(Protocol):
    """Where a floor asks what time it is; tests hand in one they can move."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01T00:00:00Z; may go back when the machine's clock is set."""
        ...


class SystemClock:
    """This machine's clock."""

    def now_us(self) -> int:
        """The time of day; not monotonic, so durations are never taken from it."""
        return time.time_ns() // 1_000


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, start_us: int = 1_767_225_600 * SECOND_US) -> None:
        """Starts at 2026-01-01T00:00:00Z unless told otherwise."""
        self._now_us = start_us

    def now_us(self) -> int:
        """The time it was last set to."""
        return self._now_us

    def advance(self, *, seconds: float) -> None:
        """Move forward, or back when negative."""
        self._now_us += round(seconds * SECOND_US)


def iso(at_us: int) -> str:
    """RFC 3339 in UTC with microseconds, e.g. ``2026-01-01T00:00:00.000000Z``."""
    moment = datetime.fromtimestamp(at_us // SECOND_US, UTC).replace(microsecond=at_us % SECOND_US)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
