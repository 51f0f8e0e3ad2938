"""Turns how a job ended into payments, a custody record and the workload's last state, all in one.

Who pays for what, after the practice of the big schedulers and clouds: metered use is paid when the
job succeeded, failed by its own fault, exceeded its own limits, or was cancelled while it ran; an
attempt that the provider or the platform lost is never paid, and neither is its time metered.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import RowMapping

from yunhe.compute import store
from yunhe.compute.admission import CASH, DELIVERED, NOTHING_HELD, VOUCHER
from yunhe.compute.domain import Pool, State, Usage
from yunhe.compute.providers.seam import Outcome
from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.state import Draw
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


def settle(tx: Transaction, row: RowMapping, outcome: Outcome, *, log: str, now_us: int) -> None:
    """Capture, record and close a workload that ran to an end.

    Errors: those of `ledger.service.capture`; the holds cover every amount it asks for.
    """
    spec, pool = store.spec_of(row), store.pool(tx, row["pool"])
    assert pool is not None  # noqa: S101 - pools are never removed
    draws = store.draws(tx, row["id"])
    vouchers = store.vouchers(tx, voucher=row["voucher"]) if row["voucher"] else []
    percent = vouchers[0].voucher.share_percent if vouchers else 0
    device_ms = min(outcome.metered.wall_ms * spec.devices, sum(draw.device_ms for draw in draws))
    usage = _usage(row, outcome, pool, device_ms=device_ms, percent=percent)
    paid = _pay(tx, row, usage, pool, now_us=now_us)
    used = _used(draws, usage.device_ms)
    store.set_used(tx, row["id"], used)
    state: State = "settled"
    if outcome.verdict != "succeeded":
        state = "failed" if outcome.verdict == "failed" else "cancelled"
    body: dict[str, Json] = {
        "organisation": spec.organisation,
        "provider": pool.provider,
        "pool": pool.id,
        "spec_digest": row["spec_digest"],
        "code_digest": outcome.code_digest,
        "input_digests": [spec.inputs[name] for name in sorted(spec.inputs)],
        "output_digests": [outcome.outputs[name] for name in sorted(outcome.outputs)],
        "outcome": state,
        "device_ms": usage.device_ms,
        "cost_minor": usage.cost_minor,
        "unit": usage.currency,
        "voucher_minor": usage.voucher_minor,
        "isolation": usage.isolation,
        # The payment in money; a workload that cost nothing still has that of its device time.
        "transfer": paid.cash or paid.voucher or paid.device,
        "device_transfer": paid.device,
        "voucher_transfer": paid.voucher,
    }
    reference = custody.append(
        tx, Record("compute.usage", row["id"], now_us, body, _links(tx, used, spec.input_reference))
    )
    store.change(
        tx,
        row["id"],
        **{
            **NOTHING_HELD,
            "state": state,
            "why": outcome.why,
            "used_voucher_minor": usage.voucher_minor,
            "outputs": canonical_bytes(dict(outcome.outputs)).decode(),
            "usage": canonical_bytes(
                {name: getattr(usage, name) for name in Usage.__dataclass_fields__}
            ).decode(),
            "reference": reference,
            "log": log,
            "ended_at_us": now_us,
        },
    )


def _usage(row: RowMapping, outcome: Outcome, pool: Pool, *, device_ms: int, percent: int) -> Usage:
    """What is charged; as ``device_ms`` is at most what was held, so is every amount of money."""
    amount = cost.cost(device_ms, price_minor_per_device_hour=pool.price_minor_per_device_hour)
    share = cost.share(amount, share_percent=percent, voucher_left_minor=row["held_voucher_minor"])
    metered = outcome.metered
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
    )


def _pay(tx: Transaction, row: RowMapping, usage: Usage, pool: Pool, *, now_us: int) -> _Payments:
    """Capture from each hold what is due of it; the ledger gives the rest of the hold back."""

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
            "device", unit=device_unit(pool.chip), purpose=DELIVERED, amount=usage.device_ms
        ),
        voucher=capture(
            "voucher",
            unit=voucher_unit(pool.currency),
            purpose=VOUCHER,
            amount=usage.voucher_minor,
        ),
        cash=capture("cash", unit=pool.currency, purpose=CASH, amount=usage.cash_minor),
    )


def _used(draws: list[Draw], device_ms: int) -> dict[str, int]:
    """How much of each award was used, the first to expire first."""
    used = {}
    for draw in draws:
        part = min(draw.device_ms, device_ms)
        device_ms -= part
        if part:
            used[draw.award] = part
    return used


def _links(tx: Transaction, used: dict[str, int], input_reference: str | None) -> dict[str, str]:
    """The awards it rests on as ``award``, ``award_2`` …, and its input where one was named."""
    links = {} if input_reference is None else {"input": input_reference}
    for number, award in enumerate(used, start=1):
        (status,) = store.awards(tx, award=award)
        links["award" if number == 1 else f"award_{number}"] = status.award.reference
    return links
