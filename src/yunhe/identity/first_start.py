"""The first start: a one-time token makes the first operator; there is no default secret."""

from __future__ import annotations

from yunhe.identity import checks, granting, parties, store
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity.credentials import keys
from yunhe.identity.domain import Claimed
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.ids import new_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

TOKEN_HOURS = 24
"""How long a first token can be claimed; the next start prints another."""
KEY_DAYS = 90
"""How long the first operator's key works."""


def first_token(storage: Storage) -> str | None:
    """A token that makes its holder the operator, once; None when some operator can get in.

    An operator who has a live key or a linked sign-in can. So an installation whose operators lost
    every key (or whose only operator came from a plan and never had one) gets a token again: who
    starts the program on this machine reads the database anyway. The token is for the screen of
    that person; only its hash is kept, a new call replaces one that is not used yet.
    """
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        if store.operator_gets_in(tx, now_us=now_us):
            return None
    with storage.database.begin() as tx:
        store.first_token(tx)
        if store.operator_gets_in(tx, now_us=now_us):
            return None
        token_id = new_id("fst")
        token = secrets_of_keys.new_secret(token_id)
        store.set_first_token(
            tx,
            {
                "token": token_id,
                "secret_hash": secrets_of_keys.hash_of(token),
                "at_us": now_us,
                "expires_at_us": now_us + TOKEN_HOURS * 3_600 * SECOND_US,
                "used_at_us": None,
            },
        )
    return token


def claim_operator(storage: Storage, *, token: str, organisation_name: str, name: str) -> Claimed:
    """Use the first token: founds the operator's organisation and its first member.

    An operator's organisation of that name that exists already is joined, so that a home made by a
    plan goes on. The member is operator and administrator; the key has every scope and works for
    `KEY_DAYS`.

    Errors: `NotAllowed` ``identity.first_token_unknown`` for a token that is wrong, used, replaced
    or too old, or when an operator can get in meanwhile (all alike); `Invalid`
    ``identity.invalid``, which leaves the token unused.
    """
    with storage.database.begin() as tx:
        return claim_operator_in(
            tx,
            token=token,
            organisation_name=organisation_name,
            name=name,
            at_us=storage.clock.now_us(),
        )


def claim_operator_in(
    tx: Transaction, *, token: str, organisation_name: str, name: str, at_us: int
) -> Claimed:
    """As `claim_operator`, in the caller's transaction, which must write alone."""
    checks.refuse(checks.text("organisation_name", organisation_name) + checks.text("name", name))
    token_id = _require_token(tx, token, now_us=at_us)
    store.set_first_token(tx, {"used_at_us": at_us})
    place = store.operator_named(tx, organisation_name) or parties.add_organisation(
        tx, key=f"first/{token_id}", name=organisation_name, kind="operator", at_us=at_us
    )
    member = parties.add_member(
        tx, key=f"first/{token_id}", organisation=place.id, name=name, at_us=at_us
    ).id
    for role in ("operator", "administrator"):
        granting.grant_role(tx, member=member, role=role, at_us=at_us)
    key = keys.issue_key(
        tx,
        member=member,
        expires_at_us=at_us + KEY_DAYS * DAY_US,
        at_us=at_us,
        label="first",
    )
    return Claimed(place.id, member, key)


def _require_token(tx: Transaction, token: str, *, now_us: int) -> str:
    row = store.first_token(tx)
    genuine = secrets_of_keys.matches(token, row.secret_hash or secrets_of_keys.NO_HASH)
    usable = row.used_at_us is None and row.expires_at_us > now_us
    if not genuine or not usable or store.operator_gets_in(tx, now_us=now_us):
        raise NotAllowed("identity.first_token_unknown")
    return str(row.token)
