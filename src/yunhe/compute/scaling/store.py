"""Services, their replicas and what was reported about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import RowMapping, and_, delete, func, insert, or_, select, update

from yunhe.compute.columns import why_of, why_text
from yunhe.compute.reasons import Why
from yunhe.compute.remote.tables import job_table
from yunhe.compute.scaling.domain import Policy, Replica, ReplicaState, Sample, Service
from yunhe.compute.scaling.tables import load_table, replica_table, service_table
from yunhe.compute.tables import pool_table, workload_table
from yunhe.compute.wanted import WorkloadSpec
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_service = service_table.c
_replica = replica_table.c
_load = load_table.c
_work = workload_table.c
_job = job_table.c
LIVE = ("waiting", "placed", "running")
"""States of workloads that are not over."""


def add(tx: Transaction, made: Service) -> None:
    """Keep a new service unless its id is there."""
    policy = _policy_text(made.policy)
    row = {
        "id": made.id,
        "organisation": made.organisation,
        "project": made.project,
        "name": made.name,
        "spec": canonical_bytes(made.spec.as_json()).decode(),
        "policy": policy,
        "asked": policy,
        "state": made.state,
        "wanted": made.wanted,
        "needed": made.needed,
        "why": None,
        "member": made.member,
        "next_number": made.next_number,
        "failures": 0,
        "retry_at_us": 0,
        "created_at_us": made.created_at_us,
        "seen_at_us": made.seen_at_us,
    }
    dialect.insert_new(tx, service_table, [row])


def service(tx: Transaction, name: str) -> Service | None:
    """One service with its replicas that are not gone."""
    row = tx.execute(select(service_table).where(_service.id == name)).mappings().one_or_none()
    return None if row is None else _service_of(row, replicas(tx, name))


def asked_policy(tx: Transaction, name: str) -> Policy:
    """The policy that a service was created with."""
    query = select(_service.asked).where(_service.id == name)
    return Policy(**json.loads(tx.execute(query).scalar_one()))


def services(
    tx: Transaction,
    *,
    organisation: str | None,
    projects: frozenset[str] | None,
    after: str,
    limit: int,
) -> list[Service]:
    """A page of services, by id; of an organisation, and of projects where they are named."""
    query = select(service_table).where(_service.id > after).order_by(_service.id).limit(limit)
    if organisation is not None:
        query = query.where(_service.organisation == organisation)
    if projects is not None:
        query = query.where(_service.project.in_(sorted(projects)))
    rows = tx.execute(query).mappings().all()
    return [_service_of(row, replicas(tx, row["id"])) for row in rows]


def kept(tx: Transaction, organisation: str) -> int:
    """How many services an organisation has that are not stopped."""
    query = select(func.count()).where(
        _service.organisation == organisation, _service.state == "open"
    )
    return int(tx.execute(query).scalar_one())


def to_attend(tx: Transaction, *, after: str, gone_since_us: int, limit: int) -> list[str]:
    """Ids of services that are open, or of which something may still run.

    That is also a replica given up since ``gone_since_us`` that was submitted all the same, by a
    process that was killed before it noticed.
    """
    rest = select(_replica.service).where(_replica.state != "gone")
    late = (
        select(_replica.service)
        .join(workload_table, _work.id == _replica.workload)
        .where(
            _replica.state == "gone",
            _replica.gone_at_us >= gone_since_us,
            _work.state.in_(LIVE),
        )
    )
    known = or_(_service.state == "open", _service.id.in_(rest), _service.id.in_(late))
    query = select(_service.id).where(_service.id > after, known).order_by(_service.id).limit(limit)
    return list(tx.execute(query).scalars())


def change(tx: Transaction, name: str, **values: object) -> None:
    """Write some columns of a service."""
    why = values.get("why")
    if isinstance(why, Why):
        values["why"] = why_text(why)
    policy = values.get("policy")
    if isinstance(policy, Policy):
        values["policy"] = _policy_text(policy)
    tx.execute(update(service_table).where(_service.id == name).values(**values))


def replicas(tx: Transaction, name: str) -> tuple[Replica, ...]:
    """Replicas that are not gone, and those that are although their workload is not over.

    What was handed to a site and waits there has not begun: it counts as placed.
    """
    query = (
        select(
            replica_table,
            _work.state.label("workload_state"),
            _work.why,
            _work.running_since_us.label("begun_us"),
            _job.id.label("job"),
            _job.running_since_us.label("begun_there_us"),
            pool_table.c.chip,
        )
        .outerjoin(workload_table, _work.id == _replica.workload)
        .outerjoin(pool_table, pool_table.c.id == _work.pool)
        .outerjoin(
            job_table, and_(_job.workload == _replica.workload, _job.attempt == _work.attempts)
        )
        .where(
            _replica.service == name,
            or_(
                _replica.state != "gone",
                and_(_replica.state == "gone", _work.state.in_(LIVE)),
            ),
        )
        .order_by(_replica.number)
    )
    return tuple(_replica_of(row) for row in tx.execute(query).mappings())


def _replica_of(row: RowMapping) -> Replica:
    state, begun_us = row["workload_state"], row["begun_us"] or row["running_since_us"]
    if row["job"] is not None:
        begun_us = row["begun_there_us"]
        state = "placed" if state == "running" and begun_us is None else state
    if state in ("waiting", "placed"):  # it ran before, and begins anew
        begun_us = None
    return Replica(
        number=row["number"],
        workload=row["workload"],
        state=row["state"],
        replaces=row["replaces"],
        running_since_us=begun_us,
        chip=row["chip"] or "",
        workload_state=state,
        why=why_of(row),
    )


def add_replica(
    tx: Transaction, name: str, number: int, *, workload: str, replaces: int | None
) -> None:
    """A replica is wanted; its workload is submitted afterwards."""
    tx.execute(
        insert(replica_table).values(
            service=name, number=number, workload=workload, state="wanted", replaces=replaces
        )
    )


def set_replica(tx: Transaction, name: str, number: int, **values: object) -> None:
    """Write some columns of a replica."""
    tx.execute(
        update(replica_table)
        .where(_replica.service == name, _replica.number == number)
        .values(**values)
    )


def replica_state(tx: Transaction, name: str, number: int) -> ReplicaState:
    """Where a replica stands for its service."""
    query = select(_replica.state).where(_replica.service == name, _replica.number == number)
    found: ReplicaState = tx.execute(query).scalar_one()
    return found


def add_sample(tx: Transaction, name: str, sample: Sample) -> None:
    """Keep a report."""
    tx.execute(insert(load_table).values(service=name, **asdict(sample)))


def sample(tx: Transaction, name: str, report: str) -> Sample | None:
    """The report of that id."""
    query = select(load_table).where(_load.service == name, _load.id == report)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _sample_of(row)


def history(tx: Transaction, name: str, *, since_us: int) -> list[Sample]:
    """Reports about stretches that end after an instant, in the order of their ends."""
    query = (
        select(load_table)
        .where(_load.service == name, _load.until_us > since_us)
        .order_by(_load.until_us, _load.id)
    )
    return [_sample_of(row) for row in tx.execute(query).mappings()]


def overlapping(tx: Transaction, name: str, asked: Sample, *, slack_us: int) -> str | None:
    """Another report of the same source about the same time."""
    query = (
        select(_load.id)
        .where(
            _load.service == name,
            _load.source == asked.source,
            _load.from_us < asked.until_us - slack_us,
            _load.until_us > asked.from_us + slack_us,
        )
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none()


def sources(tx: Transaction, name: str) -> set[str]:
    """Who reported."""
    query = select(_load.source).where(_load.service == name).distinct()
    return set(tx.execute(query).scalars())


def forget(tx: Transaction, *, before_us: int, gone_before_us: int) -> int:
    """Remove old reports, and replicas that have long been gone; how many rows went."""
    gone = tx.execute(delete(load_table).where(_load.until_us < before_us)).rowcount
    return gone + int(
        tx.execute(
            delete(replica_table).where(
                _replica.state == "gone", _replica.gone_at_us < gone_before_us
            )
        ).rowcount
    )


def _service_of(row: RowMapping, replicas: Sequence[Replica]) -> Service:
    return Service(
        id=row["id"],
        name=row["name"],
        spec=WorkloadSpec.from_json(json.loads(row["spec"])),
        policy=Policy(**json.loads(row["policy"])),
        state=row["state"],
        wanted=row["wanted"],
        needed=row["needed"],
        why=why_of(row),
        member=row["member"],
        next_number=row["next_number"],
        failures=row["failures"],
        retry_at_us=row["retry_at_us"],
        created_at_us=row["created_at_us"],
        seen_at_us=row["seen_at_us"],
        replicas=tuple(replicas),
    )


def _sample_of(row: RowMapping) -> Sample:
    return Sample(**{name: row[name] for name in Sample.__dataclass_fields__})


def _policy_text(policy: Policy) -> str:
    return canonical_bytes(asdict(policy)).decode()
