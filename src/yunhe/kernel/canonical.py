"""One byte string for one value, so that equal records have equal digests.

Source: RFC 8785 (JSON Canonicalization Scheme), restricted to what records need: objects with
ASCII keys, arrays, strings, integers within ±(2**53 - 1), booleans and null. Within that subset
the output equals RFC 8785's; floats are refused: their text form is where implementations differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]
"""A value that has canonical bytes."""
JsonObject = Mapping[str, Json]
"""An object of such values."""

INTEGER_MAX = 2**53 - 1
"""Largest integer that every JSON reader keeps exact."""


def canonical_bytes(value: Json) -> bytes:
    """UTF-8 bytes of ``value`` in canonical form.

    Errors: ``TypeError`` for a float or a foreign type, ``ValueError`` for an integer out of range,
    a non-ASCII key or a lone surrogate: mistakes of a program, hence no `YunheError`.
    """
    _check(value, "$")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _check(value: object, where: str) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise ValueError(f"{where}: integer {value} is not exact in JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"{where}: key {key!r} is not an ASCII string")
            _check(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]")
    else:
        raise TypeError(f"{where}: {type(value).__name__} has no canonical form")


def sha256(data: bytes) -> str:
    """``sha256:<64 hex digits>`` of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Json) -> str:
    """`sha256` of the canonical bytes of ``value``."""
    return sha256(canonical_bytes(value))


def decimal_text(value: float, places: int = 6) -> str:
    """A ratio or score as fixed-point text, the form in which records carry fractions."""
    return str(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN))
