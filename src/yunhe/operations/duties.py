"""What is due from time to time, whatever happens: among all workers one acts.

Each duty has a row. A worker takes it by counting its turn up, which only one can; a killed worker
lets go at once on the same machine, else when its lease runs out. A clock set forward makes each
duty due once, not as often as was missed; one set back makes those due at once that would
otherwise lie in a far future.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from yunhe.app import Platform
from yunhe.compute import service as compute
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger
from yunhe.notices import service as notices
from yunhe.operations import expiring, measures, retention, store
from yunhe.operations.store import Due
from yunhe.storage.leases import CLOCKS_APART_SECONDS_MAX
from yunhe.storage.owner import is_gone, is_here
from yunhe.storage.service import Storage

LEASE_SECONDS = 60
"""How long a duty is held without a sign of life."""
POLL_SECONDS = 0.25
"""How often a worker looks whether something is due."""
_AT_ONCE = 3  # so that a slow receiver of notices does not hold up the rest
_HOUR = 3_600.0
_log = logging.getLogger("yunhe.operations")


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done again and again; doing it twice at once must do no harm."""

    name: str
    """Its row."""
    every_seconds: float
    """From its end to its next beginning."""
    work: Callable[[], object]
    """What is done; returns within minutes."""


def standing(platform: Platform) -> tuple[Duty, ...]:
    """The duties of a platform."""
    storage = platform.storage
    named = compute.remote.named(platform.settings.sites_file)
    lookout = compute.remote.Lookout(storage, named)

    def expire_holds() -> None:
        with storage.database.begin() as tx:
            expired = ledger.expire_holds(tx, now_us=storage.clock.now_us())
        if expired:
            _log.info("%d holds expired and were given back", expired)

    return (
        Duty("compute.admit", 1.0, lambda: compute.attend(storage)),
        Duty("compute.live", 60.0, lambda: compute.live.forget(storage)),
        Duty("compute.applications", 30.0, lambda: compute.applications.tick(storage)),
        Duty("compute.services", 2.0, lambda: compute.scaling.attend(storage)),
        Duty("compute.services_past", _HOUR, lambda: compute.scaling.forget(storage)),
        Duty("compute.sites", 30.0, lookout.look),
        *_planning(platform),
        Duty("ledger.holds", 30.0, expire_holds),
        Duty("governance.measures", _HOUR, lambda: measures.remind(storage)),
        Duty("identity.keys", 24 * _HOUR, lambda: expiring.remind(storage)),
        Duty("notices.deliver", 1.0, lambda: notices.deliver(storage, platform.ways)),
        Duty("operations.retention", _HOUR, lambda: retention.apply(storage, platform.settings)),
        Duty("storage.sweep", 24 * _HOUR, lambda: retention.sweep(platform)),
    )


def _planning(platform: Platform) -> tuple[Duty, ...]:
    """The slow plan, unless the operator wants none."""
    seconds = platform.settings.plan_minutes * 60
    if not seconds:
        return ()

    def work() -> object:
        return compute.planning.replan(platform.storage, every_seconds=seconds)

    return (Duty("compute.plan", float(seconds), work),)


def is_due(row: Due, *, now_us: int, every_seconds: float) -> bool:
    """Whether somebody should do it now: nobody does, and its time has come, or can't be right."""
    if row.owner is not None and row.lease_until_us is not None and not is_gone(row.owner):
        left_us = row.lease_until_us - now_us
        plausible = left_us <= (LEASE_SECONDS + CLOCKS_APART_SECONDS_MAX) * SECOND_US
        if left_us > 0 and (plausible or is_here(row.owner)):
            return False
    ahead_us = row.next_due_at_us - now_us
    # Only a clock that went back can put it further ahead than it was ever set.
    return ahead_us <= 0 or ahead_us > round(every_seconds * SECOND_US) + SECOND_US


class Duties:
    """Does what is due."""

    def __init__(self, storage: Storage, duties: Sequence[Duty]) -> None:
        """Nothing runs before `run` or `run_due`."""
        self._storage = storage
        self._duties = {duty.name: duty for duty in duties}
        self._held: dict[str, tuple[Due, float]] = {}
        self._lock = threading.Lock()
        self._written = False
        self._threads: ThreadPoolExecutor | None = None

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until told to stop; each duty in a thread of its own."""
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="yunhe-duty")
        problem = ""
        while not stopping.wait(POLL_SECONDS):
            try:
                for duty, row in self._due():
                    held = self._take(row)
                    if held is not None:
                        self._threads.submit(self._act, duty, held)
                self._renew()
                problem = ""
            except YunheError as error:
                if error.code != problem:
                    _log.warning("duties wait: %s", error.code)
                problem = error.code

    def stop(self, seconds: float) -> None:
        """Wait so long for what is being done; the rest ends with the process."""
        until = time.monotonic() + seconds
        while self._held and time.monotonic() < until:
            time.sleep(POLL_SECONDS / 10)
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def run_due(self) -> list[str]:
        """Do what is due now, one after the other; the names of what was done."""
        done = []
        for duty, row in self._due():
            held = self._take(row)
            if held is not None:
                self._act(duty, held)
                done.append(duty.name)
        return done

    def _due(self) -> list[tuple[Duty, Due]]:
        if not self._written:
            with self._storage.database.begin() as tx:
                store.add_duties(tx, sorted(self._duties))
            self._written = True
        with self._storage.database.read() as tx:
            rows = store.all_duties(tx)
        now_us = self._storage.clock.now_us()
        found = []
        for row in rows:
            duty = self._duties.get(row.name)
            if duty is None or row.name in self._held:
                continue
            if is_due(row, now_us=now_us, every_seconds=duty.every_seconds):
                found.append((duty, row))
        return found

    def _take(self, row: Due) -> Due | None:
        with self._storage.database.begin_shared() as tx:
            held = store.take(tx, row, lease_until_us=self._lease_until_us())
        if held is not None:
            with self._lock:
                self._held[row.name] = held, time.monotonic()
        return held

    def _lease_until_us(self) -> int:
        return self._storage.clock.now_us() + LEASE_SECONDS * SECOND_US

    def _renew(self) -> None:
        with self._lock:
            old = [
                held
                for held, since in self._held.values()
                if time.monotonic() - since > LEASE_SECONDS / 3
            ]
        for held in old:
            with self._storage.database.begin_shared() as tx:
                store.renew(tx, held, lease_until_us=self._lease_until_us())
            with self._lock:
                if held.name in self._held:
                    self._held[held.name] = held, time.monotonic()

    def _act(self, duty: Duty, held: Due) -> None:
        problem = ""
        try:
            duty.work()
        except YunheError as error:
            problem = error.code
        except Exception as error:  # noqa: BLE001 -- a thread's edge: the other duties go on
            problem = f"fault: {type(error).__name__}"
            _log.exception("the duty %s failed by a fault of ours", duty.name)
        if problem and problem != held.problem:
            _log.warning("the duty %s failed: %s", duty.name, problem)
        now_us = self._storage.clock.now_us()
        try:
            with self._storage.database.begin_shared() as tx:
                store.release(
                    tx,
                    held,
                    next_due_at_us=now_us + round(duty.every_seconds * SECOND_US),
                    ended_at_us=now_us,
                    problem=problem,
                )
        except YunheError as error:
            _log.warning("the duty %s could not be let go of: %s", duty.name, error.code)
        finally:
            with self._lock:
                self._held.pop(duty.name, None)
