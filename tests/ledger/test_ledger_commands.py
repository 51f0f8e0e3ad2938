"""Accounts, grants, transfers, repeats and batches, as a caller sees them."""

from __future__ import annotations

import pytest
from ledger_desk import Desk, refused

from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound
from yunhe.ledger import service
from yunhe.ledger.domain import (
    AMOUNT_MAX,
    BATCH_MAX,
    Entry,
    GrantRequest,
    HoldRequest,
    TransferRequest,
    escrow_account,
    issuance_account,
)


def test_opening_an_account_again_gives_the_same_account(desk: Desk) -> None:
    again = service.open_account(desk.tx, owner="uni", unit="CNY", purpose="cash")
    assert again == desk.buyer
    assert desk.has(again) == (1_000, 0)


def test_an_account_cannot_change_its_rule_on_overdraft(desk: Desk) -> None:
    with refused(Conflict, "ledger.account_differs"):
        service.open_account(desk.tx, owner="uni", unit="CNY", purpose="cash", overdraft=True)


def test_a_bad_account_is_refused_with_every_fault(desk: Desk) -> None:
    with refused(
        Invalid,
        "ledger.account_invalid",
        ("owner", "ledger.owner_invalid"),
        ("purpose", "ledger.purpose_invalid"),
        ("unit", "ledger.unit_invalid"),
    ):
        service.open_account(
            desk.tx, owner="ledger", unit="epsilon:" + "x" * 300, purpose="My cash"
        )


def test_an_account_needs_a_unit_that_somebody_defined(desk: Desk) -> None:
    with pytest.raises(Invalid) as caught:
        service.open_account(desk.tx, owner="uni", unit="XYZ", purpose="cash")
    assert caught.value.code == "kernel.unit_unknown"


def test_a_grant_comes_from_issuance_which_goes_below_zero(desk: Desk) -> None:
    assert desk.has(desk.buyer) == (1_000, 0)
    assert desk.has(issuance_account("CNY")) == (-1_000, 0)


def test_a_grant_to_the_ledgers_own_accounts_is_refused(desk: Desk) -> None:
    for account in (escrow_account("CNY"), issuance_account("CNY")):
        with refused(NotAllowed, "ledger.account_reserved"):
            service.grant(desk.tx, key="g", account=account, amount=1, at_us=1)


def test_a_grant_to_nobody_is_refused(desk: Desk) -> None:
    with refused(NotFound, "ledger.account_unknown"):
        service.grant(desk.tx, key="g", account="acct_nobody", amount=1, at_us=1)


def test_a_transfer_moves_all_its_entries_or_none(desk: Desk) -> None:
    entries = [Entry(desk.buyer, desk.seller, 600), Entry(desk.buyer, desk.fee, 500)]
    with refused(Exhausted, "ledger.insufficient"):
        service.transfer(desk.tx, key="t", entries=entries, kind="order", at_us=1)
    assert desk.has(desk.buyer) == (1_000, 0)
    assert desk.has(desk.seller) == (0, 0)


def test_only_the_net_effect_of_a_transfer_must_be_covered(desk: Desk) -> None:
    entries = [Entry(desk.buyer, desk.seller, 1_400), Entry(desk.seller, desk.buyer, 400)]
    service.transfer(desk.tx, key="t", entries=entries, kind="netting", at_us=1)
    assert desk.has(desk.buyer) == (0, 0)
    assert desk.has(desk.seller) == (1_000, 0)


def test_the_shortage_names_account_and_amounts(desk: Desk) -> None:
    with pytest.raises(Exhausted) as caught:
        desk.pay(1_234_500)
    assert caught.value.params["available"] == 1_000
    assert caught.value.params["needed"] == 1_234_500
    assert caught.value.params["account"] == desk.buyer
    assert caught.value.params["unit"] == "CNY"
    assert "10.00 CNY, but 12,345.00 is needed" in caught.value.message("en")
    assert "10.00 CNY" in caught.value.message("zh")


def test_an_account_with_overdraft_may_fall_below_zero(desk: Desk) -> None:
    bank = service.open_account(
        desk.tx, owner="bank", unit="CNY", purpose="clearing", overdraft=True
    )
    service.transfer(
        desk.tx, key="t", entries=[Entry(bank, desk.seller, 50)], kind="top-up", at_us=1
    )
    assert desk.has(bank) == (-50, 0)


def test_a_subsidy_is_a_transfer_of_its_kind_and_may_cover_several_units(desk: Desk) -> None:
    voucher = service.open_account(desk.tx, owner="uni", unit="voucher:CNY", purpose="voucher")
    entries = [
        Entry(issuance_account("voucher:CNY"), voucher, 200),
        Entry(desk.buyer, desk.fee, 10),
    ]
    service.transfer(desk.tx, key="s", entries=entries, kind="subsidy", at_us=1, memo="算力券")
    assert desk.has(voucher) == (200, 0)
    line = service.entries_of(desk.tx, "exchange")[0]
    assert (line.kind, line.amount, line.counterpart, line.memo) == (
        "subsidy",
        10,
        desk.buyer,
        "算力券",
    )


def test_a_bad_transfer_is_refused_with_every_fault(desk: Desk) -> None:
    entries = [
        Entry(desk.buyer, desk.seller, 0),
        Entry(desk.buyer, desk.buyer, 5),
        Entry(desk.buyer, desk.seller, AMOUNT_MAX + 1),
        Entry(desk.buyer, desk.seller, True),
        Entry(desk.buyer, desk.seller, 1.5),  # type: ignore[arg-type]
    ]
    with refused(
        Invalid,
        "ledger.request_invalid",
        ("key", "ledger.key_invalid"),
        ("memo", "ledger.memo_invalid"),
        ("kind", "ledger.kind_invalid"),
        ("entries[0]", "ledger.amount_invalid"),
        ("entries[1]", "ledger.same_account"),
        ("entries[2]", "ledger.amount_invalid"),
        ("entries[3]", "ledger.amount_invalid"),
        ("entries[4]", "ledger.amount_invalid"),
    ):
        service.transfer(
            desk.tx, key="", entries=entries, kind="capture", at_us=1, memo="nul \0 byte"
        )


@pytest.mark.parametrize("key", ["", "x" * 201, "nul\0", "\ud800"])
def test_a_key_that_some_database_would_not_keep_is_refused(desk: Desk, key: str) -> None:
    with refused(Invalid, "ledger.request_invalid", ("key", "ledger.key_invalid")):
        service.grant(desk.tx, key=key, account=desk.buyer, amount=1, at_us=1)


@pytest.mark.parametrize("count", [0, 201])
def test_a_transfer_has_one_to_two_hundred_entries(desk: Desk, count: int) -> None:
    entries = [Entry(desk.buyer, desk.seller, 1)] * count
    with refused(Invalid, "ledger.request_invalid", ("entries", "ledger.count_invalid")):
        service.transfer(desk.tx, key="t", entries=entries, kind="payment", at_us=1)


def test_entries_cannot_cross_units_nor_touch_escrow(desk: Desk) -> None:
    device = service.open_account(desk.tx, owner="uni", unit="device:cpu", purpose="award")
    entries = [Entry(desk.buyer, device, 5), Entry(escrow_account("CNY"), desk.buyer, 5)]
    with refused(
        Invalid,
        "ledger.request_invalid",
        ("entries[0]", "ledger.unit_mismatch"),
        ("entries[1]", "ledger.account_reserved"),
    ):
        service.transfer(desk.tx, key="t", entries=entries, kind="payment", at_us=1)


def test_unknown_accounts_are_all_named(desk: Desk) -> None:
    entries = [Entry(desk.buyer, "acct_x", 5), Entry("acct_y", desk.buyer, 5)]
    with refused(
        NotFound,
        "ledger.account_unknown",
        ("entries[0]", "ledger.account_unknown"),
        ("entries[1]", "ledger.account_unknown"),
    ):
        service.transfer(desk.tx, key="t", entries=entries, kind="payment", at_us=1)
    with refused(NotFound, "ledger.account_unknown"):
        service.balance(desk.tx, "acct_x")


def test_totals_that_would_outgrow_the_database_are_refused(desk: Desk) -> None:
    requests = [GrantRequest(f"g{n}", desk.seller, AMOUNT_MAX, 1) for n in range(600)]
    outcomes = service.post_batch(desk.tx, requests)
    assert sum(outcome.status == "posted" for outcome in outcomes) == 511
    with refused(NotAllowed, "ledger.total_too_large"):
        outcomes[-1].result()


def test_repeating_a_request_gives_the_same_answer_and_has_no_second_effect(desk: Desk) -> None:
    hold = desk.hold(300)
    capture = desk.capture(hold, (desk.seller, 200))
    refund = desk.refund(capture, 50)
    before = service.balances(desk.tx)
    assert desk.hold(300, expires_at_us=999) == hold, "the time of a repeat does not matter"
    assert desk.capture(hold, (desk.seller, 200), (desk.fee, 0), at=500) == capture
    assert desk.refund(capture, 50) == refund
    assert service.balances(desk.tx) == before


def test_a_key_cannot_be_used_for_another_request(desk: Desk) -> None:
    desk.pay(10)
    with refused(Conflict, "ledger.key_reused"):
        desk.pay(11)
    with refused(Conflict, "ledger.key_reused"):
        desk.hold(10, key="pay")


def test_a_refused_request_may_succeed_later_under_its_key(desk: Desk) -> None:
    with refused(Exhausted, "ledger.insufficient"):
        desk.pay(1_001)
    service.grant(desk.tx, key="more", account=desk.buyer, amount=1, at_us=2)
    desk.pay(1_001)
    assert desk.has(desk.buyer) == (0, 0)


def test_in_a_batch_a_refused_request_does_not_hurt_the_others(desk: Desk) -> None:
    pay = TransferRequest("a", (Entry(desk.buyer, desk.seller, 10),), "payment", 1)
    short = TransferRequest("b", (Entry(desk.fee, desk.seller, 10),), "payment", 1)
    hold = HoldRequest("c", desk.seller, 10, expires_at_us=9, at_us=1)
    outcomes = service.post_batch(desk.tx, [pay, short, hold, pay])
    assert [outcome.status for outcome in outcomes] == ["posted", "refused", "posted", "repeated"]
    assert outcomes[0].result() == outcomes[3].result()
    with refused(Exhausted, "ledger.insufficient"):
        outcomes[1].result()
    assert desk.has(desk.seller) == (0, 10)


def test_an_empty_batch_is_no_work_and_a_huge_one_is_refused(desk: Desk) -> None:
    assert service.post_batch(desk.tx, []) == []
    with refused(Invalid, "ledger.batch_too_large"):
        service.post_batch(desk.tx, [GrantRequest("g", desk.buyer, 1, 1)] * (BATCH_MAX + 1))


def test_a_statement_shows_both_sides_in_order_and_in_whole_transfers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.pay(10)
    entries = [Entry(desk.buyer, desk.seller, 20), Entry(desk.buyer, desk.fee, 2)]
    service.transfer(desk.tx, key="order", entries=entries, kind="order", at_us=3)
    lines = service.entries_of(desk.tx, "uni")
    assert [(line.kind, line.amount) for line in lines] == [
        ("grant", 1_000),
        ("payment", -10),
        ("order", -20),
        ("order", -2),
    ]
    assert {line.account for line in lines} == {desk.buyer}
    everybody = service.entries_of(desk.tx, None)
    assert len(everybody) == 8
    assert sum(line.amount for line in everybody) == 0

    monkeypatch.setattr(service, "LINES_MAX", 3)
    first = service.entries_of(desk.tx, "uni")
    assert [line.kind for line in first] == ["grant", "payment"]
    rest = service.entries_of(desk.tx, "uni", after=first[-1].number)
    assert [line.kind for line in rest] == ["order", "order"]
    assert service.entries_of(desk.tx, "uni", after=rest[-1].number) == []


def test_balances_can_be_asked_for_one_owner_or_all(desk: Desk) -> None:
    desk.hold(300)
    [mine] = service.balances(desk.tx, "uni")
    assert (mine.account, mine.available, mine.held) == (desk.buyer, 700, 300)
    everybody = service.balances(desk.tx)
    assert [(b.owner, b.purpose, b.available) for b in everybody] == [
        ("exchange", "fee", 0),
        ("holder", "cash", 0),
        ("ledger", "escrow", 300),
        ("ledger", "issuance", -1_000),
        ("uni", "cash", 700),
    ]
    assert service.balances(desk.tx, "nobody") == []


@pytest.mark.parametrize("name", ["", "\ud800", "nul\0", "账户", "x" * 65])
def test_what_cannot_be_an_id_is_a_fault_of_the_request(desk: Desk, name: str) -> None:
    code = "ledger.request_invalid"
    with refused(Invalid, code, ("account", "ledger.id_invalid")):
        service.grant(desk.tx, key="g", account=name, amount=1, at_us=1)
    with refused(Invalid, code, ("account", "ledger.id_invalid")):
        service.hold(desk.tx, key="h", account=name, amount=1, expires_at_us=2, at_us=1)
    with refused(Invalid, code, ("hold", "ledger.id_invalid")):
        service.release(desk.tx, key="r", hold=name, at_us=1)
    with refused(
        Invalid, code, ("hold", "ledger.id_invalid"), ("payments[0]", "ledger.id_invalid")
    ):
        desk.capture(name, (name, 1))
    with refused(Invalid, code, ("transfer", "ledger.id_invalid")):
        desk.refund(name, 1)
    with refused(Invalid, code, ("entries[0].credit", "ledger.id_invalid")):
        entries = [Entry(desk.buyer, name, 1)]
        service.transfer(desk.tx, key="t", entries=entries, kind="payment", at_us=1)
