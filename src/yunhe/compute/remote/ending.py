"""How a distant job ends: settled, refused by the provider, lost, or put off for later."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import RowMapping

from yunhe.compute import columns
from yunhe.compute import store as workloads
from yunhe.compute.admission import admit, freed, unplace
from yunhe.compute.disclosure import HOPELESS, disclosed, masked
from yunhe.compute.live import relay
from yunhe.compute.machine import PROCESSOR
from yunhe.compute.providers.remote import Remote, Report, Result, Stream
from yunhe.compute.providers.seam import LOG_BYTES_MAX, Job, Metered, Outcome
from yunhe.compute.reasons import Why, why_from
from yunhe.compute.remote import following, store
from yunhe.compute.remote.metering import charged_ms, passed_ms
from yunhe.compute.runner import PROVIDER_FAILURES_MAX, job_of
from yunhe.compute.settlement import settle
from yunhe.compute.utilisation.domain import of_processors
from yunhe.compute.utilisation.watching import watch_of
from yunhe.compute.wanted import share_ms, wall_seconds_on
from yunhe.compute.yielding import service as yielding
from yunhe.compute.yielding.domain import ON_REQUEST
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.vault.service import Vault

KIND = "compute.drive"
"""Kind of the work item of which each site has one: whoever claims it drives the site."""
GRACE_SECONDS = 120
"""How much longer than its wall time a job may seem to run before it is cancelled from here."""
METER_SECONDS_MAX = 600
"""How long usage is waited for after an end; then the job is settled with what there is."""
TRIES_MAX = 20
"""How often a provider may fail to take a job, or to hand over what it left."""
RETRY_SECONDS_MAX = 60
"""Longest rest between two tries."""
ABSENT = "compute.agent_absent"
"""Why work comes back for which no agent was there."""
UNFETCHED = (ABSENT, "compute.agent_full")
"""Why an offer was withdrawn."""
_NEVER = ("compute.entry_point_not_approved", "compute.entry_point_unknown")
_ELSEWHERE = ("compute.forward_providers",)
"""Why a site will not take what another one may: nobody knew what it is when work was placed."""
_STREAMS: tuple[Stream, Stream] = ("stdout", "stderr")


def retry_us(failures: int) -> int:
    """The rest after so many failures in a row."""
    return int(min(2 ** min(failures, 10), RETRY_SECONDS_MAX) * SECOND_US)


def owner(tx: Transaction, job: RowMapping) -> RowMapping | None:
    """The workload of a job; None when it is over, or goes on with another job."""
    row = workloads.row(tx, job["workload"])
    if row is None or row["state"] != "running" or row["attempts"] != job["attempt"]:
        return None
    return row


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a job, with everything it said."""

    outcome: Outcome
    """For the settlement."""
    said: bytes
    """Its log."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job and where it runs."""

    storage: Storage
    """Rows and artefacts."""
    remote: Remote
    """Where."""
    job: RowMapping
    """Which."""
    vault: Vault | None
    """Opens its secrets."""

    def disclosed(self, wanted: Job) -> Job:
        """The job under its own id, with its secrets; errors as `disclosure.disclosed`."""
        return replace(disclosed(self.storage, self.vault, wanted), id=str(self.job["id"]))

    def outcome(self, workload: RowMapping | None) -> Made | None:
        """What it came to; None while its usage is waited for, or when nobody wants to know.

        Errors: `Unavailable` when what it left cannot be taken over now.
        """
        if workload is None or self.job["phase"] == "lost":
            return Made(_NOTHING, b"")
        with self.storage.database.read() as tx:
            wanted = job_of(tx, workload)
            judged = store.usage_of(tx, [self.job["id"]]).get(self.job["id"], [])
        never_ran = self.job["running_since_us"] is None
        ran = [one for one in judged if one.event.run == self.job["run"]]
        waited_us = self.storage.clock.now_us() - self.job["ended_seen_us"]
        if not ran and not never_ran and waited_us < METER_SECONDS_MAX * SECOND_US:
            return None
        wanted = self.disclosed(wanted)
        succeeded = self.job["phase"] == "succeeded"
        result = self.remote.collect(wanted, blobs=self.storage.blobs, succeeded=succeeded)
        relay.last_words(self.storage, self.remote, self.job)
        tails = [self.remote.logs(wanted.id, stream, offset=-LOG_BYTES_MAX) for stream in _STREAMS]
        occupied_ms = charged_ms(judged, run=self.job["run"])
        seen = {"since_us": self.job["since_us"], "until_us": self.job["ended_seen_us"]}
        occupied_ms = min(occupied_ms, passed_ms(wanted.devices, **seen))
        if result.proved_ms is not None:  # it may have said more than it proves
            occupied_ms = min(occupied_ms, result.proved_ms)
        outcome = self._outcome(wanted, result, occupied_ms=occupied_ms, tails=tails)
        wrong = sorted({one.finding for one in judged if one.finding})
        if wrong:
            outcome = replace(outcome, evidence={**outcome.evidence, "usage_finding": wrong[0]})
        # Events tell of whole devices, whatever share of one was given out.
        charged = share_ms(columns.spec_of(workload), occupied_ms)
        outcome = replace(outcome, metered=replace(outcome.metered, device_ms=charged))
        made = masked(wanted, outcome)
        said = b"--- stdout\n" + made.stdout_tail + b"\n--- stderr\n" + made.stderr_tail
        return Made(made, said)

    def _outcome(
        self, wanted: Job, result: Result, *, occupied_ms: int, tails: list[bytes]
    ) -> Outcome:
        phase, why = self.job["phase"], result.why
        if why is None and self.job["why"]:
            why = why_from(json.loads(self.job["why"]))
        verdict: Literal["succeeded", "failed", "stopped"] = "failed"
        if phase == "succeeded" and result.why is None:
            verdict, why = "succeeded", None
        elif phase == "stopped" and self.job["cancel_sent"] in ON_REQUEST:
            verdict, why = "stopped", None
        elif phase == "stopped" and self.job["cancel_sent"] == 2:
            why = Why("compute.failed_wall", (("wall_seconds_max", wanted.wall_seconds_max),))
        elif why is None:
            why = Why("compute.failed_remote")
        own_ms = result.metered.wall_ms
        wall_ms = own_ms if not occupied_ms else occupied_ms // max(wanted.devices, 1)
        measured = self._watched(wanted, replace(result.metered, wall_ms=max(wall_ms, own_ms, 1)))
        return Outcome(
            verdict=verdict,
            metered=Metered(
                max(wall_ms, 1),
                measured.cpu_user_ms,
                measured.cpu_system_ms,
                measured.memory_bytes_peak,
                utilisation_per_thousand=measured.utilisation_per_thousand,
                utilisation_samples=measured.utilisation_samples,
                unwatched=measured.unwatched,
            ),
            isolation=self.remote.isolation,
            code_digest=result.code_digest,
            why=why,
            outputs=result.outputs if verdict == "succeeded" else {},
            stdout_tail=tails[0][-LOG_BYTES_MAX:],
            stderr_tail=tails[1][-LOG_BYTES_MAX:],
            evidence=result.evidence,
            saved=result.saved,
        )

    def _watched(self, wanted: Job, said: Metered) -> Metered:
        """With what was seen of its devices from outside, which no job can write itself.

        Where somebody should have looked and never came to it, nobody knows.
        """
        samples = self.job["use_samples"]
        watch = watch_of(self.remote)
        if samples is None and (watch is None or not watch.watches(wanted.chip)):
            return _of_processors(wanted, said)
        if not samples:
            return replace(said, unwatched=said.utilisation_per_thousand is None)
        mean = (2 * self.job["use_sum"] + samples) // (2 * samples)
        return replace(said, utilisation_per_thousand=mean, utilisation_samples=samples)


def _of_processors(wanted: Job, said: Metered) -> Metered:
    """With the use of devices that are processors; their time says nothing of other devices."""
    cpu_ms = said.cpu_user_ms + said.cpu_system_ms
    if wanted.chip != PROCESSOR or not cpu_ms or said.utilisation_per_thousand is not None:
        return said
    if said.unwatched or wanted.replicas > 1:  # only the first may have been counted
        return said
    used = of_processors(cpu_ms=cpu_ms, wall_ms=said.wall_ms, devices=wanted.devices)
    return replace(said, utilisation_per_thousand=used, utilisation_samples=1)


_NOTHING = Outcome("failed", Metered(1, 0, 0, 0, device_ms=0), "", "")


def too_long(job: RowMapping, workload: RowMapping, *, now_us: int) -> bool:
    """Whether a running one has had more than its time; the provider ends most of them itself."""
    spec = columns.spec_of(workload)
    if spec.deadline_us and now_us >= spec.deadline_us:
        return True
    walls = [wall_seconds_on(spec, chip) for chip in (spec.chip, *spec.substitutes)]
    longest_us = (max(walls) + GRACE_SECONDS) * SECOND_US
    return bool(now_us - (job["running_since_us"] or now_us) > longest_us)


def apply(tx: Transaction, job: RowMapping, outcome: Outcome, *, log: str, now_us: int) -> None:
    """Pay and close, if the workload still is this job's; of a lost one nothing is paid."""
    row = owner(tx, job)
    if row is None:
        close(tx, job)
    elif job["phase"] == "lost":
        unsaid = Why("compute.remote_lost", (("site", job["adapter"]), ("reason", "-")))
        kept = why_from(json.loads(job["why"])) if job["why"] else unsaid
        lost(tx, job, kept, now_us=now_us)
    elif _never_ran(job):
        close(tx, job)
        if pushed(row):
            yielding.gone(tx, row, now_us=now_us)
            return
        unplace(tx, row, now_us=now_us, state="cancelled", why=None, ended_at_us=now_us)
        admit(tx, now_us=now_us)
    elif yielding.makes_room(row, outcome):
        close(tx, job)
        store.change_job(tx, job["id"], receipt=outcome.evidence.get("remote_receipt"))
        yielding.make_room(tx, row, outcome, log=log, now_us=now_us)
    else:
        close(tx, job)
        store.change_job(tx, job["id"], receipt=outcome.evidence.get("remote_receipt"))
        settle(tx, row, outcome, log=log, now_us=now_us)
        freed(tx, row, now_us=now_us)


def _never_ran(job: RowMapping) -> bool:
    asked = job["phase"] == "stopped" and job["cancel_sent"] in ON_REQUEST
    return asked and job["running_since_us"] is None


def pushed(row: RowMapping) -> bool:
    """Whether a workload was asked to make room, and nothing more."""
    return row["push_asked_us"] is not None and not row["cancel_asked"]


def pushed_of(tx: Transaction, job: RowMapping) -> bool:
    """Whether a job's workload is to make room still."""
    row = owner(tx, job)
    return row is not None and pushed(row)


def close(tx: Transaction, job: RowMapping) -> None:
    """Look after it no longer, except that its leavings at the provider are to go."""
    store.change_job(tx, job["id"], open=0)


def show(tx: Transaction, job: RowMapping, report: Report) -> None:
    """Let whoever asks see that it waits at the provider, and why; or that it runs."""
    row = owner(tx, job)
    if row is not None:
        queued = report.why or Why("compute.remote_queued", (("site", job["adapter"]),))
        workloads.change(tx, row["id"], why=queued if report.phase == "queued" else None)


def lost(tx: Transaction, job: RowMapping, why: Why, *, now_us: int) -> None:
    """The provider failed it: nothing is paid; it is placed anew, or given up after too many."""
    close(tx, job)
    row = owner(tx, job)
    if row is None:
        return
    if pushed(row):  # it is gone, which is all that was wanted; that it was not saved is a pity
        yielding.gone(tx, row, now_us=now_us)
        return
    failures = row["provider_failures"] + 1
    if why.code in UNFETCHED:  # it never reached anybody, which is no failure of its own
        failures -= 1
    if why.code == ABSENT:  # and not there again
        following.absent(tx, job["adapter"], since_us=job["since_us"], now_us=now_us)
    if why.code in HOPELESS:
        failures = PROVIDER_FAILURES_MAX
    if row["cancel_asked"]:
        unplace(tx, row, now_us=now_us, state="cancelled", why=None, ended_at_us=now_us)
    elif failures >= PROVIDER_FAILURES_MAX:
        given_up: dict[str, object] = {"state": "failed", "ended_at_us": now_us}
        unplace(tx, row, now_us=now_us, why=why, provider_failures=failures, **given_up)
    else:
        anew: dict[str, object] = {"state": "waiting", "pool": None, "voucher": None}
        unplace(tx, row, now_us=now_us, why=why, provider_failures=failures, **anew)
    admit(tx, now_us=now_us)


def refused(tx: Transaction, job: RowMapping, error: YunheError, *, now_us: int) -> None:
    """The provider will never take it as it is."""
    why = Why(error.code, (*error.params.items(),))
    if error.code in _ELSEWHERE:
        lost(tx, job, why, now_us=now_us)
        return
    row = owner(tx, job)
    close(tx, job)
    if row is None:
        return
    if error.code in _NEVER:
        blocked: dict[str, object] = {"state": "waiting", "blocked": 1, "pool": None}
        unplace(tx, row, now_us=now_us, why=why, voucher=None, **blocked)
    else:
        unplace(tx, row, now_us=now_us, state="failed", why=why, ended_at_us=now_us)
    admit(tx, now_us=now_us)


def put_off(tx: Transaction, job: RowMapping, error: YunheError, *, now_us: int) -> None:
    """What it left cannot be had now: try again later, and after too many tries call it lost."""
    failures = job["failures"] + 1
    if failures >= TRIES_MAX:
        lost(tx, job, Why(error.code, (*error.params.items(),)), now_us=now_us)
        return
    next_at_us = now_us + retry_us(failures)
    store.change_job(tx, job["id"], failures=failures, next_at_us=next_at_us)
