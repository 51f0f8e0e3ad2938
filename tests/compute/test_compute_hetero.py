"""The peers for chips of different speed on cases solved by hand, and what they all conserve."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_heterogeneity import shares, work

from yunhe.compute.simulation.hetero import (
    NOT_ON,
    Chooser,
    Las,
    MaxMin,
    Outcome,
    Shortest,
    State,
    first_come,
    in_rounds,
    max_min,
)

ROUND, RESTART = 100, 10


def replay(rows, room, chooser: Chooser, *, restart: int = RESTART) -> Outcome:
    return in_rounds(work(rows), room, chooser, round_us=ROUND, restart_us=restart)


class Seen:
    """Asks another policy, and writes down what it chose."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.chosen: list[dict[int, int]] = []

    def choose(self, state: State, active: list[int], *, round_us: int) -> dict[int, int]:
        found = self.chooser.choose(state, active, round_us=round_us)
        assert set(found) <= set(active)
        self.chosen.append(dict(found))
        return found


CHOOSERS = {
    "las": lambda: Las((150, 600), Random(3)),
    "max-min": MaxMin,
    "shortest": Shortest,
}
JOBS = st.lists(
    st.tuples(
        st.integers(1, 900), st.integers(1, 3), st.sampled_from([1.0, 2.0, 4.0]),
        st.sampled_from([0.0, 1.0, 0.5]),
    ),
    min_size=1,
    max_size=7,
)  # fmt: skip


@pytest.mark.parametrize("name", CHOOSERS)
@settings(max_examples=25, deadline=None)
@given(JOBS)
def test_every_job_gets_exactly_its_work_and_no_chip_is_used_twice(name, jobs) -> None:
    rows = [(0, service, size, [fast, slow]) for service, size, fast, slow in jobs]
    room, seen = [3, 4], Seen(CHOOSERS[name]())
    found = replay(rows, room, seen)
    left = [float(row[1]) for row in rows]
    on, begun, ends, moves = [NOT_ON] * len(rows), set(), [-1] * len(rows), 0
    for number, chosen in enumerate(seen.chosen):
        for chip, most in enumerate(room):
            assert sum(rows[job][2] for job, at in chosen.items() if at == chip) <= most
        for job, chip in chosen.items():
            speed = rows[job][3][chip]
            assert speed > 0
            again = job in begun and on[job] != chip
            moves += again
            begun.add(job)
            lost = RESTART if again else 0
            done = (ROUND - lost) * speed
            if done >= left[job]:
                ends[job] = number * ROUND + lost + round(left[job] / speed)
            left[job] -= done
        on = [chosen.get(job, NOT_ON) for job in range(len(rows))]
    assert found.end_us.tolist() == ends
    assert (found.moves, found.rounds) == (moves, len(seen.chosen))
    assert min(ends) >= 0  # all of them ended


@pytest.mark.parametrize("name", CHOOSERS)
def test_nothing_starts_between_rounds_and_none_is_held_where_nobody_is_there(name) -> None:
    seen = Seen(CHOOSERS[name]())
    rows = [(1, 30, 1, [1.0]), (1_050, 30, 1, [2.0]), (1_100, 10, 1, [1.0])]
    found = replay(rows, [1], seen)
    assert found.end_us[0] == 130  # came just after a round began
    assert found.end_us[1:].min() in (1_110, 1_115)
    assert found.rounds == 3


def test_the_least_attained_goes_first_and_who_was_pushed_out_pays_for_resuming() -> None:
    rows = [(0, 300, 1, [1.0]), (50, 100, 1, [1.0])]
    assert replay(rows, [1], Las((100,), Random(1)), restart=0).end_us.tolist() == [400, 200]
    found = replay(rows, [1], Las((100,), Random(1)))
    # 100 in the first round, 90 in the third, 100 in the fourth and the last 10 in the fifth.
    assert (found.end_us.tolist(), found.moves) == ([410, 200], 1)


def test_within_a_level_it_is_first_come_first_served() -> None:
    rows = [(0, 300, 1, [1.0]), (0, 100, 1, [1.0])]
    found = replay(rows, [1], Las((1_000,), Random(1)))
    assert (found.end_us.tolist(), found.moves) == ([300, 400], 0)


def test_a_gang_that_does_not_fit_is_passed_by_smaller_work() -> None:
    jobs = work([(0, 10, 2, [1.0]), (0, 10, 3, [1.0]), (0, 10, 1, [1.0])])
    state = State(jobs, [3], [10.0] * 3, [0.0] * 3, [NOT_ON] * 3)
    assert Las((1,), Random(1)).choose(state, [0, 1, 2], round_us=ROUND) == {0: 0, 2: 0}
    state.attained_us[:] = [5.0, 0.0, 5.0]
    assert Las((1,), Random(1)).choose(state, [0, 1, 2], round_us=ROUND) == {1: 0}


def test_the_shortest_takes_the_fast_chip_and_the_other_moves_there_after_it() -> None:
    rows = [(0, 400, 1, [2.0, 1.0]), (0, 100, 1, [2.0, 1.0])]
    found = replay(rows, [1, 1], Shortest())
    # 100 on the slow chip, 180 of the next round on the fast one, the last 120 in 60.
    assert (found.end_us.tolist(), found.moves) == ([260, 50], 1)


def test_the_shortest_is_the_one_with_least_left_on_its_best_chip() -> None:
    jobs = work([(0, 90, 1, [1.0, 0.0]), (0, 300, 1, [4.0, 1.0])])
    state = State(jobs, [1, 0], [90.0, 300.0], [0.0] * 2, [NOT_ON] * 2)
    assert Shortest().choose(state, [0, 1], round_us=ROUND) == {1: 0}
    state.left_us[1] = 361.0
    assert Shortest().choose(state, [0, 1], round_us=ROUND) == {0: 0}


def test_a_gang_needs_less_time_for_its_equal_share() -> None:
    # Two devices of one chip: max min(2x, y) with 2x + y ≤ 2 and y ≤ 1 is x = 1/2, y = 1.
    found = shares([[1.0], [1.0]], [2, 1], [2]).ravel()
    assert found.tolist() == pytest.approx([0.5, 1.0], abs=1e-3)


def test_who_can_run_only_on_one_chip_has_it_where_the_other_does_as_well_elsewhere() -> None:
    found = shares([[0.0, 1.0], [1.0, 1.0]], [1, 1], [1, 1])
    assert found.ravel().tolist() == pytest.approx([0.0, 1.0, 1.0, 0.0], abs=1e-3)


KINDS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 3), st.integers(1, 4)),
    min_size=1,
    max_size=5,
)


def least(rows, found, room) -> float:
    speed = np.array([row[:2] for row in rows], np.float64)
    equal = speed @ (np.array(room) / sum(room))
    return float(((found * speed).sum(axis=1) / equal * [row[2] for row in rows]).min())


def solved(rows, room) -> np.ndarray:
    speed = np.array([row[:2] for row in rows], np.float64)
    devices, count = (np.array([row[at] for row in rows], np.int64) for at in (2, 3))
    return max_min(speed, devices, count, room)


@settings(max_examples=30, deadline=None)
@given(KINDS, st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
def test_nobody_is_worse_off_than_with_an_equal_part_of_every_chip(rows, fast, slow, dice) -> None:
    room = [fast, slow]
    asked = sum(row[2] * row[3] for row in rows)
    found = least(rows, solved(rows, room), room)
    # Dealing every chip out by the device is feasible, so the optimum is at least that.
    assert found >= min(row[2] for row in rows) * min(sum(room) / asked, 1.0) * 0.98
    mixed = list(rows)
    dice.shuffle(mixed)
    assert least(mixed, solved(mixed, room), room) == pytest.approx(found, rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(1, 99), st.integers(1, 4)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 9),
)
def test_strict_first_come_is_each_at_the_first_instant_it_fits_behind_the_one_before(
    drawn, seed
) -> None:
    rows = sorted(drawn)
    jobs = work([(at, service, size, [1.0]) for at, service, size in rows])
    begins, ends = [0], []
    for at, service, size in rows:
        running = [(end, rows[job][2]) for job, end in enumerate(ends)]
        instants = sorted({max(at, begins[-1]), *(end for end, _ in running)})
        begin = next(
            when
            for when in instants
            if when >= max(at, begins[-1])
            and sum(used for end, used in running if end > when) + size <= 4
        )
        begins.append(begin)
        ends.append(begin + service)
    assert first_come(jobs, [4], strict=True, seed=seed).end_us.tolist() == ends
