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
    try:
        sound = _sound(value)
    except RecursionError:  # it may go twice as deep as `_check`
        sound = False
    if not sound:
        _check(value, "$")
    return _ENCODER.encode(value).encode()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _sound(value: object) -> bool:
    """Whether `_check` surely finds nothing: a third of its cost, for it keeps no note of where."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is int:
        return -INTEGER_MAX <= value <= INTEGER_MAX  # type: ignore[operator] # see the line above
    if kind is dict:
        keys = "".join([key if type(key) is str else "ü" for key in value])  # type: ignore[attr-defined]
        return keys.isascii() and all(map(_sound, value.values()))  # type: ignore[attr-defined]
    return (kind is list or kind is tuple) and all(map(_sound, value))  # type: ignore[call-overload]


_PLAIN = frozenset({str, bool, type(None)})


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
            if type(item) is not str:
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
