"""Commands and questions of a platform that hands work over here.

A job is known by the name the other platform gave it: handed over again it is the same one, called
off before it came it never starts. What came forwarded is never forwarded again (`origin`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from yunhe.compute import columns
from yunhe.compute import store as workloads
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.forwarding import store
from yunhe.compute.forwarding.domain import Forwarded, Room, key_of, workload_id
from yunhe.compute.forwarding.store import origin, origins
from yunhe.compute.limits.jurisdictions import known
from yunhe.compute.machine import shown_chip
from yunhe.compute.picture import rooms_of
from yunhe.compute.supply import service as supply
from yunhe.compute.supply.offering import offering
from yunhe.compute.wanted import UNKNOWN
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound
from yunhe.storage import uploads
from yunhe.storage.database import Transaction
from yunhe.storage.resting import rests
from yunhe.storage.service import Storage
from yunhe.storage.taking import dropped

__all__ = [
    "Forwarded",
    "Room",
    "cancel",
    "expect",
    "forget",
    "look",
    "origin",
    "origins",
    "room",
    "sent_by_hand",
    "take",
]

JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
"""Names of jobs."""
_OF_JOBS = ("compute_workload", "compute_forwarded_input")


def take(
    storage: Storage,
    spec: WorkloadSpec,
    *,
    job: str,
    member: str,
    origin: str,
    here: str,
    consumer: str = "",
    without: Collection[str] = (),
) -> Forwarded:
    """Take a job over once, however often it is handed over; the key of ``spec`` is not used.

    ``origin`` is the log of the platform it comes from, ``here`` this one's. ``consumer``: where
    that platform says whoever it is done for is; of a platform that does not say it they may be
    anywhere. That binds beside what is said here of the organisation. One that was called off
    before it came is not taken. Errors: `Invalid` ``compute.spec_invalid`` for a place that is
    none; `NotAllowed` ``compute.forward_loop`` when it is this platform's own,
    ``compute.forward_again`` when only pools ``without`` which it must do have its chip; `Conflict`
    ``compute.workload_differs`` under a name that was used for another; those of
    `compute.service.submit`.
    """
    from yunhe.compute import service as compute  # noqa: PLC0415 - it re-exports this module

    if origin == here:
        raise NotAllowed("compute.forward_loop", log=origin)
    if consumer and not known(consumer):
        said = (("value", ascii(consumer)[1:-1][:40]),)
        wrong = Finding("consumer", "compute.jurisdiction_invalid", said)
        raise Invalid("compute.spec_invalid", findings=[wrong])
    whose = spec.organisation
    asked = replace(spec, key=key_of(job), consumer=consumer or UNKNOWN)
    made = workload_id(whose, job)
    with storage.database.begin() as tx:
        now_us = storage.clock.now_us()
        if not store.some(tx, whose, [job]):
            _require_own(tx, spec, without, origin=origin)
        row = store.add(tx, whose, job, workload=made, origin=origin, at_us=now_us)
        if row["origin"] != origin and not row["cancelled"]:
            raise Conflict("compute.workload_differs", key=job)
    if not row["cancelled"]:
        compute.submit(storage, asked, member=member)
    with storage.database.read() as tx:
        [row] = store.some(tx, whose, [job])
    if row["cancelled"]:  # meanwhile
        _end(storage, made)
    if row["forgotten"]:  # whoever sent this did not know yet: nobody wants its files any more
        _release_late(storage, whose, job, dict.fromkeys(spec.inputs.values(), member))
    with storage.database.read() as tx:
        return look(tx, organisation=whose, jobs=[job])[0]


def _release_late(storage: Storage, organisation: str, job: str, sent: Mapping[str, str]) -> None:
    with storage.database.begin() as tx:
        released = _released(tx, organisation, job, sent)
    for digest in released:
        dropped(storage, digest)


def _require_own(
    tx: Transaction, spec: WorkloadSpec, without: Collection[str], *, origin: str
) -> None:
    """Refuse what could only be handed on: it would wait for ever."""
    chips = {spec.chip, *spec.substitutes}
    found = [each.pool for each in workloads.pools(tx) if each.pool.chip in chips]
    onward = [pool for pool in found if pool.adapter in without]
    if onward and len(onward) == len(found):
        raise NotAllowed("compute.forward_again", site=onward[0].adapter, log=origin)


def _end(storage: Storage, workload: str) -> None:
    from yunhe.compute import service as compute  # noqa: PLC0415 - likewise

    try:
        compute.cancel(storage, workload)
    except NotFound:
        return  # it never came


def look(tx: Transaction, *, organisation: str, jobs: Collection[str]) -> list[Forwarded]:
    """Those of the jobs that are known here, by name."""
    found = []
    for row in store.some(tx, organisation, jobs):
        there = workloads.row(tx, row["workload"])
        forgotten = bool(row["forgotten"])
        if there is None:
            if row["cancelled"]:
                gone = Forwarded(row["job"], row["workload"], "cancelled", called_off=True)
                found.append(replace(gone, ended_at_us=row["at_us"], forgotten=forgotten))
            continue  # its submission was refused, or is under way
        seen = columns.workload_of(there, [])
        found.append(
            Forwarded(
                job=row["job"],
                workload=seen.id,
                state=seen.state,
                why=seen.why,
                outputs=seen.outputs,
                devices=seen.spec.devices,
                usage=seen.usage,
                ended_at_us=there["ended_at_us"],
                reference=seen.reference,
                called_off=bool(row["cancelled"]),
                logged=seen.log is not None and not forgotten,
                forgotten=forgotten,
            )
        )
    return found


def cancel(storage: Storage, *, organisation: str, job: str) -> None:
    """Call a job off; one that has not come yet never starts, of one that is over nothing changes.

    What it used until then is paid.
    """
    workload = workload_id(organisation, job)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        store.add(tx, organisation, job, workload=workload, origin="", at_us=now_us)
        store.change(tx, organisation, job, cancelled=1)
    _end(storage, workload)


def expect(
    tx: Transaction, *, organisation: str, member: str, job: str, digests: Collection[str]
) -> list[str]:
    """Which files of a job that is about to be handed over are to be sent; said before they are.

    What is sent so, and was not there before, is released with the job (`forget`), also when that
    never comes. Nothing is wanted of a job that was called off or forgotten.
    """
    if any(row["cancelled"] or row["forgotten"] for row in store.some(tx, organisation, [job])):
        return []
    there = uploads.sent(tx, organisation, digests)
    for_jobs = (set(digests) - there) | store.noted(tx, organisation, digests)
    store.note_inputs(tx, organisation, job, for_jobs, member=member)
    return sorted(set(digests) - there)


def forget(storage: Storage, *, organisation: str, job: str) -> None:
    """The other platform has all it wanted; what it sent for this job alone counts no more.

    Of one that is unknown nothing is kept. Said again it changes nothing. The bytes of what was
    never used go; those of what was stay where rows name them. Errors: `NotFound`
    ``compute.forward_unknown`` for a name under which nothing ever came.
    """
    with storage.database.begin() as tx:
        known = any(each.devices for each in look(tx, organisation=organisation, jobs=[job]))
        sent = store.take_inputs(tx, organisation, job)
        released = _released(tx, organisation, job, sent)
        store.change(tx, organisation, job, forgotten=1)
    for digest in released:
        dropped(storage, digest)
    if not known and not sent:
        raise NotFound("compute.forward_unknown", job=job)


def sent_by_hand(tx: Transaction, *, organisation: str, member: str, digest: str) -> None:
    """Somebody sent a file: one that another member sent for jobs alone is theirs as well now.

    It stays when those jobs are forgotten.
    """
    senders = store.senders(tx, organisation, digest)
    if senders and member not in senders:
        store.take_notes(tx, organisation, digest)


def _released(tx: Transaction, organisation: str, job: str, sent: Mapping[str, str]) -> list[str]:
    """Forget uploads that no other job, and nothing else of the organisation's, needs."""
    found = [
        digest
        for digest in sorted(uploads.sent(tx, organisation, sent))
        if _dispensable(tx, organisation, job, digest=digest, member=sent[digest])
    ]
    for digest in found:
        uploads.forget(tx, digest, organisation=organisation)
    return found


def _dispensable(tx: Transaction, organisation: str, job: str, *, digest: str, member: str) -> bool:
    if uploads.find(tx, organisation=organisation, digest=digest).member != member:
        return False
    if store.noted(tx, organisation, [digest]):
        store.pass_on(tx, organisation, digest, member=member)  # whoever goes last releases it
        return False
    if store.reads(tx, organisation, digest, but=workload_id(organisation, job)):
        return False
    return not rests(tx, digest, organisation=organisation, besides=_OF_JOBS)


def room(tx: Transaction, *, now_us: int, without: Collection[str] = ()) -> list[Room]:
    """The pools that others may count on, by id.

    ``without``: adapters whose pools are themselves other platforms' and never offered onward, or
    two platforms would count each other's devices as their own.
    """
    found = [each for each in workloads.pools(tx) if each.pool.adapter not in without]
    made = []
    offered = offering(tx, [each.pool for each in found], now_us=now_us)
    rooms = rooms_of(found, offered, workloads.occupying(tx))
    for offer in supply.offers(tx, found, now_us=now_us):
        pool, state = offer.status.pool, str(offer.standing.state)
        if any(each.from_us <= now_us < each.until_us for each in offer.maintenances):
            state = "draining" if state == "open" else state
        free = rooms[pool.id].free() if state == "open" else 0
        made.append(
            Room(
                pool=pool.id,
                site=pool.site,
                chip=shown_chip(pool.chip, pool.adapter),
                devices=pool.devices,
                free=free,
                state=state,
                price_minor_per_device_hour=offer.price_minor_per_device_hour,
                currency=pool.currency,
            )
        )
    return sorted(made, key=lambda each: each.pool)
