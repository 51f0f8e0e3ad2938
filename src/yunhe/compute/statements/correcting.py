"""Gives back part of what a workload was charged: by new entries, in the period of today."""

from __future__ import annotations

from yunhe.compute.drawing import store as drawing
from yunhe.compute.scheduling.cost import cost
from yunhe.compute.scheduling.weights import given_back
from yunhe.compute.specs import amount_faults, key_faults, text_faults
from yunhe.compute.statements import store
from yunhe.compute.statements.domain import Correction, period_at
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import transfer_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage


def correct(
    storage: Storage,
    *,
    key: str,
    workload: str,
    device_ms: int,
    reason: str,
    corrected_by: str,
    price_minor_per_device_hour: int | None = None,
) -> Correction:
    """Set what a workload is charged for to ``device_ms``, at its own price or a lower one.

    The difference goes back to award, voucher and cash, in proportion; the charge stays on record.
    Only downwards: more than was held is never taken. The same key again returns the same
    correction. Errors: `Invalid` ``compute.correction_invalid``; `NotFound`
    ``compute.charge_unknown``; `Conflict` ``compute.correction_differs``,
    ``compute.correction_upwards``; `NotAllowed` unless an operator corrects; `Exhausted`
    ``ledger.insufficient`` when the provider has spent it.
    """
    findings = [
        *key_faults(key),
        *text_faults("reason", reason),
        *amount_faults("device_ms", device_ms, least=0),
    ]
    if price_minor_per_device_hour is not None:
        findings += amount_faults("price", price_minor_per_device_hour, least=0)
    if findings:
        raise Invalid("compute.correction_invalid", findings=findings)
    name = derived_id("correction", workload, key)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        now_us = max(now_us, store.closed_until_us(tx))  # of a clock that is slow
        identity.require(tx, corrected_by, "operator")
        there = store.corrections(tx, correction=name)
        if there:
            if there[0].reason != reason:
                raise Conflict("compute.correction_differs", key=key)
            return there[0]
        made = _made(
            tx,
            name,
            workload,
            device_ms=device_ms,
            price=price_minor_per_device_hour,
            reason=reason,
            by=corrected_by,
            at_us=now_us,
        )
        store.add_correction(tx, made)
    return made


def _made(
    tx: Transaction,
    name: str,
    workload: str,
    *,
    device_ms: int,
    price: int | None,
    reason: str,
    by: str,
    at_us: int,
) -> Correction:
    """The correction, with its entries and its record."""
    found = store.named(tx, [workload]).to_pylist()
    if not found or found[0]["kind"] != "usage" or not found[0]["billable"]:
        raise NotFound("compute.charge_unknown", charge=workload[:64])
    charge = found[0]
    before = store.corrections(tx, workload=workload)
    now = {
        each: charge[each] + sum(getattr(one, each) for one in before)
        for each in ("device_ms", "cost_minor", "voucher_minor", "cash_minor")
    }
    listed = charge["price_minor_per_device_hour"]
    amount = cost(
        device_ms, price_minor_per_device_hour=listed if price is None else min(price, listed)
    )
    if device_ms > now["device_ms"] or amount > now["cost_minor"]:
        raise Conflict("compute.correction_upwards", charge=workload)
    voucher = min(amount * charge["voucher_percent"] // 100, now["voucher_minor"])
    if amount - voucher > now["cash_minor"]:  # the voucher's share was cut when it ran out
        voucher = amount - now["cash_minor"]
    wanted = (device_ms, amount, voucher, amount - voucher)
    change = {each: value - now[each] for each, value in zip(now, wanted, strict=True)}
    if not any(change.values()):
        raise Conflict("compute.correction_nothing", charge=workload)
    own = charge["organisation"] == charge["provider"]  # who paid itself has it still
    money = () if own else (("voucher", "voucher_minor"), ("cash", "cash_minor"))
    placed = store.placements(tx, workload)
    drawn_ms = _drawn_ms(tx, workload, change["device_ms"])
    of_award = change["device_ms"] if drawn_ms is None else drawn_ms
    for purpose, amount in (("award", of_award), *((word, change[at]) for word, at in money)):
        if amount:
            hold = transfer_id(f"compute:{workload}:{placed}:{purpose}")
            ledger.refund(
                tx,
                key=f"{name}:{purpose}",
                transfer=transfer_id(f"{hold}:capture"),
                amount=-amount,
                at_us=at_us,
                memo=name,
            )
    corrects = period_at(charge["ended_us"]).name
    body: dict[str, Json] = {
        "organisation": charge["organisation"],
        "provider": charge["provider"],
        "workload": workload,
        "corrects": corrects,
        "reason": reason,
        "unit": charge["currency"],
        "corrected_by": by,
        **change,
        **({} if drawn_ms is None else {"award_ms": drawn_ms}),
    }
    links = {"usage": charge["reference"]} if charge["reference"] else {}
    reference = custody.append(tx, Record("compute.correction", name, at_us, body, links))
    return Correction(
        name,
        workload,
        corrects,
        reason=reason,
        corrected_by=by,
        at_us=at_us,
        reference=reference,
        drawn_ms=drawn_ms,
        **change,
    )


def _drawn_ms(tx: Transaction, workload: str, device_ms: int) -> int | None:
    """What so much less of the chip's time gives back to an award for several; None: one chip's."""
    drawn = drawing.used(tx, workload)
    if not any(draw.of for draw in drawn):
        return None
    after = given_back(drawn, -device_ms)
    return sum(draw.device_ms for draw in after) - sum(draw.device_ms for draw in drawn)
