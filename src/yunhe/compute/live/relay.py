"""Hears the running jobs of a distant site, and hands over what is asked of them.

One relay acts for a site at a time, held by a lease. What a job printed is published together with
how far its two streams were read, so a relay killed anywhere is followed by one that repeats and
loses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute import store as workloads
from yunhe.compute.live import store
from yunhe.compute.live.domain import KEPT_BYTES, Idle, Piece
from yunhe.compute.live.line import UTILISED_SECONDS, Line
from yunhe.compute.providers.remote import Remote, Stream, TellsUse
from yunhe.compute.providers.staged_live import StagedLive
from yunhe.compute.pulse import Pulse
from yunhe.compute.remote import store as jobs
from yunhe.compute.utilisation.watching import subject_of, watch_of
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, YunheError
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

KIND = "compute.live"
"""Work items that let one relay act for a site."""
SIZE_MAX = 1 << 50
"""A stream that claims to be longer (its file may have holes) is read no further."""
QUIET_SECONDS = 1.0
"""Between two looks while no command runs at the site."""
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
_ROUNDS_MAX = 8
_log = logging.getLogger("yunhe.compute")


class Relay:
    """Of one site; a site that can't be heard has one that does nothing."""

    def __init__(self, storage: Storage, remote: Remote, *, idle: Idle | None = None) -> None:
        """Nothing is looked at before `run` or `once`."""
        self._storage, self._adapter, self._idle = storage, remote.adapter, idle
        self._live: StagedLive | None = getattr(remote, "live", None)
        self._watch = watch_of(remote)
        self._tells = isinstance(remote, TellsUse)
        self._lines: dict[str, Line] = {}
        self._used_us: dict[str, int] = {}

    @property
    def _hears(self) -> bool:
        """Whether anything of the site's jobs is known while they run."""
        return self._live is not None or self._watch is not None or self._tells

    def run(self, stopping: threading.Event) -> None:
        """Go on until told to stop."""
        while self._hears and not stopping.wait(QUIET_SECONDS):
            try:
                self.once(stopping.is_set)
            except YunheError as error:
                _log.warning("site %s could not be heard: %s", self._adapter, error.code)
            except Exception:  # noqa: BLE001 -- a thread's edge: the next look is a new one
                _log.exception("hearing site %s met a fault of ours", self._adapter)

    def once(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Hear every running job while there is one; False when another relay does, or none is.

        ``stopped`` ends it between two looks.
        """
        if not self._hears or not self._running():
            return False
        with self._storage.database.begin_shared() as tx:
            leases.enqueue(tx, kind=KIND, key=self._adapter, payload={}, at_us=0)
        claim = leases.claim(self._storage, [KIND], key=self._adapter)
        if claim is None:
            return False
        pause = threading.Event()
        try:
            with Pulse(self._storage, claim, cancelled=stopped) as pulse:
                while not (pulse.stopped() or stopped()) and self.turn():
                    pause.wait(self._pause())
        except Conflict as error:
            if error.code != "storage.claim_lost":
                raise
        finally:
            for line in self._lines.values():
                line.leave()
            self._lines.clear()
            self._used_us.clear()
            try:
                with self._storage.database.begin_shared() as tx:
                    leases.hand_back(tx, claim)
            except YunheError:
                pass  # lost meanwhile, or it runs out by itself
        return True

    def _running(self) -> list[RowMapping]:
        with self._storage.database.read() as tx:
            return [job for job in jobs.open_jobs(tx, self._adapter) if job["phase"] == "running"]

    def _pause(self) -> float:
        return min((line.pause() for line in self._lines.values()), default=QUIET_SECONDS)

    def turn(self) -> bool:
        """One look at every job; whether there is one."""
        running = {job["id"]: job for job in self._running()}
        for name, job in running.items():
            if self._live is not None:
                try:
                    publish(self._storage, self._live, job)
                except (OSError, ValueError, YunheError):  # others are heard all the same
                    _log.warning("output of job %s could not be read", name)
            if name not in self._lines:
                self._lines[name] = self._line(job)
                if self._live is not None:
                    self._lines[name].attended(self._live.why)
            self._pass_on(job, self._lines[name])
        for name in [name for name in self._lines if name not in running]:
            self._lines.pop(name).close()
            self._used_us.pop(name, None)
        return bool(running)

    def _line(self, job: RowMapping) -> Line:
        devices, idle, by_devices = 1, self._idle, False
        with self._storage.database.read() as tx:
            row = workloads.row(tx, job["workload"])
            if row is not None:
                devices = int(row["devices"])
                idle = (idle or Idle()).asked(columns.spec_of(row).idle_minutes)
                if self._watch is not None:
                    by_devices = self._watch.watches(subject_of(tx, job, row).chip)
        return Line(
            self._storage,
            job["workload"],
            devices=devices,
            idle=idle,
            threaded=False,
            by_devices=by_devices,
        )

    def _pass_on(self, job: RowMapping, line: Line) -> None:
        if self._watch is not None or self._tells:
            self._used(job, line)
        if self._live is None:
            line.turn()
        else:
            self._talk(self._live, job["id"], line)
        if line.released:
            with self._storage.database.begin() as tx:
                workloads.change(tx, line.workload, cancel_asked=1)

    def _used(self, job: RowMapping, line: Line) -> None:
        """What was seen of its devices since it was looked at last, each look once."""
        at_us = job["use_at_us"]
        if at_us is None or self._used_us.get(job["id"]) == at_us:
            return
        known = job["id"] in self._used_us
        self._used_us[job["id"]] = at_us
        fresh_us = self._storage.clock.now_us() - UTILISED_SECONDS * SECOND_US
        if not known and at_us < fresh_us:
            return  # said to whoever heard it before
        cpu_ms, latest = job["use_cpu_ms"], job["use_latest"]
        if latest is not None:
            line.utilised(latest)
        if cpu_ms is not None or latest is not None:
            line.used(cpu_ms or 0)

    def _talk(self, live: StagedLive, job: str, line: Line) -> None:
        try:
            used = live.used(job)
            if used is not None:
                line.used(used)
            for said in live.hear(job):
                line.told(said)
            line.turn()
            live.heard(job)  # only now, so that what is not kept yet is heard again
            live.ask(job, line.asks())
        except (OSError, ValueError):  # the job's own doing
            line.attended("compute.exec_gone")
            line.turn()


def publish(storage: Storage, live: StagedLive, job: RowMapping) -> None:
    """Keep what a job printed since it was looked at last, the two streams one after the other."""
    for stream in _STREAMS:
        for _ in range(_ROUNDS_MAX):
            with storage.database.read() as tx:
                at = store.place(tx, job["id"], stream)
            size = min(live.size(job["id"], stream), SIZE_MAX)
            left_out = max(size - KEPT_BYTES - at, 0)
            data = live.log(job["id"], stream, offset=at + left_out)
            if not (data or left_out):
                break
            pieces = [Piece(stream, b"", left_out=left_out)] if left_out else []
            pieces += [Piece(stream, data)] if data else []
            with storage.database.begin() as tx:
                if store.place(tx, job["id"], stream) != at or not _open(tx, job["id"]):
                    break  # somebody else was faster, or it is settled and its place forgotten
                start = store.end_of(tx, job["workload"])
                now_us = storage.clock.now_us()
                store.append(tx, job["workload"], pieces, start=start, at_us=now_us)
                store.set_place(tx, job["id"], stream, at + left_out + len(data))


def _open(tx: Transaction, job: str) -> bool:
    row = jobs.job(tx, job)
    return row is None or bool(row["open"])


def last_words(storage: Storage, remote: Remote, job: RowMapping) -> None:
    """Publish what a job that has ended still left to read, before its end is told."""
    live: StagedLive | None = getattr(remote, "live", None)
    if live is not None:
        publish(storage, live, job)
