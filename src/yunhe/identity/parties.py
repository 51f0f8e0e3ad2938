"""Commands and questions about organisations, projects and members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from yunhe.identity import authority, checks, store
from yunhe.identity.cities.service import set_city
from yunhe.identity.domain import (
    KINDS,
    Kind,
    Member,
    Organisation,
    Principal,
    Project,
)
from yunhe.kernel.errors import Conflict, Finding, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction


def add_organisation(
    tx: Transaction,
    *,
    key: str,
    name: str,
    kind: Kind,
    at_us: int,
    city: str = "",
    by: Principal | None = None,
) -> Organisation:
    """Add an organisation; the same key again returns the same one. Only operators may.

    ``city``: to which it belongs, empty for the platform's own; `cities.service.set_city` says so.
    Errors: `Invalid` ``identity.invalid`` with every finding; `NotFound`
    ``identity.city_unknown``; `Conflict` ``identity.differs`` when the key came with another name
    or kind before; `NotAllowed` ``identity.scope_missing``, ``identity.role_missing``.
    """
    authority.require_scope(by)
    if by is not None and not authority.is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="operator")
    findings = checks.text("key", key) + checks.text("name", name)
    findings += checks.one_of("kind", kind, KINDS, code="identity.kind_unknown")
    checks.refuse(findings)
    added = Organisation(derived_id("org", key), name, kind)
    before = store.organisation(tx, added.id)
    store.add_organisation(tx, added, at_us=at_us)
    found = store.organisation(tx, added.id)
    # Its city may have changed since; the rest is what the key was first used for.
    if found is None or replace(found, city="") != added:
        raise Conflict("identity.differs", key=key)
    new = before is None
    return set_city(tx, found.id, city, at_us=at_us, by=by) if city and new else found


def add_project(
    tx: Transaction,
    *,
    key: str,
    organisation: str,
    name: str,
    at_us: int,
    by: Principal | None = None,
) -> Project:
    """Add a project to an organisation; the same key in it again returns the same project.

    Errors: as `add_member`.
    """
    authority.require_manager(by)
    findings = checks.text("key", key) + checks.text("name", name)
    findings += _organisation_known(tx, organisation, by=by)
    checks.refuse(findings)
    added = Project(derived_id("prj", organisation, key), organisation, name)
    store.add_project(tx, added, at_us=at_us)
    if store.project(tx, added.id) != added:
        raise Conflict("identity.differs", key=key)
    return added


def add_member(
    tx: Transaction,
    *,
    key: str,
    organisation: str,
    name: str,
    at_us: int,
    contact: str = "",
    by: Principal | None = None,
) -> Member:
    """Add a person to an organisation; the same key in it again returns the same member.

    Errors: `Invalid` ``identity.invalid`` with every finding; an organisation the actor ``by`` must
    not know of is unknown. `Conflict` ``identity.differs`` when the key came with other values
    before. `NotAllowed` ``identity.scope_missing``, ``identity.role_missing``.
    """
    authority.require_manager(by)
    findings = checks.text("key", key) + checks.text("name", name)
    findings += checks.contact("contact", contact)
    findings += _organisation_known(tx, organisation, by=by)
    checks.refuse(findings)
    added = Member(derived_id("mem", organisation, key), organisation, name, "person", contact)
    return _add(tx, added, key=key, at_us=at_us)


def add_service_account(
    tx: Transaction,
    *,
    key: str,
    organisation: str,
    name: str,
    at_us: int,
    by: Principal | None = None,
) -> Member:
    """Add a program that acts for an organisation; it has keys but never a session.

    Errors: as `add_member`.
    """
    authority.require_manager(by)
    findings = checks.text("key", key) + checks.text("name", name)
    findings += _organisation_known(tx, organisation, by=by)
    checks.refuse(findings)
    # Another derivation than a person's, so that one key never means both.
    added = Member(derived_id("mem", organisation, "service", key), organisation, name, "service")
    return _add(tx, added, key=key, at_us=at_us)


def _add(tx: Transaction, added: Member, *, key: str, at_us: int) -> Member:
    store.add_member(tx, added, at_us=at_us)
    found = store.member(tx, added.id)
    # A contact may have changed since; the rest is what the key was first used for.
    if found is None or replace(found, contact=added.contact) != added:
        raise Conflict("identity.differs", key=key)
    return found


def set_contact(tx: Transaction, member_id: str, contact: str) -> Member:
    """Set (or with an empty one remove) the e-mail address for notices.

    Errors: `Invalid` ``identity.invalid``; `NotFound` ``identity.member_unknown``; `NotAllowed`
    ``identity.member_ended``.
    """
    checks.refuse(checks.contact("contact", contact))
    found = store.locked(tx, member_id)
    if found is None:
        raise NotFound("identity.member_unknown", member=member_id)
    if found.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member_id)
    store.change_member(tx, member_id, {"contact": contact})
    return member(tx, member_id)


def organisation(tx: Transaction, organisation_id: str) -> Organisation:
    """The organisation with that id.

    Errors: `NotFound` ``identity.organisation_unknown``.
    """
    found = store.organisation(tx, organisation_id)
    if found is None:
        raise NotFound("identity.organisation_unknown", organisation=organisation_id)
    return found


def kinds(tx: Transaction, organisations: Sequence[str]) -> dict[str, str]:
    """Kinds of organisations by id; unknown ones are left out. Cost: a query for each 5,000."""
    return store.kinds(tx, organisations)


def organisations(tx: Transaction, *, after: str = "", limit: int = 100) -> list[Organisation]:
    """A page of all organisations in the order of their ids, from the first id after ``after``."""
    return store.organisations_listed(tx, after=after, limit=checks.page(limit))


def project(tx: Transaction, project_id: str, *, organisation: str | None = None) -> Project:
    """The project with that id; of another organisation than the given one, it is unknown.

    Errors: `NotFound` ``identity.project_unknown``.
    """
    found = store.project(tx, project_id)
    if found is None or organisation not in (None, found.organisation):
        raise NotFound("identity.project_unknown", project=project_id)
    return found


def projects(
    tx: Transaction, *, organisation: str | None = None, after: str = "", limit: int = 100
) -> list[Project]:
    """A page of an organisation's (or all) projects in the order of their ids."""
    return store.projects_listed(
        tx, organisation=organisation, after=after, limit=checks.page(limit)
    )


def member(tx: Transaction, member_id: str, *, organisation: str | None = None) -> Member:
    """The member with that id; of another organisation than the given one, it is unknown.

    Errors: `NotFound` ``identity.member_unknown``.
    """
    found = store.member(tx, member_id)
    if found is None or organisation not in (None, found.organisation):
        raise NotFound("identity.member_unknown", member=member_id)
    return found


def members(
    tx: Transaction, *, organisation: str | None = None, after: str = "", limit: int = 100
) -> list[Member]:
    """A page of an organisation's (or all) members in the order of their ids, ended ones too."""
    return store.members_listed(
        tx, organisation=organisation, after=after, limit=checks.page(limit)
    )


def _organisation_known(
    tx: Transaction, organisation_id: str, *, by: Principal | None
) -> list[Finding]:
    if authority.sees(by, organisation_id) and store.organisation(tx, organisation_id) is not None:
        return []
    params = (("organisation", organisation_id),)
    return [Finding("organisation", "identity.organisation_unknown", params)]
