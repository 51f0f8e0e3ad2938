"""Looks after the devices of a distant site's jobs: asks whoever knows, and keeps what was seen.

One look a site at a time, however many workers there are. What it cannot learn it leaves out: a
site whose instruments can't be asked goes on as it is, and nobody's work is ended by it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from sqlalchemy import RowMapping

from yunhe.compute import store as workloads
from yunhe.compute.columns import why_text
from yunhe.compute.providers.remote import Remote, Watched
from yunhe.compute.reasons import Why
from yunhe.compute.remote import store as jobs
from yunhe.compute.utilisation.domain import Look, Subject, Used, Watch
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

EVERY_SECONDS = 30
"""Between two looks at one site."""
QUIET_SECONDS = 2.0
"""Between two thoughts whether it is time."""
_log = logging.getLogger("yunhe.compute")


class Watcher:
    """Of one site; of one that nobody can tell of, it does nothing."""

    def __init__(self, storage: Storage, remote: Remote) -> None:
        """Nothing is asked before `run` or `once`."""
        self._storage, self._adapter = storage, remote.adapter
        self._watch = watch_of(remote)

    def run(self, stopping: threading.Event) -> None:
        """Go on until told to stop."""
        while self._watch is not None and not stopping.wait(QUIET_SECONDS):
            try:
                self.once()
            except YunheError as error:
                _log.warning("devices of %s could not be watched: %s", self._adapter, error.code)
            except Exception:  # noqa: BLE001 -- a thread's edge: the next look is a new one
                _log.exception("watching the devices of %s met a fault of ours", self._adapter)

    def once(self) -> bool:
        """Look at all running jobs, if it is time; whether it was."""
        if self._watch is None:
            return False
        with self._storage.database.read() as tx:
            found = self._running(tx, self._watch)
        if not found:
            return False
        now_us = self._storage.clock.now_us()
        with self._storage.database.begin() as tx:
            every_us = EVERY_SECONDS * SECOND_US
            if not jobs.turn_to_watch(tx, self._adapter, every_us=every_us, now_us=now_us):
                return False
        try:
            look = self._watch.look([subject for _, subject in found], now_us=now_us)
        except YunheError as error:
            self._tell(Why(error.code, (*error.params.items(),)))
            return True
        self._keep(look, found)
        site = (("site", self._adapter),)
        self._tell(Why(look.finding, site) if look.finding else None)
        return True

    def _running(self, tx: Transaction, watch: Watch) -> list[tuple[RowMapping, Subject]]:
        found = []
        for job in jobs.open_jobs(tx, self._adapter):
            row = workloads.row(tx, job["workload"]) if job["phase"] == "running" else None
            if row is None or row["state"] != "running" or row["attempts"] != job["attempt"]:
                continue
            subject = subject_of(tx, job, row)
            if watch.watches(subject.chip):
                found.append((job, subject))
        return found

    def _keep(self, look: Look, found: Sequence[tuple[RowMapping, Subject]]) -> None:
        at_us = self._storage.clock.now_us()
        with self._storage.database.begin() as tx:
            for job, _ in found:
                seen = look.used.get(job["id"], Used())
                jobs.used(
                    tx,
                    job,
                    sum_per_thousand=seen.sum_per_thousand,
                    samples=seen.samples,
                    use_until_us=max(look.until_us, job["use_until_us"] or 0),
                    use_latest=seen.latest,
                    use_at_us=at_us,
                )

    def _tell(self, why: Why | None) -> None:
        """Keep what is wrong with the site's instruments; said once, not at each look."""
        said = None if why is None else why_text(why)
        with self._storage.database.read() as tx:
            row = jobs.site(tx, self._adapter)
        if row is None or row["watch_error"] == said:
            return
        with self._storage.database.begin() as tx:
            jobs.set_site(tx, self._adapter, watch_error=said)
        if why is not None:
            _log.warning("%s", why.message("en").replace("\n", " "))


def watch_of(remote: Remote) -> Watch | None:
    """Who knows of the use of a site's devices; None: nobody."""
    return remote.watch if isinstance(remote, Watched) else None


def subject_of(tx: Transaction, job: RowMapping, row: RowMapping) -> Subject:
    """A running job as its devices are asked for; ``row``: its workload's."""
    pool = workloads.pool(tx, row["pool"]) if row["pool"] else None
    return Subject(
        job=job["id"],
        name=job["handle"],
        chip="" if pool is None else pool.chip,
        devices=int(row["devices"]),
        after_us=max(job["use_until_us"] or 0, job["running_since_us"] or 0),
    )
