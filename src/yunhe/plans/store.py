"""Runs of plans and their stages: what is finished is never done again."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Integer, Row, Table, Text, and_, or_, select, update

from yunhe.kernel.canonical import JsonObject, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, metadata

runs = Table(
    "plans_run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("plan_digest", Digest, nullable=False),
    Column("input_digest", Digest, nullable=False),
    Column("input_path", Text, nullable=False),
    Column("started_at_us", Instant, nullable=False),
    Column("finished_at_us", Instant),
    Column("passed", Boolean),
)
stages = Table(
    "plans_stage",
    metadata,
    Column("run", Id, primary_key=True),
    Column("stage", Code, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("result", Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it was written down."""

    id: str
    """Derived from the plan and the input, so the same command is the same run."""
    plan: str
    """The plan's name."""
    plan_digest: str
    """The plan's text, kept as a blob."""
    input_path: str
    """Where the raw input lay; its bytes stay with their holder."""
    started_at_us: int
    """When it was first started."""
    finished_at_us: int | None
    """When its last stage finished."""
    passed: bool | None
    """Whether its last stage found everything in order."""


@dataclass(frozen=True, slots=True)
class StoredStage:
    """A finished stage."""

    milliseconds: int
    """How long the attempt that finished it took."""
    result: JsonObject
    """What it left for the stages after it: ids, references and digests."""


def add_run(
    tx: Transaction,
    *,
    run: str,
    plan: str,
    plan_digest: str,
    input_digest: str,
    input_path: str,
    at_us: int,
) -> None:
    """Write the run down unless it is known."""
    row: dict[str, object] = {
        "id": run,
        "plan": plan,
        "plan_digest": plan_digest,
        "input_digest": input_digest,
        "input_path": input_path,
        "started_at_us": at_us,
    }
    dialect.insert_new(tx, runs, [row])


def find_run(tx: Transaction, run: str | None) -> StoredRun | None:
    """The run with this id, or the latest one when None is given."""
    query = select(runs).order_by(runs.c.started_at_us.desc(), runs.c.id).limit(1)
    if run is not None:
        query = query.where(runs.c.id == run)
    row = tx.execute(query).one_or_none()
    return None if row is None else _run(row)


def newest_runs(tx: Transaction, *, after: tuple[int, str], limit: int) -> list[StoredRun]:
    """Runs, newest first, from behind the time and id given."""
    query = select(runs).order_by(runs.c.started_at_us.desc(), runs.c.id).limit(limit)
    if after[1]:
        beside = and_(runs.c.started_at_us == after[0], runs.c.id > after[1])
        query = query.where(or_(runs.c.started_at_us < after[0], beside))
    return [_run(row) for row in tx.execute(query)]


def _run(row: Row[tuple[object, ...]]) -> StoredRun:
    return StoredRun(
        row.id,
        row.plan,
        row.plan_digest,
        row.input_path,
        row.started_at_us,
        row.finished_at_us,
        row.passed,
    )


def stages_of(tx: Transaction, of: Collection[str]) -> dict[str, list[str]]:
    """The names of finished stages by run, in order."""
    query = select(stages.c.run, stages.c.stage).where(stages.c.run.in_(sorted(of)))
    found: dict[str, list[str]] = {run: [] for run in of}
    for row in tx.execute(query.order_by(stages.c.run, stages.c.position)):
        found[row.run].append(row.stage)
    return found


def finished_stages(tx: Transaction, run: str) -> dict[str, StoredStage]:
    """Every finished stage of the run, in order."""
    query = select(stages).where(stages.c.run == run).order_by(stages.c.position)
    return {
        row.stage: StoredStage(row.milliseconds, json.loads(row.result))
        for row in tx.execute(query)
    }


def finish_stage(
    tx: Transaction, *, run: str, stage: str, position: int, milliseconds: int, result: JsonObject
) -> None:
    """Mark a stage as finished."""
    row: dict[str, object] = {
        "run": run,
        "stage": stage,
        "position": position,
        "milliseconds": milliseconds,
        "result": canonical_bytes(result).decode(),
    }
    dialect.insert_new(tx, stages, [row])


def finish_run(tx: Transaction, *, run: str, passed: bool, at_us: int) -> None:
    """Mark the run as finished, the first time it is."""
    tx.execute(
        update(runs)
        .where(runs.c.id == run, runs.c.finished_at_us.is_(None))
        .values(finished_at_us=at_us, passed=passed)
    )
