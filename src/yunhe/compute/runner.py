"""Runs what was placed: claim, work outside any transaction, apply if the claim still holds.

A runner may be killed at any point. Its job dies with it, its holds stay, and the next one takes
the workload over and starts afresh under the same holds; only an applied run is ever paid.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.admission import admit, unplace, work_key, work_kind
from yunhe.compute.domain import BUSY_STATES, Workload
from yunhe.compute.errors import workload_unknown
from yunhe.compute.providers.seam import Job, Outcome, Provider
from yunhe.compute.pulse import Pulse
from yunhe.compute.reasons import Why
from yunhe.compute.settlement import settle
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Conflict, NotAllowed, NotFound, YunheError
from yunhe.kernel.progress import Progress, Silent
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.leases import Claim
from yunhe.storage.service import Storage

PROVIDER_FAILURES_MAX = 5
"""How often a provider may fail a workload before it is given up, unpaid."""
_PROGRAM_REFUSED = ("compute.entry_point_not_approved", "compute.entry_point_unknown")
_STALE_MAX = 1_000  # items of cancelled or replaced placements passed over in one call


def reconsider(storage: Storage) -> int:
    """Let the scheduler look at the queue again; returns how many were placed.

    Commands of this floor do it themselves; this is for what happens outside it, such as money
    reaching an account or an award expiring.
    """
    with storage.database.read() as tx:
        if not store.anything_waits(tx):
            return 0
    with storage.database.begin() as tx:
        return admit(tx, now_us=storage.clock.now_us())


def run_next(
    storage: Storage,
    provider: Provider,
    *,
    workload: str | None = None,
    progress: Progress | None = None,
) -> Workload | None:
    """Run the oldest placed workload of the provider's kind, or the one named, to its end.

    None when there is nothing to run: all wait, run elsewhere, or are over. A workload whose
    program the operator has not approved goes back to waiting and says so. Errors: the provider's
    own, after which the workload is still placed and nothing was paid; after
    `PROVIDER_FAILURES_MAX` of them it has failed and is returned. `NotFound`
    ``compute.workload_unknown``.
    """
    reconsider(storage)
    begun = _begin(storage, provider, workload)
    if begun is None:
        return None
    claim, job = begun

    def cancelled() -> bool:
        with storage.database.read() as tx:
            row = store.row(tx, job.id)
            return row is None or bool(row["cancel_asked"])

    try:
        with Pulse(storage, claim, cancelled=cancelled) as pulse:
            outcome = provider.run(
                job,
                blobs=storage.blobs,
                progress=progress or Silent(),
                stopped=pulse.stopped,
            )
        if pulse.lost:
            return _present(storage, job.id)
        return _apply(storage, claim, job, outcome)
    except (NotAllowed, NotFound) as error:
        if error.code not in _PROGRAM_REFUSED:
            return _provider_failed(storage, claim, job, error)
        return _block(storage, claim, job, error)
    except YunheError as error:
        return _provider_failed(storage, claim, job, error)
    except BaseException:
        # Ctrl-C in a process that lives on: do not make others wait for the lease.
        _hand_back(storage, claim)
        raise


def _begin(storage: Storage, provider: Provider, workload: str | None) -> tuple[Claim, Job] | None:
    """Claim a workload and mark it running; items whose placement is gone are closed on the way."""
    kind = work_kind(provider.adapter)
    for _ in range(_STALE_MAX):
        key = None
        if workload is not None:
            with storage.database.read() as tx:
                row = store.row(tx, workload)
            if row is None:
                raise workload_unknown(workload)
            key = work_key(row)
        claim = leases.claim(storage, [kind], key=key)
        if claim is None:
            return None
        with storage.database.begin() as tx:
            job = _start(tx, claim, now_us=storage.clock.now_us())
        if job is not None:
            return claim, job
    return None


def _start(tx: Transaction, claim: Claim, *, now_us: int) -> Job | None:
    """The job to run, or None when the claim turned out to be for nothing (and is closed)."""
    row = store.row(tx, str(claim.payload["workload"]))
    if row is None or row["state"] not in BUSY_STATES or work_key(row) != claim.key:
        leases.finish(tx, claim, result={"outcome": "stale"})
        return None
    spec = store.spec_of(row)
    if row["cancel_asked"]:  # its runner was killed before it could hear of it
        leases.finish(tx, claim, result={"outcome": "cancelled"})
        unplace(tx, row, now_us=now_us, state="cancelled", ended_at_us=now_us)
        admit(tx, now_us=now_us)
        return None
    if row["holds_until_us"] < now_us + spec.wall_seconds_max * SECOND_US + DAY_US:
        leases.finish(tx, claim, result={"outcome": "placed anew"})
        unplace(tx, row, now_us=now_us, state="waiting", pool=None, voucher=None)
        admit(tx, now_us=now_us)
        return None
    store.change(tx, row["id"], state="running", why=None, attempts=row["attempts"] + 1)
    return Job(
        id=row["id"],
        entry_point=spec.entry_point,
        arguments=spec.arguments,
        inputs=spec.inputs,
        devices=spec.devices,
        wall_seconds_max=spec.wall_seconds_max,
        cpu_seconds_max=spec.cpu_seconds_max,
        memory_bytes_max=spec.memory_bytes_max,
        approved=frozenset(a.digest for a in store.approvals(tx, spec.entry_point)),
    )


def _apply(storage: Storage, claim: Claim, job: Job, outcome: Outcome) -> Workload:
    """Settle in one transaction; if the claim was lost meanwhile, nothing of this run is kept."""
    said = b"--- stdout\n" + outcome.stdout_tail + b"\n--- stderr\n" + outcome.stderr_tail
    log = storage.blobs.put(said).digest
    now_us = storage.clock.now_us()
    try:
        with storage.database.begin() as tx:
            leases.finish(tx, claim, result={"outcome": outcome.verdict})
            settle(tx, _row(tx, job.id), outcome, log=log, now_us=now_us)
            admit(tx, now_us=now_us)
    except Conflict as error:
        if error.code != "storage.claim_lost":
            raise
    return _present(storage, job.id)


def _block(storage: Storage, claim: Claim, job: Job, error: YunheError) -> Workload:
    """Back to the queue, with nothing held, until somebody changes what the error is about."""
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        leases.finish(tx, claim, result={"outcome": error.code})
        why = _why(error)
        row = _row(tx, job.id)
        unplace(
            tx, row, now_us=now_us, state="waiting", blocked=1, why=why, pool=None, voucher=None
        )
        admit(tx, now_us=now_us)
    return _present(storage, job.id)


def _provider_failed(storage: Storage, claim: Claim, job: Job, error: YunheError) -> Workload:
    """Nothing is paid: placed again for another try, or given up after too many."""
    now_us = storage.clock.now_us()
    # A full disk of the platform's own is nobody's failure to run the job.
    counted = 0 if error.code.startswith("storage.") else 1
    with storage.database.begin() as tx:
        row = _row(tx, job.id)
        failures = row["provider_failures"] + counted
        if failures < PROVIDER_FAILURES_MAX:
            leases.hand_back(tx, claim)
            store.change(tx, job.id, state="placed", why=_why(error), provider_failures=failures)
        else:
            leases.finish(tx, claim, result={"outcome": error.code})
            unplace(
                tx,
                row,
                now_us=now_us,
                state="failed",
                why=_why(error),
                provider_failures=failures,
                ended_at_us=now_us,
            )
            admit(tx, now_us=now_us)
    if failures < PROVIDER_FAILURES_MAX:
        raise error
    return _present(storage, job.id)


def _hand_back(storage: Storage, claim: Claim) -> None:
    try:
        with storage.database.begin() as tx:
            leases.hand_back(tx, claim)
            store.change(tx, str(claim.payload["workload"]), state="placed")
    except YunheError:
        return  # lost, or the disk refuses: the lease runs out by itself


def _why(error: YunheError) -> Why:
    params: Mapping[str, str | int] = error.params
    return Why(error.code, tuple(params.items()))


def _row(tx: Transaction, workload: str) -> RowMapping:
    row = store.row(tx, workload)
    if row is None:
        raise workload_unknown(workload)
    return row


def _present(storage: Storage, workload: str) -> Workload:
    with storage.database.read() as tx:
        return store.workloads(tx, workload=workload)[0]
