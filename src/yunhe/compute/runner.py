"""Runs what was placed: claim, work outside any transaction, apply if the claim still holds.

A runner may be killed at any point. Its job dies with it, its holds stay, and the next one takes
the workload over and starts afresh under the same holds; only an applied run is ever paid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from sqlalchemy import RowMapping

from yunhe.compute import asking, columns, store
from yunhe.compute.admission import (
    admit,
    at_once,
    freed,
    is_small,
    lapse,
    unplace,
    work_key,
    work_kind,
)
from yunhe.compute.disclosure import HOPELESS, disclosed, masked, masked_why
from yunhe.compute.domain import BUSY_STATES, Workload
from yunhe.compute.errors import workload_unknown
from yunhe.compute.forwarding import store as forwarded
from yunhe.compute.limits import service as limits
from yunhe.compute.live import service as live
from yunhe.compute.live.domain import Idle
from yunhe.compute.passes import whole
from yunhe.compute.places import places_here
from yunhe.compute.providers.seam import Job, Outcome, Provider
from yunhe.compute.pulse import Pulse
from yunhe.compute.reasons import Why
from yunhe.compute.settlement import settle
from yunhe.compute.supply.chips import catalogue_of
from yunhe.compute.wanted import wall_seconds_left, wall_seconds_on
from yunhe.compute.yielding import service as yielding
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Conflict, NotAllowed, NotFound, YunheError
from yunhe.kernel.masking import Mask
from yunhe.kernel.progress import Halt, Progress, Silent, Stopped, go_on
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.leases import Claim
from yunhe.storage.service import Storage
from yunhe.vault.service import Vault

PROVIDER_FAILURES_MAX = 5
"""How often a provider may fail a workload, or its runner vanish, before it is given up, unpaid."""
_PROGRAM_REFUSED = ("compute.entry_point_not_approved", "compute.entry_point_unknown")
_STALE_MAX = 1_000  # items of cancelled or replaced placements passed over in one call


def reconsider(storage: Storage) -> int:
    """Let the scheduler look at the queue again; returns how many were placed.

    Commands of this floor see to it themselves; this is for what happens outside it, such as money
    reaching an account or an award expiring. Nothing where another scheduler is at it.
    """
    with storage.database.read() as tx:
        if not store.anything_waits(tx):
            return 0
    with storage.database.begin() as tx:
        now_us = storage.clock.now_us()
        if is_small(tx):
            return at_once(tx, now_us=now_us)
        lapse(tx, now_us=now_us)
    try:
        passed = whole.run(storage)
    except Conflict as error:
        if error.code != "storage.claim_lost":
            raise
        return 0  # another scheduler took over while this one stood still
    return 0 if passed is None else passed.placed


def attend(storage: Storage) -> int:
    """`reconsider` where a pass was asked for, or none was made for a while."""
    return reconsider(storage) if whole.due(storage) else 0


def _look(storage: Storage) -> None:
    """What a runner does before it takes work: all there is to decide where that is little."""
    with storage.database.read() as tx:
        small = is_small(tx)
    if small:
        reconsider(storage)
    else:
        attend(storage)


def anything_placed(storage: Storage, provider: Provider) -> bool:
    """Whether `run_next` would find something to run now; a read, for whoever looks often."""
    kinds = [work_kind(provider.adapter)]
    with storage.database.read() as tx:
        return leases.anything(tx, kinds, now_us=storage.clock.now_us())


def run_next(
    storage: Storage,
    provider: Provider,
    *,
    workload: str | None = None,
    progress: Progress | None = None,
    halt: Callable[[], Halt] = go_on,
    vault: Vault | None = None,
    idle: Idle | None = None,
) -> Workload | None:
    """Run the oldest placed workload of the provider's kind, or the one named, to its end.

    None when there is nothing to run: all wait, run elsewhere, or are over. A workload whose
    program the operator has not approved goes back to waiting and says so. Asked through ``halt``
    to cancel, it ends cancelled, and what it used is paid; asked to hand back, its process is
    stopped, it is placed as before, nothing is paid and `Stopped` raised. Errors: the provider's
    own, after which the workload is still placed and nothing was paid; after
    `PROVIDER_FAILURES_MAX` of them it has failed and is returned. `NotFound`
    ``compute.workload_unknown``. ``vault`` opens the secrets that workloads name; a secret that
    cannot be given fails its workload, unpaid. ``idle``: when work that does nothing is stopped.
    """
    _look(storage)
    begun = _begin(storage, provider, workload)
    if begun is None:
        return None
    claim, job = begun

    def cancelled() -> bool:
        with storage.database.read() as tx:
            row = store.row(tx, job.id)
            return row is None or bool(row["cancel_asked"])

    def makes_room() -> bool:
        with storage.database.read() as tx:
            row = store.row(tx, job.id)
            return row is not None and row["push_asked_us"] is not None

    try:
        job = disclosed(storage, vault, job)
        with (
            Pulse(storage, claim, cancelled=cancelled, makes_room=makes_room, halt=halt) as pulse,
            live.line(storage, job, idle) as held,
        ):
            outcome = _saving(provider, live.runs(provider, held), pulse)(
                job,
                blobs=storage.blobs,
                progress=_Heard(progress or Silent()),
                stopped=lambda: pulse.stopped() or held.released,
            )
        if pulse.lost:
            return _present(storage, job.id)
        if pulse.handed_back and outcome.verdict == "stopped":
            raise Stopped
        return _apply(storage, claim, job, masked(job, live.explained(outcome, held)))
    except (NotAllowed, NotFound) as error:
        if error.code not in _PROGRAM_REFUSED:
            return _provider_failed(storage, claim, job, error)
        return _block(storage, claim, job, error)
    except YunheError as error:
        return _provider_failed(storage, claim, job, error)
    except BaseException:
        # Handed back, or Ctrl-C in a process that lives on: others must not wait for the lease.
        _hand_back(storage, claim)
        raise


def _saving(
    provider: Provider, run: Callable[..., Outcome], pulse: Pulse
) -> Callable[..., Outcome]:
    """The provider's way to run a job, told when it should save its work, where it can be."""
    return partial(run, saves=pulse.makes_room) if getattr(provider, "saving", False) else run


class _Heard:
    """Progress that never ends the job: what is asked of it goes through the pulse alone."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Hand the step on."""
        with suppress(Stopped):
            self._progress.step(what, done=done, total=total)


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
            job = start(tx, claim, now_us=storage.clock.now_us())
        if job is not None:
            return claim, job
    return None


def start(tx: Transaction, claim: Claim, *, now_us: int) -> Job | None:
    """Mark a claimed workload as running; the job, or None when there is none (and it is closed).

    There is none when its placement is gone, was cancelled, or must be made anew.
    """
    row = store.row(tx, str(claim.payload["workload"]))
    if row is None or row["state"] not in BUSY_STATES or work_key(row) != claim.key:
        leases.finish(tx, claim, result={"outcome": "stale"})
        return None
    spec = columns.spec_of(row)
    if row["cancel_asked"] or row["push_asked_us"] is not None:
        _unheard(tx, claim, row, now_us=now_us)
        return None
    chip = _chip(tx, row)
    if wall_seconds_left(spec, chip, now_us=now_us) < 1:
        leases.finish(tx, claim, result={"outcome": "compute.failed_deadline"})
        why = asking.missed(spec)
        unplace(tx, row, now_us=now_us, state="failed", why=why, ended_at_us=now_us)
        admit(tx, now_us=now_us)
        return None
    if row["holds_until_us"] < now_us + wall_seconds_on(spec, chip) * SECOND_US + DAY_US:
        leases.finish(tx, claim, result={"outcome": "placed anew"})
        unplace(tx, row, now_us=now_us, state="waiting", pool=None, voucher=None)
        admit(tx, now_us=now_us)
        return None
    failures = row["provider_failures"] + (row["state"] == "running")  # its last runner vanished
    if failures >= PROVIDER_FAILURES_MAX:
        leases.finish(tx, claim, result={"outcome": "compute.runners_lost"})
        lost: dict[str, object] = {
            "state": "failed",
            "why": Why("compute.runners_lost", (("times", failures),)),
            "provider_failures": failures,
            "ended_at_us": now_us,
        }
        unplace(tx, row, now_us=now_us, **lost)
        admit(tx, now_us=now_us)
        return None
    begun: dict[str, object] = {"attempts": row["attempts"] + 1, "provider_failures": failures}
    begun["running_since_us"] = now_us
    store.change(tx, row["id"], state="running", why=None, **begun)
    return job_of(tx, row, now_us=now_us)


def _unheard(tx: Transaction, claim: Claim, row: RowMapping, *, now_us: int) -> None:
    """Its runner was killed before it could hear that it should end, or it never began."""
    if not row["cancel_asked"]:
        leases.finish(tx, claim, result={"outcome": "made room"})
        yielding.gone(tx, row, now_us=now_us)
        return
    leases.finish(tx, claim, result={"outcome": "cancelled"})
    unplace(tx, row, now_us=now_us, state="cancelled", ended_at_us=now_us)
    admit(tx, now_us=now_us)


def _chip(tx: Transaction, row: RowMapping) -> str:
    pool = store.pool(tx, row["pool"])
    return str(row["chip"]) if pool is None else pool.chip


def job_of(tx: Transaction, row: RowMapping, *, now_us: int | None = None) -> Job:
    """What a provider is asked to run for a placed workload; ``now_us``: when it starts."""
    spec, pool = columns.spec_of(row), store.pool(tx, row["pool"])
    chip, places = str(row["chip"]) if pool is None else pool.chip, places_here(row, pool)
    left = wall_seconds_on(spec, chip)
    if now_us is not None:
        left = max(wall_seconds_left(spec, chip, now_us=now_us), 1)
    awards = [draw.award for draw in store.draws(tx, row["id"])]
    at_us = now_us or row["submitted_at_us"]
    return Job(
        id=row["id"],
        entry_point=spec.entry_point,
        arguments=spec.arguments,
        inputs=spec.inputs,
        devices=spec.devices * (row["replicas"] or spec.replicas),
        wall_seconds_max=left,
        cpu_seconds_max=spec.cpu_seconds_max,
        memory_bytes_max=spec.memory_bytes_max,
        chip=chip,
        maker="" if places is None else catalogue_of(tx).vendors().get(chip, ""),
        places=places,
        replicas=row["replicas"] or spec.replicas,
        cpu_milli=spec.cpu_milli,
        replica_memory_bytes=spec.replica_memory_bytes,
        command=spec.command,
        image=spec.image,
        folder=spec.folder,
        environment=spec.environment,
        keeps=spec.outputs,
        saves=row["saves_seconds"] is not None,
        saved=json.loads(row["saved"]) if row["saved"] else {},
        approved=frozenset(a.digest for a in store.approvals(tx, spec.entry_point)),
        origin=forwarded.origin(tx, row["id"]),
        jurisdictions=limits.abroad(tx, spec, row["pool"], awards=awards, now_us=at_us),
        excluded_providers=spec.excluded_providers,
        consumer=limits.consumer(tx, spec, row["pool"]),
    )


def _apply(storage: Storage, claim: Claim, job: Job, outcome: Outcome) -> Workload:
    """Settle in one transaction; if the claim was lost meanwhile, nothing of this run is kept."""
    said = b"--- stdout\n" + outcome.stdout_tail + b"\n--- stderr\n" + outcome.stderr_tail
    log = storage.blobs.put(said).digest
    now_us = storage.clock.now_us()
    try:
        with storage.database.begin() as tx:
            leases.finish(tx, claim, result={"outcome": outcome.verdict})
            row = _row(tx, job.id)
            if yielding.makes_room(row, outcome):
                yielding.make_room(tx, row, outcome, log=log, now_us=now_us)
            else:
                settle(tx, row, outcome, log=log, now_us=now_us)
                freed(tx, row, now_us=now_us)
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
    if error.code in HOPELESS:
        counted = PROVIDER_FAILURES_MAX
    why = masked_why(Mask(job.secrets.values()), _why(error))
    with storage.database.begin() as tx:
        row = _row(tx, job.id)
        failures = row["provider_failures"] + counted
        if failures < PROVIDER_FAILURES_MAX:
            leases.hand_back(tx, claim)
            store.change(tx, job.id, state="placed", why=why, provider_failures=failures)
        else:
            leases.finish(tx, claim, result={"outcome": error.code})
            unplace(
                tx,
                row,
                now_us=now_us,
                state="failed",
                why=why,
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
        held = [(draw.award, draw.covers_ms) for draw in store.draws(tx, workload)]
        return columns.workload_of(_row(tx, workload), held)
