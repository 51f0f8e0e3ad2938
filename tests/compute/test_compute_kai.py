"""The peer with queues, quotas and taking back: cases by hand, and what it always conserves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_simulation_figures import S, trace_of

from yunhe.compute.simulation.domain import FABRIC_SITE, FINISHED, PREEMPTED, Trace
from yunhe.compute.simulation.figures import measure
from yunhe.compute.simulation.kai import DEPTH, Queues, fair_shares, reclaiming
from yunhe.compute.simulation.traces.fleets import Rack, supply

RESTART, LEAST = 60, 600


def run(rows, *, tenants: int = 2, devices: int = 8, restart: int = RESTART, least: int = LEAST):
    trace = trace_of(rows, tenants=tenants, devices=devices)
    return reclaiming(trace, restart_us=restart * S, least_us=least * S)


def on_sites(trace: Trace, *sizes: int) -> Trace:
    """The same jobs on sites with so many devices."""
    racks = [Rack(f"s{number}", "g", 1, size) for number, size in enumerate(sizes)]
    fleet = supply(racks, name="x").fleet
    eligible = np.ones((len(sizes), len(sizes)), np.bool_)
    return replace(trace, fleet=fleet, eligible=eligible)


def shares(deserved, weight, asked, room) -> list[float]:
    found = fair_shares(*(np.array(each, float) for each in (deserved, weight, asked)), room)
    return [round(each, 6) for each in found.tolist()]


@pytest.mark.parametrize(
    ("deserved", "weight", "asked", "room", "found"),
    [
        ([4, 4], [1, 1], [10, 10], 8, [4, 4]),
        ([4, 4], [1, 1], [10, 1], 8, [7, 1]),
        ([0, 0], [3, 1], [10, 10], 8, [6, 2]),
        ([0, 0], [3, 1], [2, 10], 8, [2, 6]),
        ([2, 2], [1, 3], [10, 10], 8, [3, 5]),
        ([4, 4], [1, 1], [1, 2], 8, [1, 2]),
        ([4, 4], [1, 1], [0, 0], 8, [0, 0]),
        ([2, 2, 2], [1, 1, 1], [9, 1, 3], 8, [4, 1, 3]),
    ],
    ids=["quota", "unused-quota", "by-weight", "asks-less", "above-quota", "room-left", "nobody",
         "three"],
)  # fmt: skip
def test_shares_are_the_quota_asked_for_and_the_rest_by_weight(
    deserved, weight, asked, room, found
) -> None:
    assert shares(deserved, weight, asked, room) == found


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 30)), min_size=1, max_size=8))
def test_shares_never_exceed_what_is_asked_or_there_and_equal_filling_by_halving(queues) -> None:
    weight = np.array([each for each, _ in queues], float)
    asked = np.array([each for _, each in queues], float)
    deserved = 20.0 * weight / weight.sum()
    found = fair_shares(deserved, weight, asked, 20.0)
    assert (found <= asked + 1e-6).all()
    assert found.sum() == pytest.approx(min(20.0, asked.sum()))
    low, high = 0.0, 100.0  # quotas follow the weights here, so one level tells all
    for _ in range(60):
        level = (low + high) / 2
        if np.minimum(weight * level, asked).sum() < min(20.0, asked.sum()):
            low = level
        else:
            high = level
    assert found.tolist() == pytest.approx(np.minimum(weight * high, asked).tolist(), abs=1e-5)


def test_work_alone_runs_at_once_and_for_its_time() -> None:
    found = run([(5, 100, 8, 0)], tenants=1)
    assert found.end_us.tolist() == [105 * S]
    assert found.waited_us.tolist() == [0]
    assert found.lost_us.tolist() == [0]


def test_a_queue_may_use_what_nobody_else_asks_for() -> None:
    assert run([(0, 100, 4, 0), (0, 100, 4, 0)]).end_us.tolist() == [100 * S, 100 * S]


def test_the_queue_with_less_of_its_share_goes_first_whoever_came_first() -> None:
    rows = [(0, 100, 8, 0), (1, 100, 4, 0), (2, 100, 4, 0), (3, 100, 4, 1)]
    found = run(rows, least=10_000)
    assert found.first_start_us.tolist() == [0, 100 * S, 200 * S, 100 * S]


def test_what_is_held_beyond_the_share_is_taken_back_the_newest_first() -> None:
    rows = [(0, 5_000, 4, 0), (1, 5_000, 4, 0), (1_000, 100, 4, 1)]
    found = run(rows)
    assert found.first_start_us.tolist() == [0, 1 * S, 1_000 * S]
    assert found.preemptions.tolist() == [0, 1, 0]
    assert found.end_us.tolist() == [5_000 * S, (5_001 + 100 + RESTART) * S, 1_100 * S]
    assert found.lost_us.tolist() == [0, RESTART * S, 0]
    assert found.waited_us.tolist() == [0, 100 * S, 0]


def test_nothing_is_taken_back_before_its_least_run_time() -> None:
    rows = [(0, 5_000, 4, 0), (1, 5_000, 4, 0), (300, 100, 4, 1)]
    assert run(rows).preemptions.sum() == 0


def test_nobody_takes_back_beyond_their_own_share() -> None:
    rows = [(0, 5_000, 8, 0), (1_000, 100, 5, 1)]
    found = run(rows)
    assert found.preemptions.sum() == 0
    assert found.first_start_us.tolist() == [0, 5_000 * S]


def test_nobody_falls_below_their_share_by_what_is_taken_back() -> None:
    rows = [(0, 5_000, 6, 0), (1_000, 100, 4, 1)]  # six held of a share of four: four would go
    assert run(rows).preemptions.sum() == 0


def test_a_gang_never_spans_two_sites() -> None:
    trace = on_sites(trace_of([(0, 100, 3, 0), (1, 100, 3, 0), (2, 100, 3, 1)], tenants=2), 5, 4)
    found = reclaiming(trace, restart_us=RESTART * S, least_us=LEAST * S)
    assert found.first_start_us.tolist() == [0, 1 * S, 100 * S]
    assert sorted(found.site.tolist()[:2]) == [0, 1]


def test_work_larger_than_any_site_is_refused_before_anything_runs() -> None:
    trace = on_sites(trace_of([(0, 100, 6, 0)]), 5, 4)
    with pytest.raises(ValueError, match="larger than any site"):
        reclaiming(trace, restart_us=0, least_us=0)


def test_only_the_first_of_a_queue_are_looked_at() -> None:
    rows = [(0, 100, 5, 0), *[(1, 100, 8, 0)] * DEPTH, (2, 100, 1, 0)]
    assert run(rows, tenants=1).first_start_us[-1] > 2 * S
    assert run([rows[0], *rows[2:]], tenants=1).first_start_us[-1] == 2 * S


def test_a_queue_begins_with_its_part_of_all_devices() -> None:
    trace = trace_of([(0, 100, 1, 0)], tenants=2)
    queues = Queues(trace, restart_us=0, least_us=0)
    assert queues.free == [8]
    assert queues.waiting == [[], []]


JOBS = st.lists(
    st.tuples(
        st.integers(0, 2_000), st.integers(1, 3_000), st.integers(1, 5), st.integers(0, 2)
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(JOBS)
def test_all_work_is_done_once_and_no_device_is_held_twice(rows) -> None:
    rows.sort()
    trace = on_sites(trace_of(rows, tenants=3), 5, 3)
    found = reclaiming(trace, restart_us=RESTART * S, least_us=LEAST * S)
    jobs, parts = trace.jobs, found.stretches
    assert (found.end_us >= jobs.arrive_us + jobs.service_us).all()
    restarts = found.preemptions * RESTART * S
    assert (found.lost_us == restarts).all()
    assert (found.run_us <= jobs.service_us + restarts).all()
    assert (found.run_us >= jobs.service_us).all()
    assert (found.waited_us >= 0).all()
    changes: defaultdict[tuple[int, int], int] = defaultdict(int)
    for job, start, end, site in zip(
        parts.job.tolist(), parts.start_us.tolist(), parts.end_us.tolist(), parts.site.tolist(),
        strict=True,
    ):  # fmt: skip
        changes[site, start] += int(jobs.devices[job])
        changes[site, end] -= int(jobs.devices[job])
    for site, room in enumerate((5, 3)):
        held = np.cumsum([changes[key] for key in sorted(changes) if key[0] == site])
        assert not len(held) or (held.max() <= room and held[-1] == 0)
    assert (np.bincount(parts.job[parts.ended == FINISHED], minlength=len(rows)) == 1).all()
    cut = parts.ended == PREEMPTED
    assert ((parts.end_us - parts.start_us)[cut] >= LEAST * S).all()


@settings(max_examples=20, deadline=None)
@given(JOBS)
def test_the_same_jobs_give_the_same_run(rows) -> None:
    rows.sort()
    first, second = run(rows, tenants=3), run(rows, tenants=3)
    assert first.end_us.tolist() == second.end_us.tolist()
    assert first.stretches.start_us.tolist() == second.stretches.start_us.tolist()


def test_its_runs_are_measured_like_all_others() -> None:
    rows = [(0, 5_000, 4, 0), (1, 5_000, 4, 0), (1_000, 100, 4, 1)]
    trace = trace_of(rows, tenants=2)
    figures = measure(trace, reclaiming(trace, restart_us=RESTART * S, least_us=LEAST * S))
    assert figures.policy == "kai"
    assert figures.preemptions == 1
    jct = [5_000, 5_160, 100]
    assert figures.jct_seconds_mean_whole == pytest.approx(sum(jct) / 3)
    assert (trace.jobs.fabric == FABRIC_SITE).all()
