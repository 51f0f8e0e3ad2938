"""What is kept of pools, awards, vouchers, approvals, workloads and what they draw of awards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import get_args

from sqlalchemy import RowMapping, func, select, update

from yunhe.compute.domain import (
    BUSY_STATES,
    Approval,
    Award,
    AwardStatus,
    Pool,
    PoolStatus,
    State,
    Usage,
    Voucher,
    VoucherStatus,
    Workload,
    WorkloadSpec,
)
from yunhe.compute.reasons import Why, why_from
from yunhe.compute.scheduling.state import Draw
from yunhe.compute.tables import (
    approval_table,
    award_table,
    draw_table,
    pool_table,
    voucher_table,
    workload_table,
)
from yunhe.kernel.canonical import canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_USAGE_FIELDS = tuple(Usage.__dataclass_fields__)
_STATES: tuple[State, ...] = get_args(State)


def add_pool(tx: Transaction, pool: Pool, *, at_us: int) -> None:
    """Keep a pool unless its id is there."""
    dialect.insert_new(tx, pool_table, [{**_fields(pool), "created_at_us": at_us}])


def pools(tx: Transaction) -> list[PoolStatus]:
    """Every pool, oldest first, with the devices occupied in it."""
    busy = {
        row.pool: int(row.devices)
        for row in tx.execute(
            select(workload_table.c.pool, func.sum(workload_table.c.devices).label("devices"))
            .where(workload_table.c.state.in_(BUSY_STATES))
            .group_by(workload_table.c.pool)
        )
    }
    rows = tx.execute(select(pool_table).order_by(pool_table.c.created_at_us, pool_table.c.id))
    return [PoolStatus(_pool(row), busy.get(row["id"], 0)) for row in rows.mappings()]


def pool(tx: Transaction, pool_id: str) -> Pool | None:
    """The pool with that id."""
    row = tx.execute(select(pool_table).where(pool_table.c.id == pool_id)).mappings().one_or_none()
    return None if row is None else _pool(row)


def _pool(row: RowMapping) -> Pool:
    return Pool(**{name: row[name] for name in Pool.__dataclass_fields__})


def _fields(value: Pool | Award | Voucher | Approval) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def add_award(tx: Transaction, award: Award, *, transfer: str, awarded_by: str, at_us: int) -> None:
    """Keep a new award."""
    tx.execute(
        award_table.insert().values(
            **_fields(award),
            transfer=transfer,
            awarded_by=awarded_by,
            lapsed_ms=0,
            created_at_us=at_us,
        )
    )


def awards(
    tx: Transaction,
    *,
    organisation: str | None = None,
    award: str | None = None,
    expired_at_us: int | None = None,
) -> list[AwardStatus]:
    """Awards with what became of them, the first to expire first.

    ``expired_at_us`` narrows to those that have expired by then and were not wholly given back.
    """
    held, used = func.sum(draw_table.c.held_ms), func.sum(draw_table.c.used_ms)
    sums = (
        select(draw_table.c.award, held.label("held_ms"), used.label("used_ms"))
        .group_by(draw_table.c.award)
        .subquery()
    )
    query = (
        select(award_table, sums.c.held_ms, sums.c.used_ms)
        .outerjoin(sums, sums.c.award == award_table.c.id)
        .order_by(award_table.c.expires_at_us, award_table.c.id)
    )
    if organisation is not None:
        query = query.where(award_table.c.organisation == organisation)
    if award is not None:
        query = query.where(award_table.c.id == award)
    if expired_at_us is not None:
        query = query.where(
            award_table.c.expires_at_us <= expired_at_us,
            award_table.c.lapsed_ms < award_table.c.device_ms,
        )
    return [
        AwardStatus(
            Award(**{name: row[name] for name in Award.__dataclass_fields__}),
            used_ms=int(row["used_ms"] or 0),
            held_ms=int(row["held_ms"] or 0),
            lapsed_ms=row["lapsed_ms"],
        )
        for row in tx.execute(query).mappings()
    ]


def transfer_of_award(tx: Transaction, award: str) -> str:
    """The ledger transfer that granted it."""
    return str(
        tx.execute(select(award_table.c.transfer).where(award_table.c.id == award)).scalar_one()
    )


def set_lapsed(tx: Transaction, award: str, *, lapsed_ms: int) -> None:
    """Note how much of an expired award was given back."""
    tx.execute(update(award_table).where(award_table.c.id == award).values(lapsed_ms=lapsed_ms))


def add_voucher(tx: Transaction, voucher: Voucher, *, at_us: int) -> None:
    """Keep a new voucher."""
    tx.execute(voucher_table.insert().values(**_fields(voucher), created_at_us=at_us))


def vouchers(
    tx: Transaction, *, organisation: str | None = None, voucher: str | None = None
) -> list[VoucherStatus]:
    """Vouchers with what became of them, oldest first."""
    held = func.sum(workload_table.c.held_voucher_minor)
    used = func.sum(workload_table.c.used_voucher_minor)
    sums = (
        select(workload_table.c.voucher, held.label("held"), used.label("used"))
        .where(workload_table.c.voucher.is_not(None))
        .group_by(workload_table.c.voucher)
        .subquery()
    )
    query = (
        select(voucher_table, sums.c.held, sums.c.used)
        .outerjoin(sums, sums.c.voucher == voucher_table.c.id)
        .order_by(voucher_table.c.created_at_us, voucher_table.c.id)
    )
    if organisation is not None:
        query = query.where(voucher_table.c.organisation == organisation)
    if voucher is not None:
        query = query.where(voucher_table.c.id == voucher)
    return [
        VoucherStatus(
            Voucher(**{name: row[name] for name in Voucher.__dataclass_fields__}),
            used_minor=int(row["used"] or 0),
            held_minor=int(row["held"] or 0),
        )
        for row in tx.execute(query).mappings()
    ]


def add_approval(tx: Transaction, approval: Approval) -> None:
    """Keep an approval unless that digest is approved for that name."""
    dialect.insert_new(tx, approval_table, [_fields(approval)])


def approvals(tx: Transaction, name: str | None = None) -> list[Approval]:
    """Every approval, or those for one entry point, oldest first."""
    query = select(approval_table).order_by(approval_table.c.at_us, approval_table.c.digest)
    if name is not None:
        query = query.where(approval_table.c.name == name)
    return [
        Approval(**{field: row[field] for field in Approval.__dataclass_fields__})
        for row in tx.execute(query).mappings()
    ]


def add_workload(
    tx: Transaction, workload: str, spec: WorkloadSpec, *, spec_digest: str, why: Why, at_us: int
) -> None:
    """Keep a new workload as waiting for ``why``."""
    tx.execute(
        workload_table.insert().values(
            id=workload,
            organisation=spec.organisation,
            entry_point=spec.entry_point,
            chip=spec.chip,
            devices=spec.devices,
            wall_seconds_max=spec.wall_seconds_max,
            spec=canonical_bytes(spec.as_json()).decode(),
            spec_digest=spec_digest,
            state="waiting",
            why=_text(why),
            blocked=0,
            cancel_asked=0,
            submitted_at_us=at_us,
            placements=0,
            attempts=0,
            provider_failures=0,
            held_voucher_minor=0,
            held_cash_minor=0,
            used_voucher_minor=0,
        )
    )


def change(tx: Transaction, workload: str, **values: object) -> None:
    """Set columns of one workload; ``why`` and mappings are given as values, not as text."""
    why = values.get("why")
    if isinstance(why, Why):
        values["why"] = _text(why)
    tx.execute(update(workload_table).where(workload_table.c.id == workload).values(**values))


def row(tx: Transaction, workload: str) -> RowMapping | None:
    """All columns of one workload, for the floor's own commands."""
    query = select(workload_table).where(workload_table.c.id == workload)
    return tx.execute(query).mappings().one_or_none()


def _text(why: Why) -> str:
    return canonical_bytes(why.as_json()).decode()


def queue(tx: Transaction, *, each: int) -> Sequence[RowMapping]:
    """The ``each`` oldest of every organisation's waiting workloads, oldest first."""
    table = workload_table
    rank = func.row_number().over(partition_by=table.c.organisation, order_by=table.c.number)
    ranked = select(table.c.number, rank.label("rank")).where(table.c.state == "waiting").subquery()
    query = (
        select(table)
        .join(ranked, ranked.c.number == table.c.number)
        .where(ranked.c.rank <= each)
        .order_by(table.c.number)
    )
    return tx.execute(query).mappings().all()


def anything_waits(tx: Transaction) -> bool:
    """Whether the queue is not empty."""
    query = select(workload_table.c.number).where(workload_table.c.state == "waiting").limit(1)
    return tx.execute(query).first() is not None


def busy_by_organisation(tx: Transaction) -> dict[str, int]:
    """Devices occupied now, by the organisation that pays."""
    table = workload_table
    query = (
        select(table.c.organisation, func.sum(table.c.devices).label("devices"))
        .where(table.c.state.in_(BUSY_STATES))
        .group_by(table.c.organisation)
    )
    return {row.organisation: int(row.devices) for row in tx.execute(query)}


def unblock(tx: Transaction, *, entry_point: str) -> int:
    """Let the scheduler look again at workloads that waited for an approval."""
    table = workload_table
    query = update(table).where(
        table.c.entry_point == entry_point, table.c.state == "waiting", table.c.blocked == 1
    )
    return tx.execute(query.values(blocked=0)).rowcount


def set_draws(tx: Transaction, workload: str, draws: Sequence[Draw]) -> None:
    """Replace what the workload holds of awards."""
    tx.execute(draw_table.delete().where(draw_table.c.workload == workload))
    for position, draw in enumerate(draws):
        tx.execute(
            draw_table.insert().values(
                workload=workload,
                award=draw.award,
                position=position,
                held_ms=draw.device_ms,
                used_ms=0,
            )
        )


def draws(tx: Transaction, workload: str) -> list[Draw]:
    """What the workload holds of awards, in the order it is used up."""
    query = (
        select(draw_table).where(draw_table.c.workload == workload).order_by(draw_table.c.position)
    )
    return [Draw(row.award, row.held_ms) for row in tx.execute(query)]


def set_used(tx: Transaction, workload: str, used: Mapping[str, int]) -> None:
    """Turn what was held of awards into what was used; awards not named were not used."""
    table = draw_table
    tx.execute(update(table).where(table.c.workload == workload).values(held_ms=0))
    for award, device_ms in used.items():
        tx.execute(
            update(table)
            .where(table.c.workload == workload, table.c.award == award)
            .values(used_ms=device_ms)
        )


def workloads(
    tx: Transaction, *, organisation: str | None = None, workload: str | None = None
) -> list[Workload]:
    """Workloads in order of submission."""
    query = select(workload_table).order_by(workload_table.c.number)
    held = select(draw_table).order_by(draw_table.c.workload, draw_table.c.position)
    if organisation is not None:
        query = query.where(workload_table.c.organisation == organisation)
    if workload is not None:
        query = query.where(workload_table.c.id == workload)
        held = held.where(draw_table.c.workload == workload)
    drawn: dict[str, list[tuple[str, int]]] = {}
    for row in tx.execute(held):
        drawn.setdefault(row.workload, []).append((row.award, row.held_ms))
    return [_workload(row, drawn.get(row["id"], [])) for row in tx.execute(query).mappings()]


def _workload(row: RowMapping, drawn: Sequence[tuple[str, int]]) -> Workload:
    usage = json.loads(row["usage"]) if row["usage"] else None
    return Workload(
        id=row["id"],
        spec=spec_of(row),
        spec_digest=row["spec_digest"],
        state=next(state for state in _STATES if state == row["state"]),
        why=why_of(row),
        pool=row["pool"],
        awards=tuple(award for award, _ in drawn),
        held_device_ms=sum(held for _, held in drawn),
        held_minor=row["held_voucher_minor"] + row["held_cash_minor"],
        outputs=json.loads(row["outputs"]) if row["outputs"] else {},
        usage=None if usage is None else Usage(**{name: usage[name] for name in _USAGE_FIELDS}),
        reference=row["reference"],
        log=row["log"],
        attempts=row["attempts"],
    )


def spec_of(row: RowMapping) -> WorkloadSpec:
    """What was asked for."""
    return WorkloadSpec(**json.loads(row["spec"]))


def says(row: RowMapping, why: Why) -> bool:
    """Whether ``why`` is what is written down already."""
    return bool(row["why"] == _text(why))


def why_of(row: RowMapping) -> Why | None:
    """Why it waits or failed."""
    return why_from(json.loads(row["why"])) if row["why"] else None
