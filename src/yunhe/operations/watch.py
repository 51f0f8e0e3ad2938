"""Stands beside a handler at work: renews its claim, writes its progress, hears when to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType

from yunhe.kernel.errors import Conflict, YunheError
from yunhe.kernel.progress import Halt, Stopped
from yunhe.storage import leases, operations
from yunhe.storage.leases import LEASE_SECONDS, Claim
from yunhe.storage.service import Storage

WRITE_SECONDS = 0.5
"""Progress is written at most this often at first …"""
WRITE_SECONDS_MAX = 5.0
"""… and, as an operation grows long, ever more seldom, down to this."""
_SLOWING = 120  # after an hour at 0.5 s there would be 7,200 events; so there are some 900
LOOK_SECONDS = 1.0
"""How often it looks whether somebody asked for the operation to be cancelled."""
BEAT_SECONDS = LEASE_SECONDS / 3
"""A claim is renewed three times before it would run out."""
_log = logging.getLogger("yunhe.operations")


@dataclass(frozen=True, slots=True)
class _Step:
    what: str
    done: int
    total: int | None


class Watch:
    """Used as ``with Watch(...) as watch`` around the work; it is the `Progress` of that work.

    The work itself never waits for the database: another thread writes what was said last.
    """

    def __init__(self, storage: Storage, claim: Claim, *, stopping: Callable[[], bool]) -> None:
        """``stopping`` says whether the worker itself is to stop."""
        self.lost = False
        """Whether another worker has taken over."""
        self._storage = storage
        self._claim = claim
        self._stopping = stopping
        self._cancelled = False
        self._said: _Step | None = None
        self._written: _Step | None = None
        self._end = Event()
        self._thread = Thread(target=self._run, name="yunhe-watch", daemon=True)

    def __enter__(self) -> Watch:
        """Start watching."""
        self._look()  # one that was to be cancelled before must hear of it at its first step
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching; the claim then lasts for the rest of its lease."""
        self._end.set()
        self._thread.join()

    def halt(self) -> Halt:
        """What the work is asked."""
        if self._cancelled and not self.lost:
            return "cancel"
        return "hand_back" if self.lost or self._stopping() else ""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Note how far it is; `Stopped` when it is to stop."""
        self._said = _Step(what, done, total)
        if self.halt():
            raise Stopped

    def _run(self) -> None:
        began = looked = written = beaten = time.monotonic()
        while not self.lost and not self._end.wait(WRITE_SECONDS / 2):
            now = time.monotonic()
            pause = min(max(WRITE_SECONDS, (now - began) / _SLOWING), WRITE_SECONDS_MAX)
            said = self._said
            try:
                if said is not None and said != self._written and now - written >= pause:
                    self._report(said)
                    written = looked = beaten = now
                elif now - beaten >= BEAT_SECONDS:
                    leases.heartbeat(self._storage, self._claim)
                    beaten = now
                if now - looked >= LOOK_SECONDS:
                    self._look()
                    looked = now
            except Conflict as error:
                self.lost = self.lost or error.code == "storage.claim_lost"
            except YunheError as error:
                # A busy or absent database may recover; if not, the claim runs out by itself.
                _log.warning(
                    "the claim of %s could not be renewed: %s", self._claim.key, error.code
                )

    def _report(self, said: _Step) -> None:
        with self._storage.database.begin_shared() as tx:  # only the holder of the claim reports
            asked = operations.report(
                tx,
                self._claim,
                step=said.what,
                done=said.done,
                total=said.total,
                at_us=self._storage.clock.now_us(),
            )
        self._written = said
        self._cancelled = self._cancelled or asked

    def _look(self) -> None:
        with self._storage.database.read() as tx:
            self._cancelled = operations.find(tx, self._claim.key).cancel_asked
