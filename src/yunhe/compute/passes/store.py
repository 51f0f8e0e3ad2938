"""What a pass reads and writes, many rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, case, func, select, update

from yunhe.compute.columns import award_of, spec_of, why_text
from yunhe.compute.domain import BUSY_STATES, Award, AwardStatus, Voucher, VoucherStatus
from yunhe.compute.passes.domain import LEASE_SECONDS, Lease, WaitsFor
from yunhe.compute.passes.tables import journal_table, pass_table
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.weights import Draw
from yunhe.compute.tables import (
    award_table,
    draw_table,
    held_of_award,
    pool_table,
    used_of_award,
    voucher_table,
    workload_table,
)
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.ids import new_id
from yunhe.storage import dialect
from yunhe.storage.bulk import Among
from yunhe.storage.database import Transaction
from yunhe.storage.leases import CLOCKS_APART_SECONDS_MAX
from yunhe.storage.owner import is_gone, is_here, this_process

Said = tuple[str, Why, WaitsFor]
"""A workload, why it waits, and what that comes to for others."""
_QUEUE = "queue"
_NAMED_MAX = 5_000  # SQLite takes 32,766 parameters in one statement
_WAITING = workload_table.c.state == "waiting"


def paces(tx: Transaction) -> dict[str, int]:
    """Thousandths of the speed asked for, of what runs on another chip than that."""
    there = workload_table.join(pool_table, pool_table.c.id == workload_table.c.pool)
    query = (
        select(workload_table.c.id, workload_table.c.spec, pool_table.c.chip.label("on"))
        .select_from(there)
        .where(workload_table.c.state.in_(BUSY_STATES), pool_table.c.chip != workload_table.c.chip)
    )
    rows = tx.execute(query).mappings()
    return {row["id"]: max(spec_of(row).substitutes.get(row["on"], 1_000), 1) for row in rows}


# What is due, and who does it


def mark(tx: Transaction) -> None:
    """Say that a whole pass is due."""
    raised = update(pass_table).where(pass_table.c.name == _QUEUE)
    if tx.execute(raised.values(wanted=pass_table.c.wanted + 1)).rowcount == 0:
        _begin(tx, wanted=1)


def wanted(tx: Transaction) -> int:
    """How often a whole pass was asked for so far."""
    return int(tx.scalar(select(func.max(pass_table.c.wanted))) or 0)


def _begin(tx: Transaction, *, wanted: int) -> None:
    row = {"name": _QUEUE, "wanted": wanted, "done": 0, "ended_at_us": 0, "journal": 0}
    dialect.insert_new(tx, pass_table, [row])


def answer(tx: Transaction, *, now_us: int) -> None:
    """Say that everything that waits is being looked at, in this transaction."""
    seen = update(pass_table).where(pass_table.c.name == _QUEUE, pass_table.c.token.is_(None))
    tx.execute(seen.values(done=pass_table.c.wanted, ended_at_us=now_us))


def is_due(tx: Transaction, *, now_us: int, every_seconds: int) -> bool:
    """Whether a whole pass was asked for, or none was made for so long, and nobody makes one."""
    row = tx.execute(select(pass_table).where(pass_table.c.name == _QUEUE)).mappings().one_or_none()
    if row is None:
        return True
    since_us = now_us - row["ended_at_us"]
    asked = row["wanted"] > row["done"]
    return (asked or not 0 <= since_us < every_seconds * SECOND_US) and not _held(row, now_us)


def _held(row: RowMapping, now_us: int) -> bool:
    """Whether somebody who may live carries one out."""
    if row["token"] is None or is_gone(row["owner"]):
        return False
    left_us = row["lease_until_us"] - now_us
    plausible = left_us <= (LEASE_SECONDS + CLOCKS_APART_SECONDS_MAX) * SECOND_US
    return bool(left_us > 0 and (plausible or is_here(row["owner"])))


def take(tx: Transaction, *, now_us: int) -> Lease | None:
    """Take the right to a whole pass; None while another scheduler has it. Writes alone."""
    row = tx.execute(select(pass_table).where(pass_table.c.name == _QUEUE)).mappings().one_or_none()
    if row is None:
        _begin(tx, wanted=0)
    elif _held(row, now_us):
        return None
    lease = Lease(new_id("pass"), 0 if row is None else row["wanted"])
    until_us = now_us + LEASE_SECONDS * SECOND_US
    taken = update(pass_table).where(pass_table.c.name == _QUEUE)
    tx.execute(taken.values(token=lease.token, owner=this_process(), lease_until_us=until_us))
    return lease


def renew(tx: Transaction, lease: Lease, *, now_us: int) -> bool:
    """Keep the right for longer; False when another scheduler has taken over."""
    return _change(tx, lease, lease_until_us=now_us + LEASE_SECONDS * SECOND_US)


def release(tx: Transaction, lease: Lease, *, now_us: int, done: bool) -> bool:
    """Let go; ``done``: what was asked for before it began is answered."""
    values: dict[str, object] = {"token": None, "owner": None, "lease_until_us": None}
    if done:
        values |= {"done": lease.wanted, "ended_at_us": now_us}
    return _change(tx, lease, **values)


def _change(tx: Transaction, lease: Lease, **values: object) -> bool:
    where = pass_table.c.name == _QUEUE, pass_table.c.token == lease.token
    return tx.execute(update(pass_table).where(*where).values(**values)).rowcount == 1


# What waits


def _organisations(tx: Transaction) -> list[str]:
    """Whose workloads wait. Cost: a look into the index for each."""
    table, found = workload_table, [""]
    query = (
        select(table.c.organisation)
        .where(_WAITING, table.c.organisation > bindparam("last"))
        .order_by(table.c.organisation)
        .limit(1)
    )
    while (name := tx.scalar(query, {"last": found[-1]})) is not None:
        found.append(str(name))
    return found[1:]


def queue(tx: Transaction, *, each: int) -> list[RowMapping]:
    """The ``each`` oldest of every organisation's waiting workloads, oldest first.

    Cost: two looks into the index for each organisation, and the rows; not what is behind them.
    """
    return _windows(tx, _WINDOW, each=each)


def seen(tx: Transaction, *, each: int) -> list[RowMapping]:
    """As `queue`, with no more columns than a picture of it needs."""
    table = workload_table.c
    blocked = case((table.blocked == 1, table.why)).label("why")
    columns = (table[name] for name in _PICTURED)
    return _windows(tx, _WINDOW.with_only_columns(*columns, blocked), each=each)


def _windows(tx: Transaction, query: Select[Any], *, each: int) -> list[RowMapping]:
    rows: list[RowMapping] = []
    for organisation in _organisations(tx):
        rows += tx.execute(query, {"organisation": organisation, "each": each}).mappings()
    return sorted(rows, key=lambda row: int(row["number"]))


_PICTURED = (
    "id",
    "number",
    "organisation",
    "project",
    "chip",
    "wall_seconds_max",
    "spec",
    "blocked",
    "submitted_at_us",
    "waits_for",
    "attained_ms",
    "pushed_out",
)

_WINDOW = (
    select(workload_table)
    .where(_WAITING, workload_table.c.organisation == bindparam("organisation"))
    .order_by(workload_table.c.number)
    .limit(bindparam("each"))
)


def considered(tx: Transaction, *, each: int, most: int) -> int:
    """How many workloads a pass would look at, counted up to ``most`` and one."""
    table, count = workload_table, 0
    some = len(tx.execute(select(table.c.number).where(_WAITING).limit(most + 1)).all())
    if some <= most:
        return some
    for organisation in _organisations(tx):
        left = min(most + 1 - count, each)
        query = _WINDOW.with_only_columns(table.c.number)
        count += len(tx.execute(query, {"organisation": organisation, "each": left}).all())
        if count > most:
            break
    return count


def waiting(tx: Transaction, organisation: str, *, most: int) -> int:
    """How many of an organisation's workloads wait, counted up to ``most``. Cost: the index."""
    table = workload_table
    some = select(table.c.number).where(_WAITING, table.c.organisation == organisation)
    return tx.scalar(select(func.count()).select_from(some.limit(most).subquery())) or 0


def rows(tx: Transaction, names: Sequence[str]) -> list[RowMapping]:
    """Whole rows of these workloads, the oldest first."""
    found = tx.execute(_ROWS, {"named": list(names)}).mappings()
    return sorted(found, key=lambda row: int(row["number"]))


_ROWS = select(workload_table).where(Among(workload_table.c.id, "named"))


def rivals(tx: Transaction, *, chips: Iterable[str], workload: str) -> bool:
    """Whether another workload that a free device might help wants one of these chips."""
    table = workload_table
    wanted = table.c.chip.in_(list(chips)), table.c.waits_for.in_(("devices", "turn"))
    query = select(table.c.number).where(_WAITING, *wanted, table.c.id != workload)
    return tx.execute(query.limit(1)).first() is not None


def stand_in_line(tx: Transaction, workload: str) -> None:
    """Note that a workload waits for a pass to look at it."""
    table = workload_table
    tx.execute(update(table).where(table.c.id == workload).values(waits_for="turn"))


def unblock(tx: Transaction, *, entry_point: str) -> int:
    """Let the scheduler look again at workloads that waited for an approval."""
    table = workload_table
    query = update(table).where(
        table.c.entry_point == entry_point, table.c.state == "waiting", table.c.blocked == 1
    )
    return tx.execute(query.values(blocked=0)).rowcount


def states(tx: Transaction, names: Sequence[str]) -> dict[str, RowMapping]:
    """Id, number, placements and `blocked` of those of the workloads that wait."""
    found: dict[str, RowMapping] = {}
    for at in range(0, len(names), _NAMED_MAX):
        some = {"named": names[at : at + _NAMED_MAX]}
        rows = tx.execute(_STATES, some).mappings()
        found |= {row["id"]: row for row in rows if row["state"] == "waiting"}
    return found


_STATES = select(
    workload_table.c.id,
    workload_table.c.number,
    workload_table.c.placements,
    workload_table.c.blocked,
    workload_table.c.state,  # in the condition it would make SQLite read everything that waits
).where(Among(workload_table.c.id, "named"))


def tell_why(tx: Transaction, said: Sequence[Said]) -> None:
    """Note why workloads wait, those of them that still do."""
    rows = [{"id": name, "why": why_text(why), "waits_for": what} for name, why, what in said]
    dialect.update_many(tx, workload_table, rows, key="id", where=_WAITING)


# What they may spend


def awards(tx: Transaction, organisations: Sequence[str]) -> list[AwardStatus]:
    """Their awards with what became of them, the first to expire first.

    Cost: what is held of each, whatever ended before.
    """
    found = []
    for at in range(0, len(organisations), _NAMED_MAX):
        named = organisations[at : at + _NAMED_MAX]
        query = select(award_table, held_of_award.label("held"), used_of_award.label("used")).where(
            award_table.c.organisation.in_(named)
        )
        found += [
            AwardStatus(
                award_of(row),
                used_ms=int(row["used"]),
                held_ms=int(row["held"]),
                lapsed_ms=row["lapsed_ms"],
            )
            for row in tx.execute(query).mappings()
        ]
    return sorted(found, key=lambda status: (status.award.expires_at_us, status.award.id))


def vouchers(tx: Transaction, organisations: Sequence[str]) -> list[VoucherStatus]:
    """Their vouchers with what became of them, oldest first."""
    table, by = voucher_table, workload_table
    sums = func.sum(by.c.held_voucher_minor), func.sum(by.c.used_voucher_minor)
    found = []
    for at in range(0, len(organisations), _NAMED_MAX):
        named = organisations[at : at + _NAMED_MAX]
        query = (
            select(table, sums[0].label("held"), sums[1].label("used"))
            .outerjoin(by, by.c.voucher == table.c.id)
            .where(table.c.organisation.in_(named))
            .group_by(*table.c)
            .order_by(table.c.created_at_us, table.c.id)
        )
        found += [
            VoucherStatus(
                Voucher(**{name: row[name] for name in Voucher.__dataclass_fields__}),
                used_minor=int(row["used"] or 0),
                held_minor=int(row["held"] or 0),
            )
            for row in tx.execute(query).mappings()
        ]
    return found


def taken(tx: Transaction, names: Sequence[str]) -> dict[str, tuple[Award, int]]:
    """Awards with the device-milliseconds of them that are used or held; cost as `awards`."""
    table, sums = award_table, held_of_award + used_of_award
    found = {}
    for at in range(0, len(names), _NAMED_MAX):
        named = names[at : at + _NAMED_MAX]
        query = select(table, sums.label("taken")).where(table.c.id.in_(named))
        for row in tx.execute(query).mappings():
            award = award_of(row)
            found[award.id] = award, int(row["taken"])
    return found


# What is decided


def add_draws(tx: Transaction, drawn: Sequence[tuple[str, Sequence[Draw]]]) -> None:
    """What workloads hold of awards; those that held something before do so no longer."""
    table = draw_table
    for at in range(0, len(drawn), _NAMED_MAX):
        names = [name for name, _ in drawn[at : at + _NAMED_MAX]]
        tx.execute(table.delete().where(Among(table.c.workload, "named")), {"named": names})
    rows = [
        {
            "workload": name,
            "award": draw.award,
            "position": position,
            "held_ms": draw.device_ms,
            "used_ms": 0,
            "raw_ms": draw.raw_ms if draw.of else None,
            "per_thousand": draw.per_thousand if draw.of else None,
        }
        for name, draws in drawn
        for position, draw in enumerate(draws)
    ]
    dialect.insert_many(tx, table, rows)


def place(tx: Transaction, rows: Sequence[Mapping[str, object]]) -> None:
    """Set the columns of workloads that were placed, by ``id``; all rows are alike."""
    dialect.update_many(tx, workload_table, rows, key="id")


# What is kept for being decided again


def keep_journal(tx: Transaction, *, passes: int) -> None:
    """Forget what was kept, and keep so many from now on."""
    tx.execute(journal_table.delete())
    _begin(tx, wanted=0)
    tx.execute(update(pass_table).where(pass_table.c.name == _QUEUE).values(journal=passes))


def journal_left(tx: Transaction) -> int:
    """How many passes are still to be kept."""
    query = select(pass_table.c.journal).where(pass_table.c.name == _QUEUE)
    return int(tx.scalar(query) or 0)


def add_journal(tx: Transaction, said: str, *, left: int, at_us: int) -> None:
    """Keep a pass."""
    tx.execute(journal_table.insert().values(said=said, at_us=at_us))
    tx.execute(update(pass_table).where(pass_table.c.name == _QUEUE).values(journal=left))


def journal(tx: Transaction) -> Iterator[str]:
    """What was kept, the oldest first."""
    query = select(journal_table.c.said).order_by(journal_table.c.number)
    yield from tx.scalars(query.execution_options(yield_per=10))
