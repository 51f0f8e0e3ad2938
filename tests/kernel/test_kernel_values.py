from __future__ import annotations

import hashlib
import itertools

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.canonical import canonical_bytes, decimal_text, digest_of
from yunhe.kernel.clock import SECOND_US, ManualClock, SystemClock, iso
from yunhe.kernel.errors import Invalid
from yunhe.kernel.ids import derived_id, new_id
from yunhe.kernel.units import device_unit, format_minor, split, to_minor, voucher_unit

SAFE = 2**53 - 1
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-SAFE, SAFE)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
)


@given(VALUES)
def test_canonical_bytes_equal_those_of_an_independent_rfc_8785_library(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.5, TypeError),
        ({"a": [1, 2.0]}, TypeError),
        (b"bytes", TypeError),
        (2**53, ValueError),
        ({"键": 1}, ValueError),
        ({1: 2}, ValueError),
        ("\ud800", ValueError),
    ],
)
def test_values_without_one_exact_form_are_refused(value, error):
    with pytest.raises(error):
        canonical_bytes(value)


def test_the_order_of_keys_does_not_change_a_digest_but_the_order_of_items_does():
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_a_fraction_is_written_with_fixed_places_and_half_to_even():
    assert decimal_text(0.1) == "0.100000"
    assert decimal_text(2 / 3, 3) == "0.667"
    assert decimal_text(1.0, 2) == "1.00"


def test_new_ids_differ_and_sort_by_the_time_they_were_made(monkeypatch):
    moments = itertools.count(1_767_225_600_000_000_000, 1_000_000)
    monkeypatch.setattr("time.time_ns", lambda: next(moments))
    made = [new_id("run") for _ in range(500)]
    assert len(set(made)) == 500
    assert made == sorted(made)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_exactly_when_their_parts_are(one, other):
    assert (derived_id("x", *one) == derived_id("x", *other)) == (one == other)


def test_ids_hold_only_letters_that_cannot_be_misread():
    for made in (new_id("a"), derived_id("a", "b")):
        prefix, _, rest = made.partition("_")
        assert prefix == "a"
        assert len(rest) == 26
        assert not set(rest) & set("ilou")


def test_time_is_written_in_utc_with_microseconds():
    assert iso(1_767_225_600 * SECOND_US + 7) == "2026-01-01T00:00:00.000007Z"


def test_a_manual_clock_moves_only_when_told():
    clock = ManualClock()
    before = clock.now_us()
    assert clock.now_us() == before
    clock.advance(seconds=1.5)
    assert clock.now_us() - before == 1_500_000
    clock.advance(seconds=-2)
    assert clock.now_us() < before


def test_the_system_clock_tells_microseconds():
    assert SystemClock().now_us() > 1_767_225_600 * SECOND_US


@pytest.mark.parametrize(
    ("text", "unit", "minor"),
    [
        ("12.30", "CNY", 1230),
        ("12", "JPY", 12),
        ("0.001", device_unit("cpu"), 1),
        ("5.5", voucher_unit("CNY"), 550),
        ("0.000001", "epsilon:d", 1),
        ("-90071992547409.91", "CNY", 1 - 2**53),
    ],
)
def test_amounts_go_to_minor_units_and_back_without_loss(text, unit, minor):
    assert to_minor(text, unit) == minor
    assert to_minor(format_minor(minor, unit).replace(",", ""), unit) == minor


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *[
            (text, "CNY")
            for text in ("1.005", "x", "NaN", "1e99", "1e2", "1_000", "1,000", "", ".5")
        ],
        *[("90071992547409.92", "CNY"), ("0.1000000000000000000000000000001", "CNY")],
        *[("٣", "CNY"), ("1" * 5_000, "CNY"), ("1", "XXX"), ("1", "foo:y")],
    ],
)
def test_amounts_that_are_none_or_too_fine_are_refused(text, unit):
    with pytest.raises(Invalid):
        to_minor(text, unit)


@given(
    st.integers(0, 10**12),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any),
)
def test_a_split_sums_to_the_whole_and_is_never_a_unit_off_its_share(total, weights):
    parts = split(total, weights)
    assert sum(parts) == total
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - total * weight) < whole


@pytest.mark.parametrize("weights", [[0, 0], [1, -1]])
def test_a_split_by_nothing_or_by_less_is_a_mistake(weights):
    with pytest.raises(ValueError, match="weights"):
        split(10, weights)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=4))
def test_a_derived_id_is_made_as_it_always_was(parts):
    digest = hashlib.sha256()
    for part in ("x", *parts):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    value, letters = int.from_bytes(digest.digest()[:16], "big"), "0123456789abcdefghjkmnpqrstvwxyz"
    plain = "".join(letters[value >> shift & 31] for shift in range(125, -1, -5))
    assert derived_id("x", *parts) == f"x_{plain}"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": Text("b"), Text("c"): (1, [True, None])}, b'{"a":"b","c":[1,[true,null]]}'),
        ([Number(3), {"k": {}}], b'[3,{"k":{}}]'),
    ],
    ids=["texts", "numbers"],
)
def test_subclasses_are_written_as_what_they_are(value, plain):
    assert canonical_bytes(value) == plain


@pytest.mark.parametrize(
    "value",
    [{"é": 1}, {1: 2}, {"a": [{"b": 2**53}]}, [[-(2**53)]], {"a": (1.0,)}, [{"a": b""}]],
    ids=["letter", "key", "large", "small", "float", "bytes"],
)
def test_what_has_no_canonical_form_is_refused_and_says_where(value):
    with pytest.raises((TypeError, ValueError), match=r"^\$"):
        canonical_bytes(value)


def test_what_is_nested_deeply_is_written_as_well():
    value = []
    for _ in range(600):
        value = [value]
    assert canonical_bytes(value) == b"[" * 601 + b"]" * 601
    for _ in range(600):
        value = {"a": value}
    with pytest.raises(RecursionError):
        canonical_bytes(value)
