"""Invitations: how people come in. Single use, expiring, and no better than who invites."""

from __future__ import annotations

from yunhe.identity import authority, checks, granting
from yunhe.identity import parties as people
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import store as parties
from yunhe.identity.credentials import keys, store
from yunhe.identity.domain import KINDS, Claimed, Invitation, Invited, Member, Offer, Principal
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Finding, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage.database import Transaction

KEY_DAYS = 90
"""How long the first key of a new member works."""


def address(contact: str) -> str:
    """An e-mail address as addresses are compared: ASCII letters in lower case, nothing else.

    Other alphabets stay as they are: their lower case can make two addresses one.
    """
    return "".join(letter.lower() if letter.isascii() else letter for letter in contact)


def invite(tx: Transaction, offer: Offer, *, by: Principal, at_us: int) -> Invited:
    """Invite a person into an organisation, or (operators only) to found a new one.

    With an e-mail address in the offer, sign-in by a provider that vouches for the same one accepts
    without the token. The address is forgotten when the invitation ends.

    Errors: `Invalid` ``identity.invalid`` with every finding; an organisation or project ``by``
    must not know of is unknown. `NotAllowed` ``identity.role_missing``, ``identity.scope_missing``,
    ``identity.duties_apart``.
    """
    authority.require_manager(by)
    findings = checks.contact("contact", offer.contact)
    offered_roles = offer.roles.union(*offer.project_roles.values())
    if not offered_roles:
        findings.append(Finding("roles", "identity.empty"))
    findings += checks.valid_hours(offer.valid_hours)
    kind, faults = _place(tx, offer, by=by)
    findings += faults
    findings += granting.offer_faults(
        tx, roles=offer.roles, project_roles=offer.project_roles, organisation=offer.organisation
    )
    checks.refuse(findings)
    if not offer.organisation and not authority.is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="operator")
    granting.require_offer(offered_roles, organisation_kind=kind, by=by)
    invitation_id = new_id("inv")
    token = secrets_of_keys.new_secret(invitation_id)
    added = Invitation(
        id=invitation_id,
        organisation=offer.organisation,
        new_name=offer.new_name,
        new_kind=offer.new_kind,
        roles=offer.roles,
        project_roles=offer.project_roles,
        by=by.member,
        created_at_us=at_us,
        expires_at_us=at_us + offer.valid_hours * 3_600 * SECOND_US,
        contact=address(offer.contact),
    )
    store.add_invitation(
        tx,
        added,
        inviting_organisation=by.organisation,
        secret_hash=secrets_of_keys.hash_of(token),
    )
    return Invited(added, token)


def open_entry(
    tx: Transaction, member: str, *, by: Principal, at_us: int, valid_hours: int = 168
) -> Invited:
    """Make a way back in for a member whose keys have ended: once, and with the roles it has.

    Whoever accepts it gets a new first key of that member; its live key of that label ends then.

    Errors: `NotFound` ``identity.member_unknown``, also for one ``by`` must not know of;
    `NotAllowed` ``identity.role_missing``, ``identity.scope_missing``, ``identity.member_ended``,
    ``identity.entry_own``, ``identity.entry_service``; `Invalid` ``identity.invalid``.
    """
    authority.require_manager(by)
    checks.refuse(checks.valid_hours(valid_hours))
    target = parties.locked(tx, member)
    if target is None or not authority.sees(by, target.organisation):
        raise NotFound("identity.member_unknown", member=member)
    if target.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member)
    # With a key of few scopes it would lead past them.
    if target.id == by.member:
        raise NotAllowed("identity.entry_own", member=member)
    if target.service:
        raise NotAllowed("identity.entry_service", member=member)
    if "operator" in parties.roles_of(tx, member) and not authority.is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="operator")
    invitation_id = new_id("inv")
    token = secrets_of_keys.new_secret(invitation_id)
    added = Invitation(
        id=invitation_id,
        organisation=target.organisation,
        new_name="",
        new_kind="",
        roles=frozenset(),
        project_roles={},
        by=by.member,
        created_at_us=at_us,
        expires_at_us=at_us + valid_hours * 3_600 * SECOND_US,
        member=member,
    )
    secret_hash = secrets_of_keys.hash_of(token)
    store.add_invitation(tx, added, inviting_organisation=by.organisation, secret_hash=secret_hash)
    return Invited(added, token)


def _place(tx: Transaction, offer: Offer, *, by: Principal) -> tuple[str, list[Finding]]:
    """Kind of the organisation an invitation leads into, and what is wrong with it."""
    if offer.organisation:
        seen = authority.sees(by, offer.organisation)
        found = parties.organisation(tx, offer.organisation) if seen else None
        if found is None:
            params = (("organisation", offer.organisation[:64]),)
            return "", [Finding("organisation", "identity.organisation_unknown", params)]
        if offer.new_name or offer.new_kind:
            return "", [Finding("new_name", "identity.one_organisation")]
        return found.kind, []
    findings = checks.text("new_name", offer.new_name)
    findings += checks.one_of("new_kind", offer.new_kind, KINDS, code="identity.kind_unknown")
    return offer.new_kind, findings


def accept(tx: Transaction, *, token: str, name: str, at_us: int, contact: str = "") -> Claimed:
    """Become a member, or be let in again, by the token of an invitation; with a first key.

    Errors: `NotFound` ``identity.invitation_unknown`` for anything that is not a token we issued;
    `NotAllowed` ``identity.invitation_ended`` when it was accepted, withdrawn, has expired, or who
    invited may no longer; ``identity.duties_apart``; `Invalid` ``identity.invalid``.
    """
    invitation = offered(tx, token)
    guest = admit(tx, invitation, name=name, contact=contact, at_us=at_us)
    key = keys.issue_key(
        tx, member=guest.id, expires_at_us=at_us + KEY_DAYS * DAY_US, at_us=at_us, label="first"
    )
    return Claimed(guest.organisation, guest.id, key)


def offered(tx: Transaction, token: str) -> Invitation:
    """The invitation of a token, whatever became of it.

    Errors: `NotFound` ``identity.invitation_unknown``, as for a wrong token of a known one.
    """
    invitation_id = secrets_of_keys.row_of(token, "inv")
    found = None if invitation_id is None else store.invitation(tx, invitation_id)
    genuine = secrets_of_keys.matches(token, secrets_of_keys.NO_HASH if found is None else found[1])
    if found is None or not genuine:
        raise NotFound("identity.invitation_unknown")
    return found[0]


def admit(
    tx: Transaction, invitation: Invitation, *, name: str, contact: str, at_us: int
) -> Member:
    """Make a member of who proved to be invited; errors as `accept`.

    An entry changes nothing of its member: neither name and contact nor roles.
    """
    if invitation.entry:
        return _back(tx, invitation, at_us=at_us)
    checks.refuse(checks.text("name", name) + checks.contact("contact", contact))
    over = invitation.expires_at_us <= at_us or not _still_good(tx, invitation)
    if over or not store.close_invitation(tx, invitation.id, name="accepted_at_us", at_us=at_us):
        raise NotAllowed("identity.invitation_ended", invitation=invitation.id)
    organisation = invitation.organisation
    if not organisation:
        organisation = people.add_organisation(
            tx,
            key=f"invitation/{invitation.id}",
            name=invitation.new_name,
            kind=invitation.new_kind,  # type: ignore[arg-type] # checked when it was made
            at_us=at_us,
        ).id
    added = Member(
        id=derived_id("mem", organisation, "invitation", invitation.id),
        organisation=organisation,
        name=name,
        contact=address(contact) or invitation.contact,
    )
    parties.add_member(tx, added, at_us=at_us)
    for project, held in {"": invitation.roles, **invitation.project_roles}.items():
        for role in sorted(held):
            granting.grant_role(
                tx,
                member=added.id,
                role=role,  # type: ignore[arg-type] # checked there
                project=project,
                at_us=at_us,
            )
    store.set_guest(tx, invitation.id, member=added.id, organisation=organisation)
    return added


def _back(tx: Transaction, invitation: Invitation, *, at_us: int) -> Member:
    found = parties.locked(tx, invitation.member)
    good = (
        found is not None
        and found.ended_at_us is None
        and at_us < invitation.expires_at_us
        and _still_good(tx, invitation)
        and store.close_invitation(tx, invitation.id, name="accepted_at_us", at_us=at_us)
    )
    if found is None or not good:
        raise NotAllowed("identity.invitation_ended", invitation=invitation.id)
    return found


def _still_good(tx: Transaction, invitation: Invitation) -> bool:
    """Whether who invited could invite today: who lost the right let nobody in any more."""
    host = parties.member(tx, invitation.by)
    if host is None or host.ended_at_us is not None:
        return False
    held = parties.roles_of(tx, host.id)
    if "operator" in held:
        return True
    roles = parties.roles_of(tx, invitation.member) if invitation.entry else invitation.roles
    needs_operator = not invitation.organisation or "operator" in roles
    at_home = host.organisation == invitation.organisation
    return "administrator" in held and at_home and not needs_operator


def withdraw(tx: Transaction, invitation_id: str, *, at_us: int, by: Principal | None) -> None:
    """Make an open invitation useless; one that has ended stays as it is.

    Errors: `NotFound` ``identity.invitation_id_unknown``, also for one ``by`` must not know of;
    `NotAllowed` ``identity.scope_missing``, ``identity.role_missing``.
    """
    found = store.invitation(tx, invitation_id)
    if found is None or not (
        authority.sees(by, found[2]) or authority.sees(by, found[0].organisation)
    ):
        raise NotFound("identity.invitation_id_unknown", invitation=invitation_id)
    authority.require_manager(by)
    store.close_invitation(tx, invitation_id, name="withdrawn_at_us", at_us=at_us)


def invitations(
    tx: Transaction, *, organisation: str | None = None, after: str = "", limit: int = 100
) -> list[Invitation]:
    """A page of the invitations into or by an organisation (or all), oldest first, ended ones too.

    They hold addresses of people: for administrators' eyes.
    """
    return store.invitations_listed(
        tx, organisation=organisation, after=after, limit=checks.page(limit)
    )
