"""The pure engine: what must hold of every decision, whatever the requests."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.ledger.domain import (
    SYSTEM_OWNER,
    Account,
    CaptureRequest,
    Entry,
    GrantRequest,
    Hold,
    HoldRequest,
    Outcome,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    account_id,
    escrow_account,
    issuance_account,
    transfer_id,
)
from yunhe.ledger.entries import Book, Decision, Original, decide, payments
from yunhe.ledger.requests import faults, fingerprint, fingerprint_of_rows

UNITS = ("CNY", "device:cpu")
KEYS = [f"k{number}" for number in range(6)]


def account(owner: str, unit: str, purpose: str, has: int, *, overdraft: bool = False) -> Account:
    name = account_id(owner=owner, unit=unit, purpose=purpose)
    return Account(name, owner, unit, purpose, overdraft, max(0, -has), max(0, has))


def opening() -> Book:
    """Two people with a little of each unit, and each unit's own accounts."""
    accounts = []
    for unit in UNITS:
        accounts += [account(owner, unit, "cash", 30) for owner in ("ann", "ben")]
        accounts.append(account(SYSTEM_OWNER, unit, "issuance", -60, overdraft=True))
        accounts.append(account(SYSTEM_OWNER, unit, "escrow", 0))
    return Book({a.id: a for a in accounts}, {}, {}, {})


NAMES = [
    *(
        account_id(owner=owner, unit=unit, purpose="cash")
        for owner in ("ann", "ben")
        for unit in UNITS
    ),
    *(issuance_account(unit) for unit in UNITS),
    escrow_account("CNY"),
    "acct_unknown",
]
keys = st.sampled_from(KEYS)
names = st.sampled_from(NAMES)
amounts = st.integers(min_value=0, max_value=40)
times = st.integers(min_value=0, max_value=5)
transfers = keys.map(transfer_id)
entries = st.builds(Entry, debit=names, credit=names, amount=amounts)
requests = st.lists(
    st.one_of(
        st.builds(
            TransferRequest, keys, st.lists(entries, max_size=3), st.just("payment"), at_us=times
        ),
        st.builds(GrantRequest, keys, names, amounts, times),
        st.builds(HoldRequest, keys, names, amounts, expires_at_us=times, at_us=times),
        st.builds(
            CaptureRequest, keys, transfers, st.lists(st.tuples(names, amounts), max_size=3), times
        ),
        st.builds(ReleaseRequest, keys, transfers, times, st.sampled_from(["release", "expiry"])),
        st.builds(RefundRequest, keys, transfers, amounts, times),
    ),
    max_size=25,
)


def after(book: Book, decision: Decision) -> Book:
    """The book as the store would load it once the decision is written."""
    accounts = dict(book.accounts)
    for name, (debits, credits_) in decision.turnover.items():
        known = accounts[name]
        accounts[name] = replace(
            known, debits=known.debits + debits, credits=known.credits + credits_
        )
    holds = {**book.holds, **{hold.id: hold for hold in (*decision.opened, *decision.closed)}}
    digests = {**book.digests, **{p.id: p.request_digest for p in decision.postings}}
    originals = dict(book.originals)
    for posting in decision.postings:
        payer = holds[posting.closes].account if posting.closes else None
        originals[posting.id] = Original(posting.kind, payments(posting.movements, payer), {})
        if posting.refunds:
            refunded = dict(originals[posting.refunds].refunded)
            for movement in posting.movements:
                refunded[movement.line] = refunded.get(movement.line, 0) + movement.amount
            originals[posting.refunds] = replace(originals[posting.refunds], refunded=refunded)
    return Book(accounts, holds, digests, originals)


def said(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.status, outcome.transfer, outcome.error.code if outcome.error else ""


@given(requests)
@settings(max_examples=400, deadline=None)
def test_deciding_together_equals_deciding_one_after_the_other(batch: list[Request]) -> None:
    together = decide(opening(), batch)
    book, outcomes, postings = opening(), [], []
    for request in batch:
        decision = decide(book, [request])
        outcomes += decision.outcomes
        postings += decision.postings
        book = after(book, decision)
    assert [said(outcome) for outcome in together.outcomes] == [said(o) for o in outcomes]
    assert list(together.postings) == postings
    assert after(opening(), together) == book


@given(requests)
@settings(max_examples=400, deadline=None)
def test_every_decision_conserves_each_unit_and_overdraws_nobody(batch: list[Request]) -> None:
    book = after(opening(), decision := decide(opening(), batch))
    rest: defaultdict[str, int] = defaultdict(int)
    for known in book.accounts.values():
        rest[known.unit] += known.available
        assert known.overdraft or known.available >= 0
    assert set(rest.values()) == {0}
    for unit in UNITS:
        held = sum(h.amount for h in book.holds.values() if h.state == "open" and h.unit == unit)
        assert book.accounts[escrow_account(unit)].available == held
    for posting in decision.postings:
        assert posting.movements
        for movement in posting.movements:
            assert movement.amount > 0
            assert movement.debit != movement.credit
            assert book.accounts[movement.debit].unit == movement.unit
            assert book.accounts[movement.credit].unit == movement.unit
    for original in book.originals.values():
        paid = {movement.line: movement.amount for movement in original.movements}
        assert all(amount <= paid[line] for line, amount in original.refunded.items())


@given(requests)
@settings(max_examples=100, deadline=None)
def test_deciding_changes_nothing_it_was_given(batch: list[Request]) -> None:
    book = opening()
    before = copy.deepcopy(book)
    assert decide(book, batch).postings == decide(book, batch).postings
    assert book == before


@given(requests)
@settings(max_examples=200, deadline=None)
def test_the_digest_of_the_rows_is_the_digest_of_the_request(batch: list[Request]) -> None:
    for posting in decide(opening(), batch).postings:
        target = posting.closes or posting.refunds or ""
        rows = posting.movements
        found = fingerprint_of_rows(posting.kind, target=target, memo=posting.memo, movements=rows)
        assert found == posting.request_digest


@given(
    st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=5),
    st.lists(st.integers(min_value=1, max_value=30), max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_refunds_in_any_steps_give_back_exactly_what_was_paid(
    paid: list[int], steps: list[int]
) -> None:
    buyer = account("ann", "CNY", "cash", sum(paid))
    payees = [account(f"payee-{n}", "CNY", "cash", 0) for n in range(len(paid))]
    book = Book({a.id: a for a in (buyer, *payees)}, {}, {}, {})
    entries = [Entry(buyer.id, p.id, amount) for p, amount in zip(payees, paid, strict=True)]
    batch: list[Request] = [TransferRequest("pay", entries, "payment", 0)]
    left = sum(paid)
    for number, step in enumerate(steps):
        batch.append(RefundRequest(f"step-{number}", transfer_id("pay"), min(step, left or 1), 0))
        left -= min(step, left)
    batch.append(RefundRequest("last", transfer_id("pay"), left or 1, 0))
    decision = decide(book, batch)
    # A step is refused only when everything was given back before it.
    for outcome in decision.outcomes:
        assert outcome.error is None or outcome.error.code == "ledger.refund_exceeds"
    assert sum(p.kind == "refund" for p in decision.postings) >= 1
    done = after(book, decision)
    assert {known.id: known.available for known in done.accounts.values()} == {
        buyer.id: sum(paid),
        **{payee.id: 0 for payee in payees},
    }


def test_a_hold_can_be_opened_captured_and_refunded_within_one_batch() -> None:
    ann, ben = NAMES[0], NAMES[2]
    batch: list[Request] = [
        HoldRequest("h", ann, 20, expires_at_us=9, at_us=1),
        CaptureRequest("c", transfer_id("h"), [(ben, 15)], 2),
        RefundRequest("r", transfer_id("c"), 5, 3),
    ]
    decision = decide(opening(), batch)
    assert [outcome.status for outcome in decision.outcomes] == ["posted"] * 3
    assert decision.opened == (Hold(transfer_id("h"), ann, "CNY", 20, 9, "captured"),)
    assert decision.closed == ()
    book = after(opening(), decision)
    assert (book.accounts[ann].available, book.accounts[ben].available) == (20, 40)


def test_times_are_not_part_of_what_a_key_stands_for() -> None:
    early = HoldRequest("h", NAMES[0], 20, expires_at_us=9, at_us=1)
    late = HoldRequest("h", NAMES[0], 20, expires_at_us=99, at_us=80)
    assert fingerprint(early) == fingerprint(late)
    assert fingerprint(early) != fingerprint(replace(early, amount=21))
    assert faults(early) == []
