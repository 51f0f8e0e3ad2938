"""Rows of organisations, projects, members and roles, and of the first start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Table,
    and_,
    bindparam,
    delete,
    literal,
    or_,
    select,
    union_all,
    update,
)

from yunhe.identity.domain import Member, Organisation, Project, RoleHeld
from yunhe.identity.tables import (
    first_tokens,
    keys,
    links,
    members,
    organisations,
    project_roles,
    projects,
    roles,
)
from yunhe.storage import dialect
from yunhe.storage.database import Transaction

_Row = Row[tuple[object, ...]]
_FIRST = "first"


def _held() -> CompoundSelect[tuple[object, ...]]:
    of: ColumnElement[str] = bindparam("member")
    part = project_roles.c
    whole = select(roles.c.role, literal("").label("project"), roles.c.at_us, roles.c.granted_by)
    parts = select(part.role, part.project, part.at_us, part.granted_by)
    both = union_all(whole.where(roles.c.member == of), parts.where(part.member == of))
    return both.order_by("project", "role")


# Built once: every request runs them, and putting one together costs more than running it.
_HELD = _held()
_MEMBER = select(members).where(members.c.id == bindparam("id"))
_ORGANISATION = select(organisations).where(organisations.c.id == bindparam("id"))


def add_organisation(tx: Transaction, added: Organisation, *, at_us: int) -> None:
    """Insert unless its id is taken."""
    row = {"id": added.id, "name": added.name, "kind": added.kind, "at_us": at_us}
    dialect.insert_new(tx, organisations, [row])


def organisation(tx: Transaction, organisation_id: str) -> Organisation | None:
    """The organisation, if there is one."""
    row = tx.execute(_ORGANISATION, {"id": organisation_id}).first()
    return None if row is None else _organisation(row)


def kinds(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Kinds of those of the organisations that are known."""
    query = select(organisations.c.id, organisations.c.kind)
    found: dict[str, str] = {}
    for at in range(0, len(ids), 5_000):  # SQLite takes 32,766 parameters in one statement
        for row in tx.execute(query.where(organisations.c.id.in_(ids[at : at + 5_000]))):
            found[row.id] = row.kind
    return found


def organisations_listed(tx: Transaction, *, after: str, limit: int) -> list[Organisation]:
    """Organisations in the order of their ids."""
    return [
        _organisation(row) for row in _page(tx, organisations, after=after, limit=limit, where=())
    ]


def operator_named(tx: Transaction, name: str) -> Organisation | None:
    """The first operator's organisation of that name."""
    row = tx.execute(
        select(organisations)
        .where(organisations.c.kind == "operator", organisations.c.name == name)
        .order_by(organisations.c.at_us, organisations.c.id)
        .limit(1)
    ).first()
    return None if row is None else _organisation(row)


def add_project(tx: Transaction, added: Project, *, at_us: int) -> None:
    """Insert unless its id is taken."""
    row = {
        "id": added.id,
        "organisation": added.organisation,
        "name": added.name,
        "at_us": at_us,
    }
    dialect.insert_new(tx, projects, [row])


def project(tx: Transaction, project_id: str) -> Project | None:
    """The project, if there is one."""
    row = tx.execute(select(projects).where(projects.c.id == project_id)).first()
    return None if row is None else Project(row.id, row.organisation, row.name)


def projects_listed(
    tx: Transaction, *, organisation: str | None, after: str, limit: int
) -> list[Project]:
    """Projects in the order of their ids."""
    where = () if organisation is None else (projects.c.organisation == organisation,)
    rows = _page(tx, projects, after=after, limit=limit, where=where)
    return [Project(row.id, row.organisation, row.name) for row in rows]


def add_member(tx: Transaction, added: Member, *, at_us: int) -> None:
    """Insert unless its id is taken."""
    row = {
        "id": added.id,
        "organisation": added.organisation,
        "name": added.name,
        "kind": added.kind,
        "contact": added.contact,
        "at_us": at_us,
    }
    dialect.insert_new(tx, members, [row])


def member(tx: Transaction, member_id: str) -> Member | None:
    """The member, if there is one."""
    row = tx.execute(_MEMBER, {"id": member_id}).first()
    return None if row is None else _member(row)


def locked(tx: Transaction, member_id: str) -> Member | None:
    """The member, whose row no other transaction locks or changes before this one ends.

    SQLite has one writer at a time and needs no lock.
    """
    row = tx.execute(select(members).where(members.c.id == member_id).with_for_update()).first()
    return None if row is None else _member(row)


def change_member(tx: Transaction, member_id: str, values: Mapping[str, object]) -> None:
    """Set columns of a member's row."""
    tx.execute(update(members).where(members.c.id == member_id).values(**values))


def members_listed(
    tx: Transaction, *, organisation: str | None, after: str, limit: int
) -> list[Member]:
    """Members in the order of their ids, those who ended included."""
    where = () if organisation is None else (members.c.organisation == organisation,)
    return [_member(row) for row in _page(tx, members, after=after, limit=limit, where=where)]


def add_role(
    tx: Transaction, *, member_id: str, role: str, project: str, by: str, at_us: int
) -> None:
    """Insert unless the member has it."""
    row: dict[str, object] = {
        "member": member_id,
        "role": role,
        "at_us": at_us,
        "granted_by": by,
    }
    if project:
        dialect.insert_new(tx, project_roles, [{**row, "project": project}])
    else:
        dialect.insert_new(tx, roles, [row])


def remove_role(tx: Transaction, *, member_id: str, role: str, project: str) -> int:
    """Delete the role; returns how many rows went."""
    if project:
        return tx.execute(
            delete(project_roles).where(
                project_roles.c.member == member_id,
                project_roles.c.role == role,
                project_roles.c.project == project,
            )
        ).rowcount
    return tx.execute(
        delete(roles).where(roles.c.member == member_id, roles.c.role == role)
    ).rowcount


def remove_roles(tx: Transaction, member_id: str) -> None:
    """Delete every role of a member."""
    tx.execute(delete(roles).where(roles.c.member == member_id))
    tx.execute(delete(project_roles).where(project_roles.c.member == member_id))


def roles_of(tx: Transaction, member_id: str) -> frozenset[str]:
    """Every role a member has for its whole organisation."""
    return frozenset(tx.execute(select(roles.c.role).where(roles.c.member == member_id)).scalars())


def roles_held(tx: Transaction, member_id: str) -> list[RoleHeld]:
    """Every role of a member, for the organisation and for projects. Cost: one statement."""
    rows = tx.execute(_HELD, {"member": member_id})
    return [RoleHeld(member_id, r.role, r.project, r.at_us, r.granted_by) for r in rows]


def holders(tx: Transaction, *, after: str, limit: int) -> list[str]:
    """Ids of members with more than no role, in order."""
    both = union_all(select(roles.c.member), select(project_roles.c.member)).subquery()
    query = (
        select(both.c.member)
        .where(both.c.member > after)
        .distinct()
        .order_by(both.c.member)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def members_with_role(
    tx: Transaction, role: str, *, organisation: str | None, project: str
) -> list[Member]:
    """Every member with the role, the first to get it first."""
    held = select(roles.c.member, roles.c.at_us).where(roles.c.role == role)
    if project:
        part = select(project_roles.c.member, project_roles.c.at_us).where(
            project_roles.c.role == role, project_roles.c.project == project
        )
        both = union_all(held, part).subquery()
    else:
        both = held.subquery()
    query = (
        select(members)
        .join(both, both.c.member == members.c.id)
        .order_by(both.c.at_us, members.c.id)
    )
    if organisation is not None:
        query = query.where(members.c.organisation == organisation)
    found = {row.id: _member(row) for row in tx.execute(query)}
    return list(found.values())


def first_token(tx: Transaction) -> _Row:
    """The one row of the first token, locked against every other start and claim."""
    empty = {
        "id": _FIRST,
        "token": "",
        "secret_hash": "",
        "at_us": 0,
        "expires_at_us": 0,
        "used_at_us": 0,
    }
    dialect.insert_new(tx, first_tokens, [empty])
    query = select(first_tokens).where(first_tokens.c.id == _FIRST).with_for_update()
    return tx.execute(query).one()


def set_first_token(tx: Transaction, values: Mapping[str, object]) -> None:
    """Change the row of the first token."""
    tx.execute(update(first_tokens).where(first_tokens.c.id == _FIRST).values(**values))


def operator_gets_in(tx: Transaction, *, now_us: int) -> bool:
    """Whether some operator of an operator's organisation has a live key or a linked sign-in."""
    query = (
        select(members.c.id)
        .join(organisations, organisations.c.id == members.c.organisation)
        .join(roles, roles.c.member == members.c.id)
        .outerjoin(
            keys,
            and_(keys.c.member == members.c.id, _lives(now_us)),
        )
        .outerjoin(links, links.c.member == members.c.id)
        .where(
            organisations.c.kind == "operator",
            roles.c.role == "operator",
            members.c.ended_at_us.is_(None),
            or_(keys.c.id.is_not(None), links.c.id.is_not(None)),
        )
        .limit(1)
    )
    return tx.execute(query).first() is not None


def keys_ending(
    tx: Transaction, *, now_us: int, before_us: int, after: str, limit: int
) -> list[_Row]:
    """Live keys that end before then and are not renewed, in the order of their ids."""
    newer = keys.alias("newer")
    renewed = (
        select(newer.c.id)
        .where(
            newer.c.member == keys.c.member,
            newer.c.renews == keys.c.id,
            newer.c.revoked_at_us.is_(None),
        )
        .exists()
    )
    query = (
        select(keys, members.c.organisation)
        .join(members, members.c.id == keys.c.member)
        .where(
            keys.c.id > after,
            keys.c.expires_at_us < before_us,
            members.c.ended_at_us.is_(None),
            _lives(now_us),
            ~renewed,
        )
        .order_by(keys.c.id)
        .limit(limit)
    )
    return list(tx.execute(query))


def live_ends(tx: Transaction, member_id: str, *, now_us: int) -> list[int | None]:
    """When each live key of a member ends; None for never."""
    query = select(keys.c.expires_at_us).where(keys.c.member == member_id, _lives(now_us))
    return list(tx.execute(query).scalars())


def _lives(now_us: int) -> ColumnElement[bool]:
    ahead = or_(keys.c.expires_at_us.is_(None), keys.c.expires_at_us > now_us)
    return and_(keys.c.revoked_at_us.is_(None), ahead)


def _page(
    tx: Transaction, table: Table, *, after: str, limit: int, where: tuple[ColumnElement[bool], ...]
) -> list[_Row]:
    query = select(table).where(table.c.id > after, *where).order_by(table.c.id).limit(limit)
    return list(tx.execute(query))


def _organisation(row: _Row) -> Organisation:
    return Organisation(row.id, row.name, row.kind, row.city)


def _member(row: _Row) -> Member:
    return Member(
        id=row.id,
        organisation=row.organisation,
        name=row.name,
        kind=row.kind,
        contact=row.contact,
        ended_at_us=row.ended_at_us,
        erased_at_us=row.erased_at_us,
    )
