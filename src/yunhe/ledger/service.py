"""The ledger's commands: each joins its caller's transaction and may be repeated with its key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from queue import Empty, Queue
from threading import Lock, Thread

from yunhe.kernel.errors import Conflict, Finding, Invalid, Unavailable
from yunhe.kernel.units import minor_digits
from yunhe.ledger import errors, store, tables
from yunhe.ledger.domain import (
    BATCH_MAX,
    ESCROW,
    ISSUANCE,
    SYSTEM_OWNER,
    Account,
    Balance,
    CaptureRequest,
    Entry,
    GrantRequest,
    Hold,
    HoldRequest,
    Outcome,
    RefundRequest,
    ReleaseRequest,
    Replay,
    Request,
    StatementLine,
    TransferRequest,
    account_id,
)
from yunhe.ledger.entries import decide
from yunhe.ledger.replay import recount
from yunhe.ledger.requests import is_text, is_word
from yunhe.storage.database import Database, Transaction

LINES_MAX = 10_000
"""Most statement lines of one page; one transfer has 402 at most."""
EXPIRIES_MAX = 5_000
"""Most holds one call expires."""
GROUP_MAX = 500
"""Most requests a `GroupWriter` commits in one transaction: bounds how long other writers wait."""
QUEUE_MAX = 5_000
"""Most requests waiting in a `GroupWriter`; whoever submits one more waits until there is room."""
_OWNER_LENGTH_MAX = 64
_UNIT_LENGTH_MAX = 200


def open_account(
    tx: Transaction, *, owner: str, unit: str, purpose: str, overdraft: bool = False
) -> str:
    """The owner's account in that unit for that purpose, opened if it is not there yet.

    Opens the unit's own escrow and issuance accounts with the first. Errors: `Invalid`
    ``ledger.account_invalid`` or ``kernel.unit_unknown``; `Conflict` ``ledger.account_differs``
    when it is there with the other ``overdraft``.
    """
    found = []
    if not owner or not is_text(owner, longest=_OWNER_LENGTH_MAX) or owner == SYSTEM_OWNER:
        found.append(Finding("owner", "ledger.owner_invalid", (("value", owner[:64]),)))
    if not is_word(purpose):
        found.append(Finding("purpose", "ledger.purpose_invalid", (("value", purpose[:64]),)))
    if not is_text(unit, longest=_UNIT_LENGTH_MAX):
        found.append(Finding("unit", "ledger.unit_invalid", (("longest", _UNIT_LENGTH_MAX),)))
    if found:
        raise Invalid("ledger.account_invalid", findings=found)
    minor_digits(unit)
    account = account_id(owner=owner, unit=unit, purpose=purpose)
    there = store.account(tx, account)
    if there is None:
        store.add_accounts(
            tx,
            [
                _fresh(SYSTEM_OWNER, unit, ESCROW, overdraft=False),
                _fresh(SYSTEM_OWNER, unit, ISSUANCE, overdraft=True),
                _fresh(owner, unit, purpose, overdraft=overdraft),
            ],
        )
    elif there.overdraft != overdraft:
        raise Conflict("ledger.account_differs", account=account, owner=owner, purpose=purpose)
    return account


def _fresh(owner: str, unit: str, purpose: str, *, overdraft: bool) -> Account:
    account = account_id(owner=owner, unit=unit, purpose=purpose)
    return Account(account, owner, unit, purpose, overdraft, 0, 0)


def post_batch(tx: Transaction, requests: Sequence[Request]) -> list[Outcome]:
    """One outcome per request, in order; a refused request leaves the others as they are.

    A key seen before with the same request is ``repeated``; a refused request leaves no trace, so
    it may succeed later under the same key. Errors: `Invalid` ``ledger.batch_too_large``. Cost: at
    most six queries and five statements for any number of requests (per 5,000 ids of a kind).
    """
    if len(requests) > BATCH_MAX:
        raise Invalid("ledger.batch_too_large", count=len(requests), most=BATCH_MAX)
    decision = decide(store.load(tx, requests), requests)
    store.write(tx, decision)
    return list(decision.outcomes)


def _post(tx: Transaction, request: Request) -> str:
    return post_batch(tx, [request])[0].result()


def grant(
    tx: Transaction, *, key: str, account: str, amount: int, at_us: int, memo: str = ""
) -> str:
    """Issue an amount to an account; returns the transfer's id.

    Errors, of every command: `Invalid` ``ledger.request_invalid`` with all faults, `NotFound`
    ``ledger.account_unknown``, `Conflict` ``ledger.key_reused``.
    """
    return _post(tx, GrantRequest(key, account, amount, at_us, memo))


def transfer(
    tx: Transaction, *, key: str, entries: Sequence[Entry], kind: str, at_us: int, memo: str = ""
) -> str:
    """Move amounts as listed, all or none; returns the transfer's id.

    ``kind`` is the caller's word for it, e.g. ``subsidy``. Errors: `Exhausted`
    ``ledger.insufficient``.
    """
    return _post(tx, TransferRequest(key, tuple(entries), kind, at_us, memo))


def hold(
    tx: Transaction,
    *,
    key: str,
    account: str,
    amount: int,
    expires_at_us: int,
    at_us: int,
    memo: str = "",
) -> str:
    """Set an amount aside until it is captured, released or expires; returns the hold's id.

    A repeat returns the hold of the first time, whatever became of it since, and keeps its expiry.
    Errors: `Exhausted` ``ledger.insufficient``.
    """
    return _post(tx, HoldRequest(key, account, amount, expires_at_us, at_us, memo))


def hold_many(tx: Transaction, requests: Sequence[HoldRequest]) -> list[str]:
    """As `hold`, once for each request and in their order; all are made, or none.

    Errors: that of the first request that is refused, after which the caller's transaction must be
    undone. Cost: as `post_batch`, for each `BATCH_MAX` of them.
    """
    return [
        outcome.result()
        for at in range(0, len(requests), BATCH_MAX)
        for outcome in post_batch(tx, requests[at : at + BATCH_MAX])
    ]


def capture(
    tx: Transaction,
    *,
    key: str,
    hold: str,
    payments: Sequence[tuple[str, int]],
    at_us: int,
    memo: str = "",
) -> str:
    """Pay the payees from the hold, give the remainder back, close it; returns the transfer's id.

    A payment of zero is left out, so a capture may pay nothing. Errors: `NotFound`
    ``ledger.hold_unknown``; `Conflict` ``ledger.hold_captured``, ``ledger.hold_released`` or
    ``ledger.hold_expired`` when it is closed; `NotAllowed` ``ledger.hold_overdue`` from its expiry
    on, swept or not; `Exhausted` ``ledger.capture_exceeds``.
    """
    return _post(tx, CaptureRequest(key, hold, tuple(payments), at_us, memo))


def release(tx: Transaction, *, key: str, hold: str, at_us: int) -> str:
    """Give the whole hold back and close it; returns the transfer's id.

    Errors: as `capture`, but an overdue hold can still be released.
    """
    return _post(tx, ReleaseRequest(key, hold, at_us))


def expire_holds(tx: Transaction, *, now_us: int) -> int:
    """Give back every hold whose time is up; returns how many, `EXPIRIES_MAX` at most per call."""
    overdue = store.due(tx, now_us=now_us, limit=EXPIRIES_MAX)
    requests = [ReleaseRequest(f"expiry:{h.id}", h.id, now_us, "expiry") for h in overdue]
    return sum(outcome.status == "posted" for outcome in post_batch(tx, requests))


def refund(
    tx: Transaction, *, key: str, transfer: str, amount: int, at_us: int, memo: str = ""
) -> str:
    """Take part or all of a transfer back from its payees, in proportion to what is left to take.

    Errors: `NotFound` ``ledger.transfer_unknown``; `NotAllowed` ``ledger.not_refundable`` for a
    hold, release, expiry or refund, ``ledger.nothing_paid``, and ``ledger.refund_units`` for
    several units; `Exhausted` ``ledger.refund_exceeds``, and ``ledger.insufficient`` when a payee
    has spent it.
    """
    return _post(tx, RefundRequest(key, transfer, amount, at_us, memo))


def balance(tx: Transaction, account: str) -> Balance:
    """What an account has and holds. Errors: `NotFound` ``ledger.account_unknown``."""
    found = store.balance(tx, account)
    if found is None:
        raise errors.account_unknown(account)
    return found


def balances(tx: Transaction, owner: str | None = None) -> list[Balance]:
    """What every account, or every account of an owner, has and holds."""
    return store.balances(tx, owner=owner)


def available(tx: Transaction, owners: Sequence[str]) -> dict[tuple[str, str, str], int]:
    """What several owners may spend, by owner, unit and purpose. Cost: a query for each 5,000."""
    found: dict[tuple[str, str, str], int] = {}
    for at in range(0, len(owners), 5_000):
        rows = tx.execute(tables.available_to, {"owners": list(owners[at : at + 5_000])})
        found |= {(owner, unit, purpose): amount for owner, unit, purpose, amount in rows}
    return found


def balances_page(
    tx: Transaction, *, owner: str | None, after: tuple[str, str, str], limit: int
) -> list[Balance]:
    """A page of `balances`, from behind the owner, unit and purpose of the last one before it."""
    return store.balances(tx, owner=owner, after=after, limit=limit)


def holds_open(tx: Transaction) -> list[Hold]:
    """Every hold that was not closed, the soonest to expire first."""
    return store.open_holds(tx)


def entries_of(tx: Transaction, owner: str | None, *, after: int = 0) -> list[StatementLine]:
    """An owner's statement, or everybody's: each entry as each of its accounts sees it.

    A page of at most `LINES_MAX` lines, oldest first, that ends with a whole transfer; ``after`` is
    the ``number`` of the last line of the page before, and the page after the last one is empty.
    """
    lines = store.statement(tx, owner=owner, after=after, limit=LINES_MAX + 1)
    if len(lines) > LINES_MAX:
        return [line for line in lines if line.number != lines[-1].number]
    return lines


def account_entries(
    tx: Transaction, account: str, *, after: tuple[int, int] = (0, 0), limit: int
) -> list[StatementLine]:
    """A page of an account's statement, oldest first, behind ``(number, line)`` of a line."""
    number, line = after
    return store.statement(tx, account=account, after=number, line=line, limit=limit)


def paid(
    tx: Transaction, *, memos: Sequence[str], since_us: int, until_us: int
) -> Iterator[tuple[str, str, str, str, str, int, int, str]]:
    """What payees got, and below zero gave back, by transfers whose memo begins with a given word.

    Each as memo, payee, unit, purpose of the account, kind, amount, time and transfer, in the order
    of posting. Grants and holds are no payments. Cost: one scan of the transfers of that time.
    """
    for row in store.paid(tx, memos=memos, since_us=since_us, until_us=until_us):
        memo, owner, unit, purpose, kind, amount, at_us, transfer = row
        yield memo, owner, unit, purpose, kind, amount, at_us, transfer


def owners(tx: Transaction, accounts: Collection[str]) -> dict[str, str]:
    """Whose accounts these are; those nobody opened are left out. Cost: one query."""
    return store.owners(tx, accounts)


def replay(tx: Transaction) -> Replay:
    """Recompute the whole ledger from its entries; problems are listed, never repaired.

    Cost: reads every row once, as a stream.
    """
    refunded = store.refunded_transfers(tx)
    return recount(store.accounts(tx), store.postings(tx), refunded)


_Ticket = tuple[Request, Future[Outcome]]


class GroupWriter:
    """Many threads post, its one thread commits: those who wait share one flush of the disk.

    Used as ``with GroupWriter(database) as writer``. A group is whatever came in while the one
    before was being committed, in that order, so a lone request waits for nobody. An outcome is
    given only after its group is durable; whoever got none repeats the request with the same key.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: Queue[_Ticket | None] = Queue(QUEUE_MAX)
        self._entrance = Lock()
        self._open = False
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)

    def __enter__(self) -> GroupWriter:
        """Start the committing thread; a writer is used once."""
        self._thread.start()
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        """Commit what was submitted, then stop."""
        with self._entrance:
            self._open = False
            self._queue.put(None)
        self._thread.join()

    def submit(self, request: Request) -> Future[Outcome]:
        """Hand in a request; the future gives its outcome, or the error that undid its group.

        A future cancelled before its group begins withdraws the request. Errors: `Unavailable`
        ``ledger.writer_stopped``.
        """
        ticket: Future[Outcome] = Future()
        with self._entrance:
            if not self._open:
                raise Unavailable("ledger.writer_stopped", key=request.key)
            self._queue.put((request, ticket))
        return ticket

    def post(self, request: Request) -> Outcome:
        """Hand in a request and wait until it is durable or refused."""
        return self.submit(request).result()

    def _run(self) -> None:
        going_on = True
        while going_on:
            group = [self._queue.get()]
            try:
                while len(group) < GROUP_MAX:
                    group.append(self._queue.get_nowait())
            except Empty:
                pass
            going_on = None not in group
            # From here on a caller can no longer withdraw its request, only stop waiting for it.
            self._commit([one for one in group if one and one[1].set_running_or_notify_cancel()])

    def _commit(self, group: list[_Ticket]) -> None:
        try:
            with self._database.begin() as tx:
                outcomes = post_batch(tx, [request for request, _ in group])
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits for this group
            for _, ticket in group:
                ticket.set_exception(error)
            return
        for (_, ticket), outcome in zip(group, outcomes, strict=True):
            ticket.set_result(outcome)
