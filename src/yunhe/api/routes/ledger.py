"""Accounts, statements, grants and transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, PathId, page
from yunhe.api.idempotency import once_each
from yunhe.api.paths import Routes
from yunhe.client.wire import ledger as wire
from yunhe.client.wire.shapes import Page
from yunhe.identity import service as identity
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import YunheError
from yunhe.ledger import errors
from yunhe.ledger import service as ledger
from yunhe.ledger.domain import (
    Balance,
    Entry,
    GrantRequest,
    Outcome,
    StatementLine,
    TransferRequest,
)
from yunhe.storage.database import Transaction

routes = Routes("ledger")
"""Of the ledger floor."""


@routes.add("GET /v1/accounts", Page[wire.Account])
async def list_accounts(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Account]:
    """Accounts and what they have, by owner, unit and purpose."""
    last = call.place(after, like=("", "", ""))
    found = await call.look(
        lambda tx: ledger.balances_page(tx, owner=call.tenant, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_account, place=_place)


@routes.add("GET /v1/accounts/{account}", wire.Account)
async def get_account(call: Caller, account: PathId) -> wire.Account:
    """What one account has."""
    return _account(await call.look(lambda tx: _reached(tx, account, call)))


@routes.add("GET /v1/accounts/{account}/entries", Page[wire.Line])
async def list_entries(
    call: Caller, account: PathId, after: After = None, limit: Limit = 50
) -> Page[wire.Line]:
    """What moved in and out of an account, oldest first."""
    number, line = call.place(after, like=(0, 0))

    def look(tx: Transaction) -> list[StatementLine]:
        _reached(tx, account, call)
        return ledger.account_entries(tx, account, after=(number, line), limit=limit + 1)

    found = await call.look(look)
    return page(call, found, limit=limit, shown=_line, place=lambda each: (each.number, each.line))


@dataclass(frozen=True, slots=True)
class _Granted:
    """An amount that the operator wants issued."""

    key: str
    body: wire.NewIssuance
    at_us: int


def _grants(tx: Transaction, asked: Sequence[_Granted]) -> list[wire.Posted | YunheError]:
    """Issue what was asked for, in one run."""
    opened: dict[tuple[str, str, str], str | YunheError] = {}
    for each in asked:
        target = (each.body.organisation, each.body.unit, each.body.purpose)
        if target not in opened:
            opened[target] = _opened(tx, each.body)
    outcomes: list[wire.Posted | YunheError | None] = []
    requests: list[GrantRequest] = []
    for each in asked:
        body = each.body
        account = opened[body.organisation, body.unit, body.purpose]
        if isinstance(account, str):
            requests.append(GrantRequest(each.key, account, body.amount, each.at_us, body.memo))
        outcomes.append(None if isinstance(account, str) else account)
    posted = iter(ledger.post_batch(tx, requests))
    return [_outcome(next(posted)) if each is None else each for each in outcomes]


def _opened(tx: Transaction, body: wire.NewIssuance) -> str | YunheError:
    """The account an amount is issued to, opened if it is not there; or why it can't be."""
    try:
        identity.organisation(tx, body.organisation)
        return ledger.open_account(
            tx, owner=body.organisation, unit=body.unit, purpose=body.purpose
        )
    except YunheError as error:  # raised before anything was written
        return error


_GRANTS = once_each(_grants)


@routes.add("POST /v1/issuances", wire.Posted, status=201)
async def create_issuance(call: Caller, key: Key, body: wire.NewIssuance) -> Response:
    """Issue an amount to an organisation's account; by the operator."""
    asked = _Granted(call.command_key(key), body, call.now_us())
    return await call.create_together(key, body, asked, _GRANTS)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A transfer that some member asked for."""

    call: Call
    key: str
    body: wire.NewTransfer


def _transfers(tx: Transaction, asked: Sequence[_Asked]) -> list[wire.Posted | YunheError]:
    """Post what many asked for, each from accounts of its own organisation, in one run."""
    owners = ledger.owners(tx, {entry.debit for each in asked for entry in each.body.entries})
    outcomes: list[wire.Posted | YunheError | None] = [_refusal(each, owners) for each in asked]
    admitted = [each for each, refusal in zip(asked, outcomes, strict=True) if refusal is None]
    posted = iter(ledger.post_batch(tx, [_request(each) for each in admitted]))
    return [_outcome(next(posted)) if each is None else each for each in outcomes]


def _refusal(asked: _Asked, owners: Mapping[str, str]) -> YunheError | None:
    for account in sorted({entry.debit for entry in asked.body.entries}):
        if not asked.call.reaches(owners.get(account, "")):
            return errors.account_unknown(account)
    return None


def _request(asked: _Asked) -> TransferRequest:
    return TransferRequest(
        key=asked.key,
        entries=[Entry(each.debit, each.credit, each.amount) for each in asked.body.entries],
        kind="transfer",
        at_us=asked.call.now_us(),
        memo=asked.body.memo,
    )


def _outcome(posted: Outcome) -> wire.Posted | YunheError:
    return wire.Posted(transfer=posted.transfer) if posted.error is None else posted.error


_TRANSFERS = once_each(_transfers)


@routes.add("POST /v1/transfers", wire.Posted, status=201)
async def create_transfer(call: Caller, key: Key, body: wire.NewTransfer) -> Response:
    """Move amounts from one's own organisation's accounts, all or none."""
    asked = _Asked(call, call.command_key(key), body)
    return await call.create_together(key, body, asked, _TRANSFERS)


def _reached(tx: Transaction, account: str, call: Call) -> Balance:
    found = ledger.balance(tx, account)
    if not call.reaches(found.owner):
        raise errors.account_unknown(account)
    return found


def _account(found: Balance) -> wire.Account:
    return wire.Account(
        id=found.account,
        owner=found.owner,
        unit=found.unit,
        purpose=found.purpose,
        available=found.available,
        held=found.held,
    )


def _place(found: Balance) -> tuple[str, str, str]:
    return found.owner, found.unit, found.purpose


def _line(found: StatementLine) -> wire.Line:
    return wire.Line(
        transfer=found.transfer,
        kind=found.kind,
        at=iso(found.at_us),
        counterpart=found.counterpart,
        unit=found.unit,
        amount=found.amount,
        memo=found.memo,
    )
