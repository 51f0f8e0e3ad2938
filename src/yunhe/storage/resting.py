"""Which rows name a stored blob: what must be asked before the bytes go."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Column, ColumnElement, String, Table, Text, and_, literal, or_, select

from yunhe.storage.database import Transaction
from yunhe.storage.leases import WORK_TABLE, unfinished_naming
from yunhe.storage.operations import ENDS, WORK_PREFIX, operations
from yunhe.storage.schema import Digest, metadata

_OWNERS = ("organisation", "holder", "buyer", "tenant", "owner")
_SILENT = frozenset(
    {"storage_upload", "storage_erased", "storage_idempotency", "storage_event", WORK_TABLE}
)  # uploads themselves, and what only tells of other rows; work is asked apart


def rests(
    tx: Transaction,
    digest: str,
    *,
    organisation: str | None = None,
    besides: Collection[str] = (),
) -> bool:
    """Whether a row other than an upload names the blob; of that organisation, if one is given.

    Work that has ended is left out, as it reads nothing any more. Rows that belong to nobody, such
    as the log's, count only when no organisation is given; those of the tables ``besides`` never.
    Cost: reads the columns that can name
    one, of the organisation or of all.
    """
    if _works(tx, digest, organisation):
        return True
    for table in metadata.sorted_tables:
        if table.name in _SILENT or table.name in besides:
            continue
        named = [
            part for part in (_named(column, digest) for column in table.c) if part is not None
        ]
        whose = _whose(table, organisation)
        if not named or whose is None:
            continue
        if tx.execute(select(literal(1)).where(whose, or_(*named)).limit(1)).first() is not None:
            return True
    return False


def _named(column: Column[object], digest: str) -> ColumnElement[bool] | None:
    if isinstance(column.type, Text):
        return column.contains(digest)
    if isinstance(column.type, String) and column.type.length == Digest.length:
        return column == digest
    return None


def _whose(table: Table, organisation: str | None) -> ColumnElement[bool] | None:
    if organisation is None:
        return literal(1) == 1
    owners = [table.c[name] == organisation for name in _OWNERS if name in table.c]
    return or_(*owners) if owners else None


def _works(tx: Transaction, digest: str, organisation: str | None) -> bool:
    found = unfinished_naming(tx, digest, prefix=WORK_PREFIX)
    at_work: list[ColumnElement[bool]] = [
        operations.c.id.in_(found),
        operations.c.state.not_in(ENDS),
    ]
    if organisation is not None:
        at_work.append(operations.c.organisation == organisation)
    return tx.execute(select(operations.c.id).where(and_(*at_work)).limit(1)).first() is not None
