"""When a delivery is tried again. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC
from email.utils import parsedate_to_datetime

from yunhe.kernel.clock import DAY_US, SECOND_US

DELAYS_SECONDS = (5, 60, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 8 * 3_600, 10 * 3_600)
"""Waits before the second attempt, the third …: nine attempts over some 26 hours."""
JITTER_PERCENT = 20
"""How far a wait may be lengthened, so that what failed together does not return together."""


def wait_us(delivery: str, attempts: int) -> int | None:
    """How long to wait after ``attempts`` failed ones; None when it is given up.

    The jitter comes from the delivery's id, so the same delivery always has the same times.
    """
    if attempts > len(DELAYS_SECONDS):
        return None
    base = DELAYS_SECONDS[attempts - 1] * SECOND_US
    drawn = hashlib.sha256(f"{delivery}:{attempts}".encode()).digest()
    return base + base * JITTER_PERCENT * int.from_bytes(drawn[:4], "big") // (100 << 32)


def asked_wait_us(retry_after: str, *, now_us: int) -> int:
    """What a receiver asked for in ``Retry-After`` (RFC 9110 §10.2.3): a day at most, or 0."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * SECOND_US, DAY_US)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0, min(round(moment.timestamp()) * SECOND_US - now_us, DAY_US))
    except (ValueError, OverflowError):
        return 0
