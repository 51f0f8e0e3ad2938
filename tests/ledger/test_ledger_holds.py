"""Holds, captures, releases, expiry and refunds, as a caller sees them."""

from __future__ import annotations

import pytest
from ledger_desk import Desk, refused

from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound
from yunhe.ledger import service
from yunhe.ledger.domain import (
    AMOUNT_MAX,
    Entry,
    escrow_account,
    issuance_account,
)


def test_a_hold_sets_the_amount_aside(desk: Desk) -> None:
    hold = desk.hold(300)
    assert desk.has(desk.buyer) == (700, 300)
    assert desk.has(escrow_account("CNY")) == (300, 0)
    assert [(h.id, h.amount, h.state) for h in service.holds_open(desk.tx)] == [(hold, 300, "open")]


def test_a_hold_beyond_the_balance_is_refused(desk: Desk) -> None:
    desk.hold(900)
    with refused(Exhausted, "ledger.insufficient"):
        desk.hold(101, key="second")


def test_a_hold_must_expire_after_it_begins(desk: Desk) -> None:
    with refused(Invalid, "ledger.request_invalid", ("expires_at_us", "ledger.expiry_past")):
        desk.hold(1, expires_at_us=1)


def test_a_capture_pays_and_gives_the_remainder_back(desk: Desk) -> None:
    desk.capture(desk.hold(300), (desk.seller, 200), (desk.fee, 20), (desk.fee, 0))
    assert desk.has(desk.buyer) == (780, 0)
    assert desk.has(desk.seller) == (200, 0)
    assert desk.has(desk.fee) == (20, 0)
    assert service.holds_open(desk.tx) == []


@pytest.mark.parametrize("payments", [[], [0]])
def test_a_capture_may_pay_nothing(desk: Desk, payments: list[int]) -> None:
    capture = desk.capture(desk.hold(300), *((desk.seller, amount) for amount in payments))
    assert desk.has(desk.buyer) == (1_000, 0)
    with refused(NotAllowed, "ledger.nothing_paid"):
        desk.refund(capture, 1)


def test_a_capture_may_pay_the_payer_who_cannot_be_refunded_for_it(desk: Desk) -> None:
    capture = desk.capture(desk.hold(300), (desk.buyer, 100), (desk.seller, 200))
    assert desk.has(desk.buyer) == (800, 0)
    with refused(Exhausted, "ledger.refund_exceeds"):
        desk.refund(capture, 201)
    desk.refund(capture, 200)
    assert desk.has(desk.buyer) == (1_000, 0)


def test_a_capture_beyond_the_hold_is_refused_and_the_hold_stays_open(desk: Desk) -> None:
    hold = desk.hold(300)
    with refused(Exhausted, "ledger.capture_exceeds"):
        desk.capture(hold, (desk.seller, 200), (desk.fee, 101))
    assert desk.has(desk.buyer) == (700, 300)


def test_a_bad_capture_is_refused_with_every_fault(desk: Desk) -> None:
    hold = desk.hold(300)
    with refused(
        Invalid,
        "ledger.request_invalid",
        ("payments[0]", "ledger.amount_invalid"),
        ("payments[2]", "ledger.amount_invalid"),
    ):
        desk.capture(hold, (desk.seller, -1), (desk.seller, 1), (desk.seller, AMOUNT_MAX + 1))
    device = service.open_account(desk.tx, owner="uni", unit="device:cpu", purpose="award")
    with refused(Invalid, "ledger.request_invalid", ("payments[0]", "ledger.unit_mismatch")):
        desk.capture(hold, (device, 1))
    with refused(NotAllowed, "ledger.account_reserved"):
        desk.capture(hold, (escrow_account("CNY"), 1))
    with refused(NotFound, "ledger.account_unknown"):
        desk.capture(hold, ("acct_x", 1))
    with refused(NotFound, "ledger.hold_unknown"):
        desk.capture("transfer_x", (desk.seller, 1))


def test_a_released_hold_is_given_back_and_stays_closed(desk: Desk) -> None:
    hold = desk.hold(300)
    service.release(desk.tx, key="rel", hold=hold, at_us=2)
    assert desk.has(desk.buyer) == (1_000, 0)
    with refused(Conflict, "ledger.hold_released"):
        desk.capture(hold, (desk.seller, 1))


def test_a_captured_hold_cannot_be_released_or_captured_again(desk: Desk) -> None:
    hold = desk.hold(300)
    desk.capture(hold, (desk.seller, 300))
    with refused(Conflict, "ledger.hold_captured"):
        service.release(desk.tx, key="rel", hold=hold, at_us=2)
    with refused(Conflict, "ledger.hold_captured"):
        desk.capture(hold, (desk.seller, 1), key="again")


def test_holds_expire_at_their_instant_and_not_before(desk: Desk) -> None:
    first, second = desk.hold(100, key="a", expires_at_us=50), desk.hold(200, key="b")
    assert service.expire_holds(desk.tx, now_us=49) == 0
    assert service.expire_holds(desk.tx, now_us=50) == 1
    assert service.expire_holds(desk.tx, now_us=50) == 0
    assert desk.has(desk.buyer) == (800, 200)
    with refused(Conflict, "ledger.hold_expired"):
        desk.capture(first, (desk.seller, 1))
    assert [hold.id for hold in service.holds_open(desk.tx)] == [second]


def test_an_overdue_hold_cannot_be_captured_even_before_it_is_swept(desk: Desk) -> None:
    hold = desk.hold(100, expires_at_us=50)
    with refused(NotAllowed, "ledger.hold_overdue"):
        desk.capture(hold, (desk.seller, 1), at=50)
    service.release(desk.tx, key="rel", hold=hold, at_us=60)
    assert desk.has(desk.buyer) == (1_000, 0)


def test_a_refund_takes_from_each_payee_in_proportion(desk: Desk) -> None:
    capture = desk.capture(desk.hold(300), (desk.seller, 200), (desk.fee, 100))
    desk.refund(capture, 100)
    assert (desk.has(desk.seller), desk.has(desk.fee)) == ((133, 0), (67, 0))
    desk.refund(capture, 200, key="rest")
    assert desk.has(desk.buyer) == (1_000, 0)
    with refused(Exhausted, "ledger.refund_exceeds"):
        desk.refund(capture, 1, key="more")


def test_a_refund_of_what_the_payee_has_spent_is_refused(desk: Desk) -> None:
    pay = desk.pay(500)
    service.transfer(
        desk.tx, key="on", entries=[Entry(desk.seller, desk.fee, 400)], kind="payment", at_us=2
    )
    with refused(Exhausted, "ledger.insufficient"):
        desk.refund(pay, 101)
    desk.refund(pay, 100)
    assert desk.has(desk.seller) == (0, 0)


def test_a_grant_can_be_taken_back(desk: Desk) -> None:
    grant = service.grant(desk.tx, key="g", account=desk.seller, amount=70, at_us=1)
    desk.refund(grant, 70)
    assert desk.has(desk.seller) == (0, 0)
    assert desk.has(issuance_account("CNY")) == (-1_000, 0)


def test_what_made_no_payment_cannot_be_refunded(desk: Desk) -> None:
    hold = desk.hold(300)
    release = service.release(desk.tx, key="rel", hold=hold, at_us=2)
    refund = desk.refund(desk.pay(10), 5)
    for transfer in (hold, release, refund):
        with refused(NotAllowed, "ledger.not_refundable"):
            desk.refund(transfer, 1, key="x")
    with refused(NotFound, "ledger.transfer_unknown"):
        desk.refund("transfer_x", 1, key="x")


def test_a_transfer_in_several_units_has_no_single_refund(desk: Desk) -> None:
    device = service.open_account(desk.tx, owner="uni", unit="device:cpu", purpose="award")
    entries = [
        Entry(desk.buyer, desk.seller, 5),
        Entry(issuance_account("device:cpu"), device, 5),
    ]
    both = service.transfer(desk.tx, key="t", entries=entries, kind="bundle", at_us=1)
    with refused(NotAllowed, "ledger.refund_units"):
        desk.refund(both, 1)
