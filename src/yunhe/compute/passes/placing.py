"""Carries out placements: holds, draws, states and work items, for many workloads at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping

from yunhe.compute import telling
from yunhe.compute.machine import run_by
from yunhe.compute.passes import store
from yunhe.compute.passes.domain import AWARD, CASH, HOLD_US, HOLDS, VOUCHER
from yunhe.compute.places import places_text
from yunhe.compute.scheduling.state import Placement, Term
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import HoldRequest, account_id
from yunhe.storage import leases
from yunhe.storage.database import Transaction


def work_kind(adapter: str) -> str:
    """Kind of work item of pools of this adapter; this machine takes those of all its own."""
    return f"compute.run.{run_by(adapter)}"


def work_key(row: RowMapping) -> str:
    """Key of the work item of a workload's present placement."""
    return f"{row['id']}/{row['placements']}"


def place_many(
    tx: Transaction,
    placements: Sequence[tuple[RowMapping, Placement]],
    *,
    prices: Mapping[tuple[str, Term], int],
    adapters: Mapping[str, str],
    now_us: int,
) -> None:
    """Set aside what the placements cost, and hand the workloads to their providers.

    ``prices`` of a device-hour by pool and term, ``adapters`` by pool. What is written is the same,
    row by row, as if each was placed in a transaction of its own, one after the other. Errors:
    those of `ledger.service.hold_many`; then nothing of it may be kept. Cost: a dozen statements.
    """
    if not placements:
        return
    requests: list[HoldRequest] = []
    amounts: list[tuple[bool, ...]] = []
    for row, placement in placements:
        wanted = _holds(row, placement, now_us=now_us)
        requests += [one for one in wanted if one.amount]
        amounts.append(tuple(bool(one.amount) for one in wanted))
    made = iter(ledger.hold_many(tx, requests))
    holds = [tuple(next(made) if held else None for held in each) for each in amounts]
    store.add_draws(tx, [(row["id"], placement.draws) for row, placement in placements])
    drawn = [draw for _, placement in placements for draw in placement.draws]
    taken = store.taken(tx, sorted({draw.award for draw in drawn}))
    telling.budgets(tx, drawn, taken=taken, at_us=now_us)
    store.place(
        tx,
        [
            _columns(
                row,
                placement,
                each,
                price=prices[placement.pool, placement.term],
                now_us=now_us,
            )
            for (row, placement), each in zip(placements, holds, strict=True)
        ],
    )
    leases.enqueue_many(
        tx,
        [
            (
                work_kind(adapters[placement.pool]),
                f"{row['id']}/{row['placements'] + 1}",
                {"workload": row["id"]},
            )
            for row, placement in placements
        ],
        at_us=now_us,
    )


def _until_us(placement: Placement, now_us: int) -> int:
    return now_us + placement.request.wall_seconds_max * SECOND_US + HOLD_US


def _holds(row: RowMapping, placement: Placement, *, now_us: int) -> list[HoldRequest]:
    """One for each purpose, also of nothing. The accounts are there: something is in them."""
    request, number = placement.request, row["placements"] + 1
    of = next((draw.of for draw in placement.draws if draw.of), placement.chip)
    wanted = (
        (device_unit(of), AWARD, sum(draw.device_ms for draw in placement.draws)),
        (voucher_unit(placement.currency), VOUCHER, placement.voucher_minor),
        (placement.currency, CASH, placement.cash_minor),
    )
    return [
        HoldRequest(
            key=f"compute:{request.id}:{number}:{purpose}",
            account=account_id(owner=request.organisation, unit=unit, purpose=purpose),
            amount=amount,
            expires_at_us=_until_us(placement, now_us),
            at_us=now_us,
            memo=request.id,
        )
        for unit, purpose, amount in wanted
    ]


def _columns(
    row: RowMapping,
    placement: Placement,
    holds: tuple[str | None, ...],
    *,
    price: int,
    now_us: int,
) -> dict[str, object]:
    return {
        "id": row["id"],
        "state": "placed",
        "why": None,
        "waits_for": None,
        "pool": placement.pool,
        "nodes": places_text(placement),
        "devices": placement.request.devices_all,
        "replicas": placement.request.replicas,
        "milli": placement.request.milli or None,
        "voucher": placement.voucher,
        "placements": row["placements"] + 1,
        "push_asked_us": None,  # said of the run before, where its provider gave it back
        "pushed_for": None,
        "price_held_minor": price,
        "term": placement.term,
        "held_voucher_minor": placement.voucher_minor,
        "held_cash_minor": placement.cash_minor,
        "holds_until_us": _until_us(placement, now_us),
        **dict(zip(HOLDS, holds, strict=True)),
    }
