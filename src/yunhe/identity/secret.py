"""Secrets: how they are made, recognised and compared. Pure but for the randomness.

A secret reads ``yk_<26 letters of its row's id>_<64 hex digits>``, with another second letter for
each kind. The fixed shape lets secret scanners find a leaked one, and the id part finds the row
without searching by anything secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Literal

SECRET_BITS = 256
"""Random bits in a secret."""
Sort = Literal["key", "inv", "ses", "lgn", "fst"]
"""What a secret opens: a key, an invitation, a session, a sign-in under way, the first start."""
_LETTERS: dict[Sort, str] = {"key": "yk", "inv": "yi", "ses": "ys", "lgn": "yl", "fst": "yf"}
_SORTS = {letters: sort for sort, letters in _LETTERS.items()}
_SHAPE = re.compile(r"(y[kislf])_([0-9a-z]{26})_[0-9a-f]{64}", re.ASCII)

NO_HASH = "0" * 64
"""Compared against when there is no row, so that this takes as long as a wrong secret."""


def new_secret(row: str) -> str:
    """A fresh secret for the row with that id, e.g. ``key_…``."""
    sort, _, rest = row.partition("_")
    return f"{_LETTERS[sort]}_{rest}_{secrets.token_hex(SECRET_BITS // 8)}"  # type: ignore[index]


def row_of(secret: str, sort: Sort) -> str | None:
    """Id of the row a secret of that sort claims to belong to; None when it looks like no such."""
    found = _SHAPE.fullmatch(secret)
    if found is None or _SORTS[found.group(1)] != sort:
        return None
    return f"{sort}_{found.group(2)}"


def key_of(secret: str) -> str | None:
    """Id of the key a secret claims to belong to; None when it does not look like a secret."""
    return row_of(secret, "key")


def hash_of(secret: str) -> str:
    """What is stored of a secret.

    A slow, salted password hash defends guessable secrets. This one is 256 random bits: nobody can
    try 2**256 of them at any speed, and a slow hash would only cost each request tens of
    milliseconds.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, stored_hash: str) -> bool:
    """Whether ``secret`` has the stored hash, in time that does not depend on where they differ."""
    return hmac.compare_digest(hash_of(secret), stored_hash)


def derived(secret: str, purpose: str) -> str:
    """64 hex digits that only a holder of the secret can compute, others for each purpose."""
    return hmac.new(
        secret.encode("utf-8", "surrogatepass"), purpose.encode(), hashlib.sha256
    ).hexdigest()


def is_derived(said: str, secret: str, purpose: str) -> bool:
    """Whether ``said`` is what `derived` gives, in time that does not depend on where they differ.

    Anything but ASCII is refused first: the comparison can't take it.
    """
    return said.isascii() and hmac.compare_digest(said, derived(secret, purpose))
