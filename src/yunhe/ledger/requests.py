"""What a request says, apart from any state: its faults, its kind, and its digest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring

from yunhe.kernel.canonical import INTEGER_MAX, digest_of, sha256
from yunhe.kernel.errors import Finding
from yunhe.ledger.domain import (
    AMOUNT_MAX,
    ENTRIES_MAX,
    ID_LENGTH_MAX,
    KEY_LENGTH_MAX,
    KINDS,
    MEMO_LENGTH_MAX,
    CaptureRequest,
    GrantRequest,
    HoldRequest,
    Movement,
    RefundRequest,
    ReleaseRequest,
    Request,
    TransferRequest,
    transfer_id,
)

Line = tuple[str, str, int]
"""Debit, credit and amount as asked for; an account the ledger chooses itself is left empty."""

_text = encode_basestring
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


def is_word(value: str) -> bool:
    """Whether ``value`` can be a kind or purpose: 1 to 64 of a-z, 0-9, ``_.-``, a letter first."""
    return _WORD.fullmatch(value) is not None


def is_text(value: str, *, longest: int) -> bool:
    """Whether every database keeps ``value`` as it is: no NUL, no lone surrogate, not too long."""
    if len(value) > longest or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def kind_of(request: Request) -> str:
    """The kind its transfer will have."""
    match request:
        case TransferRequest() | ReleaseRequest():
            return request.kind
        case GrantRequest():
            return "grant"
        case HoldRequest():
            return "hold"
        case CaptureRequest():
            return "capture"
        case RefundRequest():
            return "refund"


def faults(request: Request) -> list[Finding]:
    """Everything wrong with the request whatever the state of the accounts."""
    return [*_text_faults(request), *_faults(request)]


def _text_faults(request: Request) -> Iterator[Finding]:
    if not request.key or not is_text(request.key, longest=KEY_LENGTH_MAX):
        yield Finding("key", "ledger.key_invalid", (("longest", KEY_LENGTH_MAX),))
    if not isinstance(request, ReleaseRequest) and not is_text(
        request.memo, longest=MEMO_LENGTH_MAX
    ):
        yield Finding("memo", "ledger.memo_invalid", (("longest", MEMO_LENGTH_MAX),))


def _faults(request: Request) -> Iterator[Finding]:
    match request:
        case TransferRequest():
            if not is_word(request.kind) or request.kind in KINDS:
                yield Finding("kind", "ledger.kind_invalid", (("value", request.kind[:64]),))
            yield from _entry_faults(request)
        case CaptureRequest():
            yield from _count_faults("payments", request.payments, least=0)
            yield from _id_faults("hold", request.hold)
            for index, (payee, amount) in enumerate(request.payments):
                yield from _id_faults(f"payments[{index}]", payee)
                yield from _amount_faults(f"payments[{index}]", amount, least=0)
        case HoldRequest():
            yield from _id_faults("account", request.account)
            yield from _amount_faults("amount", request.amount)
            if request.expires_at_us <= request.at_us:
                yield Finding("expires_at_us", "ledger.expiry_past")
        case GrantRequest():
            yield from _id_faults("account", request.account)
            yield from _amount_faults("amount", request.amount)
        case RefundRequest():
            yield from _id_faults("transfer", request.transfer)
            yield from _amount_faults("amount", request.amount)
        case ReleaseRequest():
            yield from _id_faults("hold", request.hold)


def _entry_faults(request: TransferRequest) -> Iterator[Finding]:
    yield from _count_faults("entries", request.entries, least=1)
    for index, entry in enumerate(request.entries):
        yield from _id_faults(f"entries[{index}].debit", entry.debit)
        yield from _id_faults(f"entries[{index}].credit", entry.credit)
        yield from _amount_faults(f"entries[{index}]", entry.amount)
        if entry.debit == entry.credit:
            params = (("account", ascii(entry.debit)[1:65]),)
            yield Finding(f"entries[{index}]", "ledger.same_account", params)


def _id_faults(where: str, name: str) -> Iterator[Finding]:
    if not _is_id(name):
        yield Finding(where, "ledger.id_invalid", (("value", ascii(name)[1:65]),))


def _is_id(name: str) -> bool:
    return name.isascii() and name.isprintable() and 0 < len(name) <= ID_LENGTH_MAX


def _count_faults(where: str, items: Sequence[object], *, least: int) -> Iterator[Finding]:
    if not least <= len(items) <= ENTRIES_MAX:
        yield Finding(where, "ledger.count_invalid", (("least", least), ("most", ENTRIES_MAX)))


def _amount_faults(where: str, amount: int, *, least: int = 1) -> Iterator[Finding]:
    # A bool is an int to Python, and a float would be stored as one: both are callers' mistakes.
    if type(amount) is not int or not least <= amount <= AMOUNT_MAX:
        params = (("value", str(amount)[:40]), ("least", least), ("most", AMOUNT_MAX))
        yield Finding(where, "ledger.amount_invalid", params)


def fingerprint(request: Request) -> str:
    """Digest of what a valid request asks for, times left out: a later repeat is the same."""
    target, lines, memo = "", list[Line](), ""
    match request:
        case TransferRequest():
            lines = [(entry.debit, entry.credit, entry.amount) for entry in request.entries]
        case GrantRequest():
            lines = [("", request.account, request.amount)]
        case HoldRequest():
            lines = [(request.account, "", request.amount)]
        case CaptureRequest():
            target = request.hold
            lines = [("", payee, amount) for payee, amount in request.payments if amount]
        case ReleaseRequest():
            target = request.hold
        case RefundRequest():
            target, lines = request.transfer, [("", "", request.amount)]
    if not isinstance(request, ReleaseRequest):
        memo = request.memo
    return _digest(kind_of(request), target, memo, lines)


def fingerprint_of_rows(kind: str, *, target: str, memo: str, movements: Iterable[Movement]) -> str:
    """The `fingerprint` of the request behind these rows; differs when a row was edited since."""
    payments = [m for m in movements if m.line]
    lines: list[Line]
    match kind:
        case "grant" | "capture":
            lines = [("", m.credit, m.amount) for m in payments]
        case "hold":
            lines = [(m.debit, "", m.amount) for m in payments]
        case "release" | "expiry":
            lines = []
        case "refund":
            lines = [("", "", sum(m.amount for m in payments))]
        case _:
            lines = [(m.debit, m.credit, m.amount) for m in payments]
    return _digest(kind, target, memo, lines)


def _digest(kind: str, target: str, memo: str, lines: list[Line]) -> str:
    """Of the canonical bytes of all four, put together here: half of what a posting cost."""
    if not all(
        type(amount) is int and -INTEGER_MAX <= amount <= INTEGER_MAX for _, _, amount in lines
    ):
        return digest_of([kind, target, memo, lines])
    said = ",".join([f"[{_text(one)},{_text(two)},{amount:d}]" for one, two, amount in lines])
    text = f"[{_text(kind)},{_text(target)},{_text(memo)},[{said}]]"
    return sha256(text.encode())


@dataclass(frozen=True, slots=True)
class Needs:
    """Ids of the rows that deciding a batch needs, as far as the requests name them."""

    named: set[str] = field(default_factory=set)
    """Accounts."""
    granted: set[str] = field(default_factory=set)
    """Accounts for which their unit's issuance account is needed as well."""
    held: set[str] = field(default_factory=set)
    """Accounts for which their unit's escrow account is needed as well."""
    holds: set[str] = field(default_factory=set)
    """Holds, each with its account and escrow."""
    refunded: set[str] = field(default_factory=set)
    """Transfers with their payments and what was refunded of them."""
    transfers: set[str] = field(default_factory=set)
    """Transfers that are there if the keys were used before."""


def needs_of(requests: Iterable[Request]) -> Needs:
    """What the requests name, gathered by kind of row; what cannot be an id is left out."""
    needs = Needs()
    for request in requests:
        if not is_text(request.key, longest=KEY_LENGTH_MAX):
            continue
        needs.transfers.add(transfer_id(request.key))
        match request:
            case TransferRequest():
                needs.named.update(side for e in request.entries for side in (e.debit, e.credit))
            case GrantRequest():
                needs.granted.add(request.account)
            case HoldRequest():
                needs.held.add(request.account)
            case CaptureRequest():
                needs.holds.add(request.hold)
                needs.named.update(payee for payee, _ in request.payments)
            case ReleaseRequest():
                needs.holds.add(request.hold)
            case RefundRequest():
                needs.refunded.add(request.transfer)
    for ids in (needs.named, needs.granted, needs.held, needs.holds, needs.refunded):
        ids -= {name for name in ids if not _is_id(name)}
    return needs
