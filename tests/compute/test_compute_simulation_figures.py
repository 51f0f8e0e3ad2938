"""Figures are what a person with a pencil would get, and starving a job never makes one better."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.simulation.domain import (
    FABRIC_SITE,
    FINISHED,
    NONE,
    PREEMPTED,
    Jobs,
    Run,
    Stretches,
    Trace,
)
from yunhe.compute.simulation.fairness import alone_us, fairness
from yunhe.compute.simulation.figures import ALL, measure, spread
from yunhe.compute.simulation.traces.fleets import Rack, supply

S = 1_000_000


def trace_of(rows, *, devices: int = 8, tenants: int = 1, price: int = NONE) -> Trace:
    """Rows are (arrival s, service s, devices, tenant), by arrival."""
    n = len(rows)
    table = np.array(rows, np.int64).reshape(n, 4)
    offered = supply([Rack("s", "g", 1, devices, price_minor=price, currency="CNY")], name="t")
    return Trace(
        name="t",
        format="synthetic",
        jobs=Jobs(
            id=tuple(map(str, range(n))),
            arrive_us=table[:, 0] * S,
            service_us=table[:, 1] * S,
            wall_us=np.zeros(n, np.int64),
            devices=table[:, 2].astype(np.int32),
            milli=np.zeros(n, np.int16),
            cpu_milli=np.zeros(n, np.int64),
            memory_mib=np.zeros(n, np.int64),
            tenant=table[:, 3].astype(np.int32),
            home=np.zeros(n, np.int32),
            kind=np.full(n, NONE, np.int32),
            fabric=np.full(n, FABRIC_SITE, np.int8),
            priority=np.zeros(n, np.int16),
            preemptible=np.ones(n, np.bool_),
            pinned=np.zeros(n, np.bool_),
        ),
        fleet=offered.fleet,
        tenants=tuple(f"t{i}" for i in range(tenants)),
        weights=np.ones(tenants, np.int64),
        speeds=np.zeros((0, 1), np.int32),
        kinds=(),
        eligible=np.ones((1, 1), np.bool_),
        transfer_us=np.zeros((1, 1), np.int64),
        prices=offered.prices,
        currency=offered.currency,
    )


def run_of(trace: Trace, stretches, *, stopped: int) -> Run:
    """Stretches are (job, start s, end s, ended); its last one finishes a job."""
    n, table = len(trace.jobs), np.array(stretches, np.int64).reshape(len(stretches), 4)
    first, end, ran = np.full(n, -1), np.full(n, -1), np.zeros(n, np.int64)
    for job, start, until, how in table.tolist():
        first[job] = start * S if first[job] < 0 else first[job]
        ran[job] += (until - start) * S
        end[job] = until * S if how == FINISHED else -1
    there = np.where(end < 0, np.maximum(stopped * S, trace.jobs.arrive_us), end)
    return Run(
        policy="p",
        first_start_us=first,
        end_us=end,
        waited_us=there - trace.jobs.arrive_us - ran,
        run_us=ran,
        lost_us=np.zeros(n, np.int64),
        preemptions=np.zeros(n, np.int32),
        failures=np.zeros(n, np.int32),
        site=np.zeros(n, np.int32),
        chip=np.zeros(n, np.int16),
        stretches=Stretches(
            job=table[:, 0].astype(np.int32),
            start_us=table[:, 1] * S,
            end_us=table[:, 2] * S,
            site=np.zeros(len(table), np.int32),
            chip=np.zeros(len(table), np.int16),
            ended=table[:, 3].astype(np.int8),
        ),
        stopped_us=stopped * S,
        decisions=10,
        passes=5,
        engine_cpu_seconds=0.5,
    )


def test_two_jobs_by_hand():
    trace = trace_of([(0, 100, 8, 0), (0, 50, 4, 0)], price=360)
    found = measure(trace, run_of(trace, [(0, 0, 100, 0), (1, 100, 150, 0)], stopped=150))
    every = found.classes[0]
    assert (every.name, every.jobs) == (ALL, 2)
    assert (every.wait_seconds.mean, every.wait_seconds.most) == (50, 100)
    assert every.jct_seconds.mean == 125
    assert every.slowdown.mean == pytest.approx((1 + 3) / 2)
    assert [one.name for one in found.classes] == [ALL, "2-4", "5-8"]
    assert found.utilisation == pytest.approx((100 * 8 + 50 * 4) / (150 * 8))
    assert found.wanted_but_idle == 0  # while the second waits nothing is free
    assert found.spent[0].device_hours == pytest.approx(1_000 / 3_600)
    assert found.cost_minor == 100
    assert found.makespan_hours == pytest.approx(150 / 3_600)
    assert found.decisions_per_cpu_second == 20
    assert found.service_seconds_mean == 75


def test_devices_that_are_free_while_wanted_are_counted_as_such():
    trace = trace_of([(0, 100, 4, 0), (0, 100, 6, 0)])
    found = measure(trace, run_of(trace, [(0, 0, 100, 0), (1, 100, 200, 0)], stopped=200))
    assert found.wanted_but_idle == pytest.approx(4 * 100 / (200 * 8))


def test_a_push_returns_a_job_to_those_who_wait():
    trace = trace_of([(0, 100, 8, 0)])
    run = run_of(trace, [(0, 0, 40, PREEMPTED), (0, 100, 160, FINISHED)], stopped=160)
    found = measure(trace, run)
    assert found.classes[0].wait_seconds.mean == 60
    assert found.utilisation == pytest.approx(100 / 160)
    assert found.wanted_but_idle == pytest.approx(60 / 160)


def test_a_job_that_never_starts_counts_as_waiting_to_the_end():
    trace = trace_of([(0, 10, 8, 0), (0, 10, 8, 0)])
    found = measure(trace, run_of(trace, [(0, 0, 10, 0)], stopped=5_000))
    assert found.classes[0].wait_seconds.most == 5_000
    assert (found.unfinished, found.never_started, found.classes[0].starved) == (1, 1, 1)


def test_warm_up_and_cool_down_are_left_out_unless_all_is_asked_for():
    rows = [(at, 1, 1, 0) for at in range(101)]
    trace = trace_of(rows)
    run = run_of(trace, [(j, j, j + 1, 0) for j in range(101)], stopped=101)
    assert measure(trace, run).classes[0].jobs == 91
    assert measure(trace, run, whole=True).classes[0].jobs == 101
    assert measure(trace, run).wait_seconds_mean_whole == 0
    assert (measure(trace, run).whole, measure(trace, run, whole=True).whole) == (False, True)


def test_a_trace_too_short_for_a_window_is_counted_whole():
    trace = trace_of([(0, 1, 1, 0), (100, 1, 1, 0)])
    found = measure(trace, run_of(trace, [(0, 0, 1, 0), (1, 100, 101, 0)], stopped=101))
    assert (found.whole, found.classes[0].jobs) == (True, 2)


def test_the_series_integrates_to_the_device_time():
    trace = trace_of([(0, 70, 8, 0), (3, 30, 2, 0)])
    run = run_of(trace, [(0, 0, 70, 0), (1, 70, 100, 0)], stopped=100)
    found = measure(trace, run)
    assert np.mean(found.series_busy) * 100 * 8 == pytest.approx(70 * 8 + 30 * 2, rel=1e-6)
    assert len(found.series_hours) == len(found.series_waiting) == len(found.series_busy)


def test_a_spread_of_nothing_is_zero():
    assert spread(np.zeros(0)).most == 0


def test_alone_is_work_conserving_and_in_order():
    # 4 devices: the first takes 3, the second the last one of the 2 it wants, until 3 come free.
    alone = alone_us(
        np.array([0, 0]), np.array([10, 10]) * S, np.array([3_000, 2_000]), share=4_000
    )
    assert alone.tolist() == [10 * S, 15 * S]


def test_a_job_larger_than_the_share_runs_on_all_of_it():
    alone = alone_us(np.array([5]), np.array([10]) * S, np.array([8_000]), share=2_000)
    assert alone.tolist() == [40 * S]


def fluid(arrive, service, load, share, step=0.01):
    """The same machine by brute force: small steps, dealt in order of arrival."""
    work, ends, now = [float(one) for one in service], [None] * len(service), 0.0
    while any(end is None for end in ends):
        free = share
        for job, left in enumerate(work):
            if arrive[job] <= now and left > 0:
                given = min(free, load[job])
                free -= given
                work[job] = left - step * given / load[job]
                if work[job] <= 1e-9:
                    ends[job] = now + step
        now += step
    return [end - at for end, at in zip(ends, arrive, strict=True)]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from([500, 1000, 2000, 4000])),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([1000, 2000, 3000]),
)
def test_alone_equals_a_machine_of_small_steps(rows, share):
    rows.sort(key=lambda row: row[0])
    arrive, service, load = (list(column) for column in zip(*rows, strict=True))
    found = alone_us(np.array(arrive) * S, np.array(service) * S, np.array(load), share)
    expected = fluid(arrive, service, load, share)
    assert np.allclose(found / S, expected, atol=0.2)


def test_a_tenant_that_is_held_back_has_the_larger_rho():
    trace = trace_of([(0, 100, 4, 0), (0, 100, 4, 1)], tenants=2)
    fair = fairness(trace, np.array([100, 300]) * S, np.ones(2, np.bool_))
    assert [(one.name, one.rho) for one in fair.tenants] == [("t1", 3.0), ("t0", 1.0)]
    assert (fair.rho_max, fair.above) == (3.0, 1)
    assert fair.jain == pytest.approx((1 + 1 / 3) ** 2 / (2 * (1 + 1 / 9)))


def test_equal_treatment_has_a_jain_index_of_one():
    trace = trace_of([(0, 100, 4, 0), (0, 100, 4, 1)], tenants=2)
    assert fairness(trace, np.array([100, 100]) * S, np.ones(2, np.bool_)).jain == 1.0


def test_weights_are_shares():
    trace = trace_of([(0, 100, 8, 0), (0, 100, 8, 1)], tenants=2)
    trace = replace(trace, weights=np.array([3, 1]))
    fair = fairness(trace, np.array([100, 100]) * S, np.ones(2, np.bool_))
    assert {one.name: round(one.rho, 6) for one in fair.tenants} == {"t0": 0.75, "t1": 0.25}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 100), st.integers(1, 50), st.integers(1, 8), st.integers(0, 2)),
        min_size=1,
        max_size=20,
    )
)
def test_figures_stay_within_their_bounds(rows):
    rows.sort(key=lambda row: row[0])
    trace = trace_of(rows, tenants=3)
    now, stretches = 0, []
    for job, (arrive, service, _, _) in enumerate(rows):  # one after another
        start = max(now, arrive)
        now = start + service
        stretches.append((job, start, now, FINISHED))
    found = measure(trace, run_of(trace, stretches, stopped=now), whole=True)
    assert 0 <= found.utilisation <= 1
    assert 0 <= found.wanted_but_idle <= 1 - found.utilisation + 1e-9
    assert 0 < found.fairness.jain <= 1 + 1e-9
    assert found.classes[0].slowdown.mean >= 1
    assert sum(one.jobs for one in found.classes[1:]) == found.classes[0].jobs == len(rows)
    every = found.classes[0].wait_seconds
    assert every.p50 <= every.p90 <= every.p99 <= every.most
    assert every.mean == pytest.approx(found.wait_seconds_mean_whole)
