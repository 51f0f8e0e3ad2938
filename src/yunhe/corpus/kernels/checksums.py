"""Check digits and the other rules a number of a kind obeys."""

from __future__ import annotations

from operator import mul

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
BIRTH_YEAR_MIN, BIRTH_YEAR_MAX = 1880, 2035
"""Years in which a number's holder can have been born; wide, as it only sorts out chance."""

_CODES = ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
PROVINCES = frozenset(str(code) for first, last in _CODES for code in range(first, last + 1))
"""First two digits of a region code.

Source: GB/T 2260-2007; 83 is used in residence permits of Taiwan residents (not checked against the
text).
"""


def id_check_digit(first17: str) -> str:
    """The last character of a resident ID number whose first 17 digits are given.

    Source: GB 11643-1999, section 4.2 (ISO 7064, MOD 11-2).
    """
    return _ID_CHECKS[sum(int(d) * w for d, w in zip(first17, _ID_WEIGHTS, strict=True)) % 11]


def is_resident_id(text: str) -> bool:
    """Whether 18 characters are a resident ID number: region, birthday and check digit."""
    return (
        len(text) == 18
        and text[:17].isdigit()
        and has_region(text)
        and has_birthday(text[6:14])
        and id_check_digit(text[:17]) == text[17].upper()
    )


def has_region(text: str) -> bool:
    """Whether six digits can be a region code: a known province, neither part after it 00."""
    return text[:2] in PROVINCES and text[2:4] != "00" and text[4:6] != "00"


def has_birthday(text: str) -> bool:
    """Whether eight digits are a day in the years from `BIRTH_YEAR_MIN` to `BIRTH_YEAR_MAX`."""
    if len(text) != 8 or not text.isdigit():
        return False
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:])
    if not (BIRTH_YEAR_MIN <= year <= BIRTH_YEAR_MAX and 1 <= month <= 12):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= (28 if month == 2 and not leap else _DAYS[month - 1])


def has_luhn(digits: str) -> bool:
    """Whether the last digit checks the others; one random number in ten passes.

    Source: ISO/IEC 7812-1, annex B.
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return bool(digits) and total % 10 == 0


def is_credit_code(text: str) -> bool:
    """Whether 18 characters are a unified social credit code: alphabet and check character.

    Source: GB 32100-2015, section 4 and annex A (weights 3ⁱ mod 31).
    """
    if len(text) != 18 or any(character not in _USCC_ALPHABET for character in text):
        return False
    return credit_check(text[:17]) == text[17]


def credit_check(first17: str) -> str:
    """The last character of a credit code whose first 17 are given, all of its alphabet."""
    total = sum(map(mul, map(_USCC_ALPHABET.index, first17), _USCC_WEIGHTS))
    return _USCC_ALPHABET[(31 - total % 31) % 31]
