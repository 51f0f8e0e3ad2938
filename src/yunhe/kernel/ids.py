"""Identifiers: random ones that sort by time, derived ones that make a repeated step safe."""

from __future__ import annotations

import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
_LOW = (1 << 50) - 1  # ten of the 26 letters
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _encode(value: int) -> str:
    pairs = _PAIRS  # two letters at a time, of numbers of one digit: every row gets an id
    low, middle, high = value & _LOW, value >> 50 & _LOW, value >> 100
    text = pairs[high >> 20 & 1023] + pairs[high >> 10 & 1023] + pairs[high & 1023]
    for part in (middle, low):
        text += (
            pairs[part >> 40]
            + pairs[part >> 30 & 1023]
            + pairs[part >> 20 & 1023]
            + pairs[part >> 10 & 1023]
            + pairs[part & 1023]
        )
    return text


def new_id(prefix: str) -> str:
    """``<prefix>_<26 letters>``: 48 bits of milliseconds, then 80 random bits (the ULID layout)."""
    milliseconds = (time.time_ns() // 1_000_000) & (1 << 48) - 1
    return f"{prefix}_{_encode(milliseconds << 80 | int.from_bytes(os.urandom(10), 'big'))}"


def derived_id(prefix: str, *parts: str) -> str:
    """The same id for the same parts, for ever: 128 bits of SHA-256 over length-prefixed parts."""
    each = [part.encode() for part in (prefix, *parts)]
    whole = b"".join([len(part).to_bytes(8, "big") + part for part in each])
    return f"{prefix}_{_encode(int.from_bytes(hashlib.sha256(whole).digest()[:16], 'big'))}"
