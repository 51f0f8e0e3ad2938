"""Check digits and the other rules that numbers of a kind obey."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus.kernels import checksums

DIGITS = st.text("0123456789", min_size=1, max_size=19)
BIRTHDAYS = st.dates(date(checksums.BIRTH_YEAR_MIN, 1, 1), date(checksums.BIRTH_YEAR_MAX, 12, 31))


@given(BIRTHDAYS, st.integers(0, 999))
def test_exactly_one_check_character_makes_a_resident_id(birthday: date, order: int) -> None:
    first = f"110105{birthday:%Y%m%d}{order:03}"
    valid = [c for c in "0123456789X" if checksums.is_resident_id(first + c)]
    assert valid == [checksums.id_check_digit(first)]


def test_the_example_of_the_standard_is_valid_and_its_neighbours_are_not() -> None:
    # GB 11643-1999, annex A prints 11010519491231002X and 440524188001010014.
    assert checksums.is_resident_id("11010519491231002X")
    assert checksums.is_resident_id("11010519491231002x")
    assert checksums.is_resident_id("440524188001010014")
    assert not checksums.is_resident_id("110105194912310021")
    assert not checksums.is_resident_id("11010519491231002")


@pytest.mark.parametrize("region", ["000000", "990105", "110005", "110100", "160101"])
def test_a_region_that_cannot_exist_is_refused(region: str) -> None:
    assert not checksums.has_region(region)


@given(st.integers(0, 99_999_999))
def test_a_birthday_is_what_the_calendar_says(number: int) -> None:
    text = f"{number:08}"
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        expected = False
    else:
        expected = checksums.BIRTH_YEAR_MIN <= day.year <= checksums.BIRTH_YEAR_MAX
    assert checksums.has_birthday(text) is expected


@given(BIRTHDAYS)
def test_every_day_of_the_calendar_is_a_birthday(birthday: date) -> None:
    assert checksums.has_birthday(f"{birthday:%Y%m%d}")
    assert not checksums.has_birthday(f"{birthday:%Y%m%d}"[:7])
    assert checksums.has_birthday(f"{min(birthday + timedelta(1), date(2035, 12, 31)):%Y%m%d}")


def luhn_by_hand(digits: str) -> bool:
    doubled = [2 * int(d) if place % 2 else int(d) for place, d in enumerate(reversed(digits))]
    return sum(sum(map(int, str(value))) for value in doubled) % 10 == 0


@given(DIGITS)
def test_luhn_equals_the_sum_done_by_hand(digits: str) -> None:
    assert checksums.has_luhn(digits) is luhn_by_hand(digits)


@given(DIGITS)
def test_one_last_digit_in_ten_passes_luhn(digits: str) -> None:
    assert sum(checksums.has_luhn(digits + last) for last in "0123456789") == 1


def test_nothing_passes_luhn_without_digits() -> None:
    assert not checksums.has_luhn("")


def test_credit_codes_of_the_standard_layout_are_told_by_their_check_character() -> None:
    first = "91350100M000100Y4"  # the worked example of GB 32100-2015 has check character 3
    valid = [c for c in "0123456789ABCDEFGHJKLMNPQRTUWXY" if checksums.is_credit_code(first + c)]
    assert valid == ["3"]
    assert not checksums.is_credit_code(first)
    assert not checksums.is_credit_code(first + "I")
