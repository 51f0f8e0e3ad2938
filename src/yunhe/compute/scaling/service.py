"""Commands and questions about inference services, and the duty that keeps their replicas."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Literal

from yunhe.compute import store as rows_of
from yunhe.compute.errors import refuse
from yunhe.compute.lasting import lasting
from yunhe.compute.limits import service as limits
from yunhe.compute.nearest import nodes_for
from yunhe.compute.reasons import Why
from yunhe.compute.referring import folder_found, reference_faults
from yunhe.compute.remote import store as sites
from yunhe.compute.scaling import store
from yunhe.compute.scaling.deciding import wanted_replicas
from yunhe.compute.scaling.domain import (
    KEPT_SECONDS,
    LATE_SECONDS_MAX,
    SOURCES_MAX,
    Need,
    Policy,
    Replica,
    Sample,
    Service,
)
from yunhe.compute.scaling.keeping import Steps, serves, serving, steps
from yunhe.compute.scaling.refusing import load_faults, policy_faults
from yunhe.compute.specs import key_faults, spec_faults, text_faults
from yunhe.compute.wanted import WorkloadSpec
from yunhe.compute.ways import store as ways
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import DAY_US, SECOND_US, iso
from yunhe.kernel.errors import Conflict, Exhausted, NotFound, Unavailable, YunheError
from yunhe.kernel.ids import derived_id
from yunhe.storage import events
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "Need",
    "Policy",
    "Replica",
    "Sample",
    "Service",
    "attend",
    "change",
    "create",
    "find",
    "forget",
    "listed",
    "need_of",
    "report",
    "serves",
    "service_unknown",
    "serving",
    "stop",
]

SERVICES_MAX = 100
"""Services of one organisation that are not stopped."""
_SLACK_US = SECOND_US  # two reports may overlap by as much: clocks and rounding
_SLACK_PART = 4  # but by no more than such a part (1/4) of the later one
_GONE_KEPT_US = 30 * DAY_US
_SUBMITTED_LATE_US = DAY_US  # so long a process may have been submitting what was given up
_PAGE = 200
_KEY = "service"
_log = logging.getLogger("yunhe.compute")


def create(
    storage: Storage,
    *,
    key: str,
    name: str,
    spec: WorkloadSpec,
    policy: Policy,
    member: str | None = None,
) -> Service:
    """Keep as many replicas of ``spec`` as their load needs, between floor and ceiling.

    Replicas are workloads like all others: each is placed under a hold. The same key again
    returns the same service as it stands. Errors: `Invalid` ``compute.service_invalid`` with every
    finding; `Conflict` ``compute.service_differs``; `Exhausted` ``compute.services_too_many``.
    """
    now_us = storage.clock.now_us()
    spec = replace(spec, key="", kind="inference")
    made = Service(
        id=derived_id("service", spec.organisation, key),
        name=name,
        spec=spec,
        policy=policy,
        state="open",
        wanted=policy.floor,
        needed=policy.floor,
        why=None,
        member=member,
        next_number=1,
        failures=0,
        retry_at_us=0,
        created_at_us=now_us,
        seen_at_us=now_us,
    )
    asked = replace(spec, key=_KEY)
    unfound, lying = folder_found(storage, asked)
    with storage.database.begin() as tx:
        there = store.service(tx, made.id)
        if there is not None:
            same = there.name == name and store.asked_policy(tx, made.id) == policy
            if not same or digest_of(there.spec.as_json()) != digest_of(spec.as_json()):
                raise Conflict("compute.service_differs", key=key)
            return there
        pools = lasting(tx, [status.pool for status in rows_of.pools(tx)])
        limits.carry(tx, lying, [asked.folder], at_us=now_us)
        able = limits.looking_at(tx, sites.abilities(tx), asked, now_us=now_us)
        nodes, said = nodes_for(tx, asked, pools), ways.ways(tx)
        faults = spec_faults(asked, pools, now_us=now_us, able=able, nodes=nodes, ways=said)
        findings = [*faults, *unfound]
        unsound = {finding.where for finding in findings}
        findings += reference_faults(storage, tx, asked, unsound=unsound, member=member)
        findings = [
            *key_faults(key),
            *text_faults("name", name),
            *findings,
            *policy_faults(policy, spec),
        ]
        refuse("compute.service_invalid", findings)
        if store.kept(tx, spec.organisation) >= SERVICES_MAX:
            raise Exhausted("compute.services_too_many", most=SERVICES_MAX)
        store.add(tx, made)
        _note(tx, made, "created", at_us=now_us)
    _look(storage, made.id)
    return _present(storage, made.id)


def change(storage: Storage, name: str, changes: Mapping[str, object]) -> Service:
    """Give a service another floor, ceiling or target; replicas follow at the next look.

    ``changes``: fields of `Policy` by name. Errors: `Invalid` ``compute.service_invalid``;
    `NotFound` ``compute.service_unknown``; `Conflict` ``compute.service_stopped``.
    """
    known = {each.name for each in fields(Policy)}
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        there = find(tx, name)
        if there.state != "open":
            raise Conflict("compute.service_stopped", service=name)
        said = {field: value for field, value in changes.items() if field in known}
        policy = replace(there.policy, **said)  # type: ignore[arg-type] # checked below
        refuse("compute.service_invalid", [*policy_faults(policy, there.spec)])
        store.change(tx, name, policy=policy)
        _note(tx, replace(there, policy=policy), "changed", at_us=now_us)
    _look(storage, name)
    return _present(storage, name)


def stop(storage: Storage, name: str) -> Service:
    """End a service and its replicas; what ran is paid. Stopping it again changes nothing.

    Errors: `NotFound` ``compute.service_unknown``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        there = find(tx, name)
        if there.state == "open":
            store.change(tx, name, state="stopped")
            _note(tx, there, "stopped", at_us=now_us)
    _look(storage, name)
    return _present(storage, name)


def report(storage: Storage, name: str, sample: Sample) -> Literal["counted", "known", "late"]:
    """Say what a service had to do; the same id changes nothing, and late ones are not kept.

    Errors: `Invalid` ``compute.load_invalid`` with every finding, the future among them; `Conflict`
    ``compute.load_differs`` for another report under the same id, ``compute.load_overlaps`` for
    one more about the same time, ``compute.service_stopped``; `NotFound`
    ``compute.service_unknown``.
    """
    now_us = storage.clock.now_us()
    refuse("compute.load_invalid", [*load_faults(sample, now_us=now_us)])
    with storage.database.begin() as tx:
        if find(tx, name).state != "open":
            raise Conflict("compute.service_stopped", service=name)
        there = store.sample(tx, name, sample.id)
        if there is not None:
            if there != sample:
                since, until = iso(there.from_us), iso(there.until_us)
                raise Conflict("compute.load_differs", id=sample.id, since=since, until=until)
            return "known"
        if sample.until_us <= now_us - LATE_SECONDS_MAX * SECOND_US:
            return "late"
        slack_us = min(_SLACK_US, (sample.until_us - sample.from_us) // _SLACK_PART)
        other = store.overlapping(tx, name, sample, slack_us=slack_us)
        if other is not None:
            raise Conflict("compute.load_overlaps", id=other)
        known = store.sources(tx, name)
        if sample.source not in known and len(known) >= SOURCES_MAX:
            raise Exhausted("compute.load_sources", most=SOURCES_MAX)
        store.add_sample(tx, name, sample)
    return "counted"


def find(tx: Transaction, name: str) -> Service:
    """A service as it stands. Errors: `NotFound` ``compute.service_unknown``."""
    found = store.service(tx, name)
    if found is None:
        raise service_unknown(name)
    return found


def service_unknown(name: str) -> NotFound:
    """No such service."""
    return NotFound("compute.service_unknown", service=name[:64])


def listed(
    tx: Transaction,
    *,
    organisation: str | None = None,
    projects: frozenset[str] | None = None,
    after: str = "",
    limit: int = 50,
) -> list[Service]:
    """A page of services, by id."""
    return store.services(
        tx, organisation=organisation, projects=projects, after=after, limit=limit
    )


def need_of(tx: Transaction, there: Service, *, now_us: int) -> Need:
    """What a service's load needs now."""
    back = there.policy.cooldown_seconds + there.policy.startup_seconds + 2 * LATE_SECONDS_MAX
    history = store.history(tx, there.id, since_us=now_us - back * SECOND_US)
    return wanted_replicas(history, there.policy, now_us)


def attend(storage: Storage) -> int:
    """Look after every service; how many replicas were asked for or stopped.

    Killed anywhere, the next one goes on where it stopped: a replica is written down before it is
    submitted, under a key that names it. Two at once do nothing twice. One service that cannot be
    looked after does not keep the others waiting: what was wrong with the first such is raised
    when all have had their turn.
    """
    done, after = 0, ""
    first: Exception | None = None
    since_us = storage.clock.now_us() - _SUBMITTED_LATE_US
    while True:
        with storage.database.read() as tx:
            page = store.to_attend(tx, after=after, gone_since_us=since_us, limit=_PAGE)
        for name in page:
            try:
                done += _look(storage, name)
            except Exception as error:  # noqa: BLE001 -- the others' turn comes; raised below
                why = error.code if isinstance(error, YunheError) else type(error).__name__
                _log.warning("the service %s could not be looked after: %s", name, why)
                first = first or error
        if len(page) < _PAGE:
            break
        after = page[-1]
    if first is not None:
        raise first
    return done


def forget(storage: Storage) -> int:
    """Remove reports and replicas that nobody asks for any more."""
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        return store.forget(
            tx,
            before_us=now_us - KEPT_SECONDS * SECOND_US,
            gone_before_us=now_us - _GONE_KEPT_US,
        )


def _look(storage: Storage, name: str) -> int:
    with storage.database.read() as tx:
        now_us = storage.clock.now_us()
        there = find(tx, name)
        planned = steps(there, need_of(tx, there, now_us=now_us), now_us)
        if not planned.changes(there) and not _unsubmitted(there, now_us):
            return 0
    with storage.database.begin() as tx:
        now_us = storage.clock.now_us()
        there = find(tx, name)
        planned = steps(there, need_of(tx, there, now_us=now_us), now_us)
        _write(tx, there, planned, now_us=now_us)
        there = find(tx, name)
    # First, so that whatever keeps a new one from being submitted does not keep an old one paid.
    stopping = [each for each in there.replicas if each.number in planned.stop]
    for each in stopping:
        _cancel(storage, each.workload)
    for each in _unsubmitted(there, now_us):
        if not _submit(storage, there, each):
            break
    return len(planned.start) + len(stopping)


def _unsubmitted(there: Service, now_us: int) -> list[Replica]:
    if now_us < there.retry_at_us:
        return []
    return [
        each for each in there.replicas if each.state == "wanted" and each.workload_state is None
    ]


def _write(tx: Transaction, there: Service, planned: Steps, *, now_us: int) -> None:
    """Write down what is about to be done, before anything is done."""
    for number in planned.begun:
        store.set_replica(tx, there.id, number, running_since_us=now_us)
    for number in planned.gone:
        store.set_replica(tx, there.id, number, state="gone", gone_at_us=now_us)
    for number in planned.stop:
        store.set_replica(tx, there.id, number, state="leaving")
    number = there.next_number
    for replaced in planned.start:
        workload = derived_id("workload", there.organisation, replica_key(there.id, number))
        store.add_replica(tx, there.id, number, workload=workload, replaces=replaced)
        number += 1
    store.change(
        tx,
        there.id,
        wanted=planned.wanted,
        needed=planned.needed,
        why=planned.why,
        failures=planned.failures,
        retry_at_us=planned.retry_at_us,
        next_number=number,
        seen_at_us=now_us,
    )
    if planned.wanted != there.wanted:
        _note(tx, replace(there, wanted=planned.wanted), "scaled", at_us=now_us)


def replica_key(service: str, number: int) -> str:
    """The idempotency key under which a replica is submitted."""
    return f"service:{service}:{number}"


def _submit(storage: Storage, there: Service, each: Replica) -> bool:
    """Submit a replica; False when it was refused, and then no other is tried now."""
    from yunhe.compute import service as compute  # noqa: PLC0415 - it re-exports this module

    spec = replace(there.spec, key=replica_key(there.id, each.number))
    try:
        compute.submit(storage, spec, member=there.member)
    except YunheError as error:
        if error.code.startswith("storage.") and isinstance(error, Conflict | Unavailable):
            raise  # a locked database or a full disk is no fault of the service's
        _refused(storage, there, each, error)
        return False
    with storage.database.read() as tx:
        left = store.replica_state(tx, there.id, each.number) != "wanted"
    if left:  # somebody else decided otherwise in between
        _cancel(storage, each.workload)
    return True


def _refused(storage: Storage, there: Service, each: Replica, error: YunheError) -> None:
    """What is refused now (a pool or secret that went) is tried again later, and told."""
    params = tuple((name, value) for name, value in error.params.items())
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        if store.replica_state(tx, there.id, each.number) != "wanted":
            return  # another duty was refused the same, or gave it up
        failures = find(tx, there.id).failures + 1
        pause = min(2 ** min(failures, 8), 300)
        store.set_replica(tx, there.id, each.number, state="gone", gone_at_us=now_us)
        store.change(
            tx,
            there.id,
            failures=failures,
            retry_at_us=now_us + pause * SECOND_US,
            why=Why(error.code, params),
        )


def _cancel(storage: Storage, workload: str) -> None:
    from yunhe.compute import service as compute  # noqa: PLC0415 - it re-exports this module

    try:
        compute.cancel(storage, workload)
    except NotFound:
        return  # never submitted


def _note(tx: Transaction, there: Service, name: str, *, at_us: int) -> None:
    policy = there.policy
    said = {"wanted": there.wanted, "floor": policy.floor, "ceiling": policy.ceiling}
    events.append(tx, stream=there.id, name=f"service.{name}", body=dict(said), at_us=at_us)


def _present(storage: Storage, name: str) -> Service:
    with storage.database.read() as tx:
        return find(tx, name)
