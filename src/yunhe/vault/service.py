"""Commands and questions about secrets; only `reveal` gives values, and only to whoever runs jobs.

Who may do what is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from yunhe.kernel.errors import Conflict, Exhausted, Finding, Invalid, NotFound, Unavailable
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.vault import store
from yunhe.vault.domain import (
    NAME,
    SECRETS_MAX,
    VALUE_BYTES_MAX,
    VALUE_BYTES_MIN,
    Secret,
    reference,
)
from yunhe.vault.sealing import Vault

__all__ = [
    "Condition",
    "Vault",
    "condition",
    "in_use",
    "missing",
    "names",
    "put",
    "remove",
    "reveal",
    "reveal_all",
    "rotate",
]

_BATCH = 100  # secrets sealed anew in one transaction
_BATCHES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether the secrets that are kept can be opened, for whoever looks after the platform."""

    secrets: int
    """How many there are."""
    lost: int
    """Of those, sealed with keys that are not there."""
    waiting: int
    """Of those, sealed with an older key that a rotation would replace."""


def put(
    tx: Transaction,
    vault: Vault,
    *,
    organisation: str,
    project: str = "",
    name: str,
    value: bytes,
    member: str,
    at_us: int,
) -> Secret:
    """Keep a value under a name, in the place of an earlier one.

    Errors: `Invalid` ``vault.secret_invalid`` with every finding; `Exhausted`
    ``vault.secrets_too_many``; `Unavailable` ``vault.key_missing`` or ``vault.key_other`` when the
    key that the kept secrets are sealed with is gone (no new one is made then). Cost: secrets are
    put one after the other, platform-wide.
    """
    findings = [*_name_faults(name), *_value_faults(value)]
    if findings:
        raise Invalid("vault.secret_invalid", findings=findings)
    key = _key_to_seal_with(tx, vault, at_us=at_us)
    before = store.secret(tx, organisation, project, name)
    if before is None and store.count(tx, organisation, project) >= SECRETS_MAX:
        raise Exhausted("vault.secrets_too_many", most=SECRETS_MAX)
    version = 1 if before is None else before.version + 1
    secret = Secret(organisation, project, name, version, key, member, at_us)
    store.keep(tx, secret, vault.seal(secret, value))
    return secret


def _key_to_seal_with(tx: Transaction, vault: Vault, *, at_us: int) -> str:
    key = store.key_to_seal_with(tx)
    if key is None:
        store.set_key(tx, vault.first_key_id(), at_us=at_us)
        key = store.key_to_seal_with(tx)
        assert key is not None  # noqa: S101 - the line before put it there
    return key


def names(tx: Transaction, organisation: str, project: str = "") -> list[Secret]:
    """The secrets of a project, or the organisation's own, by name; never their values."""
    return store.listed(tx, organisation, project)


def remove(tx: Transaction, *, organisation: str, project: str = "", name: str) -> Secret:
    """Destroy a secret; workloads that name it fail until it is put again.

    Errors: `NotFound` ``vault.secret_unknown``.
    """
    secret = store.secret(tx, organisation, project, name)
    if secret is None:
        raise _unknown(name)
    store.remove(tx, secret)
    return secret


def missing(tx: Transaction, *, organisation: str, references: Iterable[str]) -> list[str]:
    """Those of the references (``NAME`` or ``<project>/NAME``) behind which there is no secret."""
    absent = []
    for text in references:
        named = reference(text)
        known = named and store.secret(tx, organisation, named.project, named.name)
        if known is None:
            absent.append(text)
    return absent


def reveal(
    tx: Transaction,
    vault: Vault,
    *,
    organisation: str,
    project: str = "",
    names: Sequence[str],
) -> dict[str, bytes]:
    """The values by name. Nothing but the runner of workloads may ask for them.

    Errors: `NotFound` ``vault.secret_unknown``; `Unavailable` ``vault.key_missing``,
    ``vault.key_other`` (sealed with a key that is not there) or ``vault.secret_damaged`` (the key
    is right, the row is not); those of `Keys.load`.
    """
    values = {}
    for name in names:
        found = store.sealed(tx, organisation, project, name)
        if found is None:
            raise _unknown(name)
        values[name] = vault.open(*found)
    return values


def reveal_all(
    tx: Transaction, vault: Vault, *, organisation: str, references: Iterable[str]
) -> dict[str, bytes]:
    """As `reveal`, by reference (``NAME`` or ``<project>/NAME``)."""
    values = {}
    for text in references:
        named = reference(text)
        if named is None:
            raise _unknown(text)
        revealed = reveal(
            tx, vault, organisation=organisation, project=named.project, names=[named.name]
        )
        values[text] = revealed[named.name]
    return values


def rotate(storage: Storage, old: Vault, new: Vault) -> int:
    """Seal every secret anew with the present key of ``new``; returns how many this call did.

    ``old`` opens what was sealed before; both may be one vault with both keys. Everything put
    meanwhile is sealed with the new key. Killed at any point, it goes on when called again; the old
    key must be kept until a call has returned. Errors: as `reveal`, for a secret that does not
    open: it has to be put anew or removed, then the rotation goes on.
    """
    present = new.key_ids()[0]
    with storage.database.begin() as tx:
        if store.key_to_seal_with(tx) != present:
            store.set_key(tx, present, at_us=storage.clock.now_us())
    done = 0
    for _ in range(_BATCHES_MAX):
        with storage.database.begin() as tx:
            if store.key_to_seal_with(tx) != present:
                raise Conflict("vault.rotated_elsewhere")
            batch = store.sealed_with_others(tx, present, limit=_BATCH)
            for secret, sealed in batch:
                again = replace(secret, key=present)
                store.keep(tx, again, new.seal(again, old.open(secret, sealed)))
        if not batch:
            break
        done += len(batch)
    return done


def in_use(tx: Transaction) -> bool:
    """Whether anything was ever sealed, so that a key that is not there is a lost one."""
    return store.any_key(tx) is not None


def condition(tx: Transaction, vault: Vault) -> Condition:
    """Whether every secret can be opened, as far as keys go; errors as `Keys.load`."""
    sealed = store.count_by_key(tx)
    if not sealed:
        return Condition(0, 0, 0)
    try:
        keys = vault.key_ids()
    except Unavailable as error:
        if error.code != "vault.key_missing":
            raise
        keys = ()
    lost = sum(count for key, count in sealed.items() if key not in keys)
    waiting = sum(count for key, count in sealed.items() if key in keys[1:])
    return Condition(sum(sealed.values()), lost, waiting)


def _unknown(name: str) -> NotFound:
    return NotFound("vault.secret_unknown", name=name[:130])


def _name_faults(name: str) -> Iterable[Finding]:
    if not NAME.fullmatch(name):
        yield Finding("name", "vault.name_invalid", (("name", ascii(name)[:80]),))


def _value_faults(value: bytes) -> Iterable[Finding]:
    if not VALUE_BYTES_MIN <= len(value) <= VALUE_BYTES_MAX:
        params = (("bytes", len(value)), ("least", VALUE_BYTES_MIN), ("most", VALUE_BYTES_MAX))
        yield Finding("value", "vault.value_length", params)
    if b"\0" in value:
        yield Finding("value", "vault.value_nul")
