"""Whatever the trace and policy: no device is held twice, no work is lost, no rule is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.policies import PRESETS, preset
from yunhe.compute.simulation.domain import (
    FABRIC_SITE,
    FAILED,
    FINISHED,
    NONE,
    PREEMPTED,
    Faults,
    Jobs,
    Run,
    Trace,
)
from yunhe.compute.simulation.example import example
from yunhe.compute.simulation.faults import Weather, faults
from yunhe.compute.simulation.figures import measure
from yunhe.compute.simulation.loop import replay
from yunhe.compute.simulation.traces.fleets import Rack, supply

S = 1_000_000
FLEET = supply(
    [
        Rack("a", "fast", 2, 8, price_minor=100, currency="CNY"),
        Rack("b", "fast", 1, 4, price_minor=80, currency="CNY"),
        Rack("b", "slow", 2, 8, price_minor=30, currency="CNY"),
    ],
    name="test",
)
SPEEDS = np.array([[1000, 0], [1000, 400]], np.int32)

jobs_drawn = st.lists(
    st.tuples(
        st.integers(0, 400),  # arrival
        st.integers(1, 300),  # service
        st.sampled_from([1, 1, 1, 2, 4, 8, 16]),  # devices
        st.integers(0, 2),  # tenant
        st.integers(0, 1),  # home
        st.integers(0, 1),  # kind
        st.booleans(),  # preemptible
        st.booleans(),  # pinned
    ),
    min_size=1,
    max_size=25,
)


def trace_of(rows) -> Trace:
    """Jobs that each fit somewhere; gangs of 16 need the two nodes of one site and chip."""
    rows = sorted(rows, key=lambda row: row[0])
    rows = [(*row[:5], 1 if row[2] > 4 else row[5], *row[6:]) for row in rows]
    n, table = len(rows), np.array(rows, np.int64)
    pinned = table[:, 7].astype(np.bool_) & (table[:, 2] <= 4)
    return Trace(
        name="drawn",
        format="synthetic",
        jobs=Jobs(
            id=tuple(f"j{i}" for i in range(n)),
            arrive_us=table[:, 0] * S,
            service_us=table[:, 1] * S,
            wall_us=table[:, 1] * S * 2,
            devices=table[:, 2].astype(np.int32),
            milli=np.zeros(n, np.int16),
            cpu_milli=np.zeros(n, np.int64),
            memory_mib=np.zeros(n, np.int64),
            tenant=table[:, 3].astype(np.int32),
            home=table[:, 4].astype(np.int32),
            kind=table[:, 5].astype(np.int32),
            fabric=np.full(n, FABRIC_SITE, np.int8),
            priority=np.zeros(n, np.int16),
            preemptible=table[:, 6].astype(np.bool_),
            pinned=pinned,
        ),
        fleet=FLEET.fleet,
        tenants=("t0", "t1", "t2"),
        weights=np.ones(3, np.int64),
        speeds=SPEEDS,
        kinds=("fast only", "both"),
        eligible=np.ones((2, 2), np.bool_),
        transfer_us=np.array([[0, 5 * S], [5 * S, 0]]),
        prices=FLEET.prices,
        currency="CNY",
    )


def held_at_most(trace: Trace, run: Run) -> dict[tuple[int, int], int]:
    """The most devices held at once, by site and chip."""
    rows = run.stretches
    most: dict[tuple[int, int], int] = {}
    for place in set(zip(rows.site.tolist(), rows.chip.tolist(), strict=True)):
        mine = (rows.site == place[0]) & (rows.chip == place[1])
        load = trace.jobs.devices[rows.job[mine]].astype(np.int64)
        at = np.concatenate([rows.start_us[mine], rows.end_us[mine]])
        change = np.concatenate([load, -load])
        order = np.lexsort((change, at))  # what ends at an instant ends before what begins
        most[place] = int(np.cumsum(change[order]).max())
    return most


def room_at(trace: Trace) -> dict[tuple[int, int], int]:
    fleet = trace.fleet
    room: dict[tuple[int, int], int] = {}
    for site, chip, devices in zip(
        fleet.site.tolist(), fleet.chip.tolist(), fleet.devices.tolist(), strict=True
    ):
        room[site, chip] = room.get((site, chip), 0) + devices
    return room


def assert_lawful(trace: Trace, run: Run) -> None:
    """What every run must satisfy."""
    jobs, rows, room = trace.jobs, run.stretches, room_at(trace)
    for place, most in held_at_most(trace, run).items():
        assert most <= room[place]
    assert (rows.start_us >= jobs.arrive_us[rows.job]).all()
    assert (rows.end_us >= rows.start_us).all()
    assert (np.diff(rows.end_us) >= 0).all()
    assert (trace.speeds[jobs.kind[rows.job], rows.chip] > 0).all()
    home = jobs.home[rows.job]
    assert (trace.eligible[home, rows.site]).all()
    assert (rows.site == home)[jobs.pinned[rows.job]].all()
    assert (run.waited_us >= 0).all()
    ran = np.bincount(rows.job, weights=rows.end_us - rows.start_us, minlength=len(jobs))
    assert ran.astype(np.int64).tolist() == run.run_us.tolist()
    done = run.end_us >= 0
    total = run.end_us - jobs.arrive_us
    assert (run.waited_us + run.run_us)[done].tolist() == total[done].tolist()
    finished = np.bincount(rows.job[rows.ended == FINISHED], minlength=len(jobs))
    assert finished.tolist() == done.astype(int).tolist()  # each job ends once


@pytest.mark.parametrize("policy", list(PRESETS))
@settings(max_examples=15, deadline=None)
@given(rows=jobs_drawn)
def test_every_policy_finishes_everything_within_the_rules(policy, rows):
    trace = trace_of(rows)
    run = replay(trace, preset(policy), expected_us=trace.jobs.service_us)
    assert_lawful(trace, run)
    assert (run.end_us >= 0).all()
    found = measure(trace, run, whole=True)
    assert 0 < found.utilisation <= 1
    assert found.unfinished == 0


@settings(max_examples=15, deadline=None)
@given(rows=jobs_drawn)
def test_without_pushes_each_job_runs_once_for_its_service_and_transfer(rows):
    trace = trace_of(rows)
    run = replay(trace, preset("first_fit"))
    jobs, stretches = trace.jobs, run.stretches
    assert sorted(stretches.job.tolist()) == list(range(len(jobs)))
    speed = SPEEDS[jobs.kind, run.chip].astype(np.int64)
    moved = trace.transfer_us[jobs.home, run.site]
    assert run.run_us.tolist() == (-(-jobs.service_us * 1000 // speed) + moved).tolist()
    assert run.lost_us.sum() == 0


@settings(max_examples=15, deadline=None)
@given(rows=jobs_drawn, seed=st.integers(0, 50))
def test_broken_nodes_lose_work_but_no_job_and_no_rule(rows, seed):
    trace = trace_of(rows)
    weather = Weather(seed=seed, node_mtbf_hours=1, node_mttr_hours=1)
    broken = faults(trace.fleet, weather, until_us=20_000 * S)
    run = replay(trace, preset("first_fit"), faults=broken)
    assert_lawful(trace, run)
    assert (run.end_us >= 0).all()
    failed = np.bincount(run.stretches.job[run.stretches.ended == FAILED], minlength=len(rows))
    assert failed.tolist() == run.failures.tolist()


def test_a_node_that_breaks_takes_its_job_and_the_job_begins_again():
    trace = trace_of([(0, 100, 8, 0, 0, 0, True, False)])
    trace = replace(trace, jobs=replace(trace.jobs, kind=np.zeros(1, np.int32)))
    calm = replay(trace, preset("first_fit"))
    node = 0
    broken = Faults(
        at_us=np.array([50, 50, 60, 60]) * S,
        node=np.array([node, node + 1, node, node + 1], np.int32),
        up=np.array([False, False, True, True]),
    )
    run = replay(trace, preset("first_fit"), faults=broken)
    assert calm.end_us.tolist() == [100 * S]
    assert run.failures.tolist() == [1]
    assert run.end_us.tolist() == [160 * S]
    assert run.lost_us.tolist() == [50 * S]
    found = measure(trace, run, whole=True)
    assert found.lost_device_hours == pytest.approx(8 * 50 / 3_600)
    assert found.classes[0].wait_seconds.mean == 10


@settings(max_examples=10, deadline=None)
@given(rows=jobs_drawn)
def test_siloed_jobs_stay_at_home(rows):
    rows = [(*row[:2], min(row[2], 4), *row[3:]) for row in rows]
    trace = trace_of(rows)
    run = replay(trace, preset("fifo"), siloed=True)
    assert (run.site == trace.jobs.home).all()
    assert (run.end_us >= 0).all()


def test_pushing_out_is_counted_and_costs_what_the_policy_says():
    policy = preset("las", restart_us=7 * S, levels_us=(20 * S, 200 * S))
    rows = [(0, 5_000, 16, 0, 0, 1, True, False)] * 2 + [(1_000, 10, 16, 1, 0, 1, True, False)] * 2
    trace = trace_of(rows)
    run = replay(trace, policy)
    assert_lawful(trace, run)
    pushed = int((run.stretches.ended == PREEMPTED).sum())
    assert pushed == run.preemptions.sum()
    assert run.lost_us.sum() == pushed * 7 * S
    assert measure(trace, run, whole=True).preemptions == pushed


@pytest.mark.parametrize("policy", ["fifo", "yunhe", "las"])
def test_the_same_trace_gives_the_same_run(policy):
    trace = example(jobs=300)
    one, two = replay(trace, preset(policy)), replay(trace, preset(policy))
    assert one.end_us.tolist() == two.end_us.tolist()
    assert one.stretches.site.tolist() == two.stretches.site.tolist()
    assert one.decisions == two.decisions


def test_the_example_can_be_replayed_by_every_policy():
    trace = example(jobs=400)
    for name in PRESETS:
        run = replay(trace, preset(name), expected_us=trace.jobs.service_us)
        assert_lawful(trace, run)
        assert (run.end_us >= 0).all(), name


def test_a_run_that_is_stopped_counts_what_still_runs():
    trace = trace_of([(0, 100, 8, 0, 0, 1, True, False), (90, 50, 8, 0, 0, 1, True, False)])
    run = replay(trace, preset("first_fit"), stop_us=60 * S)
    found = measure(trace, run, whole=True)
    assert found.unfinished == 2
    assert run.end_us.tolist() == [NONE, NONE]
    assert run.stopped_us == 60 * S
