"""Carries out what the scheduler decides: holds for what it places, reasons for what waits.

Every command that may have freed or added budget or capacity ends with `admit`, and one that adds
a workload with `arrived`, in its own transaction. Where little waits, everything is decided there
and then; where much waits, a whole pass is asked for, which a scheduler makes within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping

from yunhe.compute import columns, store, telling
from yunhe.compute.asking import missed
from yunhe.compute.passes import pushing
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import (
    AWARD,
    BEHIND,
    CASH,
    DELIVERED,
    HOLD_US,
    HOLDS,
    QUEUE_MAX,
    SMALL_MAX,
    VOUCHER,
)
from yunhe.compute.passes.placing import place_many, work_key, work_kind
from yunhe.compute.passes.whole import changed_whys
from yunhe.compute.picture import picture_of
from yunhe.compute.policy import service as rules
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import Placement
from yunhe.compute.yielding import store as yielding
from yunhe.kernel.errors import Conflict
from yunhe.kernel.units import device_unit
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction

__all__ = [
    "AWARD",
    "BEHIND",
    "CASH",
    "DELIVERED",
    "HOLD_US",
    "NOTHING_HELD",
    "QUEUE_MAX",
    "VOUCHER",
    "admit",
    "arrived",
    "at_once",
    "freed",
    "is_small",
    "lapse",
    "picture_of",
    "serve",
    "unplace",
    "work_key",
    "work_kind",
]  # part of this face


def admit(tx: Transaction, *, now_us: int) -> int:
    """Let the scheduler decide about what waits, or ask for a whole pass where that is much.

    Returns how many were placed. Cost: a pass over `SMALL_MAX` workloads at most.
    """
    if is_small(tx):
        return at_once(tx, now_us=now_us)
    passes.mark(tx)
    return 0


def is_small(tx: Transaction) -> bool:
    """Whether a command can decide about all that a pass would look at. Cost: as `considered`."""
    return passes.considered(tx, each=QUEUE_MAX, most=SMALL_MAX) <= SMALL_MAX


def at_once(tx: Transaction, *, now_us: int) -> int:
    """A pass within this transaction; returns how many were placed."""
    lapse(tx, now_us=now_us)
    passes.answer(tx, now_us=now_us)
    return _pass(tx, passes.queue(tx, each=QUEUE_MAX), now_us=now_us)


def arrived(tx: Transaction, workloads: Sequence[str], *, now_us: int) -> int:
    """Let the scheduler decide about workloads that have just been added, in their order.

    Where much waits, one is placed at once if that overtakes nobody: if no other that a free
    device might help wants the same chips, nor one that came before it and stands in line. Those
    behind `QUEUE_MAX` of their organisation are not named: they wait for these. Returns how many
    were placed. Cost: one pass.
    """
    if is_small(tx):
        return at_once(tx, now_us=now_us)
    ordered = rules.in_force(tx).overtaking == "never"  # then whoever waits is everybody's rival
    free, stood = list[RowMapping](), False
    for row in passes.rows(tx, workloads):
        spec = columns.spec_of(row)
        chips = spec.chip, *spec.substitutes
        if ordered or passes.rivals(tx, chips=chips, workload=row["id"]):
            passes.stand_in_line(tx, row["id"])
            stood = True
        else:
            free.append(row)
    if stood:
        passes.mark(tx)
    return _pass(tx, free, now_us=now_us)


def _pass(tx: Transaction, waiting: list[RowMapping], *, now_us: int) -> int:
    if not waiting:
        return 0
    rows = {row["id"]: row for row in waiting}
    picture = picture_of(tx, waiting, now_us=now_us)
    policy = rules.in_force(tx)
    decisions = decide(picture, now_us=now_us, policy=policy)
    asked = pushing.pushes(tx, picture, decisions, now_us=now_us, policy=policy)
    yielding.ask(tx, asked, now_us=now_us)
    placements = [
        (rows[each.request.id], each) for each in decisions if isinstance(each, Placement)
    ]
    adapters = {status.pool.id: status.pool.adapter for status in store.pools(tx)}
    place_many(tx, placements, prices=picture.prices, adapters=adapters, now_us=now_us)
    passes.tell_why(tx, changed_whys(decisions, rows))
    return len(placements)


def serve(tx: Transaction, workload: str, *, now_us: int) -> int:
    """Look at one that others made room for before anybody else is; 1 if it was placed."""
    row = store.row(tx, workload)
    if row is None or row["state"] != "waiting":
        return 0
    return _pass(tx, [row], now_us=now_us)


def freed(tx: Transaction, row: RowMapping, *, now_us: int) -> None:
    """Let the scheduler decide about what a run left, first for whom it was to make room."""
    if row["pushed_for"] is not None:
        serve(tx, row["pushed_for"], now_us=now_us)
    admit(tx, now_us=now_us)


def unplace(tx: Transaction, row: RowMapping, *, now_us: int, **values: object) -> None:
    """Give back what a workload holds and set the columns in ``values``, its state among them."""
    for name in HOLDS:
        if row[name] is None:
            continue
        try:
            ledger.release(tx, key=f"{row[name]}:release", hold=row[name], at_us=now_us)
        except Conflict as error:
            if error.code != "ledger.hold_expired":  # then it is back already
                raise
    passes.add_draws(tx, [(row["id"], ())])
    if "nodes" not in values:  # else its node is lost, and what was on it
        yielding.left(tx, row)
    store.change(tx, row["id"], **NOTHING_HELD, **values)
    if values.get("state") == "failed":  # given up; what ran to an end is told of by `settle`
        telling.job_ended(tx, row, state="failed", device_ms=0, at_us=now_us)


NOTHING_HELD: dict[str, object] = {
    "device_hold": None,
    "voucher_hold": None,
    "cash_hold": None,
    "held_voucher_minor": 0,
    "held_cash_minor": 0,
    "holds_until_us": None,
}
"""Columns of a workload that holds no money."""


def lapse(tx: Transaction, *, now_us: int) -> None:
    """Give back what is left of expired awards, and end what cannot meet its deadline any more.

    What is still held of an award follows when it is released.
    """
    for status in store.awards(tx, expired_at_us=now_us):
        award = status.award
        if status.left_ms <= 0:
            continue
        account = ledger.open_account(
            tx, owner=award.organisation, unit=device_unit(award.chip), purpose=AWARD
        )
        amount = min(status.left_ms, ledger.balance(tx, account).available)
        if amount > 0:
            ledger.refund(
                tx,
                key=f"compute:{award.id}:lapse:{status.lapsed_ms}",
                transfer=store.transfer_of_award(tx, award.id),
                amount=amount,
                at_us=now_us,
                memo="expired",
            )
            store.set_lapsed(tx, award.id, lapsed_ms=status.lapsed_ms + amount)
    for row in store.overdue(tx, at_us=now_us):
        why = missed(columns.spec_of(row))
        unplace(tx, row, now_us=now_us, state="failed", why=why, ended_at_us=now_us)
