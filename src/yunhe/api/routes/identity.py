"""Organisations, projects, members and their roles."""

from __future__ import annotations

from starlette.responses import Response

from yunhe.api.call import After, Call, Caller, Key, Limit, OptionalId, PathId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import identity as wire
from yunhe.client.wire.shapes import Page
from yunhe.identity import service as identity
from yunhe.identity.domain import Member, Organisation, Principal, Project, RoleHeld
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import NotFound
from yunhe.storage.database import Transaction

routes = Routes("identity")
"""Of the identity floor."""


@routes.add("GET /v1/me", wire.Me)
async def get_me(call: Caller) -> wire.Me:
    """Who the key or session of this request acts for."""
    who = call.who

    def look(tx: Transaction) -> wire.Me:
        return _me(
            who,
            identity.member(tx, who.member),
            identity.organisation(tx, who.organisation),
            here=call.runtime.settings.city,
        )

    return await call.look(look)


@routes.add("PUT /v1/me/contact", wire.Member)
async def set_my_contact(call: Caller, body: wire.Contact) -> wire.Member:
    """Set where one's own notices are mailed to."""

    def change(tx: Transaction) -> wire.Member:
        identity.set_contact(tx, call.who.member, body.contact)
        return _found(tx, call.who.member, call)

    return await call.write(change)


@routes.add("GET /v1/organisations", Page[wire.Organisation])
async def list_organisations(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Organisation]:
    """Organisations in the order of their ids: one's own, or all for who may look so far."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[Organisation]:
        if call.tenant is None:
            return identity.organisations(tx, after=last, limit=limit + 1)
        return [identity.organisation(tx, call.tenant)] if last < call.tenant else []

    here = call.runtime.settings.city
    return page(
        call,
        await call.look(look),
        limit=limit,
        shown=lambda o: shown_organisation(o, here=here),
        place=lambda o: (o.id,),
    )


@routes.add("GET /v1/organisations/{organisation}", wire.Organisation)
async def get_organisation(call: Caller, organisation: PathId) -> wire.Organisation:
    """One organisation."""
    found = await call.look(lambda tx: _reached(tx, organisation, call))
    return shown_organisation(found, here=call.runtime.settings.city)


@routes.add("POST /v1/organisations", wire.Organisation, status=201)
async def create_organisation(call: Caller, key: Key, body: wire.NewOrganisation) -> Response:
    """Add an organisation to the programme."""
    at_us = call.now_us()

    def make(tx: Transaction, key: str) -> wire.Organisation:
        made = identity.add_organisation(
            tx,
            key=key,
            name=body.name,
            kind=body.kind,
            city=body.city or "",
            at_us=at_us,
            by=call.who,
        )
        return shown_organisation(made, here=call.runtime.settings.city)

    return await call.create(key, body, make)


@routes.add("GET /v1/projects", Page[wire.Project])
async def list_projects(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Project]:
    """Projects in the order of their ids."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[Project]:
        if call.who.project:
            bound = identity.project(tx, call.who.project)
            return [bound] if last < bound.id else []
        return identity.projects(tx, organisation=call.tenant, after=last, limit=limit + 1)

    return page(
        call, await call.look(look), limit=limit, shown=shown_project, place=lambda p: (p.id,)
    )


@routes.add("POST /v1/projects", wire.Project, status=201)
async def create_project(call: Caller, key: Key, body: wire.NewProject) -> Response:
    """Add a project to one's own organisation."""
    at_us = call.now_us()

    def make(tx: Transaction, key: str) -> wire.Project:
        return shown_project(
            identity.add_project(
                tx,
                key=key,
                organisation=call.who.organisation,
                name=body.name,
                at_us=at_us,
                by=call.who,
            )
        )

    return await call.create(key, body, make)


@routes.add("GET /v1/members", Page[wire.Member])
async def list_members(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Member]:
    """Members in the order of their ids, ended ones too."""
    [last] = call.place(after, like=("",))

    def look(tx: Transaction) -> list[wire.Member]:
        found = identity.members(tx, organisation=call.tenant, after=last, limit=limit + 1)
        return [shown_member(each, identity.roles_held(tx, each.id)) for each in found]

    return page(
        call, await call.read(look), limit=limit, shown=lambda m: m, place=lambda m: (m.id,)
    )


@routes.add("GET /v1/members/{member}", wire.Member)
async def get_member(call: Caller, member: PathId) -> wire.Member:
    """One member."""
    return await call.look(lambda tx: _found(tx, member, call))


@routes.add("DELETE /v1/members/{member}", wire.Member)
async def end_member(call: Caller, member: PathId) -> wire.Member:
    """End a membership: roles, keys and sessions go; again changes nothing."""
    at_us = call.now_us()

    def end(tx: Transaction) -> wire.Member:
        identity.end_member(tx, member, at_us=at_us, by=call.who)
        return _found(tx, member, call)

    return await call.write(end)


@routes.add("POST /v1/service-accounts", wire.Member, status=201)
async def create_service_account(call: Caller, key: Key, body: wire.NewServiceAccount) -> Response:
    """Add a program that acts for one's own organisation."""
    at_us = call.now_us()

    def make(tx: Transaction, key: str) -> wire.Member:
        made = identity.add_service_account(
            tx,
            key=key,
            organisation=call.who.organisation,
            name=body.name,
            at_us=at_us,
            by=call.who,
        )
        return shown_member(made, identity.roles_held(tx, made.id))

    return await call.create(key, body, make)


@routes.add("POST /v1/members/{member}/roles", wire.Member)
async def grant_role(call: Caller, member: PathId, body: wire.GivenRole) -> wire.Member:
    """Give a member a role, unless it keeps duties apart; again changes nothing."""
    at_us = call.now_us()

    def grant(tx: Transaction) -> wire.Member:
        _found(tx, member, call)
        identity.grant_role(
            tx, member=member, role=body.role, project=body.project, at_us=at_us, by=call.who
        )
        return _found(tx, member, call)

    return await call.write(grant)


@routes.add("DELETE /v1/members/{member}/roles/{role}", wire.Member)
async def revoke_role(
    call: Caller, member: PathId, role: wire.Role, project: OptionalId = ""
) -> wire.Member:
    """Take a role away, at once for every key and session; again changes nothing."""

    def revoke(tx: Transaction) -> wire.Member:
        _found(tx, member, call)
        identity.revoke_role(tx, member=member, role=role, project=project, by=call.who)
        return _found(tx, member, call)

    return await call.write(revoke)


def _reached(tx: Transaction, organisation: str, call: Call) -> Organisation:
    found = identity.organisation(tx, organisation)
    if not call.reaches(organisation):
        raise NotFound("identity.organisation_unknown", organisation=organisation)
    return found


def _found(tx: Transaction, member_id: str, call: Call) -> wire.Member:
    found = identity.member(tx, member_id)
    if member_id != call.who.member and not call.reaches(found.organisation):
        raise NotFound("identity.member_unknown", member=member_id)
    return shown_member(found, identity.roles_held(tx, member_id))


def _me(who: Principal, found: Member, own: Organisation, *, here: str) -> wire.Me:
    return wire.Me(
        member=who.member,
        organisation=shown_organisation(own, here=here),
        kind=found.kind,
        name=found.name,
        roles=sorted(who.roles),
        project_roles={project: sorted(roles) for project, roles in who.project_roles.items()},
        scopes=sorted(who.scopes),
        project=who.project,
        key=who.key,
        expires_at=None if who.expires_at_us is None else iso(who.expires_at_us),
    )


def shown_organisation(found: Organisation, *, here: str) -> wire.Organisation:
    """An organisation as it is shown; ``here``: code of the platform's own city."""
    city = found.city or here
    return wire.Organisation(id=found.id, name=found.name, kind=found.kind, city=city)


def shown_member(found: Member, roles: list[RoleHeld]) -> wire.Member:
    """A member as it is shown."""
    return wire.Member(
        id=found.id,
        organisation=found.organisation,
        name=found.name,
        kind=found.kind,
        contact=found.contact,
        ended_at=None if found.ended_at_us is None else iso(found.ended_at_us),
        roles=[
            wire.RoleHeld(role=each.role, project=each.project, since=iso(each.at_us))
            for each in roles
        ],
    )


def shown_project(found: Project) -> wire.Project:
    """A project as it is shown."""
    return wire.Project(id=found.id, organisation=found.organisation, name=found.name)
