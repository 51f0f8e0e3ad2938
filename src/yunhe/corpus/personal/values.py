"""A found value in one form, whatever width, gaps or numerals it was written with."""

from __future__ import annotations

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.kernels.candidates import digits_of
from yunhe.corpus.kernels.shadow import half_width

_GAPS = " -.·()"
_SPELT: frozenset[PersonalType] = frozenset({"PHONE", "LANDLINE", "ID", "ID_BAD", "BANK", "QQ"})
_WORDS: frozenset[PersonalType] = frozenset({"NAME", "ADDRESS"})
_PHONE_DIGITS = 11


def half(value: str) -> str:
    """The value in half width, character by character."""
    table = half_width()
    return "".join(chr(table[ord(one)]) if ord(one) < 0x10000 else _styled(one) for one in value)


def _styled(character: str) -> str:
    code = ord(character) - 0x1D7CE
    return str(code % 10) if 0 <= code < 50 else character


def digits(value: str) -> str:
    """The value's digits alone, numerals read as digits, a final X kept."""
    table = digits_of()
    found = ""
    for one in half(value).upper():
        digit = int(table[ord(one)]) if ord(one) < 0x10000 else 255
        found += str(digit) if digit < 10 else "X" if one in "X叉" else ""
    return found


def plain(kind: PersonalType, value: str) -> str:
    """What all spellings of one value have in common; two that differ here are two values."""
    if kind == "PHONE":
        return digits(value)[-_PHONE_DIGITS:]
    if kind in _SPELT:
        return digits(value)
    if kind == "EMAIL":
        return _mail(half(value).lower())
    shown = half(value)
    if kind in _WORDS:
        return shown.replace(" ", "").lower()
    return "".join(one for one in shown if one not in _GAPS or kind == "IP").upper()


def _mail(value: str) -> str:
    for spelt in ("(at)", "[at]", "{at}", " at ", "#", "("):
        if "@" not in value:
            value = value.replace(spelt, "@", 1)
    for spelt in ("(dot)", "[dot]", "{dot}", " dot ", "。", "点"):
        value = value.replace(spelt, ".")
    return value.replace(" ", "")
