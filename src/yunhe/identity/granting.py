"""Roles: granting and withdrawing them under the separation of duties, and asking for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from yunhe.identity import authority, checks, duties, store
from yunhe.identity.domain import (
    ROLES,
    WHOLE_ROLES,
    Member,
    Principal,
    Role,
    RoleHeld,
)
from yunhe.kernel.errors import Finding, NotAllowed
from yunhe.storage.database import Transaction

_PAGE = 500  # members looked at in one statement when every one is checked


def grant_role(
    tx: Transaction,
    *,
    member: str,
    role: Role,
    at_us: int,
    project: str = "",
    by: Principal | None = None,
) -> None:
    """Give a member a role, for its organisation or one project; again changes nothing.

    ``by`` is who grants: an administrator of the member's organisation or an operator. None is the
    platform itself; the separation of duties holds for it, too.

    Errors: `Invalid` ``identity.invalid`` with every finding (a member or project ``by`` must not
    know of is unknown); `NotAllowed` ``identity.duties_apart`` with a finding for each rule broken,
    ``identity.own_role`` for a grant to oneself, ``identity.role_missing``,
    ``identity.scope_missing``, ``identity.member_ended``.
    """
    authority.require_manager(by)
    target = store.locked(tx, member)
    if target is not None and not authority.sees(by, target.organisation):
        target = None
    findings = [] if target is not None else _member_unknown(member)
    findings += checks.one_of("role", role, ROLES, code="identity.role_unknown")
    findings += project_faults(tx, project, target.organisation if target else "", roles={role})
    checks.refuse(findings)
    if target is None:  # refused above
        return
    if by is not None and by.member == member:
        raise NotAllowed("identity.own_role", member=member)
    _require_may_give(by, {role})
    if target.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member)
    _require_duties(tx, target, role, by=by)
    store.add_role(
        tx,
        member_id=member,
        role=role,
        project=project,
        by="" if by is None else by.member,
        at_us=at_us,
    )


def revoke_role(
    tx: Transaction,
    *,
    member: str,
    role: str,
    project: str = "",
    by: Principal | None = None,
) -> None:
    """Take a role away, at once for every key and session; one that is not held changes nothing.

    Errors: as `grant_role`, but one may give up a role of one's own.
    """
    own = by is not None and by.member == member
    if own:
        authority.require_scope(by)
    else:
        authority.require_manager(by)
    target = store.locked(tx, member)
    if target is None or not authority.sees(by, target.organisation):
        checks.refuse(_member_unknown(member))
    checks.refuse(checks.one_of("role", role, ROLES, code="identity.role_unknown"))
    if not own:
        _require_may_give(by, {role})
    store.remove_role(tx, member_id=member, role=role, project=project)


def offer_faults(
    tx: Transaction,
    *,
    roles: Collection[str],
    project_roles: Mapping[str, Collection[str]],
    organisation: str,
) -> list[Finding]:
    """Faults of roles offered together: unknown roles, or projects of somebody else."""
    findings = [
        finding
        for role in sorted({*roles, *(r for held in project_roles.values() for r in held)})
        for finding in checks.one_of("roles", role, ROLES, code="identity.role_unknown")
    ]
    for project, held in sorted(project_roles.items()):
        if not project:
            findings.append(Finding("project_roles", "identity.empty"))
        findings += project_faults(tx, project, organisation, roles=held)
    return findings


def require_offer(
    roles: Collection[str], *, organisation_kind: str, by: Principal | None = None
) -> None:
    """Return only if ``by`` may give these roles, and one person may hold them together there.

    Errors: `NotAllowed` as `grant_role`.
    """
    _require_may_give(by, roles)
    _refuse_breaches(
        duties.breaches(roles, member_kind="person", organisation_kind=organisation_kind)
    )


def project_faults(
    tx: Transaction, project: str, organisation: str, *, roles: Collection[str]
) -> list[Finding]:
    """Faults of a project (or none) for which roles are to be held in an organisation."""
    if not project:
        return []
    found = store.project(tx, project)
    if found is None or found.organisation != organisation:
        return [Finding("project", "identity.project_unknown", (("project", project[:64]),))]
    whole = sorted(WHOLE_ROLES & set(roles))
    return [Finding("role", "identity.role_is_whole", (("role", role),)) for role in whole]


def _require_may_give(by: Principal | None, roles: Collection[str]) -> None:
    """Only an operator makes, or unmakes, an operator."""
    if by is not None and "operator" in roles and not authority.is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="operator")


def _require_duties(tx: Transaction, target: Member, role: str, *, by: Principal | None) -> None:
    held = {item.role for item in store.roles_held(tx, target.id)} | {role}
    place = store.organisation(tx, target.organisation)
    kind = "" if place is None else place.kind
    _refuse_breaches(
        [
            breach
            for breach in duties.breaches(held, member_kind=target.kind, organisation_kind=kind)
            if role in breach.roles
        ]
    )
    if by is not None and target.service:
        require_apart_from(tx, by.member, {role})


def require_apart_from(tx: Transaction, member: str, roles: Collection[str]) -> None:
    """Return only if a member who holds another's secret breaks no rule by the other's roles.

    Whoever sets up a service account can act through it, so their roles count together.
    Errors: `NotAllowed` ``identity.duties_apart``.
    """
    own = {item.role for item in store.roles_held(tx, member)}
    others = frozenset(roles)
    together = duties.breaches(own | others)
    _refuse_breaches([b for b in together if b.rule.kind == "apart" and others & set(b.roles)])


def _refuse_breaches(found: list[duties.Breach]) -> None:
    if not found:
        return
    rule = ", ".join(breach.rule.id for breach in found)
    findings = [
        Finding(
            f"duties.{breach.rule.id}", breach.rule.reason, (("roles", ", ".join(breach.roles)),)
        )
        for breach in found
    ]
    raise NotAllowed("identity.duties_apart", rule=rule, findings=findings)


def roles_of(tx: Transaction, member: str, *, project: str = "") -> frozenset[str]:
    """Every role held for the organisation, and for that project; empty for a stranger."""
    if not project:
        return store.roles_of(tx, member)
    held = store.roles_held(tx, member)
    return frozenset(item.role for item in held if item.project in ("", project))


def roles_held(tx: Transaction, member: str) -> list[RoleHeld]:
    """Every role of a member, whoever granted it and for what; by project and name."""
    return store.roles_held(tx, member)


def members_with_role(
    tx: Transaction, role: Role, *, organisation: str | None = None, project: str = ""
) -> list[Member]:
    """Every member who holds the role (for the project at least), the first to get it first."""
    return store.members_with_role(tx, role, organisation=organisation, project=project)


def require(tx: Transaction, member: str, role: Role, *, project: str = "") -> None:
    """Return only if the member holds the role, for its organisation or else for that project.

    Errors: `NotAllowed` ``identity.role_missing``.
    """
    if role not in roles_of(tx, member, project=project):
        raise NotAllowed("identity.role_missing", member=member, role=role)


def duty_breaches(tx: Transaction) -> list[tuple[str, duties.Breach]]:
    """Every member whose roles break a rule today, e.g. granted before the rule existed.

    Cost: a few statements for each member with a role; for `yunhe doctor`, not for requests.
    """
    found = []
    after = ""
    while page := store.holders(tx, after=after, limit=_PAGE):
        for member_id in page:
            held = {item.role for item in store.roles_held(tx, member_id)}
            who = store.member(tx, member_id)
            place = None if who is None else store.organisation(tx, who.organisation)
            found += [
                (member_id, breach)
                for breach in duties.breaches(
                    held,
                    member_kind=None if who is None else who.kind,
                    organisation_kind="" if place is None else place.kind,
                )
            ]
        after = page[-1]
    return found


def _member_unknown(member: str) -> list[Finding]:
    return [Finding("member", "identity.member_unknown", (("member", member),))]
