"""Drives every job of one distant provider: adopt, submit, poll in bulk, meter, apply.

One driver acts for a site at a time, held by a lease; each step asks outside any transaction and
applies inside one that holds only while the lease does. What is to be done is written down before
it is tried, under an id the provider knows the job by, so a driver killed anywhere is followed by
one that finds the same job. Cost of a pass: three questions per thousand jobs, whatever runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import RowMapping

from yunhe.compute import store as workloads
from yunhe.compute.admission import work_kind
from yunhe.compute.columns import why_text
from yunhe.compute.live import store as live
from yunhe.compute.providers.remote import ENDED, Pushes, Refuses, Remote, Report, RunsImages
from yunhe.compute.pulse import Pulse
from yunhe.compute.reasons import Why
from yunhe.compute.remote import ending, following, metering, sharing, stopping, store
from yunhe.compute.remote.ending import KIND, Attempt, retry_us
from yunhe.compute.remote.recording import record
from yunhe.compute.runner import job_of, start
from yunhe.compute.yielding.domain import MAKES_ROOM
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, NotAllowed, Unavailable, YunheError
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.leases import Claim
from yunhe.storage.service import Storage
from yunhe.vault.service import Vault

ADOPTED_MAX = 100
"""Workloads handed over in one pass."""
ASKED_MAX = 1_000
"""Jobs named in one question."""
FORGOTTEN_MAX = 100
"""Leavings of old jobs removed in one pass."""
MISSING_SECONDS = 300
"""A job the provider does not know for so long, though it took it, is lost."""
CAPACITY_SECONDS = 60
"""How often it is asked what it has."""


class Driver:
    """Looks after one site; call `once` again and again, from any number of processes."""

    def __init__(
        self,
        storage: Storage,
        remote: Remote,
        *,
        vault: Vault | None = None,
        follows: bool = False,
    ) -> None:
        """``vault`` opens the secrets that workloads name; ``follows``: pools keep to capacity."""
        self._follows = follows
        self._storage = storage
        self._remote = remote
        self._vault = vault
        self._adapter = remote.adapter
        self._named = False

    def anything(self) -> bool:
        """Whether there is something to look after; a read, for whoever looks often."""
        kind, now_us = work_kind(self._adapter), self._storage.clock.now_us()
        with self._storage.database.read() as tx:
            return (
                store.anything_open(tx, self._adapter)
                or bool(store.unforgotten(tx, self._adapter, most=1, now_us=now_us))
                or leases.anything(tx, [kind], now_us=now_us)
                or self._capacity_due(tx)
                or bool(self._news(tx))
            )

    def once(self, *, stopped: Callable[[], bool] = lambda: False) -> bool:
        """One pass over everything of the site; False when another driver has it, or nothing is.

        ``stopped`` ends it between two steps. Errors: what the provider raised when it could not be
        reached, after it was noted; every job then stays as it is.
        """
        if not self.anything():
            return False
        with self._storage.database.begin_shared() as tx:
            leases.enqueue(tx, kind=KIND, key=self._adapter, payload={}, at_us=0)
        claim = leases.claim(self._storage, [KIND], key=self._adapter)
        if claim is None:
            return False
        try:
            with Pulse(self._storage, claim, cancelled=stopped) as pulse:
                self._pass(claim, pulse)
        except Conflict as error:
            if error.code != "storage.claim_lost":
                raise
        finally:
            self._let_go(claim)
        return True

    def _pass(self, claim: Claim, pulse: Pulse) -> None:
        self._introduce(claim)
        steps = (self._adopt, self._submit, self._cancel, self._poll, self._settle, self._forget)
        try:
            for step in (*steps, self._look):
                if pulse.stopped():
                    return
                step(claim, pulse)
        except (NotAllowed, Unavailable) as error:
            with self._applied(claim) as tx:
                row = store.site(tx, self._adapter)
                failures = 1 + (0 if row is None else row["failures"])
                store.set_site(tx, self._adapter, failures=failures, error=error.code)
                if self._follows and isinstance(error, Unavailable):
                    following.missed(tx, self._adapter, now_us=_now(self))
            raise
        with self._applied(claim) as tx:
            now_us = self._storage.clock.now_us()
            store.set_site(tx, self._adapter, failures=0, error=None, seen_at_us=now_us)

    def _introduce(self, claim: Claim) -> None:
        """Keep how the site keeps jobs apart and what it can, where the scheduler finds it."""
        with self._storage.database.read() as tx:
            news = self._news(tx)
            closed = not self._named and following.unnamed_before(tx, self._adapter)
        if news or closed:
            with self._applied(claim) as tx:
                following.named_again(tx, self._adapter, now_us=_now(self))
                store.set_site(tx, self._adapter, **news)
        self._named = True

    def _news(self, tx: Transaction) -> dict[str, object]:
        """What is to be kept of the site itself and is not yet, or was otherwise."""
        remote, row = self._remote, store.site(tx, self._adapter)
        images = remote.images if isinstance(remote, RunsImages) else ()
        refused = remote.refuses if isinstance(remote, Refuses) else ()
        said: dict[str, object] = {
            "isolation": remote.isolation,
            "images": canonical_bytes(list(images)).decode() if images else None,
            "refuses": canonical_bytes(sorted(refused)).decode() if refused else None,
            "pushes": 1 if isinstance(remote, Pushes) else None,
        }
        return {name: to for name, to in said.items() if row is None or row[name] != to}

    @contextmanager
    def _applied(self, claim: Claim) -> Iterator[Transaction]:
        """A transaction that holds only if this driver still has the site."""
        with self._storage.database.begin() as tx:
            leases.renew(tx, claim, now_us=self._storage.clock.now_us())
            yield tx

    def _let_go(self, claim: Claim) -> None:
        with suppress(YunheError), self._storage.database.begin_shared() as tx:
            leases.hand_back(tx, claim)

    # --- Hand over ----------------------------------------------------------------------------

    def _adopt(self, claim: Claim, pulse: Pulse) -> None:
        """Write down that a placed workload is to be handed over; its work item ends with that."""
        for _ in range(ADOPTED_MAX):
            placed = leases.claim(self._storage, [work_kind(self._adapter)])
            if placed is None or pulse.stopped():
                return
            now_us = self._storage.clock.now_us()
            with self._applied(claim) as tx:
                job = start(tx, placed, now_us=now_us)
                row = None if job is None else workloads.row(tx, job.id)
                if row is None:
                    continue
                leases.finish(tx, placed, result={"outcome": "handed over"})
                attempt = int(row["attempts"])
                store.add_job(
                    tx,
                    f"{row['id']}-{attempt}",
                    workload=row["id"],
                    attempt=attempt,
                    adapter=self._adapter,
                    at_us=now_us,
                )

    def _open(self) -> list[tuple[RowMapping, RowMapping | None]]:
        """Every open job with its workload, None when that has gone on without it."""
        with self._storage.database.read() as tx:
            jobs = store.open_jobs(tx, self._adapter)
            return [(job, ending.owner(tx, job)) for job in jobs]

    def _due(self, *phases: str) -> list[tuple[RowMapping, RowMapping | None]]:
        now_us = self._storage.clock.now_us()
        return [
            (job, workload)
            for job, workload in self._open()
            if job["phase"] in phases and job["next_at_us"] <= now_us
        ]

    def _submit(self, claim: Claim, pulse: Pulse) -> None:
        for job, workload in self._due("new"):
            if pulse.stopped():
                return
            why = stopping.reason(job, workload, now_us=self._storage.clock.now_us())
            if why:
                # A driver before this one may have handed it over without living to note it.
                self._asked_to_end(claim, job, why)
                with self._applied(claim) as tx:
                    if workload is None:
                        ending.close(tx, job)
                    else:
                        store.change_job(tx, job["id"], phase="queued", cancel_sent=why)
                continue
            assert workload is not None  # noqa: S101 - there was a reason else
            self._hand_over(claim, job, workload)

    def _hand_over(self, claim: Claim, job: RowMapping, workload: RowMapping) -> None:
        attempt = Attempt(self._storage, self._remote, job, vault=self._vault)
        try:
            with self._storage.database.read() as tx:
                wanted = job_of(tx, workload, now_us=_now(self))
            handle = self._remote.submit(attempt.disclosed(wanted), blobs=self._storage.blobs)
        except Unavailable as error:
            failures = job["failures"] + 1
            if failures >= ending.TRIES_MAX:
                self._remote.cancel(job["id"])  # it may have been taken all the same
                with self._applied(claim) as tx:
                    ending.lost(
                        tx, job, Why(error.code, (*error.params.items(),)), now_us=_now(self)
                    )
                return
            with self._applied(claim) as tx:
                next_at_us = _now(self) + retry_us(failures)
                store.change_job(tx, job["id"], failures=failures, next_at_us=next_at_us)
            raise
        except YunheError as error:
            with self._applied(claim) as tx:
                ending.refused(tx, job, error, now_us=_now(self))
            return
        with self._applied(claim) as tx:
            store.change_job(tx, job["id"], phase="queued", handle=handle[:200], failures=0)

    def _cancel(self, claim: Claim, pulse: Pulse) -> None:
        now_us = self._storage.clock.now_us()
        for job, workload in self._due("queued", "running"):
            if pulse.stopped():
                return
            why = stopping.reason(job, workload, now_us=now_us)
            if why:
                self._asked_to_end(claim, job, why)
                with self._applied(claim) as tx:
                    store.change_job(tx, job["id"], cancel_sent=why)
                    if why == MAKES_ROOM and ending.pushed_of(tx, job):  # its time begins now
                        workloads.change(tx, job["workload"], push_asked_us=_now(self))

    def _asked_to_end(self, claim: Claim, job: RowMapping, why: int) -> None:
        """Ask for it; one that can't be asked rests, so that it never holds up the others."""
        with self._resting(claim, job):
            stopping.ask(self._remote, job["id"], why)

    @contextmanager
    def _resting(self, claim: Claim, job: RowMapping) -> Iterator[None]:
        """Leave a job alone for a while of which something could not be asked."""
        try:
            yield
        except (NotAllowed, Unavailable):
            with self._applied(claim) as tx:
                next_at_us = _now(self) + ending.RETRY_SECONDS_MAX * SECOND_US
                store.change_job(tx, job["id"], next_at_us=next_at_us)
            raise

    # --- Watch --------------------------------------------------------------------------------

    def _poll(self, claim: Claim, pulse: Pulse) -> None:
        ids = [job["id"] for job, _ in self._open() if job["phase"] in ("queued", "running")]
        for start_at in range(0, len(ids), ASKED_MAX):
            if pulse.stopped():
                return
            asked = ids[start_at : start_at + ASKED_MAX]
            asked_us = self._storage.clock.now_us()
            seen = self._remote.status(asked)
            answered_us = self._storage.clock.now_us()
            skew = metering.skew(clock_us=seen.clock_us, asked_us=asked_us, answered_us=answered_us)
            with self._applied(claim) as tx:
                store.set_site(
                    tx,
                    self._adapter,
                    clock_ahead_us=skew.ahead_us,
                    clock_error_us=skew.error_us,
                    seen_at_us=answered_us,
                )
                note(tx, seen.reports, asked=asked, now_us=answered_us)

    def _settle(self, claim: Claim, pulse: Pulse) -> None:
        ended = self._due(*ENDED)
        self._meter(claim, [job for job, _ in ended])
        for job, workload in ended:
            if pulse.stopped():
                return
            attempt = Attempt(self._storage, self._remote, job, vault=self._vault)
            try:
                made = attempt.outcome(workload)
            except YunheError as error:  # also: its program or its secrets are gone meanwhile
                with self._applied(claim) as tx:
                    ending.put_off(tx, job, error, now_us=_now(self))
                continue
            if made is not None:
                log = self._storage.blobs.put(made.said).digest
                with self._applied(claim) as tx:
                    ending.apply(tx, job, made.outcome, log=log, now_us=_now(self))

    def _meter(self, claim: Claim, jobs: Sequence[RowMapping]) -> None:
        for start_at in range(0, len(jobs), ASKED_MAX):
            part = jobs[start_at : start_at + ASKED_MAX]
            events = self._remote.meter([job["id"] for job in part])
            with self._applied(claim) as tx:
                record(tx, self._adapter, part, events, now_us=self._storage.clock.now_us())

    def _forget(self, claim: Claim, pulse: Pulse) -> None:
        with self._storage.database.read() as tx:
            over = store.unforgotten(tx, self._adapter, most=FORGOTTEN_MAX, now_us=_now(self))
        for job in over:
            if pulse.stopped():
                return
            with self._resting(claim, job):
                if job["phase"] not in ("succeeded", "failed", "stopped"):  # it may still be there
                    self._remote.cancel(job["id"])
                self._remote.forget(job["id"])
            with self._applied(claim) as tx:
                store.change_job(tx, job["id"], forgotten=1)
                live.forget_place(tx, job["id"])

    def _look(self, claim: Claim, _: Pulse) -> None:
        with self._storage.database.read() as tx:
            if not self._capacity_due(tx):
                return
        found = self._remote.capacity()
        with self._applied(claim) as tx:
            now_us = self._storage.clock.now_us()
            sharing.seen(tx, self._adapter, found, now_us=now_us)
            step = following.follow if self._follows else following.back
            step(tx, self._adapter, found, now_us=now_us)

    def _capacity_due(self, tx: Transaction) -> bool:
        row = store.site(tx, self._adapter)
        now_us = self._storage.clock.now_us()
        return row is None or abs(now_us - row["capacity_at_us"]) >= CAPACITY_SECONDS * SECOND_US


def note(tx: Transaction, reports: Sequence[Report], *, asked: Sequence[str], now_us: int) -> None:
    """Take over what a provider says, in whatever order and however often it says it.

    Of each job only what is newer than what is known counts; nothing follows an end but a new run.
    """
    newest: dict[str, Report] = {}
    for report in reports:
        if report.job not in newest or newest[report.job].order < report.order:
            newest[report.job] = report
    for job_id in asked:
        job = store.job(tx, job_id)
        if job is None or not job["open"]:
            continue
        found = newest.get(job_id)
        if found is None:
            _note_missing(tx, job, now_us=now_us)
        else:
            _note_report(tx, job, found, now_us=now_us)


def _note_report(tx: Transaction, job: RowMapping, report: Report, *, now_us: int) -> None:
    values: dict[str, object] = {"missing_since_us": None}
    if report.order > Report(job["id"], job["phase"], run=job["run"]).order:
        values |= {"phase": report.phase, "run": min(report.run, store.COUNT_MAX)}
        values["why"] = None if report.why is None else why_text(report.why)
        if report.phase == "running" or (report.phase in ENDED and report.ran):
            since_us = job["running_since_us"] if report.run == job["run"] else None
            values["running_since_us"] = since_us or now_us
        if report.phase in ENDED:
            values["ended_seen_us"] = now_us
            if not report.ran:  # though it may have seemed to, before the provider fell over
                values["running_since_us"] = None
        ending.show(tx, job, report)
    elif report.phase == "queued" and report.order == (job["run"], 0):
        ending.show(tx, job, report)  # the reason why it waits there may have changed
    if report.handle:
        values["handle"] = report.handle[:200]
    store.change_job(tx, job["id"], **values)


def _note_missing(tx: Transaction, job: RowMapping, *, now_us: int) -> None:
    since_us = job["missing_since_us"]
    if since_us is None or since_us > now_us:
        store.change_job(tx, job["id"], missing_since_us=now_us)
    elif job["cancel_sent"] and not job["handle"]:
        # It was cancelled before anybody knew whether it had been taken, and it was not.
        store.change_job(tx, job["id"], phase="stopped", ended_seen_us=now_us)
    elif now_us - since_us >= MISSING_SECONDS * SECOND_US:
        why = Why("compute.remote_missing", (("site", job["adapter"]),))
        ending.lost(tx, job, why, now_us=now_us)


def _now(driver: Driver) -> int:
    return driver._storage.clock.now_us()  # noqa: SLF001 - this module's own
