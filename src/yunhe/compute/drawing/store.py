"""What workloads used of awards, and what of it was given back."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select, update

from yunhe.compute.columns import draw_of
from yunhe.compute.scheduling.weights import Draw
from yunhe.compute.tables import (
    award_table,
    draw_table,
    drawn_of_award,
    draws_of_workload,
    pool_table,
    workload_table,
)
from yunhe.storage.database import Transaction


def used(tx: Transaction, workload: str) -> list[Draw]:
    """What it used of awards, in the order it was used up; what was given back is out of it."""
    rows = tx.execute(draws_of_workload, {"workload": workload}).mappings()
    return [draw_of(row, row["used_ms"]) for row in rows]


def set_used(tx: Transaction, workload: str, draws: Iterable[Draw]) -> None:
    """Turn what was held of awards into what was used; awards not named were not used.

    What was used of each award in all is kept with it, for whoever asks what is left of it.
    """
    table = draw_table
    before = {draw.award: draw.device_ms for draw in used(tx, workload)}
    tx.execute(update(table).where(table.c.workload == workload).values(held_ms=0))
    for draw in draws:
        raw = {"raw_ms": draw.raw_ms} if draw.of else {}
        tx.execute(
            update(table)
            .where(table.c.workload == workload, table.c.award == draw.award)
            .values(used_ms=draw.device_ms, **raw)
        )
        more_ms = draw.device_ms - before.get(draw.award, 0)
        if draw.award in before and not _counted(tx, draw.award, more_ms):
            first = update(award_table).where(award_table.c.id == draw.award)
            first = first.where(award_table.c.used_ms.is_(None))
            if tx.execute(first.values(used_ms=drawn_of_award)).rowcount == 0:
                _counted(tx, draw.award, more_ms)  # somebody else was the first meanwhile


def used_by_chip(tx: Transaction) -> list[tuple[str, int]]:
    """Device-milliseconds used of awards so far, by chip, as they were metered.

    Of an award for several chips what ran on each. Cost: a scan of what draws on awards.
    """
    draw, used = draw_table.c, draw_table.c.used_ms > 0
    own = select(award_table.c.chip, func.sum(draw.used_ms)).join(
        draw_table, draw.award == award_table.c.id
    )
    several = (
        select(pool_table.c.chip, func.sum(draw.raw_ms))
        .join(workload_table, workload_table.c.id == draw.workload)
        .join(pool_table, pool_table.c.id == workload_table.c.pool)
    )
    sums: dict[str, int] = {}
    for chip, used_ms in (
        *tx.execute(own.where(draw.raw_ms.is_(None)).group_by(award_table.c.chip)),
        *tx.execute(several.where(draw.raw_ms.is_not(None), used).group_by(pool_table.c.chip)),
    ):
        sums[str(chip)] = sums.get(str(chip), 0) + int(used_ms or 0)
    return sorted(sums.items())


def _counted(tx: Transaction, award: str, more_ms: int) -> bool:
    """Add to what was used of an award; False while nobody counts it."""
    table = award_table
    counted = update(table).where(table.c.id == award, table.c.used_ms.is_not(None))
    return tx.execute(counted.values(used_ms=table.c.used_ms + more_ms)).rowcount == 1
