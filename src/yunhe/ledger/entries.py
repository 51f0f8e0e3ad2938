"""Decides what a batch of requests does to the accounts: pure, same state, same answer.

`decide` takes the rows a batch needs as a `Book` and gives back one outcome per request together
with the postings to write. Requests are decided in order, each seeing what those before it did; a
refused request leaves no trace, so it cannot hurt its neighbours.

Source: two-phase transfers, one row per debit and credit, corrections only by new transfers: after
TigerBeetle's data model (docs.tigerbeetle.com/reference/transfer).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from yunhe.kernel.errors import Finding, NotAllowed, YunheError
from yunhe.kernel.units import split
from yunhe.ledger import errors
from yunhe.ledger.domain import (
    ESCROW,
    SYSTEM_OWNER,
    TOTAL_MAX,
    Account,
    CaptureRequest,
    Entry,
    GrantRequest,
    Hold,
    HoldRequest,
    HoldState,
    Movement,
    Outcome,
    Posting,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    escrow_account,
    issuance_account,
    transfer_id,
)
from yunhe.ledger.requests import faults, fingerprint, kind_of

REMAINDER = 0
"""Line of the movement that gives a hold's remainder back to its payer."""
_NOT_REFUNDABLE = frozenset({"hold", "release", "expiry", "refund"})


@dataclass(frozen=True, slots=True)
class Original:
    """A posted transfer as a refund needs it."""

    kind: str
    """Its kind."""
    movements: tuple[Movement, ...]
    """Its payments; ``debit`` is who gets the amount back: of a capture the payer, not escrow."""
    refunded: Mapping[int, int]
    """What was given back before, by line."""


@dataclass(frozen=True, slots=True)
class Book:
    """Every row a batch could need; what is missing here does not exist."""

    accounts: Mapping[str, Account]
    """Accounts the requests name or touch, with the system accounts of their units."""
    holds: Mapping[str, Hold]
    """Holds the requests name."""
    digests: Mapping[str, str]
    """Request digests of transfers posted before under the requests' keys, by transfer id."""
    originals: Mapping[str, Original]
    """Transfers the requests refund, by transfer id."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to answer and what to write."""

    outcomes: tuple[Outcome, ...]
    """One per request, in order."""
    postings: tuple[Posting, ...]
    """New transfers, in order."""
    opened: tuple[Hold, ...]
    """New holds in the state in which the batch leaves them."""
    closed: tuple[Hold, ...]
    """Holds of the book that the batch closed, in their new state."""
    turnover: Mapping[str, tuple[int, int]]
    """Debits and credits to add to each account that changed."""


def decide(book: Book, requests: Sequence[Request]) -> Decision:
    """The outcome of every request and the rows that make it so; reads and changes nothing else.

    Cost: linear in the entries.
    """
    desk = _Desk(book)
    outcomes = tuple(desk.handle(request) for request in requests)
    return Decision(
        outcomes=outcomes,
        postings=tuple(desk.postings.values()),
        opened=tuple(hold for key, hold in desk.holds.items() if key not in book.holds),
        closed=tuple(
            hold for key, hold in desk.holds.items() if book.holds.get(key, hold) is not hold
        ),
        turnover={
            key: (state.debits - state.account.debits, state.credits - state.account.credits)
            for key, state in desk.accounts.items()
            if (state.debits, state.credits) != (state.account.debits, state.account.credits)
        },
    )


class _Running:
    """An account while a batch is decided."""

    __slots__ = ("account", "credits", "debits", "reserved")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.debits = account.debits
        self.credits = account.credits
        # Escrow moves only by hold, capture, release and expiry: so it equals the open holds.
        self.reserved = account.owner == SYSTEM_OWNER and account.purpose == ESCROW


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one request would post."""

    movements: tuple[Movement, ...]
    opens: Hold | None = None
    closes: Hold | None = None
    refunds: str | None = None


class _Desk:
    """The state of the batch between two requests."""

    def __init__(self, book: Book) -> None:
        self.accounts = {key: _Running(account) for key, account in book.accounts.items()}
        self.holds = dict(book.holds)
        self.digests = dict(book.digests)
        self.originals = dict(book.originals)
        self.postings: dict[str, Posting] = {}

    def handle(self, request: Request) -> Outcome:
        try:
            if found := faults(request):
                raise errors.request_invalid(request.key, found)
            transfer, digest = transfer_id(request.key), fingerprint(request)
            known = self.digests.get(transfer)
            if known is not None:
                if known != digest:
                    raise errors.key_reused(request.key)
                return Outcome(request.key, "repeated", transfer)
            self._post(request, _plan(self, request), transfer=transfer, digest=digest)
        except YunheError as error:
            return Outcome(request.key, "refused", "", error)
        return Outcome(request.key, "posted", transfer)

    def _post(self, request: Request, plan: _Plan, *, transfer: str, digest: str) -> None:
        self._move(plan.movements)
        self.postings[transfer] = Posting(
            id=transfer,
            key=request.key,
            kind=kind_of(request),
            request_digest=digest,
            at_us=request.at_us,
            memo="" if isinstance(request, ReleaseRequest) else request.memo,
            closes=plan.closes.id if plan.closes else None,
            refunds=plan.refunds,
            movements=plan.movements,
        )
        self.digests[transfer] = digest
        for hold in (plan.opens, plan.closes):
            if hold is not None:
                self.holds[hold.id] = hold
        if plan.refunds is not None:
            self.originals[plan.refunds] = _less(self.original(plan.refunds), plan.movements)

    def _move(self, movements: Iterable[Movement]) -> None:
        """Change the running totals, all or none."""
        turnover: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for movement in movements:
            turnover[movement.debit][0] += movement.amount
            turnover[movement.credit][1] += movement.amount
        for key, (debits, credits_) in turnover.items():
            state = self.accounts[key]
            available = state.credits - state.debits
            if available + credits_ < debits and not state.account.overdraft:
                raise errors.insufficient(
                    state.account, available=available, needed=debits - credits_
                )
            if max(state.debits + debits, state.credits + credits_) > TOTAL_MAX:
                raise NotAllowed("ledger.total_too_large", account=key)
        for key, (debits, credits_) in turnover.items():
            self.accounts[key].debits += debits
            self.accounts[key].credits += credits_

    def account(self, key: str) -> Account:
        """The named account, which callers may post to."""
        state = self.accounts.get(key)
        if state is None:
            raise errors.account_unknown(key)
        if state.reserved:
            raise NotAllowed("ledger.account_reserved", account=key)
        return state.account

    def open_hold(self, key: str) -> Hold:
        """The named hold, which is open."""
        hold = self.holds.get(key)
        if hold is None:
            raise errors.hold_unknown(key)
        if hold.state != "open":
            raise errors.hold_closed(hold)
        return hold

    def original(self, transfer: str) -> Original:
        """The named transfer as a refund needs it, from before this batch or from within it."""
        if transfer in self.originals:
            return self.originals[transfer]
        posting = self.postings.get(transfer)
        if posting is None:
            raise errors.transfer_unknown(transfer)
        payer = self.holds[posting.closes].account if posting.closes else None
        return Original(posting.kind, payments(posting.movements, payer), {})


def payments(movements: Iterable[Movement], payer: str | None) -> tuple[Movement, ...]:
    """What a refund can take back; a ``payer`` stands in for the escrow account that paid.

    A hold may pay its own payer, e.g. a university whose job ran in its own pool: nothing to take
    back there.
    """
    return tuple(
        replace(movement, debit=payer) if payer is not None else movement
        for movement in movements
        if movement.line != REMAINDER and movement.credit != payer
    )


def _less(original: Original, given_back: Iterable[Movement]) -> Original:
    refunded = dict(original.refunded)
    for movement in given_back:
        refunded[movement.line] = refunded.get(movement.line, 0) + movement.amount
    return replace(original, refunded=refunded)


def _plan(desk: _Desk, request: Request) -> _Plan:
    match request:
        case TransferRequest():
            return _Plan(_movements(desk, request.key, request.entries))
        case GrantRequest():
            unit = desk.account(request.account).unit
            entry = Entry(issuance_account(unit), request.account, request.amount)
            if entry.debit == entry.credit:
                raise NotAllowed("ledger.account_reserved", account=entry.credit)
            return _Plan(_movements(desk, request.key, [entry]))
        case HoldRequest():
            return _hold(desk, request)
        case CaptureRequest():
            return _capture(desk, request)
        case ReleaseRequest():
            return _release(desk, request)
        case RefundRequest():
            return _refund(desk, request)


def _movements(desk: _Desk, key: str, entries: Sequence[Entry]) -> tuple[Movement, ...]:
    moved: list[Movement] = []
    found: list[Finding] = []
    unknown: list[str] = []
    for index, entry in enumerate(entries):
        debit, credit = desk.accounts.get(entry.debit), desk.accounts.get(entry.credit)
        if debit is None or credit is None:
            missing = entry.debit if debit is None else entry.credit
            unknown.append(missing)
            found.append(_finding(index, "ledger.account_unknown", missing))
        elif debit.reserved or credit.reserved:
            reserved = entry.debit if debit.reserved else entry.credit
            found.append(_finding(index, "ledger.account_reserved", reserved))
        elif debit.account.unit != credit.account.unit:
            found.append(_finding(index, "ledger.unit_mismatch", entry.credit))
        else:
            unit = debit.account.unit
            moved.append(Movement(index + 1, entry.debit, entry.credit, unit, entry.amount))
    if unknown:
        raise errors.account_unknown(unknown[0], found)
    if found:
        raise errors.request_invalid(key, found)
    return tuple(moved)


def _finding(index: int, code: str, account: str) -> Finding:
    return Finding(f"entries[{index}]", code, (("account", account),))


def _hold(desk: _Desk, request: HoldRequest) -> _Plan:
    account = desk.account(request.account)
    movement = Movement(1, account.id, escrow_account(account.unit), account.unit, request.amount)
    hold = Hold(
        transfer_id(request.key),
        account.id,
        account.unit,
        request.amount,
        request.expires_at_us,
        "open",
    )
    return _Plan((movement,), opens=hold)


def _capture(desk: _Desk, request: CaptureRequest) -> _Plan:
    hold = desk.open_hold(request.hold)
    if request.at_us >= hold.expires_at_us:
        raise NotAllowed("ledger.hold_overdue", hold=hold.id)
    escrow = escrow_account(hold.unit)
    paid = sum(amount for _, amount in request.payments)
    if paid > hold.amount:
        raise errors.exceeds_hold(hold, paid)
    movements: list[Movement] = []
    found: list[Finding] = []
    for index, (payee, amount) in enumerate(request.payments):
        if desk.account(payee).unit != hold.unit:
            where = f"payments[{index}]"
            found.append(Finding(where, "ledger.unit_mismatch", (("account", payee),)))
        elif amount:
            movements.append(Movement(len(movements) + 1, escrow, payee, hold.unit, amount))
    if found:
        raise errors.request_invalid(request.key, found)
    if paid < hold.amount:
        remainder = hold.amount - paid
        movements.append(Movement(REMAINDER, escrow, hold.account, hold.unit, remainder))
    return _Plan(tuple(movements), closes=replace(hold, state="captured"))


def _release(desk: _Desk, request: ReleaseRequest) -> _Plan:
    hold = desk.open_hold(request.hold)
    state: HoldState = "released"
    if request.kind == "expiry":
        if request.at_us < hold.expires_at_us:
            raise NotAllowed("ledger.hold_not_due", hold=hold.id)
        state = "expired"
    movement = Movement(REMAINDER, escrow_account(hold.unit), hold.account, hold.unit, hold.amount)
    return _Plan((movement,), closes=replace(hold, state=state))


def _refund(desk: _Desk, request: RefundRequest) -> _Plan:
    original = desk.original(request.transfer)
    if original.kind in _NOT_REFUNDABLE:
        raise NotAllowed(
            "ledger.not_refundable", transfer=request.transfer, posted_as=original.kind
        )
    units = sorted({movement.unit for movement in original.movements})
    if not units:
        raise NotAllowed("ledger.nothing_paid", transfer=request.transfer)
    if len(units) > 1:
        raise NotAllowed("ledger.refund_units", transfer=request.transfer, units=", ".join(units))
    left = [m.amount - original.refunded.get(m.line, 0) for m in original.movements]
    if request.amount > sum(left):
        raise errors.exceeds_refundable(
            request.transfer, units[0], left=sum(left), needed=request.amount
        )
    # Shares of what is left, not of the whole: then no part can exceed what its line still has.
    movements = tuple(
        Movement(m.line, m.credit, m.debit, m.unit, part)
        for m, part in zip(original.movements, split(request.amount, left), strict=True)
        if part
    )
    return _Plan(movements, refunds=request.transfer)
