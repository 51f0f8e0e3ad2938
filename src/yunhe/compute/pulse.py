"""Keeps a claim alive while its job runs, and hears when the job should stop."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Literal

from yunhe.kernel.errors import Conflict, YunheError
from yunhe.kernel.progress import Halt, go_on
from yunhe.storage import leases
from yunhe.storage.leases import Claim
from yunhe.storage.service import Storage

LOOK_SECONDS = 1.0
"""How often it looks whether somebody asked for the job to be cancelled."""
LOOKS_PER_BEAT = max(int(leases.LEASE_SECONDS / 3 / LOOK_SECONDS), 1)
"""A lease is renewed three times before it would run out."""


class Pulse:
    """Used as ``with Pulse(...) as pulse`` around the work; `stopped` is what the work asks."""

    def __init__(
        self,
        storage: Storage,
        claim: Claim,
        *,
        cancelled: Callable[[], bool],
        makes_room: Callable[[], bool] = lambda: False,
        halt: Callable[[], Halt] = go_on,
    ) -> None:
        """``halt`` is called when the work asks, the others by another thread each second."""
        self._storage = storage
        self._claim = claim
        self._cancelled = cancelled
        self._makes_room, self._asked_to = makes_room, False
        self._halt = halt
        self._end = Event()
        self._reason: Literal["cancelled", "lost", "handed back"] | None = None
        self._thread = Thread(target=self._run, name="compute-pulse", daemon=True)

    def __enter__(self) -> Pulse:
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop beating; the claim then lasts for the rest of its lease."""
        self._end.set()
        self._thread.join()

    def stopped(self) -> bool:
        """Whether the work should stop."""
        if self._reason is None and (asked := self._halt()):
            self._reason = "cancelled" if asked == "cancel" else "handed back"
        return self._reason is not None

    def makes_room(self) -> bool:
        """Whether the work should save what it has and end."""
        return self._asked_to

    @property
    def lost(self) -> bool:
        """Whether another worker has taken over."""
        return self._reason == "lost"

    @property
    def handed_back(self) -> bool:
        """Whether the work is to be left for another worker."""
        return self._reason == "handed back"

    def _run(self) -> None:
        looks = 0
        while self._reason is None and not self._end.wait(LOOK_SECONDS):
            looks += 1
            try:
                if self._cancelled():
                    self._reason = "cancelled"
                self._asked_to = self._asked_to or self._makes_room()
                if looks % LOOKS_PER_BEAT == 0:
                    leases.heartbeat(self._storage, self._claim)
            except Conflict as error:
                if error.code == "storage.claim_lost":
                    self._reason = "lost"
            except YunheError:
                continue  # a busy or full disk may recover; if not, the claim runs out by itself
