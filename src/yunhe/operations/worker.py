"""Does the work that waits: long operations, workloads, and what is due from time to time.

Any number of workers may run, in this process, in others, on other machines: what one has claimed
no other does, and what a killed one had, another goes on with.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.compute.service import Provider
from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.kernel.errors import Conflict, Unavailable, YunheError
from yunhe.kernel.progress import Stopped
from yunhe.notices import service as notices
from yunhe.operations import logs, traces
from yunhe.operations.duties import Duties, Duty, standing
from yunhe.operations.registry import HANDLERS
from yunhe.operations.sites import SiteLoop, idle_of
from yunhe.operations.task import Handler, Task, sweep_folders
from yunhe.operations.watch import Watch
from yunhe.storage import leases, operations
from yunhe.storage.database import Transaction
from yunhe.storage.kept_errors import stored
from yunhe.storage.leases import Claim
from yunhe.storage.operations import Operation, State

POLL_SECONDS = 0.2
"""How often a worker looks whether there is something to do."""
IDLE_SECONDS = 1.0
"""How long a slot sleeps at most when nobody wakes it."""
WORKERS_LOST_MAX = 4
"""An operation with which one worker more has vanished is given up."""
RETRY_SECONDS = (1, 2, 4, 8, 16, 30, 30, 30)
"""Waiting times between tries of an operation that met something passing: two minutes in all."""
REST_SECONDS_MAX = 30
"""How long no workload is taken after a provider failed; doubled from a second at each failure."""
_AGAIN = frozenset({"plans.running", "storage.disk_failed", "storage.cannot_open"})
_log = logging.getLogger("yunhe.operations")


@dataclass(frozen=True, slots=True)
class _Ended:
    """How an operation ended."""

    state: State
    result: JsonObject | None = None
    error: JsonObject | None = None


class Worker:
    """Threads that work until told to stop."""

    def __init__(
        self,
        platform: Platform,
        *,
        slots: int | None = None,
        handlers: Mapping[str, Handler] = HANDLERS,
        duties: tuple[Duty, ...] | None = None,
        provider: Provider | None = None,
    ) -> None:
        """``slots``: how many things it does at once; the setting's number when None.

        ``provider`` runs workloads; this machine when None. Nothing runs before `start`, or without
        `run_once`.
        """
        self._platform = platform
        self._storage = platform.storage
        self._handlers = dict(handlers)
        self._kinds = [operations.work_kind(kind) for kind in self._handlers]
        self._provider = provider or platform.equipment().provider
        self._duties = Duties(self._storage, standing(platform) if duties is None else duties)
        self._stopping = threading.Event()
        self._work = threading.Event()
        self._turns = 0
        self._turn_lock = threading.Lock()
        self._rest_until, self._failures = 0.0, 0
        kept = compute.remote.followed(platform.settings.sites_file)
        sites = [
            SiteLoop(platform, each, self._stopping, follows=each.adapter in kept)
            for each in platform.sites()
        ]
        count = slots or platform.settings.worker_slots
        self._threads = [
            threading.Thread(target=target, name=f"yunhe-{name}", daemon=True)
            for name, target in (
                *((f"slot-{n + 1}", self._slot) for n in range(count)),
                ("scout", self._scout),
                ("duties", self._do_duties),
                *((f"site-{site.name}", site.run) for site in sites),
            )
        ]

    def start(self) -> None:
        """Begin to work; call it once."""
        self._sweep()
        self._platform.sequencer.start()
        compute.remote.introduce(self._storage, self._provider)
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 20.0) -> bool:
        """Take nothing new, hand back what runs; whether everything was let go of in time.

        What was not, is taken over by others once this process is gone.
        """
        self._stopping.set()
        self._work.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 0))
        ended = not any(thread.is_alive() for thread in self._threads)
        self._duties.stop(max(until - time.monotonic(), 0))
        self._platform.sequencer.stop()
        return ended

    def wake(self) -> None:
        """Look for work now; for whoever has just committed some in this process."""
        self._work.set()

    def alive(self) -> bool:
        """Whether every thread runs."""
        return all(thread.is_alive() for thread in self._threads)

    def run_once(self) -> bool:
        """Do one thing that waits, if there is one; whether there was.

        It takes turns between the oldest operation, the one of whoever has least running, and
        workloads, so that neither kind of work and nobody's waits for ever.
        """
        with self._turn_lock:
            self._turns += 1
            first = self._turns % 3
        ways = [self._oldest, self._fairest, self._workload]
        return any(way() for way in ways[first:] + ways[:first])

    # --- Threads ------------------------------------------------------------------------------

    def _slot(self) -> None:
        while not self._stopping.is_set():
            worked = False
            try:
                worked = self.run_once()
            except YunheError as error:
                _log.warning("a worker could not go on: %s", error.code)
                self._stopping.wait(POLL_SECONDS)
            except Exception:  # noqa: BLE001 -- a thread's edge: one broken item must not end it
                _log.exception("a worker met a fault of ours")
                self._stopping.wait(POLL_SECONDS)
            if not worked:
                self._work.wait(IDLE_SECONDS)
                if not self._stopping.is_set():
                    self._work.clear()

    def _scout(self) -> None:
        """One thread looks, so that many idle slots do not."""
        while not self._stopping.wait(POLL_SECONDS):
            try:
                if self._anything():
                    self._work.set()
            except YunheError as error:
                _log.warning("a worker could not look for work: %s", error.code)
        self._work.set()

    def _do_duties(self) -> None:
        self._duties.run(self._stopping)

    def _anything(self) -> bool:
        with self._storage.database.read() as tx:
            if leases.anything(tx, self._kinds, now_us=self._storage.clock.now_us()):
                return True
        return compute.anything_placed(self._storage, self._provider)

    def _sweep(self) -> None:
        def alive(operation: str) -> bool:
            with self._storage.database.read() as tx:
                try:
                    return operations.find(tx, operation).state == "running"
                except YunheError:
                    return False

        sweep_folders(self._platform.settings.home, alive=alive)

    # --- Operations ---------------------------------------------------------------------------

    def _oldest(self) -> bool:
        with self._storage.database.read() as tx:
            if not leases.anything(tx, self._kinds, now_us=self._storage.clock.now_us()):
                return False
        return self._take(None)

    def _fairest(self) -> bool:
        with self._storage.database.read() as tx:
            found = operations.fairest(tx, self._handlers)
        return found is not None and self._take(found)

    def _take(self, chosen: Operation | None) -> bool:
        kinds = self._kinds if chosen is None else [operations.work_kind(chosen.kind)]
        claim = leases.claim(self._storage, kinds, key=None if chosen is None else chosen.id)
        if claim is None:
            return False
        at_us = self._storage.clock.now_us()
        with self._storage.database.begin() as tx:
            begun = operations.begin(tx, claim, workers_lost_max=WORKERS_LOST_MAX, at_us=at_us)
            if begun is None:
                _announce(tx, operations.find(tx, claim.key), at_us=at_us)
        if begun is not None:
            with (
                logs.bound(operation_id=begun.id),
                traces.span("operation", kind=begun.kind),
                Watch(self._storage, claim, stopping=self._stopping.is_set) as watch,
            ):
                ended = self._handle(Task(begun, claim.payload), watch)
                self._apply(claim, ended, watch)
        return True

    def _handle(self, task: Task, watch: Watch) -> _Ended | None:
        """Let the handler work; how it ended, or None when it is to be handed back."""
        handler = self._handlers[task.operation.kind]
        for seconds in (*RETRY_SECONDS, None):
            try:
                result = handler(self._platform, task, progress=watch, halt=watch.halt)
                canonical_bytes(dict(result))
                return _Ended("done", result=result)
            except Stopped:
                if asked := watch.halt():
                    return _Ended("cancelled") if asked == "cancel" else None
                _log.error("operation %s stopped unasked", task.operation.id)
                return _Ended("failed", error=stored(_fault(task.operation)))
            except YunheError as error:
                if seconds is None or not _passes(error):
                    return _Ended("failed", error=stored(error))
                _log.warning("%s: tried again in %d s: %s", task.operation.id, seconds, error.code)
                if _paused(seconds, until=watch.halt) == "hand_back":
                    return None
            except Exception:  # noqa: BLE001 -- the edge of foreign work: it is told, not spread
                _log.exception("operation %s failed by a fault of ours", task.operation.id)
                return _Ended("failed", error=stored(_fault(task.operation)))
        raise AssertionError  # the last try returns

    def _apply(self, claim: Claim, ended: _Ended | None, watch: Watch) -> None:
        """Write down how it ended, if the claim still holds; else nothing of this attempt stays."""
        for seconds in (*RETRY_SECONDS, None):
            try:
                at_us = self._storage.clock.now_us()
                with self._storage.database.begin() as tx:
                    if ended is None:
                        operations.hand_back(tx, claim, at_us=at_us)
                        return
                    made = operations.end(
                        tx,
                        claim,
                        state=ended.state,
                        result=ended.result,
                        error=ended.error,
                        at_us=at_us,
                    )
                    _announce(tx, made, at_us=at_us)
                return
            except Conflict as error:
                if error.code == "storage.claim_lost":
                    return
                problem: YunheError = error
            except YunheError as error:
                problem = error
            if seconds is None or watch.lost:
                raise problem
            time.sleep(seconds / 4)

    # --- Workloads ----------------------------------------------------------------------------

    def _workload(self) -> bool:
        if time.monotonic() < self._rest_until:
            return False
        if not compute.anything_placed(self._storage, self._provider):
            return False
        try:
            with traces.span("workload"):
                done = compute.run_next(
                    self._storage,
                    self._provider,
                    halt=lambda: "hand_back" if self._stopping.is_set() else "",
                    vault=self._platform.vault,
                    idle=idle_of(self._platform.settings),
                )
        except Stopped:
            return False
        except YunheError as error:
            rest = min(2.0**self._failures, REST_SECONDS_MAX)
            self._failures += 1
            self._rest_until = time.monotonic() + rest
            _log.warning("a workload could not be run: %s; next try in %d s", error.code, rest)
            return False
        self._failures = 0
        return done is not None


def _announce(tx: Transaction, ended: Operation, *, at_us: int) -> None:
    """Tell whoever asked for it, in the transaction in which it ended."""
    if not ended.ended or ended.state == "cancelled":
        return  # who cancelled it knows
    notices.notify(
        tx,
        key=f"operation_ended:{ended.id}",
        kind="operation_ended",
        organisation=ended.organisation,
        member=ended.member,
        project=ended.project,
        subject=ended.id,
        params={"operation": ended.kind, "outcome": _outcome(ended)},
        at_us=at_us,
    )


def _outcome(ended: Operation) -> str:
    """Its state, or that it ended well and what it looked into did not pass."""
    failing = ended.state == "done" and (ended.result or {}).get("ok") is False
    return "not_passed" if failing else ended.state


def _passes(error: YunheError) -> bool:
    """Whether the same may go well a little later."""
    return error.retryable or error.code in _AGAIN


def _fault(operation: Operation) -> YunheError:
    return Unavailable("operations.fault", operation=operation.id)


def _paused(seconds: float, *, until: Callable[[], str]) -> str:
    """Wait, but no longer than until somebody asks to stop; what was asked."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        time.sleep(POLL_SECONDS / 4)
    return until()
