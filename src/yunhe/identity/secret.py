"""Secrets of keys: how they are made, recognised and compared. Pure but for the randomness.

A secret reads ``yk_<26 letters of the key's id>_<64 hex digits>``. The fixed shape lets secret
scanners find a leaked one, and the id part finds the row without searching by anything secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

SECRET_BITS = 256
"""Random bits in a secret."""
_SHAPE = re.compile(r"yk_([0-9a-z]{26})_[0-9a-f]{64}", re.ASCII)
_ID_PREFIX = "key_"


def new_secret(key: str) -> str:
    """A fresh secret for the key with id ``key``."""
    return f"yk_{key.removeprefix(_ID_PREFIX)}_{secrets.token_hex(SECRET_BITS // 8)}"


def key_of(secret: str) -> str | None:
    """Id of the key a secret claims to belong to; None when it does not look like a secret."""
    found = _SHAPE.fullmatch(secret)
    return None if found is None else _ID_PREFIX + found.group(1)


def hash_of(secret: str) -> str:
    """What is stored of a secret.

    A slow, salted password hash defends guessable secrets. This one is 256 random bits: nobody can
    try 2**256 of them at any speed, and a slow hash would only cost each request tens of
    milliseconds.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored_hash: str) -> bool:
    """Whether ``secret`` has the stored hash, in time that does not depend on where they differ."""
    return hmac.compare_digest(hash_of(secret), stored_hash)
