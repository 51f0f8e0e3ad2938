"""Commands and questions about organisations, members, roles and keys."""

from __future__ import annotations

from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import store
from yunhe.identity.domain import (
    KINDS,
    NAME_LETTERS_MAX,
    ROLES,
    IssuedKey,
    Kind,
    Member,
    Organisation,
    Principal,
    Role,
)
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id, new_id
from yunhe.storage.database import Transaction

# Compared against when the key is unknown, so that this takes as long as a wrong secret.
_NO_HASH = "0" * 64


def add_organisation(
    tx: Transaction, *, key: str, name: str, kind: Kind, at_us: int
) -> Organisation:
    """Add an organisation; the same key again returns the same one.

    Errors: `Invalid` ``identity.invalid`` with every finding; `Conflict` ``identity.differs`` when
    the key came with another name or kind before.
    """
    findings = _text("key", key) + _text("name", name)
    findings += _one_of("kind", kind, KINDS, code="identity.kind_unknown")
    _refuse(findings)
    added = Organisation(derived_id("org", key), name, kind)
    store.add_organisation(tx, added, at_us=at_us)
    if store.organisation(tx, added.id) != added:
        raise Conflict("identity.differs", key=key)
    return added


def add_member(tx: Transaction, *, key: str, organisation: str, name: str, at_us: int) -> Member:
    """Add a member of an organisation; the same key in it again returns the same member.

    Errors: `Invalid` ``identity.invalid`` with every finding; `Conflict` ``identity.differs`` when
    the key came with another name before.
    """
    findings = _text("key", key) + _text("name", name)
    if store.organisation(tx, organisation) is None:
        code = "identity.organisation_unknown"
        findings.append(Finding("organisation", code, (("organisation", organisation),)))
    _refuse(findings)
    added = Member(derived_id("mem", organisation, key), organisation, name)
    store.add_member(tx, added, at_us=at_us)
    if store.member(tx, added.id) != added:
        raise Conflict("identity.differs", key=key)
    return added


def grant_role(tx: Transaction, *, member: str, role: Role, at_us: int) -> None:
    """Give a member a role; giving it again changes nothing.

    Errors: `Invalid` ``identity.invalid`` with every finding.
    """
    _refuse(_member_known(tx, member) + _one_of("role", role, ROLES, code="identity.role_unknown"))
    store.add_role(tx, member_id=member, role=role, at_us=at_us)


def roles_of(tx: Transaction, member: str) -> frozenset[str]:
    """Every role of a member; empty for one nobody knows."""
    return store.roles_of(tx, member)


def members_with_role(tx: Transaction, role: Role) -> list[Member]:
    """Every member who holds the role, the first to get it first."""
    return store.members_with_role(tx, role)


def require(tx: Transaction, member: str, role: Role) -> None:
    """Return only if the member holds the role.

    Errors: `NotAllowed` ``identity.role_missing``.
    """
    if role not in store.roles_of(tx, member):
        raise NotAllowed("identity.role_missing", member=member, role=role)


def issue_key(
    tx: Transaction, *, member: str, expires_at_us: int | None, at_us: int, label: str = ""
) -> IssuedKey:
    """Make a key for a member; its secret is in the answer and nowhere else.

    A secret cannot be told twice, so a repeated call makes another key. A caller that may be re-run
    gives a ``label``: the member's earlier live keys of that label are revoked in this transaction.

    Errors: `Invalid` ``identity.invalid`` for an unknown member or an expiry that is not in the
    future.
    """
    findings = _member_known(tx, member)
    if expires_at_us is not None and expires_at_us <= at_us:
        findings.append(Finding("expires_at_us", "identity.expiry_past"))
    _refuse(findings)
    if label:
        store.revoke_labelled(tx, member_id=member, label=label, at_us=at_us)
    key_id = new_id("key")
    secret = secrets_of_keys.new_secret(key_id)
    store.add_key(
        tx,
        key_id=key_id,
        member_id=member,
        label=label,
        secret_hash=secrets_of_keys.hash_of(secret),
        expires_at_us=expires_at_us,
        at_us=at_us,
    )
    return IssuedKey(key_id, secret)


def revoke_key(tx: Transaction, key: str, *, at_us: int) -> None:
    """Make a key useless from now on; revoking it again changes nothing.

    Errors: `NotFound` ``identity.key_id_unknown``.
    """
    if store.key(tx, key) is None:
        raise NotFound("identity.key_id_unknown", key=key)
    store.revoke(tx, key_id=key, at_us=at_us)


def authenticate(tx: Transaction, secret: str, *, now_us: int) -> Principal:
    """Who presents ``secret``, checked against the stored hash in constant time.

    Errors: `NotAllowed` ``identity.key_unknown`` for anything that is not a secret we issued (the
    same whether its id or the rest is wrong), ``identity.key_revoked``, ``identity.key_expired``.
    No error carries any part of the secret. Cost: two look-ups by primary key.
    """
    key_id = secrets_of_keys.key_of(secret)
    row = None if key_id is None else store.key(tx, key_id)
    genuine = secrets_of_keys.matches(secret, _NO_HASH if row is None else row.secret_hash)
    if row is None or not genuine:
        raise NotAllowed("identity.key_unknown")
    # State is told only to one who proved to hold the secret.
    if row.revoked_at_us is not None:
        raise NotAllowed("identity.key_revoked", key=row.id)
    if row.expires_at_us is not None and row.expires_at_us <= now_us:
        raise NotAllowed("identity.key_expired", key=row.id)
    return Principal(row.member, row.organisation, store.roles_of(tx, row.member))


def organisation(tx: Transaction, organisation_id: str) -> Organisation:
    """The organisation with that id.

    Errors: `NotFound` ``identity.organisation_unknown``.
    """
    found = store.organisation(tx, organisation_id)
    if found is None:
        raise NotFound("identity.organisation_unknown", organisation=organisation_id)
    return found


def member(tx: Transaction, member_id: str) -> Member:
    """The member with that id.

    Errors: `NotFound` ``identity.member_unknown``.
    """
    found = store.member(tx, member_id)
    if found is None:
        raise NotFound("identity.member_unknown", member=member_id)
    return found


def _text(where: str, value: str) -> list[Finding]:
    if not value.strip():
        return [Finding(where, "identity.empty")]
    findings = []
    if len(value) > NAME_LETTERS_MAX:
        findings.append(Finding(where, "identity.too_long", (("letters_max", NAME_LETTERS_MAX),)))
    if not value.isprintable():
        findings.append(Finding(where, "identity.unprintable"))
    return findings


def _one_of(where: str, value: str, known: tuple[str, ...], *, code: str) -> list[Finding]:
    if value in known:
        return []
    said = (value if value.isprintable() else ascii(value))[:NAME_LETTERS_MAX]
    return [Finding(where, code, (("value", said), ("known", ", ".join(known))))]


def _member_known(tx: Transaction, member_id: str) -> list[Finding]:
    if store.member(tx, member_id) is not None:
        return []
    return [Finding("member", "identity.member_unknown", (("member", member_id),))]


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise Invalid("identity.invalid", findings=findings)
