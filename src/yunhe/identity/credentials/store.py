"""Rows of keys, sessions, invitations, links and sign-ins under way."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from yunhe.identity.domain import Invitation, Key
from yunhe.identity.tables import (
    invitations,
    keys,
    links,
    members,
    organisations,
    sessions,
    sign_ins,
)
from yunhe.kernel.canonical import Json, canonical_bytes
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

Found = Row[tuple[object, ...]]
"""A row as the database gives it."""


def _with_member(table: Table) -> Select[tuple[object, ...]]:
    return (
        select(
            table,
            members.c.organisation,
            members.c.ended_at_us.label("left_at_us"),
            organisations.c.kind,
        )
        .join(members, members.c.id == table.c.member)
        .join(organisations, organisations.c.id == members.c.organisation)
        .where(table.c.id == bindparam("id"))
    )


# Built once: every request runs one of them, and putting it together costs more than running it.
_KEY = _with_member(keys)
_SESSION = _with_member(sessions)


def words(text: str) -> frozenset[str]:
    """The words of a column that holds several."""
    return frozenset(text.split())


def column(said: frozenset[str]) -> str:
    """Several words as one column, always in the same order."""
    return " ".join(sorted(said))


# --- Keys -------------------------------------------------------------------------------------


def add_key(tx: Transaction, values: Mapping[str, object]) -> None:
    """Insert a key."""
    tx.execute(keys.insert().values(**values))


def key(tx: Transaction, key_id: str) -> Found | None:
    """The key's row with its member's organisation, the organisation's kind and the member's end.

    Cost: one statement over primary keys.
    """
    return tx.execute(_KEY, {"id": key_id}).first()


def keys_listed(
    tx: Transaction, *, organisation: str | None, member: str | None, after: str, limit: int
) -> list[Key]:
    """Keys, oldest first, those that no longer work included."""
    query = (
        select(keys, members.c.organisation)
        .join(members, members.c.id == keys.c.member)
        .where(keys.c.id > after)
        .order_by(keys.c.id)
        .limit(limit)
    )
    if organisation is not None:
        query = query.where(members.c.organisation == organisation)
    if member is not None:
        query = query.where(keys.c.member == member)
    return [as_key(row) for row in tx.execute(query)]


def as_key(row: Found) -> Key:
    """A row of `key` without its hash."""
    return Key(
        id=row.id,
        member=row.member,
        organisation=row.organisation,
        label=row.label,
        scopes=words(row.scopes),
        project=row.project,
        by=row.issued_by,
        created_at_us=row.at_us,
        expires_at_us=row.expires_at_us,
        revoked_at_us=row.revoked_at_us,
        used_at_us=row.used_at_us,
        renews=row.renews,
    )


def is_renewed(tx: Transaction, key: Found, *, now_us: int) -> bool:
    """Whether a live key renews this one."""
    query = select(keys.c.id).where(
        keys.c.member == key.member, keys.c.renews == key.id, _lives(now_us)
    )
    return tx.execute(query.limit(1)).first() is not None


def _lives(now_us: int) -> ColumnElement[bool]:
    ahead = or_(keys.c.expires_at_us.is_(None), keys.c.expires_at_us > now_us)
    return and_(keys.c.revoked_at_us.is_(None), ahead)


def revoke(tx: Transaction, *, key_id: str, at_us: int) -> None:
    """Mark a key revoked and the sessions it opened ended; the first revocation's time stays."""
    _mark(tx, keys, "revoked_at_us", at_us, (keys.c.id == key_id,))
    _mark(tx, sessions, "ended_at_us", at_us, (sessions.c.key == key_id,))


def revoke_labelled(tx: Transaction, *, member_id: str, label: str, at_us: int) -> None:
    """Mark every live key of that member and label revoked."""
    query = select(keys.c.id).where(
        keys.c.member == member_id, keys.c.label == label, _lives(at_us)
    )
    for key_id in list(tx.execute(query).scalars()):
        revoke(tx, key_id=key_id, at_us=at_us)


def note_key_use(tx: Transaction, key_id: str, *, at_us: int, before_us: int) -> bool:
    """Set the last use unless one after ``before_us`` is on record; whether a row changed."""
    return _used(tx, keys, key_id, at_us=at_us, before_us=before_us)


# --- Sessions ---------------------------------------------------------------------------------


def add_session(tx: Transaction, values: Mapping[str, object]) -> None:
    """Insert a session."""
    tx.execute(sessions.insert().values(**values))


def session(tx: Transaction, session_id: str) -> Found | None:
    """The session's row with what `key` adds. Cost: one statement over primary keys."""
    return tx.execute(_SESSION, {"id": session_id}).first()


def end_session(tx: Transaction, session_id: str, *, at_us: int) -> None:
    """Mark a session ended; the first end stays."""
    _mark(tx, sessions, "ended_at_us", at_us, (sessions.c.id == session_id,))


def end_sessions(tx: Transaction, member_id: str, *, at_us: int) -> None:
    """Mark every session of a member ended."""
    _mark(tx, sessions, "ended_at_us", at_us, (sessions.c.member == member_id,))


def note_session_use(tx: Transaction, session_id: str, *, at_us: int, before_us: int) -> bool:
    """As `note_key_use`."""
    return _used(tx, sessions, session_id, at_us=at_us, before_us=before_us)


def close_member(tx: Transaction, member_id: str, *, at_us: int) -> None:
    """Mark every key of a member revoked, every session ended, every open entry withdrawn."""
    _mark(tx, keys, "revoked_at_us", at_us, (keys.c.member == member_id,))
    mine = (invitations.c.member == member_id, invitations.c.accepted_at_us.is_(None))
    _mark(tx, invitations, "withdrawn_at_us", at_us, mine)
    end_sessions(tx, member_id, at_us=at_us)


def forget_member(tx: Transaction, member_id: str, *, contact: str) -> None:
    """Delete every key, session, link and sign-in of a member, and its address in invitations."""
    for table in (keys, sessions, links, sign_ins):
        tx.execute(delete(table).where(table.c.member == member_id))
    about = invitations.c.member == member_id
    if contact:
        about = or_(about, invitations.c.contact == contact)
    tx.execute(update(invitations).where(about).values(contact=""))


# --- Invitations ------------------------------------------------------------------------------


def add_invitation(
    tx: Transaction, added: Invitation, *, inviting_organisation: str, secret_hash: str
) -> None:
    """Insert an invitation."""
    parts: dict[str, Json] = {p: sorted(held) for p, held in added.project_roles.items()}
    tx.execute(
        invitations.insert().values(
            id=added.id,
            organisation=added.organisation,
            new_name=added.new_name,
            new_kind=added.new_kind,
            roles=column(added.roles),
            project_roles=canonical_bytes(parts).decode(),
            invited_by=added.by,
            inviting_organisation=inviting_organisation,
            contact=added.contact,
            secret_hash=secret_hash,
            at_us=added.created_at_us,
            expires_at_us=added.expires_at_us,
            member=added.member,
        )
    )


def invitation(tx: Transaction, invitation_id: str) -> tuple[Invitation, str, str] | None:
    """The invitation, the hash of its token and the organisation that invites."""
    row = tx.execute(select(invitations).where(invitations.c.id == invitation_id)).first()
    if row is None:
        return None
    return _invitation(row), row.secret_hash, row.inviting_organisation


def invitations_listed(
    tx: Transaction, *, organisation: str | None, after: str, limit: int
) -> list[Invitation]:
    """Invitations, oldest first, into an organisation or made by it; ended ones included."""
    query = select(invitations).where(invitations.c.id > after)
    if organisation is not None:
        query = query.where(
            or_(
                invitations.c.organisation == organisation,
                invitations.c.inviting_organisation == organisation,
            )
        )
    rows = tx.execute(query.order_by(invitations.c.id).limit(limit))
    return [_invitation(row) for row in rows]


def invitations_open_for(tx: Transaction, contact: str, *, now_us: int) -> list[Invitation]:
    """At most two invitations to that address that can still be accepted, oldest first."""
    query = (
        select(invitations)
        .where(
            invitations.c.contact == contact,
            invitations.c.accepted_at_us.is_(None),
            invitations.c.withdrawn_at_us.is_(None),
            invitations.c.expires_at_us > now_us,
        )
        .order_by(invitations.c.id)
        .limit(2)
    )
    return [_invitation(row) for row in tx.execute(query)]


def close_invitation(tx: Transaction, invitation_id: str, *, name: str, at_us: int) -> bool:
    """Mark an open invitation accepted or withdrawn, without its address; False if not open."""
    return (
        tx.execute(
            update(invitations)
            .where(
                invitations.c.id == invitation_id,
                invitations.c.accepted_at_us.is_(None),
                invitations.c.withdrawn_at_us.is_(None),
            )
            .values({name: at_us, "contact": ""})
        ).rowcount
        == 1
    )


def set_guest(tx: Transaction, invitation_id: str, *, member: str, organisation: str) -> None:
    """Note who came of an invitation, and into which organisation."""
    tx.execute(
        update(invitations)
        .where(invitations.c.id == invitation_id)
        .values(member=member, organisation=organisation)
    )


def _invitation(row: Found) -> Invitation:
    parts = json.loads(row.project_roles)
    return Invitation(
        id=row.id,
        organisation=row.organisation,
        new_name=row.new_name,
        new_kind=row.new_kind,
        roles=words(row.roles),
        project_roles={project: frozenset(held) for project, held in parts.items()},
        by=row.invited_by,
        created_at_us=row.at_us,
        expires_at_us=row.expires_at_us,
        contact=row.contact,
        accepted_at_us=row.accepted_at_us,
        withdrawn_at_us=row.withdrawn_at_us,
        member=row.member,
    )


# --- Sign-in through a provider ---------------------------------------------------------------


def add_link(tx: Transaction, *, link: str, member: str, at_us: int) -> bool:
    """Bind a person at a provider to a member; False when either is bound already."""
    row = {"id": link, "member": member, "at_us": at_us}
    return dialect.insert_new(tx, links, [row]) == 1


def member_linked(tx: Transaction, link: str) -> str | None:
    """The member bound to that person at a provider."""
    found: str | None = tx.scalar(select(links.c.member).where(links.c.id == link))
    return found


def is_linked(tx: Transaction, member: str) -> bool:
    """Whether the member is bound to anybody at a provider."""
    return tx.scalar(select(links.c.id).where(links.c.member == member)) is not None


def remove_link(tx: Transaction, member: str) -> None:
    """Unbind a member."""
    tx.execute(delete(links).where(links.c.member == member))


def add_sign_in(tx: Transaction, values: Mapping[str, object]) -> None:
    """Insert a sign-in under way."""
    tx.execute(sign_ins.insert().values(**values))


def sign_in(tx: Transaction, sign_in_id: str) -> Found | None:
    """The sign-in under way."""
    return tx.execute(select(sign_ins).where(sign_ins.c.id == sign_in_id)).first()


def use_sign_in(tx: Transaction, sign_in_id: str, *, at_us: int) -> bool:
    """Mark it used; False when it was used before."""
    return _mark(tx, sign_ins, "used_at_us", at_us, (sign_ins.c.id == sign_in_id,)) == 1


# --- Retention --------------------------------------------------------------------------------


def purge_ended(tx: Transaction, *, before_us: int) -> int:
    """Delete what ended before then; returns how many rows went."""
    ended: tuple[tuple[Table, ColumnElement[bool]], ...] = (
        (keys, or_(keys.c.revoked_at_us < before_us, keys.c.expires_at_us < before_us)),
        (
            sessions,
            or_(sessions.c.ended_at_us < before_us, sessions.c.expires_at_us < before_us),
        ),
        (
            invitations,
            or_(
                invitations.c.accepted_at_us < before_us,
                invitations.c.withdrawn_at_us < before_us,
                invitations.c.expires_at_us < before_us,
            ),
        ),
        (
            sign_ins,
            or_(sign_ins.c.used_at_us < before_us, sign_ins.c.expires_at_us < before_us),
        ),
    )
    return sum(tx.execute(delete(table).where(when)).rowcount for table, when in ended)


def _mark(
    tx: Transaction, table: Table, name: str, at_us: int, where: tuple[ColumnElement[bool], ...]
) -> int:
    """Set a time that is not set yet."""
    return tx.execute(
        update(table).where(*where, table.c[name].is_(None)).values({name: at_us})
    ).rowcount


def _used(tx: Transaction, table: Table, row_id: str, *, at_us: int, before_us: int) -> bool:
    seen = table.c.used_at_us
    return (
        tx.execute(
            update(table)
            .where(table.c.id == row_id, or_(seen.is_(None), seen <= before_us))
            .values(used_at_us=at_us)
        ).rowcount
        == 1
    )
