"""The index that is learnt from run times, against its definition written out in loops."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.outlook import (
    BOUNDS_US,
    CLASSES,
    EVERY,
    MINUTE_US,
    STAND_INS,
    Outlook,
    class_of,
)

HOUR = 60 * MINUTE_US
RUNS = st.lists(st.integers(0, 400 * HOUR), max_size=80)


def ends(ended: list[int], there: list[int], settle: int) -> list[float]:
    """Part of what reaches each class that ends in it."""
    parts = []
    for place in range(CLASSES):
        reach = sum(class_of(run) >= place for run in (*ended, *there))
        here = sum(class_of(run) == place for run in there)
        low = settle / (BOUNDS_US[place] + settle)
        high = settle / (BOUNDS_US[place + 1] + settle) if place + 1 < CLASSES else 0.0
        seen = sum(class_of(run) == place for run in ended) + STAND_INS * (1 - high / low)
        parts.append(seen / (reach - here / 2 + STAND_INS))
    return [min(max(part, 1e-6), 1.0) for part in parts[:-1]] + [1.0]


def index(parts: list[float]) -> list[float]:
    """For each class: ends a second, over the best number of classes to go on for."""
    bounds = [*BOUNDS_US.tolist(), 2 * float(BOUNDS_US[-1])]
    found = []
    for first in range(CLASSES):
        reach, likely, spent, best = 1.0, 0.0, 0.0, 0.0
        for place in range(first, CLASSES):
            width = (bounds[place + 1] - bounds[place]) / 1e6
            likely += reach * parts[place]
            spent += reach * (width * (1 - parts[place]) + width / 2 * parts[place])
            best = max(best, likely / spent)
            reach *= 1 - parts[place]
        found.append(best)
    return found


@settings(max_examples=60, deadline=None)
@given(RUNS, RUNS, st.integers(1, 50 * HOUR))
def test_the_index_is_the_best_rate_of_ends_over_all_times_one_could_give(
    ended, there, settle
) -> None:
    outlook = Outlook(settle)
    for run in ended:
        outlook.saw(run)
    outlook.learn(there)
    found = [outlook.per_second(int(bound)) for bound in BOUNDS_US]
    assert found == pytest.approx(index(ends(ended, there, settle)), rel=1e-9)


@given(RUNS, RUNS, st.randoms(use_true_random=False), st.integers(0, 900 * HOUR))
@settings(max_examples=40, deadline=None)
def test_the_order_in_which_work_ended_or_is_listed_says_nothing(ended, there, dice, done) -> None:
    first, second = Outlook(HOUR), Outlook(HOUR)
    for run in ended:
        first.saw(run)
    first.learn(there)
    dice.shuffle(ended)
    dice.shuffle(there)
    for run in ended:
        second.saw(run)
    second.learn(iter(there))
    assert first.per_second(done) == second.per_second(done)


@given(RUNS, st.integers(0, 900 * HOUR), st.integers(0, 900 * HOUR))
@settings(max_examples=40, deadline=None)
def test_between_two_bounds_the_index_lies_between_those_of_the_bounds(ended, low, high) -> None:
    outlook = Outlook(4 * HOUR)
    for run in ended:
        outlook.saw(run)
    outlook.learn([low])
    place = class_of(high)
    around = [outlook.per_second(int(each)) for each in BOUNDS_US[place : place + 2]]
    assert min(around) * (1 - 1e-9) <= outlook.per_second(high) <= max(around) * (1 + 1e-9)


def test_nothing_that_was_seen_counts_before_it_is_learnt() -> None:
    outlook = Outlook(HOUR)
    before = outlook.per_second(0)
    for number in range(EVERY):
        assert not outlook.due
        outlook.saw(1)
        assert outlook.ended == number + 1
    assert outlook.due
    assert outlook.per_second(0) == before
    outlook.learn(())
    assert outlook.per_second(0) > 1.5 * before  # all of it ended within the first minute
    assert (outlook.due, outlook.ended) == (False, EVERY)


def test_the_bounds_double_and_a_run_on_a_bound_belongs_to_the_class_that_begins_there() -> None:
    assert (BOUNDS_US[0], BOUNDS_US[1]) == (0, MINUTE_US)
    assert all(high == 2 * low for low, high in pairwise(BOUNDS_US[1:].tolist()))
    for place, bound in enumerate(BOUNDS_US.tolist()):
        assert class_of(int(bound)) == place
        assert class_of(int(bound) - 1) == max(place - 1, 0)
    assert class_of(-5) == 0
