"""How writers of one SQLite file come in one after the other, those of other processes among them.

SQLite's own way of waiting looks again after longer and longer, up to a tenth of a second. Whoever
waits so beside a process that writes without a break finds the moment between two of its
transactions only by chance: passes of a scheduler waited up to 2.4 s each beside a flooded server.
So those that wait here look often, one of each process at a time, and who writes group after group
leaves a gap for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LOOK_SECONDS = 0.001
"""How often one that waits looks; each look takes some ten microseconds."""
GAP_SECONDS = 0.0015
"""What whoever writes group after group leaves between two: longer than a look is away."""


class Door:
    """Where the writers of one process wait; one of them looks at a time."""

    def __init__(self) -> None:
        self._looking = threading.Lock()

    def enter(self, look: Callable[[], bool], *, patience_seconds: float) -> bool:
        """Look until one is in, ``look`` saying so; False when others took longer than that."""
        until = time.monotonic() + patience_seconds
        if not self._looking.acquire(timeout=patience_seconds):
            return False
        try:
            while not look():
                if time.monotonic() >= until:
                    return False
                time.sleep(LOOK_SECONDS)
        finally:
            self._looking.release()
        return True
