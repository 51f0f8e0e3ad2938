"""Recomputes the whole ledger from its entries and says where the rows disagree: pure.

What must hold, checked transfer by transfer in the order of posting and once more at the end:

- a transfer has entries; each moves more than zero between two accounts of its unit;
- the rows are those the request asked for (its digest is recomputed from them), so an edited
  amount, account, kind or memo shows even when the totals were made to fit;
- no account without overdraft is ever below zero, not only at the end;
- a capture, release or expiry closes a hold that was open, and gives out exactly what was held;
- a refund reverses payments of its original, and never more than they were;
- the running totals equal the recomputed ones, and credits less debits of a unit sum to zero;
- escrow equals the open holds, and every hold is in the state its transfers leave it in.

A ledger rewritten as a whole, digests and all, agrees with itself: only the custody log shows that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from yunhe.kernel.errors import Finding
from yunhe.ledger.domain import (
    Account,
    Hold,
    Movement,
    Posting,
    Replay,
    escrow_account,
    transfer_id,
)
from yunhe.ledger.entries import REMAINDER, payments
from yunhe.ledger.requests import fingerprint_of_rows

PROBLEMS_MAX = 100
"""Replay stops listing problems after this many; it still counts transfers and entries."""

_CLOSED_AS = {"capture": "captured", "release": "released", "expiry": "expired"}


def recount(
    accounts: Mapping[str, Account],
    postings: Iterable[tuple[Posting, Hold | None]],
    refunded: Collection[str],
) -> Replay:
    """What following every posting from the first finds.

    ``postings`` come in the order of posting, each with the hold row it opened; ``refunded`` names
    the transfers whose payments are to be remembered. Cost: linear in the entries; memory in the
    accounts, the open holds and the refunded transfers.
    """
    count = _Recount(accounts, frozenset(refunded))
    for posting, hold in postings:
        count.follow(posting, hold)
    count.compare()
    return Replay(not count.problems, count.transfers, count.entries, tuple(count.problems))


@dataclass(slots=True)
class _Paid:
    """What is left to refund of one line."""

    payer: str
    payee: str
    left: int


@dataclass(slots=True)
class _Recount:
    accounts: Mapping[str, Account]
    refunded: frozenset[str]
    transfers: int = 0
    entries: int = 0
    problems: list[Finding] = field(default_factory=list)
    totals: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    holds: dict[str, Hold] = field(default_factory=dict)
    paid: dict[str, dict[int, _Paid]] = field(default_factory=dict)

    def problem(self, where: str, code: str, **params: str | int) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Finding(where, code, tuple(params.items())))

    def follow(self, posting: Posting, hold: Hold | None) -> None:
        self.transfers += 1
        self.entries += len(posting.movements)
        if not posting.movements:
            self.problem(posting.id, "ledger.replay_empty")
            return
        for movement in posting.movements:
            self.move(posting.id, movement)
        self.check_balances(posting)
        self.check_digest(posting)
        if hold is not None or posting.kind == "hold":
            self.open(posting, hold)
        payer = None
        if posting.closes is not None or posting.kind in _CLOSED_AS:
            payer = self.close(posting)
        if posting.refunds is not None or posting.kind == "refund":
            self.refund(posting)
        if posting.id in self.refunded:
            self.paid[posting.id] = {
                m.line: _Paid(m.debit, m.credit, m.amount)
                for m in payments(posting.movements, payer)
            }

    def check_balances(self, posting: Posting) -> None:
        for account in {side for m in posting.movements for side in (m.debit, m.credit)}:
            debits, credits_ = self.totals[account]
            known = self.accounts.get(account)
            if debits > credits_ and known is not None and not known.overdraft:
                self.problem(posting.id, "ledger.replay_overdrawn", account=account)

    def check_digest(self, posting: Posting) -> None:
        target = posting.closes or posting.refunds or ""
        try:
            digest = fingerprint_of_rows(
                posting.kind, target=target, memo=posting.memo, movements=posting.movements
            )
        except (TypeError, ValueError):  # a value no request can have
            digest = ""
        if digest != posting.request_digest or transfer_id(posting.key) != posting.id:
            self.problem(posting.id, "ledger.replay_edited")

    def move(self, where: str, movement: Movement) -> None:
        amount = movement.amount
        # SQLite keeps whatever was written by hand into an integer column.
        if type(amount) is not int or amount <= 0 or movement.debit == movement.credit:
            self.problem(where, "ledger.replay_entry", line=movement.line)
            return
        self.totals[movement.debit][0] += amount
        self.totals[movement.credit][1] += amount
        for side in (movement.debit, movement.credit):
            account = self.accounts.get(side)
            if account is None or account.unit != movement.unit:
                self.problem(where, "ledger.replay_unit", line=movement.line, account=side)

    def open(self, posting: Posting, hold: Hold | None) -> None:
        first = posting.movements[0]
        if (
            hold is None
            or posting.kind != "hold"
            or len(posting.movements) != 1
            or (hold.account, hold.unit, hold.amount) != (first.debit, first.unit, first.amount)
            or first.credit != escrow_account(hold.unit)
        ):
            self.problem(posting.id, "ledger.replay_hold")
            return
        self.holds[hold.id] = hold

    def close(self, posting: Posting) -> str | None:
        hold = self.holds.pop(posting.closes or "", None)
        if hold is None:
            self.problem(posting.id, "ledger.replay_closes_nothing")
            return None
        if hold.state != _CLOSED_AS.get(posting.kind):
            self.problem(posting.id, "ledger.replay_hold_state", hold=hold.id, state=hold.state)
        escrow = escrow_account(hold.unit)
        if sum(m.amount for m in posting.movements if m.debit == escrow) != hold.amount:
            self.problem(posting.id, "ledger.replay_hold_amount", hold=hold.id)
        for movement in posting.movements:
            if movement.line == REMAINDER and movement.credit != hold.account:
                self.problem(posting.id, "ledger.replay_hold_amount", hold=hold.id)
        return hold.account

    def refund(self, posting: Posting) -> None:
        paid = self.paid.get(posting.refunds or "", {})
        for movement in posting.movements:
            line = paid.get(movement.line)
            if line is None or (line.payer, line.payee) != (movement.credit, movement.debit):
                self.problem(posting.id, "ledger.replay_refund", line=movement.line)
                continue
            line.left -= movement.amount
            if line.left < 0:
                self.problem(posting.id, "ledger.replay_refund", line=movement.line)

    def compare(self) -> None:
        """At the end: the rows that are kept up to date against what was recomputed."""
        units: defaultdict[str, int] = defaultdict(int)
        escrow: defaultdict[str, int] = defaultdict(int)
        for account in self.accounts.values():
            units[account.unit] += account.available
            if [account.debits, account.credits] != self.totals[account.id]:
                self.problem(account.id, "ledger.replay_totals", unit=account.unit)
        for unit, rest in units.items():
            if rest:
                self.problem(unit, "ledger.replay_sum", rest=rest)
        for hold in self.holds.values():
            escrow[hold.unit] += hold.amount
            if hold.state != "open":
                self.problem(hold.id, "ledger.replay_hold_state", hold=hold.id, state=hold.state)
        for unit in units.keys() | escrow.keys():
            there = self.accounts.get(escrow_account(unit))
            if (there.available if there else 0) != escrow[unit]:
                self.problem(unit, "ledger.replay_escrow", held=escrow[unit])
