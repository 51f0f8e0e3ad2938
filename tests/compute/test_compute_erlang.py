"""Erlang's formula against its sum in whole fractions, and the least number of slots as such."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scaling.erlang import EXACT_SLOTS, slots_needed, wait_probability


def plain(slots: int, offered: Fraction) -> Fraction:
    """The formula as textbooks print it."""
    term, below = Fraction(1), Fraction(0)
    for each in range(slots):
        below += term
        term = term * offered / (each + 1)
    waits = term * slots / (slots - offered)
    return waits / (below + waits)


def needed(offered_milli: int, **over: int) -> int:
    said = {"service_ms": 1_000, "budget_ms": 500, "late_ppm": 5_000, "variability_percent": 100,
            "step": 1}  # fmt: skip
    return slots_needed(offered_milli=offered_milli, **{**said, **over})


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 999))
def test_the_recurrence_is_the_formula(slots, permille) -> None:
    offered = Fraction(slots * permille, 1_000)
    assert wait_probability(slots, float(offered)) == pytest.approx(
        float(plain(slots, offered)), rel=1e-9, abs=1e-300
    )


@pytest.mark.parametrize(
    ("slots", "offered", "chance"),
    [
        (1, 0.25, Fraction(1, 4)),  # one server: as likely as it is busy
        (2, 1.5, Fraction(9, 14)),  # a² / (2 + a)
        (3, 2.0, Fraction(4, 9)),
        (4, 3.0, Fraction(27, 53)),
    ],
)
def test_small_cases_are_those_that_can_be_worked_out(slots, offered, chance) -> None:
    assert wait_probability(slots, offered) == pytest.approx(float(chance), rel=1e-12)


@given(st.integers(1, 3_000_000), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_the_chance_to_wait_is_one_that_only_falls_with_more_slots(offered_milli, more) -> None:
    offered = offered_milli / 1_000
    first = math.floor(offered) + 1
    found = [wait_probability(slots, offered) for slots in range(first, first + more + 2)]
    assert all(0 <= chance <= 1 for chance in found)
    assert all(later <= chance for chance, later in pairwise(found))
    assert wait_probability(math.floor(offered), offered) == 1.0


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.integers(1, 300_000), st.integers(4_000_001, 90_000_000)),
    st.integers(1, 5_000),
    st.sampled_from([1, 1_000, 5_000, 50_000, 500_000]),
)
def test_so_many_slots_are_enough_and_one_fewer_is_not(offered_milli, budget_ms, late_ppm) -> None:
    offered = offered_milli / 1_000

    def late(slots: int) -> float:
        if slots <= offered:
            return 1.0
        beyond = math.exp(-(slots - offered) * budget_ms / 1_000)
        return wait_probability(slots, offered) * beyond

    found = needed(offered_milli, budget_ms=budget_ms, late_ppm=late_ppm)
    assert late(found) <= late_ppm / 1e6 * (1 + 1e-9)
    assert late(found - 1) > late_ppm / 1e6 * (1 - 1e-9)


@given(st.integers(1, 100_000), st.integers(1, 9), st.integers(1, 64))
@settings(max_examples=40, deadline=None)
def test_load_that_is_so_many_times_as_variable_needs_that_many_of_a_part_of_it(
    offered_milli, times, step
) -> None:
    alone = needed(offered_milli)
    bursts = needed(offered_milli * times, variability_percent=100 * times)
    assert bursts == times * alone
    assert needed(offered_milli, step=step) == -(-alone // step) * step


def test_the_square_root_rule_begins_without_a_step_where_the_formula_ends() -> None:
    at = EXACT_SLOTS * 1_000
    for late_ppm in (1_000, 50_000):
        exact, scaled = (needed(at + milli, late_ppm=late_ppm, budget_ms=1) for milli in (0, 1))
        assert abs(exact - scaled) <= 3
    assert needed(0) == needed(-5) == 0


def test_without_end_of_the_service_time_nobody_divides_by_nothing() -> None:
    assert needed(5_000, service_ms=0) == needed(5_000, service_ms=1)
    assert needed(5_000, budget_ms=0) >= needed(5_000, budget_ms=1) > 5
    assert needed(1_000, variability_percent=0) >= 1
