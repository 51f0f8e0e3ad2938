"""Seals and opens values with AES-256-GCM; which bytes belong to which secret is part of the seal.

Source: NIST SP 800-38D; a random 96-bit nonce for every sealing, so one key is good for some 2**32
of them. The associated data name organisation, project, secret and version: sealed bytes copied to
another row, tenant or version do not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Unavailable
from yunhe.vault.domain import Secret

KEY_BYTES = 32
"""Length of a key."""
NONCE_BYTES = 12
"""Length of a nonce."""
_KEY_ID_BYTES = 8


class Keys(Protocol):
    """Where a vault gets its keys from."""

    def load(self) -> Sequence[bytes]:
        """The keys, the present one first.

        Errors: `Unavailable` ``vault.key_missing``; `Invalid` ``vault.key_invalid``; `NotAllowed`
        ``vault.key_owner`` or ``vault.key_permissions``.
        """
        ...

    def make(self) -> Sequence[bytes]:
        """As `load`, after making a first key where there is none and one may be made."""
        ...


@dataclass(frozen=True, slots=True)
class _Given:
    """Keys held in memory."""

    keys: tuple[bytes, ...]

    def load(self) -> Sequence[bytes]:
        return self.keys

    def make(self) -> Sequence[bytes]:
        return self.keys


class Vault:
    """Opens secrets with any of its keys; shows none of them."""

    __slots__ = ("_keys",)

    def __init__(self, keys: bytes | Keys) -> None:
        """One key, or where to get them; nothing is read before it is needed.

        Errors: ``ValueError`` for a key that is not `KEY_BYTES` long, a caller's mistake.
        """
        if isinstance(keys, bytes) and len(keys) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._keys: Keys = _Given((keys,)) if isinstance(keys, bytes) else keys

    def __repr__(self) -> str:
        return "Vault(…)"

    def key_ids(self) -> tuple[str, ...]:
        """Ids of its keys, the present one first; errors as `Keys.load`."""
        return tuple(map(key_id, self._keys.load()))

    def first_key_id(self) -> str:
        """Id of its present key, which is made if there is none and one may be made."""
        return key_id(self._keys.make()[0])

    def seal(self, secret: Secret, value: bytes) -> str:
        """``value`` sealed for ``secret`` with the key that it names, as text.

        Errors: as `Keys.load`; `Unavailable` ``vault.key_other`` when it has no such key.
        """
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self._key(secret.key)).encrypt(nonce, value, _bound_to(secret))
        return base64.b64encode(nonce + sealed).decode()

    def open(self, secret: Secret, sealed: str) -> bytes:
        """The value that was sealed for exactly this secret.

        Errors: as `seal`; `Unavailable` ``vault.secret_damaged`` when the key is right and the
        sealed bytes are not what was sealed, or were sealed for another secret.
        """
        key = AESGCM(self._key(secret.key))
        try:
            data = base64.b64decode(sealed, validate=True)
            return key.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _bound_to(secret))
        except (InvalidTag, binascii.Error, ValueError):
            raise Unavailable("vault.secret_damaged", name=secret.name) from None

    def _key(self, wanted: str) -> bytes:
        keys = {key_id(key): key for key in self._keys.load()}
        if wanted not in keys:
            raise Unavailable("vault.key_other", wanted=wanted, present=", ".join(keys))
        return keys[wanted]


def key_id(key: bytes) -> str:
    """16 hex digits that name a key and tell nothing about it."""
    digest = hmac.new(key, b"yunhe vault key id", hashlib.sha256).digest()
    return digest[:_KEY_ID_BYTES].hex()


def _bound_to(secret: Secret) -> bytes:
    return canonical_bytes(
        ["yunhe vault 1", secret.organisation, secret.project, secret.name, secret.version]
    )
