"""Refusals of the ledger that several commands share, each with what it needs to explain itself."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.kernel.errors import Conflict, Exhausted, Finding, Invalid, NotFound
from yunhe.kernel.units import format_minor
from yunhe.ledger.domain import Account, Hold

_CLOSED = {
    "captured": "ledger.hold_captured",
    "released": "ledger.hold_released",
    "expired": "ledger.hold_expired",
}


def request_invalid(key: str, findings: Sequence[Finding]) -> Invalid:
    """The request itself is wrong, in all the places listed."""
    return Invalid(
        "ledger.request_invalid", key=key[:200].encode(errors="replace").decode(), findings=findings
    )


def account_unknown(account: str, findings: Sequence[Finding] = ()) -> NotFound:
    """No such account was opened."""
    return NotFound("ledger.account_unknown", account=account, findings=findings)


def insufficient(account: Account, *, available: int, needed: int) -> Exhausted:
    """The account has less than the request takes from it; ``has``/``needs`` are for people."""
    return Exhausted(
        "ledger.insufficient",
        account=account.id,
        owner=account.owner,
        purpose=account.purpose,
        unit=account.unit,
        available=available,
        needed=needed,
        has=format_minor(available, account.unit),
        needs=format_minor(needed, account.unit),
    )


def hold_unknown(hold: str) -> NotFound:
    """No such hold was taken."""
    return NotFound("ledger.hold_unknown", hold=hold)


def transfer_unknown(transfer: str) -> NotFound:
    """No such transfer was posted."""
    return NotFound("ledger.transfer_unknown", transfer=transfer)


def exceeds_hold(hold: Hold, needed: int) -> Exhausted:
    """The payments add up to more than was held."""
    return Exhausted(
        "ledger.capture_exceeds",
        hold=hold.id,
        unit=hold.unit,
        has=format_minor(hold.amount, hold.unit),
        needs=format_minor(needed, hold.unit),
    )


def exceeds_refundable(transfer: str, unit: str, *, left: int, needed: int) -> Exhausted:
    """More would be given back than was paid."""
    return Exhausted(
        "ledger.refund_exceeds",
        transfer=transfer,
        unit=unit,
        has=format_minor(left, unit),
        needs=format_minor(needed, unit),
    )


def hold_closed(hold: Hold) -> Conflict:
    """The hold ended before, under another key."""
    return Conflict(_CLOSED[hold.state], hold=hold.id)


def key_reused(key: str) -> Conflict:
    """The key belongs to another request."""
    return Conflict("ledger.key_reused", key=key)
