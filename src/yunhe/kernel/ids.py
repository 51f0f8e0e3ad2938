"""Identifiers: random ones that sort by time, derived ones that make a repeated step safe."""

from __future__ import annotations

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
_LENGTH = 26


def _encode(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def new_id(prefix: str) -> str:
    """``<prefix>_<26 letters>``: 48 bits of milliseconds, then 80 random bits (the ULID layout)."""
    milliseconds = (time.time_ns() // 1_000_000) & (1 << 48) - 1
    return f"{prefix}_{_encode(milliseconds << 80 | int.from_bytes(os.urandom(10), 'big'))}"


def derived_id(prefix: str, *parts: str) -> str:
    """The same id for the same parts, for ever: 128 bits of SHA-256 over length-prefixed parts."""
    digest = hashlib.sha256()
    for part in (prefix, *parts):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"{prefix}_{_encode(int.from_bytes(digest.digest()[:16], 'big'))}"
