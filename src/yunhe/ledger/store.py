"""The ledger's tables: what cannot be written at all, and one query per kind of row a batch needs.

The database itself refuses an unbalanced posting (an entry is one row with both sides), an entry
that crosses units (both sides refer to account and unit), an amount of zero or less, an overdrawn
account, a second transfer with the same key, and a second closing of a hold. Nothing here changes
or removes a transfer or an entry; only running totals and the state of a hold change, and replay
recomputes both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from itertools import groupby

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
    union_all,
    update,
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
from yunhe.storage import dialect, schema
from yunhe.storage.database import Transaction
from yunhe.storage.schema import Code, Digest, Id, Instant, Minor, metadata

_IDS_PER_QUERY = 5_000
"""SQLite takes 32,766 parameters in one statement, PostgreSQL 65,535."""
_ROWS_PER_FETCH = 10_000

_account = Table(
    "ledger_account",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", Id, nullable=False),
    Column("unit", Text, nullable=False),
    Column("purpose", Code, nullable=False),
    Column("overdraft", Boolean, nullable=False),
    Column("debits", Minor, nullable=False),
    Column("credits", Minor, nullable=False),
    UniqueConstraint("owner", "unit", "purpose"),
    UniqueConstraint("id", "unit"),
    CheckConstraint("debits >= 0 AND credits >= 0", name="totals_not_negative"),
    CheckConstraint("overdraft OR credits >= debits", name="not_overdrawn"),
)
_transfer = Table(
    "ledger_transfer",
    metadata,
    Column("number", schema.Sequence, primary_key=True),
    Column("id", Id, nullable=False, unique=True),  # derived from the key, so the key is unique too
    Column("key", Text, nullable=False),
    Column("kind", Code, nullable=False),
    Column("request_digest", Digest, nullable=False),
    Column("at_us", Instant, nullable=False),
    Column("memo", Text, nullable=False),
    Column("closes", Id, ForeignKey("ledger_transfer.id"), unique=True),
    Column("refunds", Id, ForeignKey("ledger_transfer.id"), index=True),
)
_entry = Table(
    "ledger_entry",
    metadata,
    Column("transfer", Id, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("debit", Id, nullable=False, index=True),
    Column("credit", Id, nullable=False, index=True),
    Column("unit", Text, nullable=False),
    Column("amount", Minor, nullable=False),
    ForeignKeyConstraint(["debit", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    ForeignKeyConstraint(["credit", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("debit <> credit", name="two_accounts"),
    CheckConstraint("line >= 0", name="line_not_negative"),
)
_hold = Table(
    "ledger_hold",
    metadata,
    Column("id", Id, ForeignKey("ledger_transfer.id"), primary_key=True),
    Column("account", Id, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", Minor, nullable=False),
    Column("expires_at_us", Instant, nullable=False),
    Column("state", Code, nullable=False),
    ForeignKeyConstraint(["account", "unit"], ["ledger_account.id", "ledger_account.unit"]),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("state IN ('open', 'captured', 'released', 'expired')", name="state_known"),
    Index(None, "state", "expires_at_us"),
    Index(None, "account", "state"),
)

_ACCOUNT = [field.name for field in fields(Account)]
_TRANSFER = [field.name for field in fields(Posting) if field.name != "movements"]
_ENTRY = [field.name for field in fields(Movement)]
_HOLD = [field.name for field in fields(Hold)]
_ADD_TURNOVER = (
    update(_account)
    .where(_account.c.id == bindparam("of"))
    .values(
        debits=_account.c.debits + bindparam("debited"),
        credits=_account.c.credits + bindparam("credited"),
    )
)
_CLOSE_HOLD = (
    update(_hold).where(_hold.c.id == bindparam("of")).values(state=bindparam("closed_as"))
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
    tx.execute(_transfer.insert(), [_row(posting, _TRANSFER) for posting in decision.postings])
    tx.execute(
        _entry.insert(),
        [
            _row(movement, _ENTRY) | {"transfer": posting.id}
            for posting in decision.postings
            for movement in posting.movements
        ],
    )
    if decision.opened:
        tx.execute(_hold.insert(), [_row(hold, _HOLD) for hold in decision.opened])
    if decision.closed:
        tx.execute(_CLOSE_HOLD, [{"of": h.id, "closed_as": h.state} for h in decision.closed])
    tx.execute(
        _ADD_TURNOVER,
        [
            {"of": account, "debited": debited, "credited": credited}
            for account, (debited, credited) in decision.turnover.items()
        ],
    )


def _row(item: Account | Posting | Movement | Hold, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(item, name) for name in names}


def _chosen(
    tx: Transaction, query: Select[*tuple[object, ...]], column: Column[str], ids: Collection[str]
) -> Iterator[Row[*tuple[object, ...]]]:
    """The query narrowed to the ids, in as many statements as the parameter limit makes it."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), _IDS_PER_QUERY):
        yield from tx.execute(query.where(column.in_(ordered[start : start + _IDS_PER_QUERY])))


def _accounts(tx: Transaction, ids: Collection[str]) -> Iterator[Account]:
    query = select(_account).order_by(_account.c.id).with_for_update()
    return map(_as_account, _chosen(tx, query, _account.c.id, ids))


def _as_account(row: Row[*tuple[object, ...]]) -> Account:
    return Account(row.id, row.owner, row.unit, row.purpose, row.overdraft, row.debits, row.credits)


def _holds(tx: Transaction, ids: Collection[str]) -> Iterator[Hold]:
    query = select(_hold).order_by(_hold.c.id).with_for_update()
    return map(_as_hold, _chosen(tx, query, _hold.c.id, ids))


def _as_hold(row: Row[*tuple[object, ...]]) -> Hold:
    return Hold(row.id, row.account, row.unit, row.amount, row.expires_at_us, row.state)


def _units(tx: Transaction, accounts: Collection[str]) -> dict[str, str]:
    query = select(_account.c.id, _account.c.unit)
    return {row.id: row.unit for row in _chosen(tx, query, _account.c.id, accounts)}


def _digests(tx: Transaction, transfers: Collection[str]) -> dict[str, str]:
    query = select(_transfer.c.id, _transfer.c.request_digest)
    return {row.id: row.request_digest for row in _chosen(tx, query, _transfer.c.id, transfers)}


def _paid(tx: Transaction, ids: Collection[str]) -> dict[str, tuple[str, tuple[Movement, ...]]]:
    """Kind and payments of each transfer, as a refund needs them."""
    query = (
        select(_entry, _transfer.c.kind, _hold.c.account)
        .join(_transfer, _transfer.c.id == _entry.c.transfer)
        .outerjoin(_hold, _hold.c.id == _transfer.c.closes)
        .order_by(_entry.c.transfer, _entry.c.line)
    )
    paid = {}
    found = _chosen(tx, query, _entry.c.transfer, ids)
    for transfer, group in groupby(found, key=lambda row: str(row.transfer)):
        rows = list(group)
        paid[transfer] = rows[0].kind, payments(map(_as_movement, rows), rows[0].account)
    return paid


def _refunded(tx: Transaction, ids: Collection[str]) -> dict[str, dict[int, int]]:
    """What was given back of each transfer, by line."""
    query = (
        select(_transfer.c.refunds, _entry.c.line, func.sum(_entry.c.amount).label("amount"))
        .join(_transfer, _transfer.c.id == _entry.c.transfer)
        .group_by(_transfer.c.refunds, _entry.c.line)
    )
    refunded: dict[str, dict[int, int]] = {}
    for row in _chosen(tx, query, _transfer.c.refunds, ids):
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


def open_holds(tx: Transaction) -> list[Hold]:
    """Every open hold, the soonest to expire first."""
    query = select(_hold).where(_hold.c.state == "open").order_by(_hold.c.expires_at_us, _hold.c.id)
    return [_as_hold(row) for row in tx.execute(query)]


def accounts(tx: Transaction) -> dict[str, Account]:
    """Every account by id."""
    return {row.id: _as_account(row) for row in tx.execute(select(_account))}


def balances(
    tx: Transaction, *, owner: str | None = None, account: str | None = None
) -> list[Balance]:
    """What accounts have, narrowed to an owner or an account, by owner, unit and purpose."""
    held = (
        select(_hold.c.account, func.sum(_hold.c.amount).label("amount"))
        .where(_hold.c.state == "open")
        .group_by(_hold.c.account)
    )
    query = select(_account)
    if owner is not None:
        query = query.where(_account.c.owner == owner)
    if account is not None:
        query = query.where(_account.c.id == account)
        held = held.where(_hold.c.account == account)
    in_escrow = {row.account: int(row.amount) for row in tx.execute(held)}
    query = query.order_by(_account.c.owner, _account.c.unit, _account.c.purpose)
    return [
        Balance(
            row.id,
            row.owner,
            row.unit,
            row.purpose,
            row.credits - row.debits,
            in_escrow.get(row.id, 0),
        )
        for row in tx.execute(query)
    ]


def statement(tx: Transaction, *, owner: str | None, after: int, limit: int) -> list[StatementLine]:
    """Entries as their accounts see them, oldest first; both sides when both are the owner's."""
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
            .where(_transfer.c.number > after)
        )
        sides.append(side if owner is None else side.where(_account.c.owner == owner))
    both = union_all(*sides).subquery()
    query = select(both).order_by(both.c.number, both.c.line, both.c.amount).limit(limit)
    return [StatementLine(*row) for row in tx.execute(query)]


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
