"""Who may be placed at a pool's reserved price: holders of guaranteed windows, up to their size.

Reserved is what a window guarantees: as many devices as it has, in its pools, on its chip, for work
whose time ends before it does. Of what waits, the first submitted has it first; what is beyond the
window pays as everybody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from yunhe.compute.scheduling.state import Request, Term, WindowView
from yunhe.kernel.clock import SECOND_US


@dataclass(frozen=True, slots=True)
class Held:
    """Work that holds devices."""

    organisation: str
    """Whose."""
    project: str
    """Of its projects; empty: its own."""
    pool: str
    """Where."""
    devices: int
    """How many."""
    term: Term
    """Whose price it was placed at."""


class Left:
    """What windows that have begun still have to give; used up by `take`."""

    def __init__(self, windows: Iterable[WindowView], held: Iterable[Held], *, now_us: int) -> None:
        """``held``: everything that runs."""
        self._now_us = now_us
        self._begun = [each for each in windows if each.from_us <= now_us < each.until_us]
        self._left = {each.id: each.devices for each in self._begun}
        for one in held if self._begun else ():
            if one.term == "reserved":
                self._hold(one)

    def __bool__(self) -> bool:
        """Whether any window has begun."""
        return bool(self._begun)

    def of(self, request: Request, *, pool: str = "") -> WindowView | None:
        """The window that a request fits into, in a pool of it if one is named; None: none."""
        ends_us = self._now_us + request.wall_seconds_max * SECOND_US
        for each in self._begun:
            mine = _whose(each, request.organisation, request.project)
            if (
                mine
                and each.chip in request.speeds
                and self._left[each.id] >= request.devices_all
                and ends_us <= each.until_us
                and any(pool in ("", one) for one in pools_of(request, each))
            ):
                return each
        return None

    def take(self, request: Request, window: WindowView) -> None:
        """So many devices of it are somebody's now."""
        self._left[window.id] -= request.devices_all

    def _hold(self, one: Held) -> None:
        devices = one.devices
        for each in self._begun:
            if _whose(each, one.organisation, one.project) and one.pool in each.pools:
                part = min(devices, max(self._left[each.id], 0))
                self._left[each.id] -= part
                devices -= part


def entitled(
    queue: Sequence[Request], left: Left, *, helpless: Collection[str] = ()
) -> tuple[Request, ...]:
    """The requests in their order, those inside a window with the pools of its reserved price.

    Never more devices than windows have, whatever of it the pass then places. Those that no free
    device helped at the last look (``helpless``) come after all others, as they would only keep it
    from them. *Cost*: what waits and runs, times the windows of its organisation.
    """
    if not left:
        return tuple(queue)
    given: dict[str, frozenset[str]] = {}
    for request in sorted(queue, key=lambda each: (each.id in helpless, each.number)):
        if request.blocked is None and request.devices_all:
            found = left.of(request)
            if found is not None:
                left.take(request, found)
                given[request.id] = pools_of(request, found)
    return tuple(
        replace(each, reserved_at=given[each.id]) if each.id in given else each for each in queue
    )


def pools_of(request: Request, window: WindowView) -> frozenset[str]:
    """Pools of a window where a request may run: each is a site of its own."""
    return frozenset(window.pools if request.sites is None else request.sites & {*window.pools})


def _whose(window: WindowView, organisation: str, project: str) -> bool:
    return window.organisation == organisation and window.project in ("", project)
