"""Replay finds rows that were changed behind the ledger's back."""

from __future__ import annotations

import pytest
from ledger_forger import forge

from yunhe.kernel.language import LANGUAGES
from yunhe.ledger import service
from yunhe.ledger.domain import (
    Entry,
    Replay,
    TransferRequest,
    account_id,
    escrow_account,
    transfer_id,
)
from yunhe.ledger.replay import PROBLEMS_MAX
from yunhe.ledger.requests import fingerprint
from yunhe.storage.service import Storage

BUYER = account_id(owner="uni", unit="CNY", purpose="cash")
SELLER = account_id(owner="holder", unit="CNY", purpose="cash")
DEVICE = account_id(owner="uni", unit="device:cpu", purpose="award")


@pytest.fixture
def ledger(storage: Storage) -> Storage:
    """Grants, a payment, holds in every state, a capture of three lines and a partial refund."""
    with storage.database.begin() as tx:
        for owner, unit, purpose in (
            ("uni", "CNY", "cash"),
            ("holder", "CNY", "cash"),
            ("uni", "device:cpu", "award"),
        ):
            service.open_account(tx, owner=owner, unit=unit, purpose=purpose)
        service.grant(tx, key="start", account=BUYER, amount=1_000, at_us=0, memo="top-up")
        service.grant(tx, key="award", account=DEVICE, amount=500, at_us=0)
        service.transfer(
            tx, key="pay", entries=[Entry(BUYER, SELLER, 100)], kind="payment", at_us=1
        )
        for key in ("open", "captured", "released", "expired"):
            service.hold(
                tx,
                key=key,
                account=BUYER,
                amount=50,
                expires_at_us=5 if key == "expired" else 99,
                at_us=1,
            )
        service.capture(
            tx,
            key="cap",
            hold=transfer_id("captured"),
            payments=[(SELLER, 20), (SELLER, 10)],
            at_us=2,
        )
        service.release(tx, key="rel", hold=transfer_id("released"), at_us=2)
        assert service.expire_holds(tx, now_us=5) == 1
        service.refund(tx, key="back", transfer=transfer_id("cap"), amount=15, at_us=6)
    return storage


def tampered(ledger: Storage, *statements: str) -> Replay:
    """Replay after somebody with the database and no scruples ran these statements."""
    forge(ledger.database, statements)
    with ledger.database.read() as tx:
        return service.replay(tx)


def codes(replay: Replay) -> set[str]:
    for finding in replay.problems:
        for language in LANGUAGES:
            assert "{" not in finding.message(language)
            assert "ledger." not in finding.message(language)
    assert replay.ok is (not replay.problems)
    return {finding.code.removeprefix("ledger.replay_") for finding in replay.problems}


def test_an_untouched_ledger_replays_without_a_problem(ledger: Storage) -> None:
    with ledger.database.read() as tx:
        assert service.replay(tx) == Replay(ok=True, transfers=11, entries=14, problems=())


PAY, CAP, BACK = transfer_id("pay"), transfer_id("cap"), transfer_id("back")
TAMPERINGS = {
    "an amount": (
        {"edited", "totals"},
        f"UPDATE ledger_entry SET amount = 101 WHERE transfer = '{PAY}'",
    ),
    "an amount and the totals to fit": (
        {"edited"},
        f"UPDATE ledger_entry SET amount = 90 WHERE transfer = '{PAY}'",
        f"UPDATE ledger_account SET debits = debits - 10 WHERE id = '{BUYER}'",
        f"UPDATE ledger_account SET credits = credits - 10 WHERE id = '{SELLER}'",
    ),
    "a memo": ({"edited"}, "UPDATE ledger_transfer SET memo = 'gift' WHERE key = 'start'"),
    "a kind": ({"edited"}, f"UPDATE ledger_transfer SET kind = 'gift' WHERE id = '{PAY}'"),
    "a key": ({"edited"}, f"UPDATE ledger_transfer SET key = 'other' WHERE id = '{PAY}'"),
    "the two sides": (
        {"edited", "totals", "overdrawn"},
        f"UPDATE ledger_entry SET debit = credit, credit = debit WHERE transfer = '{PAY}'",
    ),
    "a fraction": (
        {"edited", "entry", "totals"},
        f"UPDATE ledger_entry SET amount = 99.5 WHERE transfer = '{PAY}'",
    ),
    "a number no request can have": (
        {"edited", "totals", "overdrawn"},
        f"UPDATE ledger_entry SET amount = {2**60} WHERE transfer = '{PAY}'",
    ),
    "a negative amount": (
        {"edited", "entry", "totals"},
        f"UPDATE ledger_entry SET amount = -100 WHERE transfer = '{PAY}'",
    ),
    "a unit": (
        {"unit"},
        f"UPDATE ledger_entry SET unit = 'device:cpu' WHERE transfer = '{PAY}'",
    ),
    "an unknown account": (
        {"unit", "edited", "totals"},
        f"UPDATE ledger_entry SET credit = 'acct_x' WHERE transfer = '{PAY}'",
    ),
    "a running total": (
        {"totals", "sum"},
        f"UPDATE ledger_account SET credits = credits + 1 WHERE id = '{SELLER}'",
    ),
    "escrow's total": (
        {"totals", "sum", "escrow"},
        f"UPDATE ledger_account SET credits = credits + 1 WHERE id = '{escrow_account('CNY')}'",
    ),
    "a removed entry": (
        {"empty", "totals"},
        f"DELETE FROM ledger_entry WHERE transfer = '{PAY}'",
    ),
    "a removed transfer": (
        {"totals"},
        f"DELETE FROM ledger_entry WHERE transfer = '{PAY}'",
        f"DELETE FROM ledger_transfer WHERE id = '{PAY}'",
    ),
    "a hold opened again": (
        {"hold_state"},
        f"UPDATE ledger_hold SET state = 'open' WHERE id = '{transfer_id('captured')}'",
    ),
    "a hold closed without a transfer": (
        {"hold_state"},
        f"UPDATE ledger_hold SET state = 'released' WHERE id = '{transfer_id('open')}'",
    ),
    "a hold's amount": (
        {"hold", "escrow"},
        f"UPDATE ledger_hold SET amount = 60 WHERE id = '{transfer_id('open')}'",
    ),
    "a removed hold": (
        {"hold", "escrow"},
        f"DELETE FROM ledger_hold WHERE id = '{transfer_id('open')}'",
    ),
    "a capture of nothing": (
        {"closes_nothing", "edited"},
        f"UPDATE ledger_transfer SET closes = NULL WHERE id = '{CAP}'",
        f"UPDATE ledger_transfer SET refunds = NULL WHERE id = '{BACK}'",
    ),
    "a capture's remainder sent elsewhere": (
        {"hold_amount", "totals"},
        f"UPDATE ledger_entry SET credit = '{SELLER}' WHERE transfer = '{CAP}' AND line = 0",
    ),
    "a refund of the wrong line": (
        {"refund"},
        f"UPDATE ledger_entry SET line = 7 WHERE transfer = '{BACK}' AND line = 1",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_replay_finds_a_change_of(what: str, ledger: Storage) -> None:
    expected, *statements = TAMPERINGS[what]
    if what == "a fraction" and not ledger.database.url.startswith("sqlite"):
        pytest.skip("this database stores no fraction in a column of integers")
    assert codes(tampered(ledger, *statements)) >= expected


def test_replay_finds_a_refund_of_more_than_was_paid(ledger: Storage) -> None:
    """Each refund is sound by itself, digest and totals included; together they are too much."""
    statements = [
        "INSERT INTO ledger_transfer (id, key, kind, request_digest, at_us, memo, refunds)"
        f" SELECT '{transfer_id('more')}', 'more', kind, request_digest, at_us, memo, refunds"
        f" FROM ledger_transfer WHERE id = '{BACK}'",
        "INSERT INTO ledger_entry (transfer, line, debit, credit, unit, amount)"
        f" SELECT '{transfer_id('more')}', line, debit, credit, unit, amount"
        f" FROM ledger_entry WHERE transfer = '{BACK}'",
    ]
    statements += [
        f"UPDATE ledger_account SET {column} = {column} + 15 WHERE id = '{account}'"
        for account, column in ((SELLER, "debits"), (BUYER, "credits"))
    ]
    assert codes(tampered(ledger, *statements)) == set()
    third = [text.replace(transfer_id("more"), transfer_id("third")) for text in statements]
    third = [text.replace("'more'", "'third'") for text in third]
    assert codes(tampered(ledger, *third)) == {"refund"}


def test_replay_finds_an_account_that_was_below_zero_in_between(ledger: Storage) -> None:
    """The order of two payments is swapped: the end is the same, the way there was not possible."""
    with ledger.database.begin() as tx:
        other = service.open_account(tx, owner="other", unit="CNY", purpose="cash")
        for key, debit, credit in (("to", BUYER, other), ("fro", other, BUYER)):
            service.transfer(
                tx, key=key, entries=[Entry(debit, credit, 9)], kind="payment", at_us=9
            )
    swap = [
        f"UPDATE ledger_transfer SET number = {number} WHERE key = '{key}'"
        for key, number in (("to", 1_000), ("fro", 999))
    ]
    assert codes(tampered(ledger, *swap)) == {"overdrawn"}


def test_a_forger_who_recomputes_everything_is_not_found_by_replay_alone(ledger: Storage) -> None:
    """Why postings are also leaves of the custody log: a ledger agrees with its own rewriting."""
    forged = TransferRequest("pay", (Entry(BUYER, SELLER, 90),), "payment", 1)
    statements = [
        *TAMPERINGS["an amount and the totals to fit"][1:],
        f"UPDATE ledger_transfer SET request_digest = '{fingerprint(forged)}' WHERE id = '{PAY}'",
    ]
    assert codes(tampered(ledger, *map(str, statements))) == set()


def test_the_list_of_problems_is_bounded(ledger: Storage) -> None:
    with ledger.database.begin() as tx:
        for number in range(PROBLEMS_MAX + 5):
            service.grant(tx, key=f"g{number}", account=BUYER, amount=1, at_us=1)
    found = tampered(ledger, "UPDATE ledger_transfer SET memo = 'x'")
    assert len(found.problems) == PROBLEMS_MAX
    assert found.transfers == 11 + PROBLEMS_MAX + 5
    assert not found.ok
