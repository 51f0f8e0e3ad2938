"""What is kept of jobs at distant providers, of the usage these report, and of the sites."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import RowMapping, func, or_, select, update

from yunhe.compute.abilities import Abilities
from yunhe.compute.machine import LOCAL, OWN
from yunhe.compute.providers.remote import ANOTHER_PLATFORM, Capacity, Node, UsageEvent
from yunhe.compute.remote.metering import Judged, Skew
from yunhe.compute.remote.tables import job_table, site_table, usage_table
from yunhe.kernel.canonical import INTEGER_MAX, Json, canonical_bytes, digest_of
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

COUNT_MAX = 2**31 - 1
"""Largest number that a column of counts holds in every database."""
_EVENT = ("job", "start_us", "end_us", "devices", "run")


def add_job(
    tx: Transaction, job: str, *, workload: str, attempt: int, adapter: str, at_us: int
) -> None:
    """Note the intent to hand a job over, before anybody does."""
    tx.execute(
        job_table.insert().values(
            id=job,
            workload=workload,
            attempt=attempt,
            adapter=adapter,
            phase="new",
            run=0,
            handle="",
            since_us=at_us,
            cancel_sent=0,
            failures=0,
            next_at_us=at_us,
            open=1,
            forgotten=0,
        )
    )


def change_job(tx: Transaction, job: str, **values: object) -> None:
    """Set columns of one job."""
    tx.execute(update(job_table).where(job_table.c.id == job).values(**values))


def used(
    tx: Transaction, job: RowMapping, *, sum_per_thousand: int, samples: int, **values: object
) -> bool:
    """Count what was seen of a job's devices, unless somebody else did so since; whether it was."""
    at, until = job_table.c, job_table.c.use_until_us
    same = until.is_(None) if job["use_until_us"] is None else until == job["use_until_us"]
    counted = {
        "use_sum": (job["use_sum"] or 0) + sum_per_thousand,
        "use_samples": (job["use_samples"] or 0) + samples,
    }
    query = update(job_table).where(at.id == job["id"], same).values(**counted, **values)
    return tx.execute(query).rowcount == 1


def open_jobs(tx: Transaction, adapter: str) -> Sequence[RowMapping]:
    """Every job of a site that is not settled or given up, the oldest first."""
    table = job_table
    query = select(table).where(table.c.adapter == adapter, table.c.open == 1)
    return tx.execute(query.order_by(table.c.since_us, table.c.id)).mappings().all()


def anything_open(tx: Transaction, adapter: str) -> bool:
    """Whether a site has a job to look after."""
    table = job_table
    query = select(table.c.id).where(table.c.adapter == adapter, table.c.open == 1).limit(1)
    return tx.execute(query).first() is not None


def job(tx: Transaction, job_id: str) -> RowMapping | None:
    """One job."""
    return tx.execute(select(job_table).where(job_table.c.id == job_id)).mappings().one_or_none()


def newest_of(tx: Transaction, workload: str) -> RowMapping | None:
    """The newest job of a workload, however it ended."""
    table = job_table
    query = select(table).where(table.c.workload == workload).order_by(table.c.attempt.desc())
    return tx.execute(query.limit(1)).mappings().one_or_none()


def unforgotten(tx: Transaction, adapter: str, *, most: int, now_us: int) -> Sequence[RowMapping]:
    """Jobs that are over here, do not rest, and whose leavings at the site are still there."""
    table = job_table
    over = table.c.adapter == adapter, table.c.open == 0, table.c.forgotten == 0
    query = select(table).where(*over, table.c.next_at_us <= now_us)
    return tx.execute(query.order_by(table.c.since_us).limit(most)).mappings().all()


def usage_of(tx: Transaction, jobs: Sequence[str]) -> dict[str, list[Judged]]:
    """The judged usage events of each job, as they came."""
    table, found = usage_table, dict[str, list[Judged]]()
    query = select(table).where(table.c.job.in_(jobs))
    for row in tx.execute(query.order_by(table.c.seen_at_us, table.c.start_us)).mappings():
        event = UsageEvent(id=row["event"], **{name: row[name] for name in _EVENT})
        judged = Judged(event, counts=bool(row["counts"]), finding=row["finding"])
        found.setdefault(event.job, []).append(judged)
    return found


def add_usage(tx: Transaction, adapter: str, judged: Sequence[Judged], *, at_us: int) -> None:
    """Keep events that were judged; one that is there already stays as it is."""
    rows: list[Mapping[str, object]] = []
    for one in judged:
        said: dict[str, Json] = {name: _kept(name, getattr(one.event, name)) for name in _EVENT}
        rows.append(
            {
                **said,
                "adapter": adapter,
                "event": one.event.id,
                "content": digest_of(said),
                "counts": int(one.counts),
                "finding": one.finding,
                "seen_at_us": at_us,
            }
        )
    if rows:
        dialect.insert_new(tx, usage_table, rows)


def _kept(name: str, value: str | int) -> str | int:
    """The value, or the nearest that its column holds: a provider may say any number."""
    if isinstance(value, str):
        return value
    most = COUNT_MAX if name in ("devices", "run") else INTEGER_MAX
    return max(-most, min(most, value))


def findings(
    tx: Transaction, *, adapter: str | None = None, since_us: int = 0
) -> list[tuple[str, Judged]]:
    """Every usage event with which something is wrong, by site; those seen since an instant."""
    table = usage_table
    wrong = (table.c.finding != "") & (table.c.seen_at_us >= since_us)
    query = select(table).where(wrong).order_by(table.c.seen_at_us, table.c.event)
    if adapter is not None:
        query = query.where(table.c.adapter == adapter)
    return [
        (
            row["adapter"],
            Judged(
                UsageEvent(id=row["event"], **{name: row[name] for name in _EVENT}),
                counts=bool(row["counts"]),
                finding=row["finding"],
            ),
        )
        for row in tx.execute(query).mappings()
    ]


def set_site(tx: Transaction, adapter: str, **values: object) -> None:
    """Set columns of what is known of a site."""
    _know(tx, adapter)
    if values:
        tx.execute(update(site_table).where(site_table.c.adapter == adapter).values(**values))


def _know(tx: Transaction, adapter: str) -> None:
    first: dict[str, object] = {
        "adapter": adapter,
        "capacity": "[]",
        "capacity_at_us": 0,
        "clock_ahead_us": 0,
        "clock_error_us": Skew().error_us,
        "failures": 0,
        "seen_at_us": 0,
    }
    dialect.insert_new(tx, site_table, [first])


def site(tx: Transaction, adapter: str) -> RowMapping | None:
    """What is known of a site."""
    query = select(site_table).where(site_table.c.adapter == adapter)
    return tx.execute(query).mappings().one_or_none()


def turn_to_watch(tx: Transaction, adapter: str, *, every_us: int, now_us: int) -> bool:
    """Whether it is time to look at a site's devices, and nobody else has begun to."""
    _know(tx, adapter)
    last = site_table.c.watched_at_us
    due = or_(last.is_(None), last <= now_us - every_us, last > now_us)  # the clock was set back
    query = update(site_table).where(site_table.c.adapter == adapter, due)
    return tx.execute(query.values(watched_at_us=now_us)).rowcount == 1


def told(tx: Transaction, adapters: Collection[str]) -> dict[str, str]:
    """What these sites said they have, as `capacity_text` wrote it."""
    at = site_table.c
    query = select(at.adapter, at.capacity).where(at.adapter.in_(adapters))
    return {row.adapter: row.capacity for row in tx.execute(query)}


def reports(tx: Transaction, adapters: Collection[str]) -> dict[str, tuple[str, str | None, int]]:
    """What these sites have, what of it ran our own work then, and when that was."""
    at = site_table.c
    query = select(at.adapter, at.capacity, at.own, at.capacity_at_us)
    found = tx.execute(query.where(at.adapter.in_(adapters), at.capacity != "[]"))
    return {row.adapter: (row.capacity, row.own, row.capacity_at_us) for row in found}


def abilities(tx: Transaction) -> Abilities:
    """What work each site takes, as far as it has said."""
    at = site_table.c
    query = select(at.adapter, at.images, at.refuses)
    found = tx.execute(query.where(at.images.is_not(None) | at.refuses.is_not(None))).all()
    refuses = {name: frozenset(json.loads(said)) for name, _, said in found if said}
    if LOCAL in refuses:  # what runs there for a demonstration runs as all else
        refuses = dict.fromkeys(OWN, refuses[LOCAL]) | refuses
    return Abilities({name: tuple(json.loads(own)) for name, own, _ in found if own}, refuses)


def left_open(tx: Transaction) -> dict[str, int]:
    """How many jobs of each site are not settled yet."""
    at = job_table.c
    query = select(at.adapter, func.count()).where(at.open == 1).group_by(at.adapter)
    found = tx.execute(query).all()
    return {name: int(count) for name, count in found}


def pushing(tx: Transaction) -> frozenset[str]:
    """Sites that can have running work save itself and make room, as far as anybody has looked."""
    query = select(site_table.c.adapter).where(site_table.c.pushes == 1)
    return frozenset(tx.scalars(query))


def federated(tx: Transaction) -> frozenset[str]:
    """Sites that are other platforms, as far as anybody has looked."""
    query = select(site_table.c.adapter).where(site_table.c.isolation == ANOTHER_PLATFORM)
    return frozenset(tx.execute(query).scalars())


def introduced(tx: Transaction) -> frozenset[str]:
    """Sites that some worker has ever looked after."""
    at = site_table.c
    return frozenset(tx.scalars(select(at.adapter).where(at.isolation.is_not(None))))


def skew_of(row: RowMapping | None) -> Skew:
    """How far a site's clock is ahead, as last seen."""
    return Skew() if row is None else Skew(row["clock_ahead_us"], row["clock_error_us"])


def capacity_text(capacity: Capacity) -> str:
    """The form in which capacity is kept."""
    return canonical_bytes(
        [
            {name: getattr(node, name) for name in Node.__dataclass_fields__}
            for node in capacity.nodes
        ]
    ).decode()
