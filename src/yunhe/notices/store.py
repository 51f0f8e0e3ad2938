"""Rows of notices, of who has read them, and of what members chose."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import cast

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from yunhe.kernel.canonical import canonical_bytes
from yunhe.notices.domain import KINDS, Addressees, Kind, Notice, Preference
from yunhe.notices.tables import deliveries, notices, preferences, reads
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_AnyRow = Row[tuple[object, ...]]
_PURGED_AT_ONCE = 1_000  # a duty that comes back every day; SQLite takes 32,766 parameters


def add(tx: Transaction, told: Notice, to: Addressees) -> None:
    """Insert unless its id is there."""
    row = {
        "id": told.id,
        "kind": told.kind,
        "organisation": told.organisation,
        "project": told.project,
        "roles": "".join(f" {role} " for role in to.roles),
        "member": to.member,
        "subject": told.subject,
        "params": canonical_bytes(dict(told.params)).decode(),
        "at_us": told.at_us,
    }
    dialect.insert_new(tx, notices, [row])


def withdraw(tx: Transaction, notice_ids: Sequence[str], *, at_us: int) -> None:
    """Mark as no longer true; the first time stays."""
    tx.execute(
        update(notices)
        .where(notices.c.id.in_(notice_ids), notices.c.withdrawn_at_us.is_(None))
        .values(withdrawn_at_us=at_us)
    )


def addressed(
    *,
    member: str,
    organisations: Collection[str],
    roles: Mapping[str, Collection[str]],
    project: str = "",
) -> ColumnElement[bool]:
    """The condition that a notice is for this member, and about ``project`` if there is one.

    ``roles``: by project, the roles held there; those under the empty project hold everywhere.
    """
    by_role = [notices.c.roles == ""]
    for place, held in sorted(roles.items()):
        for role in sorted(held):
            wanted = notices.c.roles.contains(f" {role} ", autoescape=True)
            by_role.append(and_(notices.c.project == place, wanted) if place else wanted)
    return and_(
        notices.c.organisation.in_(sorted(organisations)),
        or_(notices.c.member == member, and_(notices.c.member == "", or_(*by_role))),
        notices.c.withdrawn_at_us.is_(None),
        *([notices.c.project == project] if project else []),
    )


def feed(
    tx: Transaction,
    whose: ColumnElement[bool],
    *,
    member: str,
    hidden: Collection[str],
    after: str,
    limit: int,
    unread_only: bool,
) -> list[Notice]:
    """Notices that meet ``whose``, newest first, from behind the one with id ``after``."""
    query = (
        select(notices, reads.c.at_us.label("read_at_us"))
        .outerjoin(reads, and_(reads.c.notice == notices.c.id, reads.c.member == member))
        .where(whose, notices.c.kind.not_in(sorted(hidden)))
        .order_by(notices.c.at_us.desc(), notices.c.id.desc())
        .limit(limit)
    )
    if unread_only:
        query = query.where(reads.c.at_us.is_(None))
    if after:
        last = tx.execute(select(notices.c.at_us).where(notices.c.id == after)).scalar()
        if last is None:
            return []
        older = and_(notices.c.at_us == last, notices.c.id < after)
        query = query.where(or_(notices.c.at_us < last, older))
    return [read_notice(row, row.read_at_us) for row in tx.execute(query)]


def read_notice(row: _AnyRow, read_at_us: int | None = None) -> Notice:
    """The notice of a row."""
    return Notice(
        id=row.id,
        kind=cast("Kind", row.kind),
        organisation=row.organisation,
        project=row.project,
        subject=row.subject,
        params=json.loads(row.params),
        at_us=row.at_us,
        read_at_us=read_at_us,
    )


def mark_read(
    tx: Transaction,
    whose: ColumnElement[bool],
    *,
    member: str,
    notice_ids: Sequence[str],
    at_us: int,
) -> int:
    """Mark those of them that meet ``whose``; returns how many were unread before."""
    query = select(notices.c.id).where(whose, notices.c.id.in_(notice_ids))
    known = tx.execute(query.order_by(notices.c.id)).scalars().all()
    rows = [{"member": member, "notice": known_id, "at_us": at_us} for known_id in known]
    return dialect.insert_new(tx, reads, rows)


def set_preference(tx: Transaction, member: str, chosen: Preference) -> None:
    """Keep a choice in place of the one before."""
    values = {"feed": chosen.feed, "mail": chosen.mail}
    row = {"member": member, "kind": chosen.kind, **values}
    if not dialect.insert_new(tx, preferences, [row]):
        tx.execute(
            update(preferences)
            .where(preferences.c.member == member, preferences.c.kind == chosen.kind)
            .values(**values)
        )


def preferences_of(tx: Transaction, members: Collection[str]) -> dict[tuple[str, str], Preference]:
    """What these members chose, by member and kind; nothing for what they left as it is."""
    query = select(preferences).where(preferences.c.member.in_(sorted(members)))
    return {
        (row.member, row.kind): Preference(row.kind, row.feed, row.mail)
        for row in tx.execute(query)
        if row.kind in KINDS
    }


def forget_member(tx: Transaction, member: str) -> int:
    """Delete notices to this member alone, what they read and chose, and mail on its way."""
    own = tx.execute(
        select(notices.c.id).where(notices.c.member == member).order_by(notices.c.id)
    ).scalars()
    for notice in own.all():
        tx.execute(deliveries.delete().where(deliveries.c.notice == notice))
        tx.execute(reads.delete().where(reads.c.notice == notice))
    mail = deliveries.c.way == "mail", deliveries.c.target == member
    return sum(
        tx.execute(gone).rowcount
        for gone in (
            deliveries.delete().where(*mail),
            notices.delete().where(notices.c.member == member),
            reads.delete().where(reads.c.member == member),
            preferences.delete().where(preferences.c.member == member),
        )
    )


def purge(tx: Transaction, *, before_us: int, unread_before_us: int) -> int:
    """Delete notices read or withdrawn by then, unread ones told by then, and their deliveries."""
    seen = select(reads.c.notice).where(reads.c.at_us < before_us)
    over = or_(
        and_(notices.c.at_us < before_us, notices.c.id.in_(seen)),
        notices.c.withdrawn_at_us < before_us,
        notices.c.at_us < unread_before_us,
    )
    query = select(notices.c.id).where(over).order_by(notices.c.id).limit(_PURGED_AT_ONCE)
    gone = tx.execute(query).scalars().all()
    for table, column in (
        (deliveries, deliveries.c.notice),
        (reads, reads.c.notice),
        (notices, notices.c.id),
    ):
        tx.execute(table.delete().where(column.in_(gone)))
    return len(gone)
