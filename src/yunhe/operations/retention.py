"""Removes what has been kept long enough, in small steps, and says how much that was."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from yunhe.app import Platform
from yunhe.corpus import service as corpus
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import YunheError
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.operations import store
from yunhe.operations.task import sweep_folders
from yunhe.settings import Settings
from yunhe.storage import events, idempotency, operations, quotas
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

BATCH = 500
"""Rows removed by one transaction, so that other writers never wait long."""
SECONDS_MAX = 60
"""One pass ends after so long; the next goes on."""
ENDED_DAYS = 90
"""How long ended sessions and keys, used invitations and days' quotas are kept for those who look
into them."""
LOOKS_MAX = 20
"""Batches of checkpoints looked at in one transaction while none of them may go."""
ANSWERS, CHECKPOINTS = "retention.answers", "retention.checkpoints"
"""Rows that note how far answers (time) and checkpoints (number) were gone through."""
_log = logging.getLogger("yunhe.operations")


def apply(storage: Storage, settings: Settings) -> dict[str, int]:
    """One pass over everything; what was removed, by sort.

    Answers are only erased when ``retention_days_answers`` says after how long. What a pass does
    not manage within `SECONDS_MAX`, the next does.
    """
    until = time.monotonic() + SECONDS_MAX
    now_us = storage.clock.now_us()
    events_us = now_us - settings.retention_days_events * DAY_US
    ended_us, day = now_us - ENDED_DAYS * DAY_US, now_us // DAY_US - ENDED_DAYS
    days = settings.retention_days_notices
    sorts: dict[str, Callable[[Transaction], int]] = {
        "events": lambda tx: events.purge(tx, before_us=events_us, limit=BATCH),
        "idempotency_keys": lambda tx: idempotency.purge(tx, before_us=events_us, limit=BATCH),
        "quotas": lambda tx: quotas.purge(tx, before_day=day),
        "notices": lambda tx: notices.purge(tx, now_us=now_us, days=days),
        "sessions_and_invitations": lambda tx: identity.purge_ended(tx, before_us=ended_us),
        "checkpoints": lambda tx: _prune_checkpoints(tx, now_us=now_us),
    }
    if settings.retention_days_answers:
        before_us = now_us - settings.retention_days_answers * DAY_US
        sorts["answers"] = lambda tx: _erase_answers(tx, before_us=before_us)
    removed = dict.fromkeys(sorts, 0)
    for name, remove in sorts.items():
        while time.monotonic() < until:
            with storage.database.begin() as tx:
                gone = remove(tx)
            removed[name] += gone
            if not gone:
                break
    if removed.get("answers"):
        storage.database.scrub()
    if any(removed.values()):
        _log.info(
            "retention removed %s",
            ", ".join(f"{count} {name}" for name, count in removed.items() if count),
        )
    return removed


def _erase_answers(tx: Transaction, *, before_us: int) -> int:
    """The mark keeps a pass from walking through all that was erased before."""
    from_us = store.mark(tx, ANSWERS)
    if from_us > before_us:  # the clock went back, or answers are kept for longer than before
        return 0
    count, until_us = models.erase_answers(tx, from_us=from_us, before_us=before_us, limit=BATCH)
    store.set_mark(tx, ANSWERS, until_us)
    return count


def _prune_checkpoints(tx: Transaction, *, now_us: int) -> int:
    after, gone = store.mark(tx, CHECKPOINTS), 0
    for _ in range(LOOKS_MAX):
        gone, reached = custody.prune(tx, after=after, now_us=now_us, limit=BATCH)
        moved, after = reached > after, reached
        if gone or not moved:
            break
    store.set_mark(tx, CHECKPOINTS, after)
    return gone


def sweep(platform: Platform) -> int:
    """Remove what killed processes left on disk: half-written blobs, folders, given-up blobs."""
    storage = platform.storage

    def alive(operation: str) -> bool:
        with storage.database.read() as tx:
            try:
                return operations.find(tx, operation).state == "running"
            except YunheError:
                return False

    swept = storage.blobs.sweep(now_us=storage.clock.now_us())
    swept += sweep_folders(platform.settings.home, alive=alive)
    swept += corpus.clear(storage)
    if swept:
        _log.info("%d things left by killed processes were removed", swept)
    return swept
