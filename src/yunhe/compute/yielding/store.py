"""What is kept of work that makes room, in the rows of workloads."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update

from yunhe.compute import store
from yunhe.compute.domain import BUSY_STATES
from yunhe.compute.scheduling.state import Preemption
from yunhe.compute.tables import draw_table, workload_table
from yunhe.compute.yielding.tables import left_table
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction

_W = workload_table.c
_BUSY = _W.state.in_(BUSY_STATES)


def pending(tx: Transaction) -> set[str]:
    """The workloads that others make room for now."""
    asked = _W.push_asked_us.is_not(None), _W.pushed_for.is_not(None)
    return set(tx.scalars(select(_W.pushed_for).where(_BUSY, *asked)))


def ask(tx: Transaction, asked: Collection[Preemption], *, now_us: int) -> int:
    """Ask them to make room; how many are.

    Only what holds devices, was submitted as preemptible and was not asked yet, and only for what
    still waits, whatever was decided from an older picture.
    """
    if asked:  # nothing that was left in an earlier round is kept in a later one
        tx.execute(delete(left_table).where(~_still_pending()))
    count, waiting = 0, workload_table.alias()
    for each in asked:
        waits = select(waiting.c.id).where(
            waiting.c.id == each.beneficiary, waiting.c.state == "waiting"
        )
        may = _BUSY, _W.saves_seconds.is_not(None), _W.push_asked_us.is_(None)
        query = update(workload_table).where(_W.id == each.request.id, *may, waits.exists())
        values = {"push_asked_us": now_us, "pushed_for": each.beneficiary}
        count += tx.execute(query.values(**values)).rowcount
    return count


def left(tx: Transaction, row: RowMapping) -> None:
    """What held devices leaves them. Where it was to make room, they are kept for whom it was.

    Until all others who were asked for the same one have left too, or that one is placed or over.
    Whether by being pushed out, by itself, or by never having begun is all the same.
    """
    if row["pushed_for"] is None or row["state"] not in BUSY_STATES or row["pool"] is None:
        return
    whom = store.row(tx, row["pushed_for"])
    if whom is not None:
        its_own = derived_id("workload", row["id"], f"left {row['placements']}")
        there = {name: row[name] for name in ("number", "chip", "devices", "milli", "pool")}
        there |= {"id": row["id"] if row["stretch_of"] else its_own, "nodes": row["nodes"]}
        of = {"beneficiary": whom["id"], "placements": whom["placements"]}
        tx.execute(insert(left_table).values(**of, **there))


def made_free(tx: Transaction) -> list[RowMapping]:
    """Devices that were left for somebody for whom others still make room: they wait for those.

    Each with the ``organisation``, ``project`` and ``priority`` of whom the devices are kept for.
    *Cost*: one query; nothing where nobody left any.
    """
    waiting, kept = workload_table.alias(), left_table.c
    for_whom = waiting.c.organisation, waiting.c.project, waiting.c.priority
    query = (
        select(left_table, *for_whom)
        .join(waiting, waiting.c.id == kept.beneficiary)
        .where(
            waiting.c.state == "waiting", waiting.c.placements == kept.placements, _still_pending()
        )
        .order_by(kept.number, kept.id)
    )
    return list(tx.execute(query).mappings())


def _still_pending() -> ColumnElement[bool]:
    asked = _W.push_asked_us.is_not(None), _W.pushed_for == left_table.c.beneficiary
    return select(_W.id).where(_BUSY, *asked).correlate(left_table).exists()


def add_stretch(tx: Transaction, row: RowMapping) -> RowMapping:
    """The run of a workload as a row of its own, which takes over what the workload holds."""
    name = derived_id("workload", row["id"], f"stretch {row['placements']}")
    values = {key: value for key, value in row.items() if key != "number"}
    changed: dict[str, object] = {
        "id": name,
        "stretch_of": row["id"],
        "push_asked_us": None,  # `pushed_for` stays: for `left`
        "saves_seconds": None,
        "saved": None,
    }
    tx.execute(insert(workload_table).values(**{**values, **changed}))
    moved = update(draw_table).where(draw_table.c.workload == row["id"])
    tx.execute(moved.values(workload=name))
    found = store.row(tx, name)
    assert found is not None  # noqa: S101 - it was added above
    return found
