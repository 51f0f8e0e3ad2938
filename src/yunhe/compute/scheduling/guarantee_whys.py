"""Why somebody waits where devices are guaranteed: to their holder, and to everybody else."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.estate import Estate, bits
from yunhe.compute.scheduling.fitting import WHOLE
from yunhe.compute.scheduling.guarantees import Guarantees
from yunhe.compute.scheduling.state import Request
from yunhe.kernel.clock import SECOND_US, iso


def told(kept: Guarantees, request: Request, *, now_us: int) -> Why | None:
    """Why the holder of a window that has begun waits, as far as the window says."""
    larger: Why | None = None
    for at, one in enumerate(kept.windows):
        if kept.active(at, now_us) and kept.holds(at, request):
            params = (
                ("devices", one.devices),
                ("used", -(-kept.used_milli[at] // WHOLE)),
                ("needed", request.devices_all),
                ("ends", iso(one.until_us)),
            )
            if request.load_milli > one.devices * WHOLE:
                larger = Why("compute.waiting_window_larger", params)
                continue
            beyond = request.load_milli > kept.left_milli(at)
            if beyond:
                return Why("compute.waiting_window_used", params)
            short = kept.missing[at]
            return Why(
                "compute.waiting_window_short" if short else "compute.waiting_window_soon", params
            )
    return larger


def behind(
    kept: Guarantees, request: Request, groups: int, *, now_us: int
) -> Iterator[tuple[int, int]]:
    """Windows that a request has to keep clear of, with the groups where that is so."""
    for at, _ in kept.clear_of(request, now_us=now_us):
        there = kept.kept_in(at) & groups
        if there:
            yield at, there


def kept_for(kept: Guarantees, estate: Estate, at: int, groups: int, *, now_us: int) -> Why:
    """That devices are kept for a guarantee, until when; never for whom."""
    one = kept.windows[at]
    pool = min(estate.groups[number].pool.id for number in bits(groups))
    params = (("pool", pool), ("begins", iso(one.from_us)), ("ends", iso(one.until_us)))
    shorter = max(one.from_us - now_us, 0) // SECOND_US
    return Why("compute.waiting_guarantee", params, (), shorter)
