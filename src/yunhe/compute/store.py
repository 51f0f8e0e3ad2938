"""What is kept of pools, awards, vouchers, approvals, workloads and what they draw of awards."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, func, select, tuple_, update

from yunhe.compute.columns import (
    award_of,
    covers,
    draw_of,
    fields_of,
    pool_of,
    why_text,
    workload_of,
)
from yunhe.compute.domain import (
    BUSY_STATES,
    Approval,
    Award,
    AwardStatus,
    Pool,
    PoolStatus,
    Voucher,
    VoucherStatus,
    Workload,
)
from yunhe.compute.machine import shown_chip
from yunhe.compute.places import shared
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.weights import Draw
from yunhe.compute.tables import (
    approval_table,
    award_table,
    draw_table,
    draws_of_workload,
    held_of_award,
    pool_table,
    used_of_award,
    voucher_table,
    workload_by_id,
    workload_table,
)
from yunhe.storage import dialect
from yunhe.storage.bulk import Among
from yunhe.storage.database import Transaction

_Query = Select[tuple[Any, ...]]
_NAMED_MAX = 500  # ids named in one query; for more, all draws are read


def add_pool(tx: Transaction, pool: Pool, *, at_us: int) -> None:
    """Keep a pool unless its id is there."""
    dialect.insert_new(tx, pool_table, [{**fields_of(pool), "created_at_us": at_us}])


def pools(tx: Transaction, *, after: str = "", limit: int | None = None) -> list[PoolStatus]:
    """Every pool, oldest first, or a page by id, with the devices occupied in it.

    A device that several share counts once.
    """
    table = workload_table.c
    busy = {
        row.pool: int(row.devices)
        for row in tx.execute(
            select(table.pool, func.sum(table.devices).label("devices"))
            .where(table.state.in_(BUSY_STATES), table.milli.is_(None))
            .group_by(table.pool)
        )
    }
    parts: dict[str, list[str | None]] = {}
    sharing = table.state.in_(BUSY_STATES), table.milli.is_not(None)
    for row in tx.execute(select(table.pool, table.nodes).where(*sharing)):
        parts.setdefault(row.pool, []).append(row.nodes)
    for name, texts in parts.items():
        busy[name] = busy.get(name, 0) + shared(texts)
    query = select(pool_table).order_by(pool_table.c.created_at_us, pool_table.c.id)
    rows = tx.execute(_page(query, pool_table.c.id, after=after, limit=limit)).mappings()
    return [PoolStatus(pool_of(row), busy.get(row["id"], 0)) for row in rows]


def _page(query: _Query, name: ColumnElement[str], *, after: str, limit: int | None) -> _Query:
    """The rows behind the one named ``after``, by name; the query itself without a limit."""
    if limit is None:
        return query
    return query.where(name > after).order_by(None).order_by(name).limit(limit)


def set_devices(tx: Transaction, pool_id: str, *, devices: int) -> None:
    """Say how many devices a pool has now."""
    tx.execute(update(pool_table).where(pool_table.c.id == pool_id).values(devices=devices))


def occupants(tx: Transaction, pool_id: str) -> list[RowMapping]:
    """Whole rows of what occupies a pool, in order of submission."""
    table = workload_table.c
    query = select(workload_table).where(table.pool == pool_id, table.state.in_(BUSY_STATES))
    return list(tx.execute(query.order_by(table.number)).mappings())


def pool(tx: Transaction, pool_id: str) -> Pool | None:
    """The pool with that id."""
    row = tx.execute(select(pool_table).where(pool_table.c.id == pool_id)).mappings().one_or_none()
    return None if row is None else pool_of(row)


def add_award(tx: Transaction, award: Award, *, transfer: str, awarded_by: str, at_us: int) -> None:
    """Keep a new award."""
    tx.execute(
        award_table.insert().values(
            **fields_of(award),
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
    after: str = "",
    limit: int | None = None,
) -> list[AwardStatus]:
    """Awards with what became of them, the first to expire first, or a page by id.

    ``expired_at_us`` narrows to those that have expired by then and were not wholly given back.
    """
    sums = held_of_award.label("held"), used_of_award.label("used")
    query = select(award_table, *sums).order_by(award_table.c.expires_at_us, award_table.c.id)
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
            award_of(row),
            used_ms=int(row["used"]),
            held_ms=int(row["held"]),
            lapsed_ms=row["lapsed_ms"],
        )
        for row in tx.execute(_page(query, award_table.c.id, after=after, limit=limit)).mappings()
    ]


def transfer_of_award(tx: Transaction, award: str) -> str:
    """The ledger transfer that granted it."""
    return str(
        tx.execute(select(award_table.c.transfer).where(award_table.c.id == award)).scalar_one()
    )


def set_lapsed(tx: Transaction, award: str, *, lapsed_ms: int) -> None:
    """Note how much of an expired award was given back."""
    tx.execute(update(award_table).where(award_table.c.id == award).values(lapsed_ms=lapsed_ms))


def set_expiry(tx: Transaction, award: str, *, expires_at_us: int) -> None:
    """Let an award end then; what is held of it stays held."""
    changed = update(award_table).where(award_table.c.id == award)
    tx.execute(changed.values(expires_at_us=expires_at_us))


def add_voucher(tx: Transaction, voucher: Voucher, *, at_us: int) -> None:
    """Keep a new voucher."""
    tx.execute(voucher_table.insert().values(**fields_of(voucher), created_at_us=at_us))


def vouchers(
    tx: Transaction,
    *,
    organisation: str | None = None,
    voucher: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[VoucherStatus]:
    """Vouchers with what became of them, oldest first, or a page by id."""
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
        for row in tx.execute(_page(query, voucher_table.c.id, after=after, limit=limit)).mappings()
    ]


def add_approval(tx: Transaction, approval: Approval) -> None:
    """Keep an approval unless that digest is approved for that name."""
    dialect.insert_new(tx, approval_table, [fields_of(approval)])


def approvals(
    tx: Transaction,
    name: str | None = None,
    *,
    after: tuple[str, str] = ("", ""),
    limit: int | None = None,
) -> list[Approval]:
    """Approvals, or those for one entry point, oldest first, or a page by name and digest."""
    query = select(approval_table).order_by(approval_table.c.at_us, approval_table.c.digest)
    if name is not None:
        query = query.where(approval_table.c.name == name)
    if limit is not None:
        place = approval_table.c.name, approval_table.c.digest
        query = query.where(tuple_(*place) > tuple_(*after)).order_by(None)
        query = query.order_by(*place).limit(limit)
    return [
        Approval(**{field: row[field] for field in Approval.__dataclass_fields__})
        for row in tx.execute(query).mappings()
    ]


def add_workloads(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Keep new workloads, in their order; ``rows`` as `arriving.row_of` gives them."""
    dialect.insert_many(tx, workload_table, rows)


def overdue(tx: Transaction, *, at_us: int) -> Sequence[RowMapping]:
    """What waits and could not be over by its deadline any more."""
    table = workload_table
    query = select(table).where(table.c.state == "waiting", table.c.start_by_us < at_us)
    return tx.execute(query).mappings().all()


def change(tx: Transaction, workload: str, **values: object) -> None:
    """Set columns of one workload; ``why`` and mappings are given as values, not as text."""
    why = values.get("why")
    if isinstance(why, Why):
        values["why"] = why_text(why)
    tx.execute(update(workload_table).where(workload_table.c.id == workload).values(**values))


def row(tx: Transaction, workload: str) -> RowMapping | None:
    """All columns of one workload, for the floor's own commands."""
    return tx.execute(workload_by_id, {"workload": workload}).mappings().one_or_none()


def digests(tx: Transaction, names: Sequence[str]) -> dict[str, str]:
    """Of what was asked for, for those of these workloads that are there."""
    rows = tx.execute(_DIGESTS, {"named": names})
    return {row.id: row.spec_digest for row in rows}


def named(tx: Transaction, names: Collection[str]) -> dict[str, Workload]:
    """These workloads as they stand, by id; few at a time."""
    return {each.id: each for each in _workloads(tx, _NAMED, {"named": sorted(names)})}


_DIGESTS = select(workload_table.c.id, workload_table.c.spec_digest).where(
    Among(workload_table.c.id, "named")
)
_NAMED = select(workload_table).where(Among(workload_table.c.id, "named"))


def folders(tx: Transaction) -> set[str]:
    """Working folders of what waits or runs. Cost: the spec of each that has one."""
    open_ones = workload_table.c.state.in_(("waiting", *BUSY_STATES))
    query = select(workload_table.c.spec).where(open_ones)
    found = tx.execute(query.where(workload_table.c.spec.contains('"folder":"sha256:'))).scalars()
    return {str(folder) for spec in found if (folder := json.loads(spec).get("folder"))}


def anything_waits(tx: Transaction) -> bool:
    """Whether the queue is not empty."""
    query = select(workload_table.c.number).where(workload_table.c.state == "waiting").limit(1)
    return tx.execute(query).first() is not None


def occupying(tx: Transaction) -> list[RowMapping]:
    """What occupies devices now: what the scheduler needs to know of it."""
    table = workload_table.c
    named = (table.id, table.number, table.organisation, table.project, table.chip)
    held = (table.devices, table.milli, table.pool, table.nodes, table.holds_until_us)
    pushed = table.priority, table.saves_seconds, table.push_asked_us, table.attained_ms, table.term
    query = select(*named, *held, *pushed, table.wall_seconds_max).order_by(table.number)
    return list(tx.execute(query.where(table.state.in_(BUSY_STATES))).mappings())


def draws(tx: Transaction, workload: str) -> list[Draw]:
    """What the workload holds of awards, in the order it is used up."""
    rows = tx.execute(draws_of_workload, {"workload": workload}).mappings()
    return [draw_of(row, row["held_ms"]) for row in rows]


def workloads(tx: Transaction, *, organisation: str | None = None) -> list[Workload]:
    """Workloads in order of submission."""
    query = select(workload_table).order_by(workload_table.c.number)
    if organisation is not None:
        query = query.where(workload_table.c.organisation == organisation)
    return _workloads(tx, query)


def newest(
    tx: Transaction,
    *,
    organisation: str | None,
    projects: frozenset[str] | None,
    before: str,
    limit: int,
) -> list[Workload]:
    """The last submitted first, from the one after ``before`` on (empty: from the newest)."""
    table = workload_table
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    query = query.where(table.c.stretch_of.is_(None))
    if organisation is not None:
        query = query.where(table.c.organisation == organisation)
    if projects is not None:
        query = query.where(table.c.project.in_(projects))
    if before:
        number = select(table.c.number).where(table.c.id == before).scalar_subquery()
        query = query.where(table.c.number < number)
    return _workloads(tx, query)


def _workloads(
    tx: Transaction,
    query: Select[tuple[object, ...]],
    parameters: Mapping[str, object] | None = None,
) -> list[Workload]:
    rows = tx.execute(query, parameters).mappings().all()
    held = select(draw_table).order_by(draw_table.c.workload, draw_table.c.position)
    if len(rows) <= _NAMED_MAX:
        held = held.where(draw_table.c.workload.in_([row["id"] for row in rows]))
    drawn: dict[str, list[tuple[str, int]]] = {}
    for row in tx.execute(held):
        drawn.setdefault(row.workload, []).append((row.award, covers(row)))
    chips = chips_placed(tx, {row["pool"] for row in rows if row["pool"]})
    return [
        workload_of(row, drawn.get(row["id"], []), chip_placed=chips.get(row["pool"], ""))
        for row in rows
    ]


def chips_placed(tx: Transaction, pools: Collection[str]) -> dict[str, str]:
    """What the chip of each of these pools is called where its use is shown."""
    if not pools:
        return {}
    query = select(pool_table.c.id, pool_table.c.chip, pool_table.c.adapter)
    if len(pools) <= _NAMED_MAX:
        query = query.where(pool_table.c.id.in_(pools))
    return {row.id: shown_chip(row.chip, row.adapter) for row in tx.execute(query)}


def made(tx: Transaction, *, organisation: str, digests: Collection[str]) -> set[str]:
    """Those of the digests that workloads of the organisation wrote."""
    query = select(workload_table.c.outputs).where(
        workload_table.c.organisation == organisation, workload_table.c.outputs.is_not(None)
    )
    outputs = (json.loads(text).values() for text in tx.scalars(query))
    return set(digests).intersection(digest for each in outputs for digest in each)
