"""Closes pools of sites that nobody names any more: what they got could never run.

Workers may have different sites files, so that one does not name a site says little: another may
look after it. Whoever does claims the site at least once a minute, also while it can't be reached.
So only where nobody has done that for a while are its pools closed; the first driver that names it
again opens them.
"""

from __future__ import annotations

from collections.abc import Collection

from yunhe.compute import store as pools
from yunhe.compute.admission import admit
from yunhe.compute.machine import OWN
from yunhe.compute.remote import following
from yunhe.compute.remote.ending import KIND
from yunhe.kernel.clock import SECOND_US
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

UNNAMED_SECONDS = 150
"""How long nobody looks after a site before its pools are closed: two claims and a half."""
_Sign = tuple[int, int | None] | None


class Lookout:
    """What one worker has seen of the sites that its file does not name."""

    def __init__(self, storage: Storage, named: Collection[str]) -> None:
        """``named``: the sites of this worker's own file."""
        self._storage = storage
        self._named = frozenset({*OWN, *named})
        self._seen: dict[str, tuple[_Sign, int]] = {}

    def look(self) -> None:
        """Close what nobody has looked after for long enough. Cost: two queries; mostly no more."""
        now_us = self._storage.clock.now_us()
        with self._storage.database.read() as tx:
            quiet = [each for each in self._quiet(tx, now_us) if following.strays(tx, each)]
        if not quiet:
            return
        with self._storage.database.begin() as tx:
            again = {*quiet} & {*self._quiet(tx, now_us)}  # nobody has claimed it meanwhile
            closed = [following.unnamed(tx, each, now_us=now_us) for each in sorted(again)]
            if any(closed):
                admit(tx, now_us=now_us)

    def _quiet(self, tx: Transaction, now_us: int) -> list[str]:
        """Sites of pools that nobody has claimed since they were seen first, long ago."""
        strange = {each.pool.adapter for each in pools.pools(tx)} - self._named
        signs = leases.signs(tx, kind=KIND) if strange else {}
        before, self._seen = self._seen, {}
        quiet = []
        for adapter in sorted(strange):
            sign = signs.get(adapter)
            last, since_us = before.get(adapter, (sign, now_us))
            if last != sign or since_us > now_us:  # somebody is there, or the clock was set back
                since_us = now_us
            self._seen[adapter] = sign, since_us
            if now_us - since_us >= UNNAMED_SECONDS * SECOND_US:
                quiet.append(adapter)
        return quiet
