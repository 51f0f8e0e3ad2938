"""How soon work is likely to end, learnt from what ended."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.outlook import BOUNDS_US, CLASSES, Outlook, class_of

HOUR = 3_600_000_000


def test_what_is_not_yet_known_of_run_times_is_taken_to_shrink_with_time() -> None:
    outlook = Outlook(HOUR)
    likely = [outlook.per_second(done) for done in (0, HOUR // 4, HOUR, 10 * HOUR, 100 * HOUR)]
    assert likely == sorted(likely, reverse=True)
    assert likely[0] > 4 * likely[-1] > 0
    assert outlook.ended == 0
    assert not outlook.due


def test_an_engine_learns_that_all_work_ends_after_about_an_hour() -> None:
    outlook = Outlook(HOUR)
    before = outlook.per_second(HOUR // 2)
    for _ in range(500):
        outlook.saw(HOUR)
    assert outlook.due
    outlook.learn([])
    assert not outlook.due
    assert outlook.per_second(HOUR // 2) > 2 * before
    assert outlook.per_second(HOUR // 2) > outlook.per_second(0)  # nearly there


def test_what_has_not_ended_makes_an_end_less_likely() -> None:
    sure, unsure = Outlook(HOUR), Outlook(HOUR)
    for outlook in (sure, unsure):
        for _ in range(50):
            outlook.saw(HOUR // 2)
    sure.learn([])
    unsure.learn([50 * HOUR] * 200)
    assert unsure.per_second(0) < sure.per_second(0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 2_000 * HOUR), max_size=60),
    st.lists(st.integers(0, 2_000 * HOUR), max_size=60),
    st.integers(0, 10_000 * HOUR),
    st.integers(1, 100 * HOUR),
)
def test_an_end_is_always_possible_and_never_certain_at_once(
    ended: list[int], there: list[int], done: int, settle: int
) -> None:
    outlook = Outlook(settle)
    for run in ended:
        outlook.saw(run)
    outlook.learn(there)
    assert 0 < outlook.per_second(done) < 1
    assert outlook.ended == len(ended)


@given(st.integers(0, 5_000 * HOUR))
def test_every_run_time_falls_in_one_class(run: int) -> None:
    place = class_of(run)
    assert BOUNDS_US[place] <= run
    assert place == CLASSES - 1 or run < BOUNDS_US[place + 1]
