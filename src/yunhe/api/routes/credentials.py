"""Keys, invitations, and the first operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from starlette.responses import Response

from yunhe.api import invitations
from yunhe.api.call import After, Call, Caller, Key, Limit, OptionalId, PathId, page
from yunhe.api.paths import Routes
from yunhe.client.wire import credentials as wire
from yunhe.client.wire.shapes import Page
from yunhe.identity import domain
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.storage.database import Transaction

KEY_DAYS = 90
"""How long a new key works unless said otherwise."""
routes = Routes("identity")
"""Of the identity floor, as far as ways in are concerned."""


@routes.add("GET /v1/keys", Page[wire.Key])
async def list_keys(
    call: Caller, member: OptionalId = "", after: After = None, limit: Limit = 50
) -> Page[wire.Key]:
    """Keys, oldest first, dead ones too: one's own, or of an administrator's organisation."""
    [last] = call.place(after, like=("",), member=member)
    manages = _manages(call)
    asked = member or None if manages else call.who.member

    def look(tx: Transaction) -> list[domain.Key]:
        if member and not manages and member != call.who.member:
            return []
        return identity.keys(
            tx,
            organisation=call.who.organisation,
            member=asked,
            after=last,
            limit=limit + 1,
        )

    found = await call.look(look)
    return page(call, found, limit=limit, shown=_key, place=lambda each: (each.id,), member=member)


@routes.add("GET /v1/keys/{key}", wire.Key)
async def get_key(call: Caller, key: PathId) -> wire.Key:
    """One key; never its secret."""
    return _key(await call.look(lambda tx: _reached(tx, key, call)))


@routes.add("POST /v1/keys", wire.IssuedKey, status=201)
async def create_key(call: Caller, key: Key, body: wire.NewKey) -> Response:
    """Issue a key, to oneself or a service account, never beyond the one used; shown once.

    A person renews its own key, if it has every scope and no project, by one that outlives it.
    """
    at_us = call.now_us()

    def make(tx: Transaction, _: str) -> wire.IssuedKey:
        with _in_days():
            made = identity.issue_key(
                tx,
                member=body.member or call.who.member,
                expires_at_us=_ends(body.days, call.who, at_us=at_us),
                at_us=at_us,
                label=body.label,
                scopes=body.scopes,
                project=body.project,
                by=call.who,
            )
        return wire.IssuedKey(id=made.id, secret=made.secret)

    return await call.create(key, body, make, sealed=True)


@routes.add("DELETE /v1/keys/{key}", wire.Key)
async def revoke_key(call: Caller, key: PathId) -> wire.Key:
    """Make a key, and sessions opened with it, useless from now on; again changes nothing."""
    at_us = call.now_us()

    def revoke(tx: Transaction) -> wire.Key:
        _reached(tx, key, call)
        identity.revoke_key(tx, key, at_us=at_us, by=call.who)
        return _key(identity.key(tx, key))

    return await call.write(revoke)


@routes.add("GET /v1/invitations", Page[wire.Invitation])
async def list_invitations(
    call: Caller, after: After = None, limit: Limit = 50
) -> Page[wire.Invitation]:
    """Invitations into or by one's organisation, oldest first, ended ones too."""
    [last] = call.place(after, like=("",))
    found = await call.look(
        lambda tx: identity.invitations(tx, organisation=call.tenant, after=last, limit=limit + 1)
    )
    return page(call, found, limit=limit, shown=_invitation, place=lambda each: (each.id,))


@routes.add("POST /v1/invitations", wire.Invited, status=201)
async def create_invitation(call: Caller, key: Key, body: wire.Offer) -> Response:
    """Invite a person; the token is shown once and accepted once, and mailed to the contact."""
    at_us = call.now_us()
    own = "" if body.new_name else call.who.organisation
    offer = domain.Offer(
        organisation=body.organisation or own,
        new_name=body.new_name,
        new_kind=body.new_kind or "",
        roles=frozenset(body.roles),
        project_roles={project: frozenset(held) for project, held in body.project_roles.items()},
        contact=body.contact,
        valid_hours=body.days * 24,
    )

    def make(tx: Transaction, _: str) -> wire.Invited:
        with _in_days():
            made = identity.invite(tx, offer, by=call.who, at_us=at_us)
        invitations.tell(tx, made.invitation, at_us=at_us)
        return wire.Invited(invitation=_invitation(made.invitation), token=made.token, mailed=False)

    answer = await call.create(key, body, make, sealed=True)
    return await invitations.mailed(call, answer) if body.contact else answer


@routes.add("POST /v1/members/{member}/entries", wire.Invited, status=201)
async def create_entry(call: Caller, member: PathId, key: Key, body: wire.NewEntry) -> Response:
    """Let a member in again whose keys have ended: a token that is accepted like an invitation's.

    It changes no roles, and it can be withdrawn like an invitation.
    """
    at_us = call.now_us()

    def make(tx: Transaction, _: str) -> wire.Invited:
        with _in_days():
            made = identity.open_entry(
                tx, member, by=call.who, at_us=at_us, valid_hours=body.days * 24
            )
        invitations.tell_entry(tx, made.invitation, at_us=at_us)
        return wire.Invited(invitation=_invitation(made.invitation), token=made.token, mailed=False)

    return await call.create(key, body, make, sealed=True)


@routes.add("DELETE /v1/invitations/{invitation}", status=204)
async def withdraw_invitation(call: Caller, invitation: PathId) -> None:
    """Make an open invitation useless; again changes nothing."""
    at_us = call.now_us()

    def withdraw(tx: Transaction) -> None:
        identity.withdraw(tx, invitation, at_us=at_us, by=call.who)
        invitations.untell(tx, invitation, at_us=at_us)

    await call.write(withdraw)


@routes.add("POST /v1/invitations/accept", wire.Claimed, status=201)
async def accept_invitation(call: Caller, key: Key, body: wire.Acceptance) -> Response:
    """Become a member, or be let in again, by a token; the answer holds the first key."""
    at_us = call.now_us()

    def make(tx: Transaction, _: str) -> wire.Claimed:
        made = identity.accept(
            tx, token=body.token, name=body.name, contact=body.contact, at_us=at_us
        )
        invitations.untell(tx, identity.offered(tx, body.token).id, at_us=at_us)
        return _claimed(made)

    return await call.create(key, body, make, sealed=True, token=body.token)


@routes.add("POST /v1/operator", wire.Claimed, status=201)
async def claim_operator(call: Caller, key: Key, body: wire.Claim) -> Response:
    """Become the operator by the one-time token that the first start printed."""
    at_us = call.now_us()

    def make(tx: Transaction, _: str) -> wire.Claimed:
        return _claimed(
            identity.claim_operator_in(
                tx,
                token=body.token,
                organisation_name=body.organisation_name,
                name=body.name,
                at_us=at_us,
            )
        )

    return await call.create(key, body, make, sealed=True, token=body.token)


def _ends(days: int | None, by: domain.Principal, *, at_us: int) -> int:
    ends_us = at_us + (days or KEY_DAYS) * DAY_US
    if days is None and by.expires_at_us is not None and by.key.startswith("key_"):
        return min(ends_us, by.expires_at_us)
    return ends_us


@contextmanager
def _in_days() -> Iterator[None]:
    """What is found about a time is said of the field of the request that it came from."""
    try:
        yield
    except YunheError as error:
        times = ("expires_at_us", "valid_hours")
        error.findings = tuple(
            replace(each, where="days") if each.where in times else each for each in error.findings
        )
        raise


def _manages(call: Call) -> bool:
    return call.who.has("administrator")


def _reached(tx: Transaction, key: str, call: Call) -> domain.Key:
    """A key of one's own, or of an administrator's organisation; others are unknown."""
    found = identity.key(tx, key, organisation=call.who.organisation)
    if found.member != call.who.member and not _manages(call):
        raise NotFound("identity.key_id_unknown", key=key)
    return found


def _key(found: domain.Key) -> wire.Key:
    return wire.Key(
        id=found.id,
        member=found.member,
        label=found.label,
        scopes=sorted(found.scopes),
        project=found.project,
        created_at=iso(found.created_at_us),
        expires_at=_time(found.expires_at_us),
        revoked_at=_time(found.revoked_at_us),
        used_at=_time(found.used_at_us),
        renews=found.renews,
    )


def _invitation(found: domain.Invitation) -> wire.Invitation:
    return wire.Invitation(
        id=found.id,
        organisation=found.organisation,
        new_name=found.new_name,
        new_kind=found.new_kind,
        roles=sorted(found.roles),
        project_roles={project: sorted(held) for project, held in found.project_roles.items()},
        contact=found.contact,
        created_at=iso(found.created_at_us),
        expires_at=iso(found.expires_at_us),
        accepted_at=_time(found.accepted_at_us),
        withdrawn_at=_time(found.withdrawn_at_us),
        member=found.member,
    )


def _claimed(made: domain.Claimed) -> wire.Claimed:
    key = wire.IssuedKey(id=made.key.id, secret=made.key.secret)
    return wire.Claimed(organisation=made.organisation, member=made.member, key=key)


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)
