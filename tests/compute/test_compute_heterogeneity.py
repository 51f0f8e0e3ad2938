"""The peers for chips of different speed, against what can be worked out by hand."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.simulation.hetero import (
    Chooser,
    Las,
    MaxMin,
    Shortest,
    State,
    Work,
    blind,
    first_come,
    in_rounds,
    max_min,
)

ROUND, RESTART = 360_000_000, 60_000_000


def work(rows: list[tuple[int, int, int, list[float]]]) -> Work:
    """Jobs from (arrival, service, devices, speeds), all of kinds of their own."""
    arrive, service, devices, speed = zip(*rows, strict=True)
    return Work(
        np.array(arrive, np.int64),
        np.array(service, np.int64),
        np.array(devices, np.int64),
        np.array(speed, np.float64),
        np.arange(len(rows)),
    )


def shares(speed: list[list[float]], devices: list[int], room: list[int]) -> np.ndarray:
    ones = np.ones(len(devices), np.int64)
    return max_min(np.array(speed), np.array(devices, np.int64), ones, room)


def test_one_job_gets_its_best_chip_all_the_time() -> None:
    assert shares([[2.0, 1.0]], [1], [1, 1])[0].tolist() == pytest.approx([1.0, 0.0], abs=1e-6)


def test_two_jobs_alike_share_one_chip_in_halves() -> None:
    assert shares([[1.0], [1.0]], [1, 1], [1]).ravel().tolist() == pytest.approx([0.5, 0.5])


def test_jobs_with_other_strengths_each_get_their_own_chip() -> None:
    found = shares([[4.0, 1.0], [1.0, 4.0]], [1, 1], [1, 1])
    assert found.ravel().tolist() == pytest.approx([1.0, 0.0, 0.0, 1.0], abs=1e-6)


def test_the_worst_off_does_as_well_as_the_optimum_worked_out_by_hand() -> None:
    # Speeds (4, 1) and (2, 1), a device of each chip; equal shares come to 5/2 and 3/2. With y the
    # second job's time on the fast chip: (4(1-y) + y) / 2.5 = (2y + (1-y)) / 1.5, so y = 14/28.
    speed = np.array([[4.0, 1.0], [2.0, 1.0]])
    found = shares(speed.tolist(), [1, 1], [1, 1])
    got = (found * speed).sum(axis=1) / np.array([2.5, 1.5])
    assert found[1, 0] == pytest.approx(0.5, abs=1e-3)
    assert got.tolist() == pytest.approx([1.0, 1.0], abs=1e-3)


def test_many_jobs_of_a_kind_count_as_one_row_of_the_programme() -> None:
    speed = np.array([[4.0, 1.0], [2.0, 1.0]])
    once = max_min(speed, np.array([1, 2]), np.array([3, 2]), [4, 3])
    rows = [0, 0, 0, 1, 1]
    apart = max_min(speed[rows], np.array([1, 1, 1, 2, 2]), np.ones(5, np.int64), [4, 3])
    equal = speed @ np.array([4, 3]) / 7

    def least(found: np.ndarray, row: list[int], size: list[int]) -> float:
        return float(((found * speed[row]).sum(axis=1) / equal[row] * size).min())

    same = least(once, [0, 1], [1, 2])
    assert same == pytest.approx(least(apart, rows, [1, 1, 1, 2, 2]), rel=1e-2)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(1, 3)), min_size=1,
             max_size=6)
)  # fmt: skip
def test_shares_never_exceed_a_jobs_time_or_a_chips_devices(
    jobs: list[tuple[int, int, int]],
) -> None:
    speed = [[float(fast), float(slow)] for fast, slow, _ in jobs]
    devices = [size for _, _, size in jobs]
    found = shares(speed, devices, [4, 4])
    assert (found.sum(axis=1) <= 1 + 1e-6).all()
    assert ((found * np.array(devices)[:, None]).sum(axis=0) <= 4 + 1e-6).all()
    assert (found[np.array(speed) == 0] == 0).all()


@pytest.mark.parametrize(
    "chooser", [Las((1,), Random(1)), MaxMin(), Shortest()], ids=["las", "max-min", "shortest"]
)
def test_a_job_alone_ends_after_its_time_on_the_chip_it_has(chooser: Chooser) -> None:
    out = in_rounds(
        work([(0, 1_000_000_000, 1, [2.0, 0.0])]), [1, 1], chooser,
        round_us=ROUND, restart_us=RESTART,
    )  # fmt: skip
    assert out.end_us.tolist() == [500_000_000]
    assert out.moves == 0


def test_two_jobs_that_take_turns_pay_for_taking_up_again() -> None:
    jobs = work([(0, ROUND, 1, [1.0]), (0, ROUND * 2, 1, [1.0])])
    out = in_rounds(jobs, [1], Las((1,), Random(1)), round_us=ROUND, restart_us=RESTART)
    assert out.end_us.tolist() == [ROUND, 3 * ROUND]
    out = in_rounds(
        work([(0, 2 * ROUND, 1, [1.0]), (0, 2 * ROUND, 1, [1.0])]), [1], MaxMin(),
        round_us=ROUND, restart_us=RESTART,
    )  # fmt: skip
    assert out.moves > 0
    assert out.end_us.max() > 4 * ROUND


def test_strict_first_come_waits_for_the_head_and_backfill_does_not() -> None:
    rows = [(0, 100, 1, [1.0]), (1, 100, 2, [1.0]), (2, 10, 1, [1.0])]
    strict = first_come(work(rows), [2], strict=True, seed=1)
    filled = first_come(work(rows), [2], strict=False, seed=1)
    assert strict.end_us.tolist() == [100, 200, 210]
    assert filled.end_us.tolist() == [100, 200, 12]


def test_the_blind_choose_only_chips_that_have_room_and_can_run_it() -> None:
    assert blind(Random(1), [4, 1, 4], 2, [0.0, 1.0, 1.0]) == 2
    assert blind(Random(1), [1, 1, 1], 2, [1.0, 1.0, 1.0]) == -1


def test_max_min_follows_its_shares_over_rounds() -> None:
    jobs = work([(0, 10**12, 1, [1.0]), (0, 10**12, 1, [1.0]), (0, 10**12, 1, [1.0])])
    state = State(jobs, [1], [1e12] * 3, [0.0] * 3, [-1] * 3)
    chooser, had = MaxMin(), [0, 0, 0]
    for _ in range(30):
        for job in chooser.choose(state, [0, 1, 2], round_us=ROUND):
            had[job] += 1
    assert had == [10, 10, 10]
    assert chooser.solved == 1
