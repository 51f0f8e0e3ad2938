"""Work that does nothing: a pure judgement, and a real job that is stopped and pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_desk import eventually, on_the_real_clock, provider_of, running

from yunhe.compute import store
from yunhe.compute.live import line
from yunhe.compute.live import service as live
from yunhe.compute.live.domain import Idle
from yunhe.compute.live.idling import Watched, judge, watched
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.runner import job_of
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid

POLICY = Idle(minutes=10, cpu_percent=5)
MINUTE = 60 * SECOND_US


@pytest.fixture
def town(city):
    return on_the_real_clock(city)


def looks(*looks, policy=POLICY, devices=1):
    """What is said at each look of (minute, processor time in ms)."""
    found, said = watched(0), []
    for minute, cpu_ms in looks:
        found, verdict = judge(
            found, policy, now_us=int(minute * MINUTE), cpu_ms=cpu_ms, devices=devices
        )
        said.append(verdict)
    return said


def each_minute(first: int, last: int, cpu_ms: int = 0):
    return [(minute, cpu_ms) for minute in range(first, last + 1)]


def test_idle_work_is_warned_once_and_stopped_when_its_time_is_over():
    assert looks(*each_minute(1, 10)) == [*["idle"] * 4, "warn", *["idle"] * 4, "stop"]


def test_work_between_the_looks_starts_the_time_anew():
    # 5 per cent of a minute are three seconds.
    said = looks(*each_minute(0, 6), (7, 3_000), *each_minute(8, 17, 3_000))
    assert said[5:8] == ["warn", "idle", "busy"]
    assert said[8:] == [*["idle"] * 4, "warn", *["idle"] * 4, "stop"]


def test_each_device_counts():
    assert looks((1, 11_999), devices=4) == ["idle"]
    assert looks((1, 12_000), devices=4) == ["busy"]


def test_somebody_who_types_is_at_work():
    before = watched(19 * MINUTE)
    after, verdict = judge(
        before, POLICY, now_us=20 * MINUTE, cpu_ms=0, devices=1, touched_us=20 * MINUTE - 1
    )
    assert (verdict, after.quiet_since_us) == ("idle", 20 * MINUTE - 1)


def test_who_types_after_the_warning_is_warned_again_before_the_end():
    warned = Watched(0, 6 * MINUTE, 0, warned=True)
    after, verdict = judge(
        warned, POLICY, now_us=7 * MINUTE, cpu_ms=0, devices=1, touched_us=6 * MINUTE + 1
    )
    assert (verdict, after.warned) == ("idle", False)


def test_a_touch_from_the_future_counts_as_now():
    after, _ = judge(watched(0), POLICY, now_us=MINUTE, cpu_ms=0, devices=1, touched_us=99 * MINUTE)
    assert after.quiet_since_us == MINUTE


@pytest.mark.parametrize("hours", [1, 24, 24 * 3_650])
def test_a_clock_that_jumps_forward_or_a_machine_that_slept_ends_no_work(hours):
    said = looks((1, 0), (2, 0), (2 + hours * 60, 0), (3 + hours * 60, 0))
    assert said == ["idle"] * 4


def test_looks_an_hour_apart_still_warn_before_they_stop():
    said = looks(*[(60 * hour, 0) for hour in range(1, 11)])
    assert said == [*["idle"] * 4, "warn", *["idle"] * 4, "stop"]


def test_the_shortest_time_is_warned_of_first_as_well():
    assert looks((1, 0), (1.25, 0), (1.5, 0), policy=Idle(minutes=1)) == ["warn", "idle", "stop"]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=30),
    st.integers(1, 8),
)
def test_without_a_policy_nothing_is_ever_stopped(pairs, devices):
    now_us, found = 0, watched(0)
    for step, cpu_ms in pairs:
        now_us += step
        found, verdict = judge(found, Idle(), now_us=now_us, cpu_ms=cpu_ms, devices=devices)
        assert verdict in ("busy", "idle")


@given(st.lists(st.tuples(st.integers(1, 10**8), st.integers(0, 10**6)), min_size=1, max_size=30))
def test_nothing_is_stopped_before_its_time(pairs):
    now_us, found, last_busy = 0, watched(0), 0
    for step, cpu_ms in pairs:
        now_us += step
        found, verdict = judge(found, POLICY, now_us=now_us, cpu_ms=cpu_ms, devices=1)
        last_busy = now_us if verdict == "busy" else last_busy
        if verdict == "stop":
            assert now_us - last_busy >= POLICY.minutes * MINUTE
            return


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6)), max_size=60))
def test_nothing_is_stopped_that_was_not_warned_half_of_the_time_before(pairs):
    now_us, found, warned_us = 0, watched(0), None
    for step, cpu_ms in pairs:
        now_us += step
        found, verdict = judge(found, POLICY, now_us=now_us, cpu_ms=cpu_ms, devices=1)
        if verdict == "warn":
            warned_us = now_us
        if verdict == "stop":
            assert warned_us is not None
            assert now_us - warned_us >= POLICY.minutes * MINUTE // 2
            return


def test_a_clock_that_stands_judges_nothing():
    before = Watched(4 * MINUTE, 5 * MINUTE, 100)
    assert judge(before, POLICY, now_us=5 * MINUTE, cpu_ms=0, devices=1) == (before, "idle")


def test_a_clock_that_goes_back_begins_anew():
    before = Watched(5 * MINUTE, 5 * MINUTE, 100, warned=True)
    after, verdict = judge(before, POLICY, now_us=4 * MINUTE, cpu_ms=90, devices=1)
    assert (after, verdict) == (Watched(4 * MINUTE, 4 * MINUTE, 90), "busy")


@pytest.mark.parametrize(
    ("platform", "asked", "minutes"),
    [(0, 0, 0), (0, 20, 20), (30, 0, 30), (30, 20, 20), (30, 40, 30)],
)
def test_a_workloads_own_limit_counts_and_never_outlasts_the_platforms(platform, asked, minutes):
    policy = Idle(minutes=platform, cpu_percent=7)
    assert policy.asked(asked) == Idle(minutes=minutes, cpu_percent=7)


def test_work_that_asked_to_be_stopped_when_idle_is_so_whatever_the_platform_says(town):
    made = town.submit("asked", idle_minutes=12)
    with town.storage.database.read() as tx:
        job = job_of(tx, store.row(tx, made.id))
    heard = []
    for policy in (None, Idle(), Idle(minutes=90), Idle(minutes=5)):
        held = live.line(town.storage, job, policy)
        heard.append(held.idle_minutes)
        held.close()
    assert heard == [12, 12, 12, 5]


@pytest.mark.parametrize("minutes", [-1, 10_081, 1.5])
def test_an_idle_limit_that_is_none_is_refused(town, minutes):
    with pytest.raises(Invalid) as refused:
        town.submit("asked", idle_minutes=minutes)
    assert [each.where for each in refused.value.findings] == ["idle_minutes"]


@pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap does not work here")
def test_a_real_job_that_waits_is_announced_stopped_and_pays_what_it_used(
    town, tmp_path, monkeypatch
):
    monkeypatch.setattr("yunhe.compute.providers.talk.SAMPLE_SECONDS", 0.2)
    said = iter(["busy", "warn", "stop"])

    def judged(before, policy, **facts):
        assert facts["cpu_ms"] > 0
        return before, next(said, "idle")

    monkeypatch.setattr(line.idling, "judge", judged)
    provider = provider_of(tmp_path)
    with running(town, provider, idle=Idle(minutes=30), idle_minutes=20) as job:
        eventually(lambda: job.state() == "cancelled", "its end")
    found = town.see(job.workload)
    assert found.state == "cancelled"
    assert (found.why.code, dict(found.why.params)) == ("compute.idle_released", {"minutes": 20})
    assert found.usage.device_ms > 0
    town.assert_books_are_right()
