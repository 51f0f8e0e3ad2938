"""What the ledger keeps and what may be asked of it: accounts, transfers, holds, requests.

Every amount is a whole number in the minor unit of its unit of account (`yunhe.kernel.units`). An
entry moves an amount from the account it debits to the account it credits, so money is never made
or lost by a posting; what an account has is its credits less its debits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import Finding, YunheError
from yunhe.kernel.ids import derived_id

SYSTEM_OWNER = "ledger"
"""Owner of the two accounts each unit has for itself; nobody else may use the name."""
ESCROW = "escrow"
"""Purpose of the account in which a unit's open holds lie."""
ISSUANCE = "issuance"
"""Purpose of the account a unit is granted from; the only one below zero by nature."""

AMOUNT_MAX = INTEGER_MAX
"""Largest amount of one entry: what every JSON reader keeps exact."""
TOTAL_MAX = 2**62
"""Largest sum of debits or credits of one account; a database integer ends at 2**63 - 1."""
ENTRIES_MAX = 200
"""Most entries of one transfer."""
BATCH_MAX = 10_000
"""Most requests of one batch."""
ID_LENGTH_MAX = 64
"""Longest id of an account, hold or transfer."""
KEY_LENGTH_MAX = 200
"""Longest idempotency key."""
MEMO_LENGTH_MAX = 500
"""Longest memo; it is kept for ever, so it never holds personal data."""

HoldState = Literal["open", "captured", "released", "expired"]
"""An open hold is closed once, in one of three ways."""
Status = Literal["posted", "repeated", "refused"]
"""``posted`` now; ``repeated``: before, under the same key; ``refused``: nothing was written."""

KINDS = frozenset({"grant", "hold", "capture", "release", "expiry", "refund"})
"""Kinds of transfer that only their own command posts."""


@lru_cache(maxsize=4096)
def account_id(*, owner: str, unit: str, purpose: str) -> str:
    """Id of the one account an owner has in a unit for a purpose, whether or not it was opened."""
    return derived_id("acct", owner, unit, purpose)


def escrow_account(unit: str) -> str:
    """Id of the account that holds what is held in ``unit``."""
    return account_id(owner=SYSTEM_OWNER, unit=unit, purpose=ESCROW)


def issuance_account(unit: str) -> str:
    """Id of the account ``unit`` is granted from; crediting it takes the amount out of use."""
    return account_id(owner=SYSTEM_OWNER, unit=unit, purpose=ISSUANCE)


@lru_cache(maxsize=4_096)  # a batch asks thrice for each of its keys
def transfer_id(key: str) -> str:
    """Id of the transfer (and of the hold) that a request with this key posts."""
    return derived_id("transfer", key)


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its running totals."""

    id: str
    """`account_id` of the next three."""
    owner: str
    """An organisation, or `SYSTEM_OWNER`."""
    unit: str
    """What is counted; entries never cross units."""
    purpose: str
    """What it is for, e.g. ``cash``, ``award``, ``voucher``, ``fee``."""
    overdraft: bool
    """Whether it may fall below zero."""
    debits: int
    """All that ever left it."""
    credits: int
    """All that ever reached it."""

    @property
    def available(self) -> int:
        """What can be spent or held now."""
        return self.credits - self.debits


@dataclass(frozen=True, slots=True)
class Entry:
    """A request to move an amount between two accounts of one unit."""

    debit: str
    """The account it leaves."""
    credit: str
    """The account it reaches."""
    amount: int
    """More than zero, at most `AMOUNT_MAX`."""


@dataclass(frozen=True, slots=True)
class Movement:
    """An entry as posted: one row for ever."""

    line: int
    """1, 2, … as requested; 0 gives back what is left of a hold; a refund keeps its original's."""
    debit: str
    """The account the amount left."""
    credit: str
    """The account it reached."""
    unit: str
    """The unit of both accounts."""
    amount: int
    """More than zero."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An amount set aside in escrow until it is captured, released, or its time is up."""

    id: str
    """`transfer_id` of the key it was asked with."""
    account: str
    """The payer's account."""
    unit: str
    """The unit of that account."""
    amount: int
    """What was set aside."""
    expires_at_us: int
    """From this instant it can no longer be captured."""
    state: HoldState
    """``open`` until closed."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A transfer as posted: all its movements happened together or not at all."""

    id: str
    """`transfer_id` of its key."""
    key: str
    """The idempotency key of the request."""
    kind: str
    """One of `KINDS`, or the caller's own word, e.g. ``subsidy``."""
    request_digest: str
    """Digest of what was asked for, times left out; also guards the rows against later edits."""
    at_us: int
    """When the caller said it happened."""
    memo: str
    """The caller's words."""
    closes: str | None
    """The hold that ended with it."""
    refunds: str | None
    """The transfer it gives back, in part or whole."""
    movements: tuple[Movement, ...]
    """At least one."""


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """Move amounts as listed, all or none; entries may be of several units."""

    key: str
    """Idempotency key."""
    entries: Sequence[Entry]
    """1 to `ENTRIES_MAX`."""
    kind: str
    """A word of the caller's that is not in `KINDS`."""
    at_us: int
    """When it happens; a repeat may say another time."""
    memo: str = ""
    """Why, for the statement."""


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """Issue an amount to an account: a top-up, an award, a voucher, a privacy budget."""

    key: str
    """Idempotency key."""
    account: str
    """Who gets it."""
    amount: int
    """How much."""
    at_us: int
    """When it happens; a repeat may say another time."""
    memo: str = ""
    """Why, for the statement."""


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Set an amount aside in the unit's escrow."""

    key: str
    """Idempotency key."""
    account: str
    """Who pays if it is captured."""
    amount: int
    """The most that can be captured."""
    expires_at_us: int
    """After ``at_us``; a repeat may say another time, the first one counts."""
    at_us: int
    """When it happens."""
    memo: str = ""
    """Why, for the statement."""


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    """Pay from a hold, give the remainder back to the payer, close the hold."""

    key: str
    """Idempotency key."""
    hold: str
    """An open hold that has not expired."""
    payments: Sequence[tuple[str, int]]
    """Payee's account and amount; zero amounts are left out; together at most the hold."""
    at_us: int
    """When it happens; compared with the hold's expiry."""
    memo: str = ""
    """Why, for the statement."""


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Give a whole hold back to the payer and close it."""

    key: str
    """Idempotency key."""
    hold: str
    """An open hold."""
    at_us: int
    """When it happens."""
    kind: Literal["release", "expiry"] = "release"
    """``expiry`` only once the hold's time is up."""


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Take a posted transfer back, in part or whole, from those who got it, each in proportion."""

    key: str
    """Idempotency key."""
    transfer: str
    """A capture, grant or free transfer whose payments are all of one unit."""
    amount: int
    """At most what was not refunded yet."""
    at_us: int
    """When it happens."""
    memo: str = ""
    """Why, for the statement."""


Request = (
    TransferRequest | GrantRequest | HoldRequest | CaptureRequest | ReleaseRequest | RefundRequest
)
"""Everything that can be asked of the ledger in a batch."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request of a batch."""

    key: str
    """The request's key."""
    status: Status
    """Whether it was written now, before, or not at all."""
    transfer: str
    """Id of the transfer (or hold); empty when refused."""
    error: YunheError | None = None
    """Why it was refused."""

    def result(self) -> str:
        """The transfer's id; raises the error of a refused request."""
        if self.error is not None:
            raise self.error
        return self.transfer


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has now."""

    account: str
    """Its id."""
    owner: str
    """Whose it is."""
    unit: str
    """In what."""
    purpose: str
    """For what."""
    available: int
    """Free to spend; below zero only where overdraft is allowed."""
    held: int
    """In escrow for its open holds, no longer part of ``available``."""


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One entry as one of its two accounts sees it."""

    number: int
    """Order of posting; the cursor of the next page."""
    line: int
    """The entry within its transfer."""
    transfer: str
    """The transfer's id."""
    kind: str
    """The transfer's kind."""
    at_us: int
    """When it happened."""
    account: str
    """The account this line belongs to."""
    owner: str
    """Whose account it is."""
    purpose: str
    """What the account is for."""
    counterpart: str
    """The account on the other side."""
    unit: str
    """In what."""
    amount: int
    """Above zero: received; below: paid."""
    memo: str
    """The caller's words."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What recomputing the whole ledger from its entries found."""

    ok: bool
    """No problem found."""
    transfers: int
    """How many transfers were replayed."""
    entries: int
    """How many entries they had."""
    problems: tuple[Finding, ...]
    """Each place where rows disagree, at most `yunhe.ledger.replay.PROBLEMS_MAX`."""
