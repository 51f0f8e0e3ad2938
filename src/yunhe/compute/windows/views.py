"""Windows as the scheduler sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from yunhe.compute.domain import Pool
from yunhe.compute.scheduling.state import WindowView
from yunhe.compute.windows import store
from yunhe.compute.windows.domain import Guarantee
from yunhe.storage.database import Transaction


def window_views(
    tx: Transaction, pools: Sequence[Pool], *, pushable: Collection[str], now_us: int
) -> tuple[WindowView, ...]:
    """Those that are not over. Cost: one query, and their rows."""
    return views(store.standing(tx, now_us=now_us), pools, pushable=pushable)


def views(
    found: Iterable[tuple[Guarantee, int]], pools: Sequence[Pool], *, pushable: Collection[str]
) -> tuple[WindowView, ...]:
    """Windows with when they end; those for which there is no pool at all are left out.

    ``pushable``: adapters whose running work can be asked to make room.
    """
    shown = []
    yielding = {pool.id for pool in pools if pool.adapter in pushable}
    for one, ends_us in found:
        own = pools_of(one, pools)
        if own and one.from_us < ends_us:
            shown.append(
                WindowView(
                    one.id,
                    one.organisation,
                    one.project,
                    one.chip,
                    one.devices,
                    one.from_us,
                    ends_us,
                    tuple(own),
                    tuple(name for name in own if name in yielding),
                )
            )
    return tuple(shown)


def pools_of(one: Guarantee, pools: Sequence[Pool]) -> list[str]:
    """Pools that its devices may be of."""
    return sorted(
        pool.id
        for pool in pools
        if pool.chip == one.chip and one.pool in ("", pool.id) and one.site in ("", pool.site)
    )


def holds_of(one: Guarantee) -> tuple[str, str]:
    """Who holds it: organisation and project."""
    return one.organisation, one.project
