"""What policies say by their numbers: how long patience lasts, and who of a project goes first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.scheduling.engine import Engine
from yunhe.compute.scheduling.events import Arrived, Ended, Withdrawn
from yunhe.compute.scheduling.patience import Patience
from yunhe.compute.scheduling.policies import EVEN, PRESETS, STEADY, YUNHE, Policy
from yunhe.compute.scheduling.queues import key_of
from yunhe.compute.scheduling.state import NodeView, PoolView, Request
from yunhe.kernel.clock import DAY_US, SECOND_US

LOCALE = Path(__file__).parents[2] / "src" / "yunhe" / "locale"
MINUTE_US = 60 * SECOND_US
POOL = PoolView("p", "npu", 8, 0, 0, "CNY", "p", (NodeView(8, 0, 1),))


def ask(number: int, devices: int, *, wall: int = 0, at_us: int = 0) -> Request:
    return Request(f"r{number}", number, "north", "npu", devices, wall, at_us)


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_patience_lasts_no_longer_the_more_devices_are_asked_for(few, many) -> None:
    few, many = sorted((few, many))
    for policy in (STEADY, YUNHE, Policy("flat")):
        assert policy.patience_of(few) >= policy.patience_of(many) >= 0
    assert STEADY.patience_of(16) == 4 * STEADY.patience_of(32) == 4 * STEADY.patience_us


def test_whoever_needs_every_device_there_is_has_the_least_patience_however_few_there_are() -> None:
    for capacity in (8, 560):
        patience = Patience(YUNHE, capacity=capacity)
        whole, half = ask(1, capacity), ask(2, capacity // 2)
        assert not patience.over(whole, now_us=YUNHE.patience_us - 1)
        assert patience.over(whole, now_us=YUNHE.patience_us)
        assert not patience.over(half, now_us=4 * YUNHE.patience_us - 1)
        assert patience.over(half, now_us=4 * YUNHE.patience_us)


def test_of_one_project_whoever_asks_for_less_device_time_goes_first() -> None:
    engine = Engine((POOL,), YUNHE)
    running = ask(0, 8, wall=60)
    assert len(engine.on(Arrived(running), now_us=0)) == 1
    for one in (ask(1, 8, wall=10_000), ask(2, 8, wall=600), ask(3, 8, wall=9_000)):
        engine.note(Arrived(one), now_us=0)
    engine.decide(now_us=0)
    order = [one.id for one in engine.queue.ranked(now_us=0)]
    assert order == ["r2", "r3", "r1"]
    started = engine.on(Ended("r0"), now_us=MINUTE_US)
    assert [one.request.id for one in started] == ["r2"]


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 64), st.integers(1, 10))
def test_no_stream_of_short_work_passes_what_waited_for_its_own_device_time(
    since, wall, devices, weight
) -> None:
    policy = replace(YUNHE, limits_weight=weight)
    long = ask(1, devices, wall=wall, at_us=since * SECOND_US)
    ahead_us = weight * wall * devices * SECOND_US
    later = ask(2, 1, wall=1, at_us=since * SECOND_US + ahead_us)
    assert key_of(policy, long) < key_of(policy, later)


def test_work_without_a_wall_limit_keeps_its_time_of_submission() -> None:
    assert key_of(YUNHE, ask(1, 8, at_us=7)) == (7,)
    assert key_of(STEADY, ask(1, 8, wall=60, at_us=7)) == ()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_policy_is_told_in_both_languages(language) -> None:
    texts = json.loads((LOCALE / language / "simulate.json").read_text(encoding="utf-8"))
    told = {name.removeprefix("simulate.policy.") for name in texts if ".policy." in name}
    assert set(PRESETS) <= told


def test_a_million_devices_for_a_year_still_have_a_place_and_equal_ones_go_by_number() -> None:
    year = 366 * 86_400
    huge = ask(1, 10**6, wall=year, at_us=2**61)
    assert key_of(YUNHE, huge) == (2**61 + 4 * year * 10**6 * SECOND_US,)
    engine = Engine((POOL,), YUNHE)
    engine.on(Arrived(ask(0, 8, wall=60)), now_us=0)
    for number, devices, wall in ((3, 1, 800), (1, 8, 100), (2, 4, 200)):
        engine.note(Arrived(ask(number, devices, wall=wall)), now_us=0)
    assert [one.id for one in engine.queue.ranked(now_us=0)] == ["r1", "r2", "r3"]


@given(st.lists(st.integers(1, 30 * 86_400), min_size=1, max_size=20), st.integers(1, 600))
def test_stating_tiny_limits_gains_nothing_against_another_organisation(walls, tiny) -> None:
    """Whose turn it is among organisations follows use and age, never what is asked for."""
    firsts = []
    for stated in (walls, [tiny] * len(walls)):
        engine = Engine((POOL,), YUNHE)
        engine.on(Arrived(ask(0, 8, wall=60)), now_us=0)
        engine.note(Arrived(replace(ask(1, 8, wall=9_000), organisation="south")), now_us=0)
        for at, wall in enumerate(stated, 2):
            mine = replace(ask(at, 8, wall=wall), organisation="west")
            engine.note(Arrived(mine), now_us=0)
        firsts.append([one.organisation for one in engine.queue.ranked(now_us=0)])
    assert firsts[0] == firsts[1]
    assert firsts[0][0] == "south"


def test_what_is_withdrawn_and_sent_again_goes_behind_its_equals() -> None:
    engine = Engine((POOL,), YUNHE)
    engine.on(Arrived(ask(0, 8, wall=60)), now_us=0)
    for one in (ask(1, 8, wall=600), ask(2, 8, wall=600)):
        engine.note(Arrived(one), now_us=0)
    engine.note(Withdrawn("r1"), now_us=SECOND_US)
    engine.note(Arrived(ask(3, 8, wall=600, at_us=SECOND_US)), now_us=SECOND_US)
    assert [one.id for one in engine.queue.ranked(now_us=SECOND_US)] == ["r2", "r3"]


def test_in_steady_a_low_class_under_an_endless_higher_one_runs_once_its_patience_is_over() -> None:
    engine, low, hour_us = Engine((POOL,), STEADY), ask(1, 8), 3_600 * SECOND_US
    engine.on(Arrived(replace(ask(0, 8), priority=5)), now_us=0)
    engine.on(Arrived(low), now_us=0)
    running, began_us = "r0", 0
    for number in range(2, 100):
        now_us = (number - 1) * hour_us
        engine.note(Arrived(replace(ask(number, 8, at_us=now_us), priority=5)), now_us=now_us)
        [started] = engine.on(Ended(running), now_us=now_us)
        running = started.request.id
        if running == low.id:
            began_us = now_us
            break
    assert 2 * DAY_US <= began_us <= 2 * DAY_US + hour_us


@given(st.integers(0, 10**12), st.integers(0, 10**15), st.integers(1, 10**6))
def test_in_even_what_ran_longer_ages_later_and_what_never_ran_after_two_hours(
    since, attained, devices
) -> None:
    at_us = EVEN.ages_at_us(since, attained_us=attained, devices=devices)
    assert at_us == since + EVEN.ageing_us + attained // devices // 2
    assert EVEN.ages_at_us(since, attained_us=attained + devices * 2, devices=devices) > at_us
    assert EVEN.ages_at_us(since, attained_us=0, devices=devices) == since + 7_200 * SECOND_US


def test_in_even_the_queue_lets_what_ran_long_age_half_as_long_as_it_ran_later() -> None:
    policy, hour_us = replace(EVEN, levels_us=()), 3_600 * SECOND_US
    engine = Engine((POOL,), policy)
    engine.on(Arrived(replace(ask(0, 8), preemptible=False)), now_us=0)
    ran = replace(ask(1, 8), attained_us=8 * 10 * hour_us)
    engine.note(Arrived(ran), now_us=0)
    engine.note(Arrived(replace(ask(2, 8), priority=5)), now_us=6 * hour_us)
    for now_us, first in ((7 * hour_us - 1, "r2"), (7 * hour_us, "r1")):
        assert engine.queue.ranked(now_us=now_us)[0].id == first
