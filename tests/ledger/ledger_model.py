"""A second, plain ledger in a few dictionaries, to compare the real one with.

Written from the specification, not from the engine: one balance per account, a list of payments per
transfer, no running totals, no batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from yunhe.ledger.domain import (
    AMOUNT_MAX,
    CaptureRequest,
    GrantRequest,
    HoldRequest,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    escrow_account,
    issuance_account,
    transfer_id,
)


class Refused(Exception):
    """The model's way to say no; carries the code the ledger must give."""


@dataclass
class Payment:
    payer: str
    payee: str
    amount: int
    refunded: int = 0


@dataclass
class ModelHold:
    account: str
    amount: int
    expires_at_us: int
    state: str = "open"


@dataclass
class Model:
    """What the ledger should contain."""

    units: dict[str, str] = field(default_factory=dict)
    overdraft: set[str] = field(default_factory=set)
    balances: dict[str, int] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)
    paid: dict[str, list[Payment] | None] = field(default_factory=dict)
    open_holds: list[str] = field(default_factory=list)
    last_holds: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    refundable: deque[str] = field(default_factory=lambda: deque(maxlen=500))

    def open(self, account: str, unit: str, *, overdraft: bool = False) -> None:
        self.units[account] = unit
        self.balances.setdefault(account, 0)
        self.units[escrow_account(unit)] = self.units[issuance_account(unit)] = unit
        self.balances.setdefault(escrow_account(unit), 0)
        self.balances.setdefault(issuance_account(unit), 0)
        self.overdraft.add(issuance_account(unit))
        if overdraft:
            self.overdraft.add(account)

    def apply(self, request: Request) -> str:
        """``posted``, ``repeated``, or the code of the refusal."""
        try:
            self.check_form(request)
            before = self.requests.get(request.key)
            if before is not None:
                if timeless(before) != timeless(request):
                    raise Refused("ledger.key_reused")
                return "repeated"
            self.post(request)
        except Refused as refusal:
            return str(refusal)
        self.requests[request.key] = request
        return "posted"

    def check_form(self, request: Request) -> None:
        amounts: list[int] = []
        if isinstance(request, TransferRequest):
            amounts = [entry.amount for entry in request.entries] or [0]
            bad = any(entry.debit == entry.credit for entry in request.entries)
            if bad or request.kind == "refund":
                raise Refused("ledger.request_invalid")
        elif isinstance(request, CaptureRequest):
            amounts = [amount + (amount == 0) for _, amount in request.payments]
        elif not isinstance(request, ReleaseRequest):
            amounts = [request.amount]
        if isinstance(request, HoldRequest) and request.expires_at_us <= request.at_us:
            raise Refused("ledger.request_invalid")
        if any(not 0 < amount <= AMOUNT_MAX for amount in amounts):
            raise Refused("ledger.request_invalid")

    def post(self, request: Request) -> None:
        me = transfer_id(request.key)
        if isinstance(request, TransferRequest):
            moves = [(e.debit, e.credit, e.amount) for e in request.entries]
            self.check_accounts([side for move in moves for side in move[:2]])
            if any(self.units[debit] != self.units[credit] for debit, credit, _ in moves):
                raise Refused("ledger.request_invalid")
            self.move(moves)
            self.paid[me] = [Payment(*move) for move in moves]
        elif isinstance(request, GrantRequest):
            self.check_accounts([request.account], one=True)
            issuance = issuance_account(self.units[request.account])
            self.move([(issuance, request.account, request.amount)])
            self.paid[me] = [Payment(issuance, request.account, request.amount)]
        elif isinstance(request, HoldRequest):
            self.check_accounts([request.account], one=True)
            escrow = escrow_account(self.units[request.account])
            self.move([(request.account, escrow, request.amount)])
            self.holds[me] = ModelHold(request.account, request.amount, request.expires_at_us)
            self.open_holds.append(me)
            self.last_holds.append(me)
            self.paid[me] = None
        elif isinstance(request, CaptureRequest):
            self.capture(me, request)
        elif isinstance(request, ReleaseRequest):
            self.release(me, request)
        else:
            self.refund(me, request)
        if self.paid[me]:
            self.refundable.append(me)

    def check_accounts(self, accounts: Sequence[str], *, one: bool = False) -> None:
        if any(account not in self.units for account in accounts):
            raise Refused("ledger.account_unknown")
        if any(account == escrow_account(self.units[account]) for account in accounts):
            raise Refused("ledger.account_reserved" if one else "ledger.request_invalid")

    def move(self, moves: Sequence[tuple[str, str, int]]) -> None:
        after = dict[str, int]()
        for debit, credit, amount in moves:
            after[debit] = after.get(debit, self.balances[debit]) - amount
            after[credit] = after.get(credit, self.balances[credit]) + amount
        for account, amount in after.items():
            falls = amount < self.balances[account]
            if falls and amount < 0 and account not in self.overdraft:
                raise Refused("ledger.insufficient")
        self.balances.update(after)

    def live_hold(self, key: str) -> ModelHold:
        if key not in self.holds:
            raise Refused("ledger.hold_unknown")
        if self.holds[key].state != "open":
            raise Refused(f"ledger.hold_{self.holds[key].state}")
        return self.holds[key]

    def close(self, key: str, state: str) -> None:
        self.holds[key].state = state
        self.open_holds.remove(key)

    def capture(self, me: str, request: CaptureRequest) -> None:
        hold = self.live_hold(request.hold)
        if request.at_us >= hold.expires_at_us:
            raise Refused("ledger.hold_overdue")
        spent = sum(amount for _, amount in request.payments)
        if spent > hold.amount:
            raise Refused("ledger.capture_exceeds")
        for payee, _ in request.payments:
            self.check_accounts([payee], one=True)
        unit = self.units[hold.account]
        if any(self.units[payee] != unit for payee, _ in request.payments):
            raise Refused("ledger.request_invalid")
        escrow = escrow_account(unit)
        self.move([(escrow, payee, amount) for payee, amount in request.payments])
        self.move([(escrow, hold.account, hold.amount - spent)])
        self.close(request.hold, "captured")
        self.paid[me] = [
            Payment(hold.account, payee, amount)
            for payee, amount in request.payments
            if amount and payee != hold.account
        ]

    def release(self, me: str, request: ReleaseRequest) -> None:
        hold = self.live_hold(request.hold)
        if request.kind == "expiry" and request.at_us < hold.expires_at_us:
            raise Refused("ledger.hold_not_due")
        escrow = escrow_account(self.units[hold.account])
        self.move([(escrow, hold.account, hold.amount)])
        self.close(request.hold, "released" if request.kind == "release" else "expired")
        self.paid[me] = None

    def refund(self, me: str, request: RefundRequest) -> None:
        if request.transfer not in self.paid:
            raise Refused("ledger.transfer_unknown")
        paid = self.paid[request.transfer]
        if paid is None:
            raise Refused("ledger.not_refundable")
        if not paid:
            raise Refused("ledger.nothing_paid")
        if len({self.units[payment.payee] for payment in paid}) != 1:
            raise Refused("ledger.refund_units")
        left = [payment.amount - payment.refunded for payment in paid]
        if request.amount > sum(left):
            raise Refused("ledger.refund_exceeds")
        exact = [Fraction(request.amount * rest, sum(left)) for rest in left]
        parts = [int(share) for share in exact]
        missing = request.amount - sum(parts)
        order = sorted(range(len(left)), key=lambda i: (parts[i] - exact[i], i))
        for i in order[:missing]:
            parts[i] += 1
        self.move([(p.payee, p.payer, part) for p, part in zip(paid, parts, strict=True)])
        for payment, part in zip(paid, parts, strict=True):
            payment.refunded += part
        self.paid[me] = None

    def overdue(self, now_us: int) -> list[str]:
        return [key for key in self.open_holds if self.holds[key].expires_at_us <= now_us]


def timeless(request: Request) -> Request:
    """The request without its times (and without payments of nothing): what a key stands for."""
    if isinstance(request, HoldRequest):
        return replace(request, at_us=0, expires_at_us=0)
    if isinstance(request, CaptureRequest):
        kept = tuple(payment for payment in request.payments if payment[1])
        return replace(request, at_us=0, payments=kept)
    return replace(request, at_us=0)
