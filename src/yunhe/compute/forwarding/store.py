"""What is kept of jobs that other platforms handed over."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, RowMapping, delete, select, update

from yunhe.compute.domain import BUSY_STATES
from yunhe.compute.forwarding.tables import forwarded_table, input_table
from yunhe.compute.tables import workload_table
from yunhe.storage import dialect
from yunhe.storage.database import Transaction


def add(
    tx: Transaction, organisation: str, job: str, *, workload: str, origin: str, at_us: int
) -> RowMapping:
    """Keep a name unless it is there; what is there then."""
    row: dict[str, object] = {
        "organisation": organisation,
        "job": job,
        "workload": workload,
        "origin": origin,
        "cancelled": 0,
        "forgotten": 0,
        "at_us": at_us,
    }
    dialect.insert_new(tx, forwarded_table, [row])
    return some(tx, organisation, [job])[0]


def some(tx: Transaction, organisation: str, jobs: Collection[str]) -> Sequence[RowMapping]:
    """Those of the names that are there."""
    table = forwarded_table
    query = select(table).where(table.c.organisation == organisation, table.c.job.in_(jobs))
    return tx.execute(query.order_by(table.c.job)).mappings().all()


def change(tx: Transaction, organisation: str, job: str, **values: object) -> None:
    """Set columns of one."""
    table = forwarded_table
    named = (table.c.organisation == organisation, table.c.job == job)
    tx.execute(update(table).where(*named).values(**values))


def origin(tx: Transaction, workload: str) -> str:
    """The log of the platform that a workload came from; empty for one that was asked for here."""
    table = forwarded_table
    found = tx.execute(select(table.c.origin).where(table.c.workload == workload)).scalar()
    return "" if found is None else str(found)


def waiting(tx: Transaction) -> frozenset[str]:
    """Workloads that came from elsewhere and wait."""
    table, asked = forwarded_table, workload_table
    query = select(table.c.workload).join(asked, asked.c.id == table.c.workload)
    return frozenset(tx.execute(query.where(asked.c.state == "waiting")).scalars())


def origins(tx: Transaction, workloads: Collection[str]) -> dict[str, str]:
    """Likewise of many; those that were asked for here are left out."""
    table = forwarded_table
    query = select(table.c.workload, table.c.origin).where(table.c.workload.in_(workloads))
    return {row.workload: row.origin for row in tx.execute(query)}


def note_inputs(
    tx: Transaction, organisation: str, job: str, digests: Collection[str], *, member: str
) -> None:
    """Keep that a member sends these for a job; again changes nothing."""
    same = {"organisation": organisation, "job": job, "member": member}
    rows: list[dict[str, object]] = [{**same, "digest": digest} for digest in sorted(digests)]
    if rows:
        dialect.insert_new(tx, input_table, rows)


def noted(tx: Transaction, organisation: str, digests: Collection[str]) -> set[str]:
    """Those of the digests that were sent for such jobs, whichever."""
    table = input_table
    named = (table.c.organisation == organisation, table.c.digest.in_(digests))
    return set(tx.scalars(select(table.c.digest).where(*named)))


def senders(tx: Transaction, organisation: str, digest: str) -> set[str]:
    """Members who send a file for such jobs."""
    return set(tx.scalars(select(input_table.c.member).where(*_file(organisation, digest))))


def pass_on(tx: Transaction, organisation: str, digest: str, *, member: str) -> None:
    """Let a file count as sent by this member for all the jobs that are left."""
    tx.execute(update(input_table).where(*_file(organisation, digest)).values(member=member))


def take_notes(tx: Transaction, organisation: str, digest: str) -> None:
    """Forget that a file was sent for jobs."""
    tx.execute(delete(input_table).where(*_file(organisation, digest)))


def _file(organisation: str, digest: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return input_table.c.organisation == organisation, input_table.c.digest == digest


def take_inputs(tx: Transaction, organisation: str, job: str) -> dict[str, str]:
    """Who sent what for a job, by digest; nothing of that is kept any more."""
    table = input_table
    named = (table.c.organisation == organisation, table.c.job == job)
    query = select(table.c.digest, table.c.member).where(*named).order_by(table.c.digest)
    found = {row.digest: row.member for row in tx.execute(query)}
    if found:
        tx.execute(delete(table).where(*named))
    return found


def reads(tx: Transaction, organisation: str, digest: str, *, but: str) -> bool:
    """Whether a workload of the organisation that is not over names it, other than one."""
    asked = workload_table
    named = (
        asked.c.organisation == organisation,
        asked.c.state.in_(("waiting", *BUSY_STATES)),
        asked.c.id != but,
        asked.c.spec.contains(digest),
    )
    return tx.execute(select(asked.c.id).where(*named).limit(1)).first() is not None
