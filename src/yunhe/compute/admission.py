"""Carries out what the scheduler decides: holds for what it places, reasons for what waits.

Every command that may have freed or added budget or capacity ends with `admit`, in its own
transaction, so nothing waits for a thing that is there.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.domain import AwardStatus, VoucherStatus
from yunhe.compute.reasons import Why
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Request,
    VoucherView,
    Wait,
)
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Conflict
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage import leases
from yunhe.storage.database import Transaction

HOLD_US = 60 * DAY_US
"""How long holds last beyond the wall time; a workload placed for longer is placed anew."""
QUEUE_MAX = 100
"""Waiting workloads of one organisation that a pass looks at, its oldest: bounds how long a command
takes, and keeps one that floods the queue from holding up the others."""
BEHIND = Why("compute.waiting_behind", (("most", QUEUE_MAX),))
"""Why a workload waits that no pass has looked at yet."""

AWARD, VOUCHER, CASH, DELIVERED = "award", "voucher", "cash", "delivered"
"""Purposes of the ledger accounts that compute uses; ``delivered`` is the provider's."""
_HOLDS = ("device_hold", "voucher_hold", "cash_hold")


def work_kind(adapter: str) -> str:
    """Kind of work item that providers of this adapter take."""
    return f"compute.run.{adapter}"


def work_key(row: RowMapping) -> str:
    """Key of the work item of a workload's present placement."""
    return f"{row['id']}/{row['placements']}"


def admit(tx: Transaction, *, now_us: int) -> int:
    """Let the scheduler decide about everything that waits; returns how many were placed.

    Cost: one pass over at most `QUEUE_MAX` workloads of each organisation; three holds for each one
    placed.
    """
    _lapse(tx, now_us=now_us)
    waiting = store.queue(tx, each=QUEUE_MAX)
    if not waiting:
        return 0
    placed = 0
    rows = {row["id"]: row for row in waiting}
    for decision in decide(_picture(tx, rows.values()), now_us=now_us):
        row = rows[decision.request.id]
        if isinstance(decision, Wait):
            if not store.says(row, decision.why):
                store.change(tx, row["id"], why=decision.why)
        else:
            _place(tx, row, decision, now_us=now_us)
            placed += 1
    return placed


def unplace(tx: Transaction, row: RowMapping, *, now_us: int, **values: object) -> None:
    """Give back what a workload holds and set the columns in ``values``, its state among them."""
    for name in _HOLDS:
        if row[name] is None:
            continue
        try:
            ledger.release(tx, key=f"{row[name]}:release", hold=row[name], at_us=now_us)
        except Conflict as error:
            if error.code != "ledger.hold_expired":  # then it is back already
                raise
    store.set_draws(tx, row["id"], [])
    store.change(tx, row["id"], **NOTHING_HELD, **values)


NOTHING_HELD: dict[str, object] = {
    "device_hold": None,
    "voucher_hold": None,
    "cash_hold": None,
    "held_voucher_minor": 0,
    "held_cash_minor": 0,
    "holds_until_us": None,
}
"""Columns of a workload that holds no money."""


def _place(tx: Transaction, row: RowMapping, placement: Placement, *, now_us: int) -> None:
    request, number = placement.request, row["placements"] + 1
    until_us = now_us + request.wall_seconds_max * SECOND_US + HOLD_US
    owner = request.organisation
    wanted = (
        (device_unit(request.chip), AWARD, sum(draw.device_ms for draw in placement.draws)),
        (voucher_unit(placement.currency), VOUCHER, placement.voucher_minor),
        (placement.currency, CASH, placement.cash_minor),
    )
    holds = [
        ledger.hold(
            tx,
            key=f"compute:{request.id}:{number}:{purpose}",
            account=ledger.open_account(tx, owner=owner, unit=unit, purpose=purpose),
            amount=amount,
            expires_at_us=until_us,
            at_us=now_us,
            memo=request.id,
        )
        if amount
        else None
        for unit, purpose, amount in wanted
    ]
    store.set_draws(tx, request.id, placement.draws)
    store.change(
        tx,
        request.id,
        state="placed",
        why=None,
        pool=placement.pool,
        voucher=placement.voucher,
        placements=number,
        held_voucher_minor=placement.voucher_minor,
        held_cash_minor=placement.cash_minor,
        holds_until_us=until_us,
        **dict(zip(_HOLDS, holds, strict=True)),
    )
    pool = store.pool(tx, placement.pool)
    assert pool is not None  # noqa: S101 - the scheduler chose it from the table
    leases.enqueue(
        tx,
        kind=work_kind(pool.adapter),
        key=f"{request.id}/{number}",
        payload={"workload": request.id},
        at_us=now_us,
    )


def _lapse(tx: Transaction, *, now_us: int) -> None:
    """Give back what is left of expired awards; what is still held follows when it is released."""
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


def _picture(tx: Transaction, waiting: Iterable[RowMapping]) -> Picture:
    """What the scheduler needs to know; budgets are also bounded by what the ledger has."""
    queue = tuple(_request(row) for row in waiting)
    pools = store.pools(tx)
    awards: list[AwardView] = []
    vouchers: list[VoucherView] = []
    cash: dict[tuple[str, str], int] = {}
    for organisation in sorted({request.organisation for request in queue}):
        has = {
            (balance.unit, balance.purpose): balance.available
            for balance in ledger.balances(tx, owner=organisation)
        }
        cash |= {
            (organisation, unit): amount
            for (unit, purpose), amount in has.items()
            if purpose == CASH
        }
        awards += _award_views(store.awards(tx, organisation=organisation), has)
        vouchers += _voucher_views(store.vouchers(tx, organisation=organisation), has)
    return Picture(
        pools=tuple(
            PoolView(
                id=status.pool.id,
                chip=status.pool.chip,
                devices=status.pool.devices,
                devices_busy=status.devices_busy,
                price_minor_per_device_hour=status.pool.price_minor_per_device_hour,
                currency=status.pool.currency,
            )
            for status in pools
        ),
        awards=tuple(awards),
        vouchers=tuple(vouchers),
        cash=cash,
        queue=queue,
        busy=store.busy_by_organisation(tx),
    )


def _award_views(
    statuses: Iterable[AwardStatus], has: dict[tuple[str, str], int]
) -> list[AwardView]:
    left = dict(has)
    views = []
    for status in statuses:
        award, account = status.award, (device_unit(status.award.chip), AWARD)
        usable = max(min(status.left_ms, left.get(account, 0)), 0)
        left[account] = left.get(account, 0) - usable
        views.append(
            AwardView(award.id, award.organisation, award.chip, usable, award.expires_at_us)
        )
    return views


def _voucher_views(
    statuses: Iterable[VoucherStatus], has: dict[tuple[str, str], int]
) -> list[VoucherView]:
    left = dict(has)
    views = []
    for status in statuses:
        voucher, account = status.voucher, (voucher_unit(status.voucher.currency), VOUCHER)
        usable = max(min(status.left_minor, left.get(account, 0)), 0)
        left[account] = left.get(account, 0) - usable
        view = VoucherView(
            voucher.id, voucher.organisation, voucher.currency, usable, voucher.share_percent
        )
        views.append(view)
    return views


def _request(row: RowMapping) -> Request:
    return Request(
        id=row["id"],
        number=row["number"],
        organisation=row["organisation"],
        chip=row["chip"],
        devices=row["devices"],
        wall_seconds_max=row["wall_seconds_max"],
        since_us=row["submitted_at_us"],
        blocked=store.why_of(row) if row["blocked"] else None,
    )
