"""Many organisations whose workloads wait, and placing them one by one as it was done before.

Used by the tests and by ``benchmarks/compute/dispatch.py``. Everything is made up, from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sqlalchemy import RowMapping, select

from yunhe.compute import store, telling
from yunhe.compute.arriving import row_of
from yunhe.compute.domain import Award, Pool, WorkloadSpec
from yunhe.compute.passes import store as passes
from yunhe.compute.passes.domain import BEHIND, HOLD_US
from yunhe.compute.places import places_text
from yunhe.compute.scheduling.state import Placement
from yunhe.custody import store as custody_store
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

assert custody_store
HELD_MS_MAX = 10**12


def found_town(
    storage: Storage,
    *,
    organisations: int,
    pools: int = 4,
    devices: int = 10_000,
    price: int = 3_600,
    budget_ms: int = HELD_MS_MAX,
) -> list[str]:
    """Organisations with an award, a voucher and money, and pools; returns the organisations."""
    at_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        centre = identity.add_organisation(tx, key="c", name="c", kind="provider", at_us=at_us).id
        for number in range(pools):
            pool = Pool(
                f"pool-{number}", centre, f"s{number}", "local", "cpu", devices, price, "CNY"
            )
            store.add_pool(tx, pool, at_us=at_us)
        named = []
        for number in range(organisations):
            key = f"o{number:04}"
            name = identity.add_organisation(tx, key=key, name=key, kind="sme", at_us=at_us).id
            give(tx, name, device_ms=budget_ms, at_us=at_us)
            named.append(name)
    return named


def give(tx: Transaction, organisation: str, *, device_ms: int, at_us: int) -> None:
    """An award of so much, and cash."""
    for unit, purpose, amount in (
        (device_unit("cpu"), "award", device_ms),
        ("CNY", "cash", 10**12),
    ):
        account = ledger.open_account(tx, owner=organisation, unit=unit, purpose=purpose)
        transfer = ledger.grant(
            tx, key=f"{organisation}:{purpose}", account=account, amount=amount, at_us=at_us
        )
        if purpose == "award":
            award = Award(
                f"award-{organisation}", organisation, "cpu", amount, at_us + 365 * DAY_US, "r"
            )
            store.add_award(tx, award, transfer=transfer, awarded_by="x", at_us=at_us)


def queue_up(
    storage: Storage, organisations: Sequence[str], *, each: int, seed: int = 0, most: int = 4
) -> int:
    """So many waiting workloads of each, which no pass has looked at; their number."""
    drawn, at_us = random.Random(seed), storage.clock.now_us()
    rows: list[dict[str, object]] = []
    with storage.database.begin() as tx:
        for number in range(each):
            for organisation in organisations:
                spec = WorkloadSpec(
                    key=f"{seed}-{number}",
                    organisation=organisation,
                    entry_point="trial",
                    arguments={},
                    inputs={},
                    chip="cpu",
                    devices=drawn.randint(1, most),
                    wall_seconds_max=drawn.choice((60, 600, 3_600)),
                    cpu_seconds_max=60,
                )
                name = f"w-{seed}-{number}-{organisation}"
                rows.append(row_of(name, spec, member=None, why=BEHIND, at_us=at_us))
        store.add_workloads(tx, rows)
    return each * len(organisations)


def place_one(
    tx: Transaction, row: RowMapping, placement: Placement, *, price: int, now_us: int
) -> None:
    """One placement, statement by statement: what batches are measured and checked against."""
    request, number = placement.request, row["placements"] + 1
    until_us = now_us + request.wall_seconds_max * SECOND_US + HOLD_US
    wanted = (
        (device_unit(placement.chip), "award", sum(draw.device_ms for draw in placement.draws)),
        (voucher_unit(placement.currency), "voucher", placement.voucher_minor),
        (placement.currency, "cash", placement.cash_minor),
    )
    holds = [
        ledger.hold(
            tx,
            key=f"compute:{request.id}:{number}:{purpose}",
            account=ledger.open_account(tx, owner=request.organisation, unit=unit, purpose=purpose),
            amount=amount,
            expires_at_us=until_us,
            at_us=now_us,
            memo=request.id,
        )
        if amount
        else None
        for unit, purpose, amount in wanted
    ]
    passes.add_draws(tx, [(request.id, placement.draws)])
    taken = passes.taken(tx, [draw.award for draw in placement.draws])
    telling.budgets(tx, placement.draws, taken=taken, at_us=now_us)
    store.change(
        tx,
        request.id,
        state="placed",
        why=None,
        waits_for=None,
        pool=placement.pool,
        nodes=places_text(placement),
        devices=request.devices_all,
        replicas=request.replicas,
        milli=request.milli or None,
        voucher=placement.voucher,
        placements=number,
        price_held_minor=price,
        term=placement.term,
        held_voucher_minor=placement.voucher_minor,
        held_cash_minor=placement.cash_minor,
        holds_until_us=until_us,
        device_hold=holds[0],
        voucher_hold=holds[1],
        cash_hold=holds[2],
    )
    pool = store.pool(tx, placement.pool)
    leases.enqueue(
        tx,
        kind=f"compute.run.{pool.adapter}",
        key=f"{request.id}/{number}",
        payload={"workload": request.id},
        at_us=now_us,
    )


def everything(storage: Storage) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in an order of their own, for comparing two databases."""
    with storage.database.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.execute(select(table))), key=str)
            for table in metadata.sorted_tables
        }
