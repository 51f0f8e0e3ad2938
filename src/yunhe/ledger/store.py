"""One query for each kind of row a batch needs, and the writing of what was decided.

Nothing here changes or removes a transfer or an entry; only running totals and the state of a hold
change, and replay recomputes both. What can't be written at all, the tables themselves refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from itertools import groupby

from sqlalchemy import (
    Row,
    Select,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
    union_all,
)

from yunhe.ledger.domain import (
    Account,
    Balance,
    Hold,
    Movement,
    Posting,
    Request,
    StatementLine,
    escrow_account,
    issuance_account,
)
from yunhe.ledger.entries import Book, Decision, Original, payments
from yunhe.ledger.requests import needs_of
from yunhe.ledger.tables import account as _account
from yunhe.ledger.tables import entry as _entry
from yunhe.ledger.tables import hold as _hold
from yunhe.ledger.tables import transfer as _transfer
from yunhe.storage import dialect
from yunhe.storage.bulk import Among
from yunhe.storage.database import Transaction

_IDS_PER_QUERY = 5_000
"""SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535."""
_ROWS_PER_FETCH = 10_000
_LINE_LAST = 2**31 - 1  # what an INTEGER of PostgreSQL holds

_ACCOUNT = [field.name for field in fields(Account)]
_TRANSFER = [field.name for field in fields(Posting) if field.name != "movements"]
_ENTRY = [field.name for field in fields(Movement)]
_HOLD = [field.name for field in fields(Hold)]

# Built once: putting them together costs more than running them.
_HELD = (
    select(func.coalesce(func.sum(_hold.c.amount), 0))
    .where(_hold.c.account == _account.c.id, _hold.c.state == "open")
    .scalar_subquery()
)
_EACH = select(_account, _HELD.label("held"))
_BALANCE = _EACH.where(_account.c.id == bindparam("account"))
_PLACE = tuple_(_account.c.owner, _account.c.unit, _account.c.purpose)
_BALANCES = _EACH.where(
    tuple_(bindparam("after_0"), bindparam("after_1"), bindparam("after_2")) < _PLACE
).order_by(_account.c.owner, _account.c.unit, _account.c.purpose)
_BALANCES_OF = _BALANCES.where(_account.c.owner == bindparam("owner"))


# Built once: putting these together for every batch costs more than running them.
_ACCOUNTS_OF = (
    select(_account).where(Among(_account.c.id, "ids")).order_by(_account.c.id).with_for_update()
)
_HOLDS_OF = select(_hold).where(Among(_hold.c.id, "ids")).order_by(_hold.c.id).with_for_update()
_UNITS_OF = select(_account.c.id, _account.c.unit).where(Among(_account.c.id, "ids"))
_OWNERS_OF = select(_account.c.id, _account.c.owner).where(Among(_account.c.id, "ids"))
_DIGESTS_OF = select(_transfer.c.id, _transfer.c.request_digest).where(Among(_transfer.c.id, "ids"))
_PAID_OF = (
    select(_entry, _transfer.c.kind, _hold.c.account)
    .join(_transfer, _transfer.c.id == _entry.c.transfer)
    .outerjoin(_hold, _hold.c.id == _transfer.c.closes)
    .where(Among(_entry.c.transfer, "ids"))
    .order_by(_entry.c.transfer, _entry.c.line)
)
_REFUNDED_OF = (
    select(_transfer.c.refunds, _entry.c.line, func.sum(_entry.c.amount).label("amount"))
    .join(_transfer, _transfer.c.id == _entry.c.transfer)
    .where(Among(_transfer.c.refunds, "ids"))
    .group_by(_transfer.c.refunds, _entry.c.line)
)


def add_accounts(tx: Transaction, accounts: Sequence[Account]) -> None:
    """Write the accounts that are not there yet."""
    dialect.insert_new(tx, _account, [_row(account, _ACCOUNT) for account in accounts])


def load(tx: Transaction, requests: Sequence[Request]) -> Book:
    """Every row that deciding the requests needs; holds and accounts stay locked to the end.

    Cost: at most six queries, whatever the number of requests (up to 5,000 ids of a kind). Accounts
    are locked before keys and refunds are looked up, so of two simultaneous requests with one key,
    or refunds of one transfer, the later sees the earlier; and always in the order of their ids, so
    two batches never wait in a circle.
    """
    needs = needs_of(requests)
    paid = _paid(tx, needs.refunded)
    named = needs.named
    named.update(side for _, moved in paid.values() for m in moved for side in (m.debit, m.credit))
    holds = {hold.id: hold for hold in _holds(tx, needs.holds)}
    for hold in holds.values():
        named.update((hold.account, escrow_account(hold.unit)))
    units = _units(tx, needs.granted | needs.held)
    named.update(units)
    named.update(issuance_account(units[account]) for account in needs.granted & units.keys())
    named.update(escrow_account(units[account]) for account in needs.held & units.keys())
    accounts = {account.id: account for account in _accounts(tx, named)}
    refunded = _refunded(tx, paid)
    originals = {
        transfer: Original(kind, moved, refunded.get(transfer, {}))
        for transfer, (kind, moved) in paid.items()
    }
    return Book(accounts, holds, _digests(tx, needs.transfers), originals)


def write(tx: Transaction, decision: Decision) -> None:
    """Write what was decided. Cost: at most five statements, each sent once with all its rows."""
    if not decision.postings:
        return
    dialect.insert_many(tx, _transfer, [_row(each, _TRANSFER) for each in decision.postings])
    dialect.insert_many(
        tx,
        _entry,
        [
            _row(movement, _ENTRY) | {"transfer": posting.id}
            for posting in decision.postings
            for movement in posting.movements
        ],
    )
    if decision.opened:
        dialect.insert_many(tx, _hold, [_row(hold, _HOLD) for hold in decision.opened])
    closed = [{"id": hold.id, "state": hold.state} for hold in decision.closed]
    dialect.update_many(tx, _hold, closed, key="id")
    turnover = [
        {"id": account, "debits": debited, "credits": credited}
        for account, (debited, credited) in decision.turnover.items()
    ]
    dialect.add_many(tx, _account, turnover, key="id")


def _row(item: Account | Posting | Movement | Hold, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(item, name) for name in names}


def _chosen(
    tx: Transaction, query: Select[*tuple[object, ...]], ids: Collection[str]
) -> Iterator[Row[*tuple[object, ...]]]:
    """The query's rows for the ids, in as many statements as the parameter limit makes it."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _IDS_PER_QUERY):
        yield from tx.execute(query, {"ids": ordered[start : start + _IDS_PER_QUERY]})


def _accounts(tx: Transaction, ids: Collection[str]) -> Iterator[Account]:
    return map(_as_account, _chosen(tx, _ACCOUNTS_OF, ids))


def _as_account(row: Row[*tuple[object, ...]]) -> Account:
    return Account(row.id, row.owner, row.unit, row.purpose, row.overdraft, row.debits, row.credits)


def _holds(tx: Transaction, ids: Collection[str]) -> Iterator[Hold]:
    return map(_as_hold, _chosen(tx, _HOLDS_OF, ids))


def _as_hold(row: Row[*tuple[object, ...]]) -> Hold:
    return Hold(row.id, row.account, row.unit, row.amount, row.expires_at_us, row.state)


def _units(tx: Transaction, accounts: Collection[str]) -> dict[str, str]:
    return {row.id: row.unit for row in _chosen(tx, _UNITS_OF, accounts)}


def _digests(tx: Transaction, transfers: Collection[str]) -> dict[str, str]:
    return {row.id: row.request_digest for row in _chosen(tx, _DIGESTS_OF, transfers)}


def _paid(tx: Transaction, ids: Collection[str]) -> dict[str, tuple[str, tuple[Movement, ...]]]:
    """Kind and payments of each transfer, as a refund needs them."""
    paid = {}
    found = _chosen(tx, _PAID_OF, ids)
    for transfer, group in groupby(found, key=lambda row: str(row.transfer)):
        rows = list(group)
        paid[transfer] = rows[0].kind, payments(map(_as_movement, rows), rows[0].account)
    return paid


def _refunded(tx: Transaction, ids: Collection[str]) -> dict[str, dict[int, int]]:
    """What was given back of each transfer, by line."""
    refunded: dict[str, dict[int, int]] = {}
    for row in _chosen(tx, _REFUNDED_OF, ids):
        refunded.setdefault(row.refunds, {})[row.line] = int(row.amount)
    return refunded


def _as_movement(row: Row[*tuple[object, ...]]) -> Movement:
    return Movement(row.line, row.debit, row.credit, row.unit, row.amount)


def due(tx: Transaction, *, now_us: int, limit: int) -> list[Hold]:
    """Open holds whose time is up, the longest overdue first."""
    query = (
        select(_hold)
        .where(_hold.c.state == "open", _hold.c.expires_at_us <= now_us)
        .order_by(_hold.c.expires_at_us, _hold.c.id)
        .limit(limit)
    )
    return [_as_hold(row) for row in tx.execute(query)]


def account(tx: Transaction, key: str) -> Account | None:
    """The account with this id."""
    row = tx.execute(select(_account).where(_account.c.id == key)).one_or_none()
    return None if row is None else _as_account(row)


def owners(tx: Transaction, accounts: Collection[str]) -> dict[str, str]:
    """Whose accounts these are."""
    return {row.id: row.owner for row in _chosen(tx, _OWNERS_OF, accounts)}


def open_holds(tx: Transaction) -> list[Hold]:
    """Every open hold, the soonest to expire first."""
    query = select(_hold).where(_hold.c.state == "open").order_by(_hold.c.expires_at_us, _hold.c.id)
    return [_as_hold(row) for row in tx.execute(query)]


def accounts(tx: Transaction) -> dict[str, Account]:
    """Every account by id."""
    return {row.id: _as_account(row) for row in tx.execute(select(_account))}


def balance(tx: Transaction, account: str) -> Balance | None:
    """What an account has. Cost: one statement over keys."""
    row = tx.execute(_BALANCE, {"account": account}).one_or_none()
    return None if row is None else _as_balance(row)


def balances(
    tx: Transaction,
    *,
    owner: str | None = None,
    after: tuple[str, str, str] = ("", "", ""),
    limit: int | None = None,
) -> list[Balance]:
    """What accounts have, all or an owner's, by owner, unit and purpose, from behind ``after``."""
    query = _BALANCES.limit(limit) if owner is None else _BALANCES_OF.limit(limit)
    given = {"owner": owner or "", "after_0": after[0], "after_1": after[1], "after_2": after[2]}
    return [_as_balance(row) for row in tx.execute(query, given)]


def _as_balance(row: Row[*tuple[object, ...]]) -> Balance:
    available = row.credits - row.debits
    return Balance(row.id, row.owner, row.unit, row.purpose, available, int(row.held))


def statement(
    tx: Transaction,
    *,
    owner: str | None = None,
    account: str | None = None,
    after: int,
    line: int = _LINE_LAST,
    limit: int,
) -> list[StatementLine]:
    """Entries as their accounts see them, oldest first; both sides when both are the owner's.

    Begins behind ``line`` of transfer number ``after``; narrowed to an owner or an account.
    """
    sides = []
    for mine, other, sign in (
        (_entry.c.debit, _entry.c.credit, -1),
        (_entry.c.credit, _entry.c.debit, 1),
    ):
        side = (
            select(
                _transfer.c.number,
                _entry.c.line,
                _transfer.c.id.label("transfer"),
                _transfer.c.kind,
                _transfer.c.at_us,
                _account.c.id.label("account"),
                _account.c.owner,
                _account.c.purpose,
                other.label("counterpart"),
                _entry.c.unit,
                (_entry.c.amount * sign).label("amount"),
                _transfer.c.memo,
            )
            .join(_entry, _entry.c.transfer == _transfer.c.id)
            .join(_account, _account.c.id == mine)
            .where(
                (_transfer.c.number > after)
                | ((_transfer.c.number == after) & (_entry.c.line > line))
            )
        )
        side = side if owner is None else side.where(_account.c.owner == owner)
        sides.append(side if account is None else side.where(mine == account))
    both = union_all(*sides).subquery()
    query = select(both).order_by(both.c.number, both.c.line, both.c.amount).limit(limit)
    return [StatementLine(*row) for row in tx.execute(query)]


def paid(
    tx: Transaction, *, memos: Sequence[str], since_us: int, until_us: int
) -> Iterator[Row[str, str, str, str, str, int, int, str]]:
    """What payees got, and below zero gave back, of transfers with a memo that begins like these.

    Cost: one scan of the transfers of that time, which have no index by time.
    """
    taken = _transfer.c.kind == "refund"
    amount = case((taken, -_entry.c.amount), else_=_entry.c.amount)
    who = select(_transfer.c.memo, _account.c.owner, _entry.c.unit, _account.c.purpose)
    query = (
        who.add_columns(_transfer.c.kind, amount, _transfer.c.at_us, _transfer.c.id)
        .join(_entry, _entry.c.transfer == _transfer.c.id)
        .join(_account, _account.c.id == case((taken, _entry.c.debit), else_=_entry.c.credit))
        .where(_transfer.c.kind.not_in(("grant", "hold", "release", "expiry")), _entry.c.line > 0)
        .where(_transfer.c.at_us >= since_us, _transfer.c.at_us < until_us)
        .where(or_(*(_transfer.c.memo.startswith(memo, autoescape=True) for memo in memos)))
        .order_by(_transfer.c.number, _entry.c.line)
    )
    yield from tx.execute(query.execution_options(yield_per=_ROWS_PER_FETCH))


def refunded_transfers(tx: Transaction) -> set[str]:
    """Ids of the transfers that were refunded at least in part."""
    query = select(_transfer.c.refunds).where(_transfer.c.refunds.is_not(None)).distinct()
    return {row.refunds for row in tx.execute(query)}


def postings(tx: Transaction) -> Iterator[tuple[Posting, Hold | None]]:
    """Every transfer in the order of posting, with the hold it opened; read as a stream."""
    query = (
        select(
            _transfer,
            _entry,
            _hold.c.account.label("held_account"),
            _hold.c.unit.label("held_unit"),
            _hold.c.amount.label("held_amount"),
            _hold.c.expires_at_us,
            _hold.c.state,
        )
        .outerjoin(_entry, _entry.c.transfer == _transfer.c.id)
        .outerjoin(_hold, _hold.c.id == _transfer.c.id)
        .order_by(_transfer.c.number, _entry.c.line)
        .execution_options(yield_per=_ROWS_PER_FETCH)
    )
    for _, group in groupby(tx.execute(query), key=lambda row: int(row.number)):
        yield _as_posting(list(group))


def _as_posting(rows: Sequence[Row[*tuple[object, ...]]]) -> tuple[Posting, Hold | None]:
    row = rows[0]
    posting = Posting(
        id=row.id,
        key=row.key,
        kind=row.kind,
        request_digest=row.request_digest,
        at_us=row.at_us,
        memo=row.memo,
        closes=row.closes,
        refunds=row.refunds,
        movements=tuple(_as_movement(entry) for entry in rows if entry.line is not None),
    )
    if row.state is None:
        return posting, None
    return posting, Hold(
        row.id, row.held_account, row.held_unit, row.held_amount, row.expires_at_us, row.state
    )
