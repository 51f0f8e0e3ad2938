"""What the database itself refuses, and how few statements a batch takes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ledger_desk import Desk
from sqlalchemy import event, insert, update
from sqlalchemy.exc import IntegrityError

from yunhe.ledger import service, store
from yunhe.ledger.domain import (
    CaptureRequest,
    Entry,
    GrantRequest,
    HoldRequest,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    account_id,
    issuance_account,
    transfer_id,
)
from yunhe.storage.service import Storage


def refused_row(desk: Desk, changed: Mapping[str, object], constraint: str) -> None:
    """The good entry with these changes cannot be written; the good one can."""
    pay = desk.pay(10)
    good = {
        "transfer": pay,
        "line": 9,
        "debit": desk.buyer,
        "credit": desk.seller,
        "unit": "CNY",
        "amount": 1,
    }
    with pytest.raises(IntegrityError, match=constraint), desk.tx.begin_nested():
        desk.tx.execute(insert(store._entry).values({**good, **changed}))
    nested = desk.tx.begin_nested()
    desk.tx.execute(insert(store._entry).values(good))
    nested.rollback()


def test_an_entry_cannot_be_written_with_one_side(desk: Desk) -> None:
    refused_row(desk, {"credit": None}, "NOT NULL|not-null")


def test_an_entry_cannot_be_written_with_an_account_of_another_unit(desk: Desk) -> None:
    device = service.open_account(desk.tx, owner="uni", unit="device:cpu", purpose="award")
    refused_row(desk, {"credit": device}, "(?i)foreign key")
    refused_row(desk, {"unit": "device:cpu"}, "(?i)foreign key")


def test_an_entry_cannot_be_written_with_an_unknown_account(desk: Desk) -> None:
    refused_row(desk, {"debit": "acct_x"}, "(?i)foreign key")


@pytest.mark.parametrize("amount", [0, -5])
def test_an_entry_cannot_be_written_without_a_positive_amount(desk: Desk, amount: int) -> None:
    refused_row(desk, {"amount": amount}, "amount_positive")


def test_an_entry_cannot_be_written_within_one_account(desk: Desk) -> None:
    refused_row(desk, {"credit": desk.buyer}, "two_accounts")


def test_an_entry_cannot_be_written_twice_or_without_its_transfer(desk: Desk) -> None:
    refused_row(desk, {"line": 1}, "(?i)unique")
    refused_row(desk, {"transfer": "transfer_x"}, "(?i)foreign key")


def test_an_account_cannot_be_overdrawn_by_hand(desk: Desk) -> None:
    change = update(store._account).where(store._account.c.id == desk.buyer)
    with pytest.raises(IntegrityError, match="not_overdrawn"), desk.tx.begin_nested():
        desk.tx.execute(change.values(debits=1_001))
    with pytest.raises(IntegrityError, match="totals_not_negative"), desk.tx.begin_nested():
        desk.tx.execute(change.values(debits=-1))


def test_a_hold_cannot_be_closed_twice_by_hand(desk: Desk) -> None:
    hold = desk.hold(10)
    service.release(desk.tx, key="rel", hold=hold, at_us=2)
    second = {
        "id": transfer_id("second"),
        "key": "second",
        "kind": "release",
        "request_digest": "",
        "at_us": 3,
        "memo": "",
        "closes": hold,
    }
    with pytest.raises(IntegrityError, match=r"(?i)unique"), desk.tx.begin_nested():
        desk.tx.execute(insert(store._transfer).values(second))
    with pytest.raises(IntegrityError, match=r"(?i)unique"), desk.tx.begin_nested():
        same_key = {**second, "id": transfer_id("rel"), "closes": None}
        desk.tx.execute(insert(store._transfer).values(same_key))


def mixed(count: int) -> list[Request]:
    """Requests of every kind on the holds and transfers of `test_…_number_of_statements`."""
    buyer = account_id(owner="uni", unit="CNY", purpose="cash")
    seller = account_id(owner="holder", unit="CNY", purpose="cash")
    batch: list[Request] = []
    for n in range(count):
        batch += [
            GrantRequest(f"g{n}", buyer, 100, 1),
            TransferRequest(f"t{n}", (Entry(buyer, seller, 5),), "payment", 1),
            HoldRequest(f"h{n}", buyer, 10, expires_at_us=9, at_us=1),
            CaptureRequest(f"c{n}", transfer_id(f"old-a{n}"), ((seller, 1),), 2),
            ReleaseRequest(f"r{n}", transfer_id(f"old-b{n}"), 2),
            RefundRequest(f"b{n}", transfer_id(f"old-t{n}"), 1, 3),
        ]
    return batch


def test_a_batch_takes_the_same_few_statements_whatever_its_size(
    desk: Desk, storage: Storage
) -> None:
    for n in range(50):
        desk.hold(1, key=f"old-a{n}", expires_at_us=100)
        desk.hold(1, key=f"old-b{n}", expires_at_us=100)
        desk.pay(2, key=f"old-t{n}")
    counts = {}
    for size in (1, 50):
        statements: list[str] = []

        def count(*said: object, into: list[str] = statements) -> None:
            into.append(str(said[2]).split()[0])

        event.listen(desk.tx, "before_cursor_execute", count)
        outcomes = service.post_batch(desk.tx, mixed(size))
        event.remove(desk.tx, "before_cursor_execute", count)
        assert {outcome.status for outcome in outcomes} <= {"posted", "repeated"}
        counts[size] = (statements.count("SELECT"), len(statements))
    assert counts[1] == counts[50] == (6, 11)


def test_more_ids_than_one_statement_takes_are_asked_for_in_parts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_IDS_PER_QUERY", 7)
    requests = [GrantRequest(f"g{n}", desk.buyer, 1, 1) for n in range(40)]
    for status in ("posted", "repeated"):
        outcomes = service.post_batch(desk.tx, requests)
        assert {outcome.status for outcome in outcomes} == {status}
    assert desk.has(issuance_account("CNY")) == (-1_040, 0)
