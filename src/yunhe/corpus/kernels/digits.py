"""Digits of one number, taken out of the shadow with their gaps; check digits over them."""

# ruff: noqa: PLR1714 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels.candidates import next_digit
from yunhe.corpus.kernels.checksums import BIRTH_YEAR_MAX, BIRTH_YEAR_MIN
from yunhe.native.compiled import I8, inner

TAKEN_MAX = 24
"""Digits taken at once: more than the longest number and its prefix have."""


class Taken(NamedTuple):
    """Room for the digits from one place on."""

    digits: NDArray[np.int64]
    """int64[24]: each digit."""
    starts: NDArray[np.int64]
    """int64[24]: its place."""


TAKEN = numba.types.NamedUniTuple(I8, 2, Taken)
"""Its type for kernels: two of a kind are a type of their own to numba."""


def room() -> Taken:
    """Room to take digits into."""
    return Taken(np.zeros(TAKEN_MAX, np.int64), np.zeros(TAKEN_MAX, np.int64))


@inner
def take(
    codes: NDArray[np.uint16], at: int, end: int, table: NDArray[np.uint8], spelt: int, into: Taken
) -> int:
    """Take digits from ``at``, which is one, up to ``end``; returns how many."""
    count = 0
    while 0 <= at < end and count < TAKEN_MAX:
        into.digits[count], into.starts[count] = table[codes[at]], at
        count += 1
        at = next_digit(codes, at + 1, table, spelt)
    return count


@inner
def ends_after(taken: Taken, count: int, length: int) -> bool:
    """Whether no digit touches the last of the first ``length`` digits taken."""
    if count <= length:
        return count == length
    return taken.starts[length] > taken.starts[length - 1] + 1


@inner
def _two(digits: NDArray[np.int64], at: int) -> int:
    return 10 * digits[at] + digits[at + 1]


@inner
def is_region(digits: NDArray[np.int64]) -> bool:
    """Whether the first six digits can be a region code; as `checksums.has_region`."""
    at = np.int64(0)
    province = _two(digits, at)
    known = (
        11 <= province <= 15 or 21 <= province <= 23 or 31 <= province <= 37
        or 41 <= province <= 46 or 50 <= province <= 54 or 61 <= province <= 65
        or province == 71 or 81 <= province <= 83
    )  # fmt: skip
    return known and _two(digits, at + 2) != 0 and _two(digits, at + 4) != 0


@inner
def is_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has the day, in the years people now living were born in."""
    if not (BIRTH_YEAR_MIN <= year <= BIRTH_YEAR_MAX and 1 <= month <= 12 and day >= 1):
        return False
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return day <= 28 + leap
    short = month == 4 or month == 6 or month == 9 or month == 11
    return day <= 31 - short


@inner
def is_birthday(digits: NDArray[np.int64]) -> bool:
    """Whether the 7th to 14th digit are a day; `yunhe.corpus.kernels.checksums.has_birthday`."""
    at = np.int64(6)
    year = 100 * _two(digits, at) + _two(digits, at + 2)
    return is_day(year, _two(digits, at + 4), _two(digits, at + 6))


@inner
def is_checked(digits: NDArray[np.int64]) -> bool:
    """Whether the 18th digit (10 for X) checks the others; ISO 7064, MOD 11-2."""
    total, weight = np.int64(0), np.int64(1)
    for back in range(1, 18):  # the weight of a place is 2 to the number of places behind it
        weight = weight * 2 % 11
        total += digits[17 - back] * weight
    return (total + digits[17]) % 11 == 1


@inner
def is_luhn(digits: NDArray[np.int64], length: int) -> bool:
    """Whether the last of ``length`` digits checks them; ISO/IEC 7812-1, annex B."""
    total = np.int64(0)
    for back in range(length):
        value = digits[length - 1 - back] * (1 + back % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
