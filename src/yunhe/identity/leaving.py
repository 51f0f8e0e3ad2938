"""How people go: membership ends, a person is erased, and old rows are purged."""

from __future__ import annotations

from yunhe.identity import authority
from yunhe.identity import store as parties
from yunhe.identity.credentials import store
from yunhe.identity.domain import Principal
from yunhe.kernel.errors import Conflict, NotFound
from yunhe.storage.database import Transaction


def end_member(tx: Transaction, member: str, *, at_us: int, by: Principal | None = None) -> None:
    """End a membership: roles go, keys are revoked, sessions end, the sign-in is unbound.

    The name stays, for those who look after what the member did; `erase_member` takes it away.
    Ending again changes nothing. One may end one's own, unless nobody else would look after the
    organisation.

    Errors: `NotFound` ``identity.member_unknown``, also for a member ``by`` must not know of;
    `NotAllowed` ``identity.scope_missing``, ``identity.role_missing``; `Conflict`
    ``identity.last_administrator``.
    """
    own = by is not None and by.member == member
    if own:
        authority.require_scope(by)
        require_dispensable(tx, member, by=by)
    found = parties.locked(tx, member)
    if found is None or not authority.sees(by, found.organisation):
        raise NotFound("identity.member_unknown", member=member)
    if not own:
        authority.require_manager(by)
    _end(tx, member, at_us=at_us)
    if found.ended_at_us is None:
        parties.change_member(tx, member, {"ended_at_us": at_us})


def require_dispensable(tx: Transaction, member: str, *, by: Principal | None) -> None:
    """Return unless ``by`` is about to leave its organisation without any administrator.

    Administrators who leave at once meet in their rows, which are locked. Errors: `Conflict`
    ``identity.last_administrator``.
    """
    if by is None or by.member != member:
        return
    others = _administrators(tx, by.organisation)
    if member not in others:
        return
    for each in sorted(others):
        parties.locked(tx, each)
    if _administrators(tx, by.organisation) <= {member}:
        raise Conflict("identity.last_administrator", member=member)


def _administrators(tx: Transaction, organisation: str) -> set[str]:
    found = parties.members_with_role(tx, "administrator", organisation=organisation, project="")
    return {each.id for each in found if each.ended_at_us is None}


def erase_member(tx: Transaction, member: str, *, at_us: int) -> None:
    """Remove all that says who the member was: name, address, keys, sessions, bound sign-in.

    The id stays: records name it, and nothing leads from it to a person any more. Erasing again
    changes nothing. Who may ask for it, the caller decides.

    Errors: `NotFound` ``identity.member_unknown``.
    """
    found = parties.locked(tx, member)
    if found is None:
        raise NotFound("identity.member_unknown", member=member)
    _end(tx, member, at_us=at_us)
    store.forget_member(tx, member, contact=found.contact)
    if found.erased_at_us is None:
        ended_us = at_us if found.ended_at_us is None else found.ended_at_us
        parties.change_member(
            tx,
            member,
            {"name": "", "contact": "", "ended_at_us": ended_us, "erased_at_us": at_us},
        )


def _end(tx: Transaction, member: str, *, at_us: int) -> None:
    parties.remove_roles(tx, member)
    store.close_member(tx, member, at_us=at_us)
    store.remove_link(tx, member)


def purge_ended(tx: Transaction, *, before_us: int) -> int:
    """Delete keys, sessions, invitations and sign-ins that ended before then; returns how many.

    Members and what they hold stay: records name them.
    """
    return store.purge_ended(tx, before_us=before_us)
