"""Keys: scoped, expiring, revocable; only their hash is kept."""

from __future__ import annotations

from collections.abc import Iterable

from yunhe.identity import authority, checks, granting
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import store as parties
from yunhe.identity.credentials import store
from yunhe.identity.domain import ALL_SCOPES, IssuedKey, Key, Member, Principal, RoleHeld
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Finding, NotAllowed, NotFound
from yunhe.kernel.ids import new_id
from yunhe.storage.database import Transaction

RENEWAL_DAYS = 90
"""How long a key that outlives the one it is issued with can work."""
USE_SECONDS = 60
"""A key's last use is written at most so often."""


def issue_key(
    tx: Transaction,
    *,
    member: str,
    expires_at_us: int | None,
    at_us: int,
    label: str = "",
    scopes: Iterable[str] = (ALL_SCOPES,),
    project: str = "",
    by: Principal | None = None,
) -> IssuedKey:
    """Make a key for a member; its secret is in the answer and nowhere else.

    A secret cannot be told twice, so a repeated call makes another key. A caller that may be re-run
    gives a ``label``: the member's earlier live keys of that label are revoked in this transaction.

    ``by`` issues for itself, or as an administrator for a service account; a key is never issued
    for another person. It never goes beyond the one it is issued with: not in scopes, not out of
    its project, not in time; but a person's own key with every scope and no project may be renewed
    by one that outlives it and ends within `RENEWAL_DAYS`.

    Errors: `Invalid` ``identity.invalid`` for an unknown member, scope or project or an expiry that
    is not in the future; `NotAllowed` ``identity.member_ended``, ``identity.key_for_other``,
    ``identity.key_beyond_issuer`` with findings, ``identity.duties_apart``,
    ``identity.scope_missing``, ``identity.role_missing``.
    """
    asked = frozenset(scopes)
    authority.require_scope(by)
    target = parties.locked(tx, member)
    if target is not None and not authority.sees(by, target.organisation):
        target = None
    findings = []
    renews = ""
    if target is None:
        findings.append(Finding("member", "identity.member_unknown", (("member", member),)))
    findings += checks.scopes(asked)
    if label:
        findings += checks.text("label", label)
    if target is not None:
        findings += granting.project_faults(tx, project, target.organisation, roles=())
    if expires_at_us is not None and expires_at_us <= at_us:
        findings.append(Finding("expires_at_us", "identity.expiry_past"))
    checks.refuse(findings)
    if target is None:  # refused above
        raise NotFound("identity.member_unknown", member=member)
    if target.ended_at_us is not None:
        raise NotAllowed("identity.member_ended", member=member)
    if by is not None:
        _require_may_issue(tx, target, by=by)
        renews = _renewed(tx, target, by=by, until_us=expires_at_us, at_us=at_us)
        ends_us = None if renews else _ends_us(tx, by)
        _require_within(by, asked, project=project, expires_at_us=expires_at_us, ends_us=ends_us)
    if label:
        store.revoke_labelled(tx, member_id=member, label=label, at_us=at_us)
    key_id = new_id("key")
    secret = secrets_of_keys.new_secret(key_id)
    store.add_key(
        tx,
        {
            "id": key_id,
            "member": member,
            "label": label,
            "secret_hash": secrets_of_keys.hash_of(secret),
            "scopes": store.column(asked),
            "project": project,
            "issued_by": "" if by is None else by.member,
            "expires_at_us": expires_at_us,
            "at_us": at_us,
            "renews": renews,
        },
    )
    return IssuedKey(key_id, secret)


def _require_may_issue(tx: Transaction, target: Member, *, by: Principal) -> None:
    if target.id == by.member:
        return
    authority.require_manager(by)
    if not target.service:
        raise NotAllowed("identity.key_for_other", member=target.id)
    roles = {item.role for item in parties.roles_held(tx, target.id)}
    granting.require_apart_from(tx, by.member, roles)


def _ends_us(tx: Transaction, by: Principal) -> int | None:
    """When the right to issue ends: with the key that is used, or that opened the session.

    The session of who signed in through the provider is short by itself; its keys may outlive it.
    """
    if not by.key.startswith("ses_"):
        return by.expires_at_us
    session = store.session(tx, by.key)
    if session is None or not session.key:
        return None
    opened_with = store.key(tx, session.key)
    return by.expires_at_us if opened_with is None else opened_with.expires_at_us


def _renewed(
    tx: Transaction, target: Member, *, by: Principal, until_us: int | None, at_us: int
) -> str:
    """The key that may be outlived by one until then; empty where none is, or none need be.

    Only a person renews: who gave a program's key an end decides itself when there is another.
    """
    if until_us is None or until_us > at_us + RENEWAL_DAYS * DAY_US:
        return ""
    own = target.id == by.member and not target.service and by.key.startswith("key_")
    if not own or ALL_SCOPES not in by.scopes or by.project:
        return ""
    row = store.key(tx, by.key)
    if row is None or row.expires_at_us is None or row.expires_at_us >= until_us:
        return ""
    return "" if store.is_renewed(tx, row, now_us=at_us) else str(row.id)


def _require_within(
    by: Principal,
    asked: frozenset[str],
    *,
    project: str,
    expires_at_us: int | None,
    ends_us: int | None,
) -> None:
    findings = []
    beyond = sorted(scope for scope in asked if not by.may(scope))
    if beyond:
        params = (("scopes", ", ".join(beyond)),)
        findings.append(Finding("scopes", "identity.beyond_scopes", params))
    if by.project and project != by.project:
        findings.append(Finding("project", "identity.beyond_project", (("project", by.project),)))
    if ends_us is not None and (expires_at_us is None or expires_at_us > ends_us):
        findings.append(Finding("expires_at_us", "identity.beyond_expiry"))
    if findings:
        raise NotAllowed("identity.key_beyond_issuer", findings=findings)


def revoke_key(tx: Transaction, key: str, *, at_us: int, by: Principal | None = None) -> None:
    """Make a key, and every session opened with it, useless from now on; again changes nothing.

    ``by`` revokes its own keys or, as an administrator, any of its organisation.

    Errors: `NotFound` ``identity.key_id_unknown``, also for a key ``by`` must not know of;
    `NotAllowed` ``identity.scope_missing``, ``identity.role_missing``.
    """
    row = store.key(tx, key)
    if row is None or not authority.sees(by, row.organisation):
        raise NotFound("identity.key_id_unknown", key=key)
    if by is not None and by.member == row.member:
        authority.require_scope(by)
    else:
        authority.require_manager(by)
    store.revoke(tx, key_id=key, at_us=at_us)


def key(tx: Transaction, key_id: str, *, organisation: str | None = None) -> Key:
    """What is known of a key; of another organisation than the given one, it is unknown.

    Errors: `NotFound` ``identity.key_id_unknown``.
    """
    row = store.key(tx, key_id)
    if row is None or organisation not in (None, row.organisation):
        raise NotFound("identity.key_id_unknown", key=key_id)
    return store.as_key(row)


def keys(
    tx: Transaction,
    *,
    organisation: str | None = None,
    member: str | None = None,
    after: str = "",
    limit: int = 100,
) -> list[Key]:
    """A page of an organisation's, a member's or all keys, oldest first, dead ones included."""
    return store.keys_listed(
        tx, organisation=organisation, member=member, after=after, limit=checks.page(limit)
    )


def keys_ending(
    tx: Transaction, *, now_us: int, before_us: int, after: str = "", limit: int = 100
) -> list[Key]:
    """A page of the live keys of members that end before then and that no live key renews."""
    rows = parties.keys_ending(
        tx, now_us=now_us, before_us=before_us, after=after, limit=checks.page(limit)
    )
    return [store.as_key(row) for row in rows]


def way_in_ends_us(tx: Transaction, member: str, *, now_us: int) -> int | None:
    """When the last live key of a member ends.

    None when it has a key without end, a bound sign-in, or no live key at all.
    """
    ends = parties.live_ends(tx, member, now_us=now_us)
    dated = [end_us for end_us in ends if end_us is not None]
    if len(dated) < len(ends) or store.is_linked(tx, member):
        return None
    return max(dated, default=None)


def authenticate(tx: Transaction, secret: str, *, now_us: int) -> Principal:
    """Who presents ``secret``, checked against the stored hash in constant time.

    Errors: `NotAllowed` ``identity.key_unknown`` for anything that is not a secret we issued (the
    same whether its id or the rest is wrong), ``identity.key_revoked``, ``identity.key_expired``.
    No error carries any part of the secret. Cost: two look-ups by primary key.
    """
    key_id = secrets_of_keys.key_of(secret)
    row = None if key_id is None else store.key(tx, key_id)
    stored = secrets_of_keys.NO_HASH if row is None else row.secret_hash
    genuine = secrets_of_keys.matches(secret, stored)
    if row is None or not genuine:
        raise NotAllowed("identity.key_unknown")
    # State is told only to one who proved to hold the secret.
    if row.revoked_at_us is not None or row.left_at_us is not None:
        raise NotAllowed("identity.key_revoked", key=row.id)
    if row.expires_at_us is not None and row.expires_at_us <= now_us:
        raise NotAllowed("identity.key_expired", key=row.id)
    return principal(row, parties.roles_held(tx, row.member))


def principal(row: store.Found, held: Iterable[RoleHeld]) -> Principal:
    """The principal of a key's or session's row, with the roles its member holds now.

    What is bound to a project has no role outside it, and inside it those of the whole organisation
    as well.
    """
    whole: set[str] = set()
    parts: dict[str, set[str]] = {}
    for item in held:
        if not item.project:
            whole.add(item.role)
        else:
            parts.setdefault(item.project, set()).add(item.role)
    if row.project:
        parts = {row.project: whole | parts.get(row.project, set())}
        whole = set()
    return Principal(
        member=row.member,
        organisation=row.organisation,
        roles=frozenset(whole),
        kind=row.kind,
        project_roles={project: frozenset(roles) for project, roles in parts.items()},
        scopes=store.words(row.scopes),
        project=row.project,
        key=row.id,
        expires_at_us=row.expires_at_us,
        used_at_us=row.used_at_us,
    )


def use_due(who: Principal, *, now_us: int) -> bool:
    """Whether `note_use` would write: the last use on record is `USE_SECONDS` old, or none is.

    A clock that was set back makes none due.
    """
    return who.used_at_us is None or now_us - who.used_at_us >= USE_SECONDS * SECOND_US


def note_use(tx: Transaction, who: Principal, *, now_us: int) -> bool:
    """Put the use of a key or session on record, at most once in `USE_SECONDS`; whether it wrote.

    ``tx`` must be one that may write; ask `use_due` first where opening one costs. Sessions that
    nobody notes end idle.
    """
    if not use_due(who, now_us=now_us):
        return False
    before_us = now_us - USE_SECONDS * SECOND_US
    if who.key.startswith("ses_"):
        return store.note_session_use(tx, who.key, at_us=now_us, before_us=before_us)
    return store.note_key_use(tx, who.key, at_us=now_us, before_us=before_us)
