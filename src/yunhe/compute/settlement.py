"""Turns how a job ended into payments, a custody record and the workload's last state, all in one.

Who pays for what, after the practice of the big schedulers and clouds: metered use is paid when the
job succeeded, failed by its own fault, exceeded its own limits, or was cancelled while it ran; an
attempt that the provider or the platform lost is never paid, and neither is its time metered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import RowMapping

from yunhe.compute import columns, store, telling
from yunhe.compute.admission import CASH, DELIVERED, NOTHING_HELD, VOUCHER
from yunhe.compute.domain import Pool, State, Usage
from yunhe.compute.drawing import store as drawing
from yunhe.compute.limits import service as limits
from yunhe.compute.machine import remark
from yunhe.compute.passes import weighing
from yunhe.compute.providers.seam import Outcome
from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.weights import Draw, captured
from yunhe.compute.statements import store as statements
from yunhe.compute.wanted import WorkloadSpec
from yunhe.compute.wanted import device_ms as device_ms_of
from yunhe.compute.yielding import store as yielding
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class _Payments:
    """Ids of the ledger transfers; empty where nothing was due."""

    device: str
    voucher: str
    cash: str


def settle(
    tx: Transaction,
    row: RowMapping,
    outcome: Outcome,
    *,
    log: str,
    now_us: int,
    told: bool = True,
) -> int:
    """Capture, record and close a workload that ran to an end; the device time that was charged.

    ``told``: whether its people hear of its end. Where this machine's clock is behind, it ends when
    it was asked for, and never in a period that is closed; the record says by how much. Errors:
    those of `ledger.service.capture`; the holds cover every amount it asks for.
    """
    said_us, now_us = now_us, _booked_us(tx, row, now_us)
    spec, pool = columns.spec_of(row), store.pool(tx, row["pool"])
    assert pool is not None  # noqa: S101 - pools are never removed
    draws = store.draws(tx, row["id"])
    vouchers = store.vouchers(tx, voucher=row["voucher"]) if row["voucher"] else []
    percent = vouchers[0].voucher.share_percent if vouchers else 0
    used_ms = outcome.metered.device_ms
    if used_ms is None:
        used_ms = device_ms_of(
            spec, wall_ms=outcome.metered.wall_ms, replicas=row["replicas"] or spec.replicas
        )
    device_ms = min(used_ms, sum(draw.covers_ms for draw in draws))
    used = captured(draws, device_ms)
    usage = _drawn(_usage(row, outcome, pool, device_ms=device_ms, percent=percent), used)
    of = next((draw.of for draw in draws if draw.of), pool.chip)
    paid = _pay(tx, row, usage, pool, of=of, now_us=now_us)
    drawing.set_used(tx, row["id"], used)
    state: State = "settled"
    if outcome.verdict != "succeeded":
        state = "failed" if outcome.verdict == "failed" else "cancelled"
    body: dict[str, Json] = {
        "organisation": spec.organisation,
        "provider": pool.provider,
        "pool": pool.id,
        "spec_digest": row["spec_digest"],
        "code_digest": outcome.code_digest,
        # The folder's manifest names every file of it by digest.
        "input_digests": [spec.inputs[name] for name in sorted(spec.inputs)]
        + ([spec.folder] if spec.folder else []),
        "output_digests": [outcome.outputs[name] for name in sorted(outcome.outputs)],
        "outcome": state,
        "device_ms": usage.device_ms,
        "cost_minor": usage.cost_minor,
        "unit": usage.currency,
        "term": usage.term,
        "voucher_minor": usage.voucher_minor,
        "isolation": usage.isolation,
        **remark(pool.adapter),
        # The payment in money; a workload that cost nothing still has that of its device time.
        "transfer": paid.cash or paid.voucher or paid.device,
        "device_transfer": paid.device,
        **_of_award(usage),
        "voucher_transfer": paid.voucher,
        **_elsewhere(spec, outcome),
        **({"clock_behind_ms": (now_us - said_us) // 1_000} if now_us > said_us else {}),
    }
    yielding.left(tx, row)
    reference = custody.append(
        tx, Record("compute.usage", row["id"], now_us, body, _links(tx, used, spec.input_reference))
    )
    ended: dict[str, object] = {"state": state, "log": log, "ended_at_us": now_us}
    store.change(
        tx, row["id"], **NOTHING_HELD, **_kept(outcome, usage), reference=reference, **ended
    )
    limits.carry(tx, limits.read_by(spec), outcome.outputs.values(), at_us=now_us)
    weighing.note(tx, spec.organisation, spec.project, device_ms=usage.device_ms, now_us=now_us)
    if told:
        telling.job_ended(tx, row, state=state, device_ms=usage.device_ms, at_us=now_us)
    return usage.device_ms


def _elsewhere(spec: WorkloadSpec, outcome: Outcome) -> dict[str, Json]:
    """Of work that another platform handed over, where it said its consumer is; and evidence."""
    return {**({"consumer": spec.consumer} if spec.consumer else {}), **outcome.evidence}


def _booked_us(tx: Transaction, row: RowMapping, now_us: int) -> int:
    """The moment it counts as over: not before it was asked for, nor in a closed period."""
    return max(now_us, int(row["submitted_at_us"]), statements.closed_until_us(tx))


def _kept(outcome: Outcome, usage: Usage) -> dict[str, object]:
    used = {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
    used_permille = usage.utilisation_per_thousand
    known = used_permille is not None
    return {
        "why": outcome.why,
        "reported_ms": usage.device_ms if known else None,
        "busy_ms": usage.device_ms * (used_permille or 0) // 1_000 if known else None,
        "used_voucher_minor": usage.voucher_minor,
        "outputs": canonical_bytes(dict(outcome.outputs)).decode(),
        "usage": canonical_bytes(used).decode(),
    }


def _usage(row: RowMapping, outcome: Outcome, pool: Pool, *, device_ms: int, percent: int) -> Usage:
    """What is charged; as ``device_ms`` is at most what was held, so is every amount of money."""
    price = row["price_held_minor"]  # null: placed before prices had periods
    if price is None:
        price = pool.price_minor_per_device_hour
    amount = cost.cost(device_ms, price_minor_per_device_hour=price)
    share = cost.share(amount, share_percent=percent, voucher_left_minor=row["held_voucher_minor"])
    metered = outcome.metered
    if row["milli"]:  # instruments show a device, not whose share of it is used
        metered = replace(metered, utilisation_per_thousand=None, utilisation_samples=0)
    return Usage(
        device_ms=device_ms,
        wall_ms=metered.wall_ms,
        cpu_ms=metered.cpu_user_ms + metered.cpu_system_ms,
        memory_bytes_peak=metered.memory_bytes_peak,
        isolation=outcome.isolation,
        code_digest=outcome.code_digest,
        cost_minor=amount,
        voucher_minor=share.voucher_minor,
        cash_minor=share.cash_minor,
        currency=pool.currency,
        term=row["term"] or "on_demand",
        utilisation_per_thousand=metered.utilisation_per_thousand,
        utilisation_samples=metered.utilisation_samples,
        unwatched=metered.unwatched,
    )


def _pay(
    tx: Transaction, row: RowMapping, usage: Usage, pool: Pool, *, of: str, now_us: int
) -> _Payments:
    """Capture from each hold what is due of it; the ledger gives the rest of the hold back.

    ``of``: what the awards are for that it holds, also where nothing of them was used.
    """

    def capture(name: str, *, unit: str, purpose: str, amount: int) -> str:
        hold = row[f"{name}_hold"]
        if hold is None:
            return ""
        payee = ledger.open_account(tx, owner=pool.provider, unit=unit, purpose=purpose)
        transfer = ledger.capture(
            tx,
            key=f"{hold}:capture",
            hold=hold,
            payments=[(payee, amount)],
            at_us=now_us,
            memo=row["id"],
        )
        return transfer if amount else ""

    return _Payments(
        device=capture(
            "device",
            unit=device_unit(of),
            purpose=DELIVERED,
            amount=usage.drawn_ms if usage.drawn_of else usage.device_ms,
        ),
        voucher=capture(
            "voucher",
            unit=voucher_unit(pool.currency),
            purpose=VOUCHER,
            amount=usage.voucher_minor,
        ),
        cash=capture("cash", unit=pool.currency, purpose=CASH, amount=usage.cash_minor),
    )


def _of_award(usage: Usage) -> dict[str, Json]:
    """What was taken of an award for several chips, in its own time; nothing of one for a chip."""
    if not usage.drawn_of:
        return {}
    return {"award_unit": device_unit(usage.drawn_of), "award_ms": usage.drawn_ms}


def _drawn(usage: Usage, used: list[Draw]) -> Usage:
    """With what was taken of an award for several chips, where one paid."""
    of = next((draw.of for draw in used), "")
    drawn_ms = sum(draw.device_ms for draw in used)
    return replace(usage, drawn_of=of, drawn_ms=drawn_ms) if of else usage


def _links(tx: Transaction, used: list[Draw], input_reference: str | None) -> dict[str, str]:
    """The awards it rests on as ``award``, ``award_2`` …, and its input where one was named."""
    links = {} if input_reference is None else {"input": input_reference}
    for number, draw in enumerate(used, start=1):
        (status,) = store.awards(tx, award=draw.award)
        links["award" if number == 1 else f"award_{number}"] = status.award.reference
    return links
