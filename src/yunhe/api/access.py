"""Who may call which route: one declared row per route, checked in one place.

`yunhe.api.table` holds the rows, keyed ``"METHOD /path"``; a route without a row, or a row without
a route, stops the program at its start. `admit` is called by the one class of routes
(`yunhe.api.paths.Guarded`) before a body is read, so no route can forget it. What a row can't say,
because it depends on the thing asked for, a route asks its `yunhe.api.call.Call`:

- ``call.reaches(organisation, project)``: whether this caller may know of (or, with a method that
  changes something, change) a thing. If not, the route raises the very error of an id that does
  not exist, with the same parameters, so that ids of others can't be probed.
- ``call.tenant`` and ``call.projects``: what a list is narrowed to; None: not at all.

A row::

    "GET /v1/accounts/{account}": row("ledger:read", *MONEY, beyond=LOOKING),

reads: the key needs the scope ``ledger:read``; of accounts of one's own organisation members with
one of the roles MONEY learn; of those of others, members of the operator's or a regulator's
organisation with one of the roles LOOKING. No roles: every member. No ``beyond``: nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from yunhe.identity.domain import Principal
from yunhe.kernel.errors import NotAllowed

Who = Literal["anyone", "member", "operator"]
"""Anybody, without a key; members of any organisation; members of the operator's organisation."""


@dataclass(frozen=True, slots=True)
class Row:
    """Who may call one route."""

    scope: str
    """Scope that the key must have; empty when any key will do."""
    roles: frozenset[str]
    """Any of these, for the organisation or for the project of the thing; empty: every member."""
    beyond: frozenset[str]
    """Any of these, in a programme-wide organisation, reaches things of others; empty: none."""
    who: Who
    """Of which organisations."""

    @property
    def public(self) -> bool:
        """Whether no key is needed."""
        return self.who == "anyone"


def row(scope: str = "", *roles: str, beyond: Iterable[str] = (), who: Who = "member") -> Row:
    """A row, written short enough for a table."""
    return Row(scope, frozenset(roles), frozenset(beyond), who)


def admit(row: Row, principal: Principal) -> None:
    """Return only if this caller may call the route at all, whatever the thing it asks for.

    Errors: `NotAllowed` ``api.scope_missing``, ``api.operator_only`` or ``api.role_missing``, each
    with what would be needed.
    """
    if row.scope and not principal.may(row.scope):
        raise NotAllowed("api.scope_missing", scope=row.scope)
    if row.who == "operator" and principal.kind != "operator":
        raise NotAllowed("api.operator_only")
    if row.roles and not _holds(row.roles, principal) and not looks_beyond(row, principal):
        raise NotAllowed("api.role_missing", roles=", ".join(sorted(row.roles | row.beyond)))


def looks_beyond(row: Row, principal: Principal) -> bool:
    """Whether things of other organisations are shown to this caller; never to a project's key."""
    return principal.programme and not principal.project and bool(row.beyond & principal.roles)


def reaches(
    row: Row, principal: Principal, *, organisation: str, project: str, write: bool
) -> bool:
    """Whether the caller may know of (or change) a thing of that organisation and project."""
    if not principal.reaches(organisation, write=write):
        return False
    if looks_beyond(row, principal):
        return True
    if principal.organisation != organisation:
        return False
    if principal.project and principal.project != project:
        return False
    return not row.roles or any(principal.has(role, project) for role in row.roles)


def projects(row: Row, principal: Principal) -> frozenset[str] | None:
    """The projects whose things the caller is shown; None for all and for what has no project."""
    if principal.project:
        return frozenset({principal.project})
    if not row.roles or row.roles & principal.roles or looks_beyond(row, principal):
        return None
    held = principal.project_roles.items()
    return frozenset(project for project, roles in held if roles & row.roles)


def _holds(roles: frozenset[str], principal: Principal) -> bool:
    if roles & principal.roles:
        return True
    return any(roles & held for held in principal.project_roles.values())
