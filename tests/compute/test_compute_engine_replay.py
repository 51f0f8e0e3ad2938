"""The replay of a trace: what it charges to whom, and that it charges everything once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.scheduling.policies import (
    FIFO,
    FIRST_FIT,
    HOUR_US,
    NIMBLE,
    PRESETS,
    SHORTEST,
    Policy,
)
from yunhe.compute.simulation.domain import (
    FABRIC_SITE,
    FAILED,
    FINISHED,
    NONE,
    Faults,
    Fleet,
    Jobs,
    Run,
    Trace,
)
from yunhe.compute.simulation.loop import replay

SECOND_US = 10**6


def trace(*rows: tuple[int, int, int, int], chips=("npu",), sites: int = 2, **over) -> Trace:
    """Rows: (arrival seconds, service seconds, devices, home); two nodes of 8 at each site."""
    table = np.array(rows, np.int64).reshape(-1, 4)
    n, nodes = len(table), 2 * sites * len(chips)
    jobs = Jobs(
        id=tuple(f"j{row}" for row in range(n)),
        arrive_us=table[:, 0] * SECOND_US,
        service_us=table[:, 1] * SECOND_US,
        wall_us=over.get("wall_us", np.zeros(n, np.int64)),
        devices=table[:, 2].astype(np.int32),
        milli=np.zeros(n, np.int16),
        cpu_milli=np.zeros(n, np.int64),
        memory_mib=np.zeros(n, np.int64),
        tenant=table[:, 3].astype(np.int32),
        home=table[:, 3].astype(np.int32),
        kind=np.full(n, over.get("kind", NONE), np.int32),
        fabric=np.full(n, FABRIC_SITE, np.int8),
        priority=np.zeros(n, np.int16),
        preemptible=np.ones(n, np.bool_),
        pinned=np.full(n, over.get("pinned", False)),
    )
    site = np.repeat(np.arange(sites, dtype=np.int32), 2 * len(chips))
    fleet = Fleet(
        sites=tuple(f"s{number}" for number in range(sites)),
        chips=chips,
        site=site,
        chip=np.tile(np.repeat(np.arange(len(chips), dtype=np.int16), 2), sites),
        devices=np.full(nodes, 8, np.int16),
        cpu_milli=np.zeros(nodes, np.int64),
        memory_mib=np.zeros(nodes, np.int64),
        domain=site,
    )
    transfer = np.full((sites, sites), over.get("transfer", 0) * SECOND_US, np.int64)
    np.fill_diagonal(transfer, 0)
    speeds = over.get("speeds", np.zeros((0, len(chips)), np.int32))
    return Trace(
        name="made",
        format="synthetic",
        jobs=jobs,
        fleet=fleet,
        tenants=tuple(f"t{number}" for number in range(sites)),
        weights=np.ones(sites, np.int64),
        speeds=speeds,
        kinds=tuple(f"k{row}" for row in range(len(speeds))),
        eligible=np.ones((sites, sites), np.bool_),
        transfer_us=transfer,
    )


def seconds(column: np.ndarray) -> list[int]:
    return [int(value) // SECOND_US for value in column]


def assert_books_are_right(made: Trace, run: Run) -> None:
    """Every stretch is counted once, no node holds too much, and time adds up for each job."""
    jobs, rows = made.jobs, run.stretches
    assert (run.waited_us >= 0).all()
    spans = rows.end_us - rows.start_us
    ran = np.bincount(rows.job, weights=spans, minlength=len(jobs)).astype(np.int64)
    assert (ran == run.run_us).all()
    over = run.end_us != NONE
    assert (run.end_us - jobs.arrive_us == run.waited_us + run.run_us)[over].all()
    assert (run.run_us >= jobs.service_us)[over].all() or made.kinds
    changes = [
        *zip(
            rows.start_us.tolist(), jobs.devices[rows.job].tolist(), rows.site.tolist(), strict=True
        ),
        *zip(
            rows.end_us.tolist(),
            (-jobs.devices[rows.job]).tolist(),
            rows.site.tolist(),
            strict=True,
        ),
    ]
    busy = dict.fromkeys(range(len(made.fleet.sites)), 0)
    for _, devices, site in sorted(changes):
        busy[site] += devices
        assert busy[site] <= 16 * len(made.fleet.chips)
    assert not any(busy.values())


def test_a_silo_keeps_its_jobs_at_home_and_a_pool_does_not() -> None:
    made = trace((0, 100, 16, 0), (1, 100, 16, 0))
    assert seconds(replay(made, FIFO).end_us) == [100, 101]
    alone = replay(made, FIFO, siloed=True)
    assert seconds(alone.end_us) == [100, 200]
    assert alone.site.tolist() == [0, 0]
    pinned = replay(trace((0, 100, 16, 0), (1, 100, 16, 0), pinned=True), FIFO)
    assert seconds(pinned.end_us) == [100, 200]


def test_moving_data_holds_the_devices_before_the_work_starts() -> None:
    run = replay(trace((0, 100, 16, 0), (1, 100, 16, 0), transfer=30), FIRST_FIT)
    assert seconds(run.end_us) == [100, 131]
    assert seconds(run.run_us) == [100, 130]


def test_what_is_pushed_out_resumes_where_it_was_and_pays_for_it() -> None:
    made = trace((0, 7_200, 16, 0), (3_600, 600, 16, 0), sites=1)
    run = replay(made, replace(NIMBLE, restart_us=60 * SECOND_US))
    assert seconds(run.end_us) == [7_200 + 600 + 60, 4_200]
    assert run.preemptions.tolist() == [1, 0]
    assert seconds(run.lost_us) == [60, 0]
    assert_books_are_right(made, run)


def test_an_oracle_is_told_run_times_and_nobody_else_is() -> None:
    made = trace((0, 100, 16, 0), (1, 900, 16, 0), (2, 10, 16, 0), sites=1)
    assert seconds(replay(made, FIFO).end_us) == [100, 1_000, 1_010]
    told = replay(made, SHORTEST, expected_us=made.jobs.service_us)
    assert seconds(told.end_us) == [100, 1_010, 110]


def test_a_node_that_breaks_takes_its_work_with_it_and_the_work_starts_again() -> None:
    faults = Faults(
        at_us=np.array([50, 60, 200], np.int64) * SECOND_US,
        node=np.array([0, 0, 0], np.int32),
        up=np.array([False, False, True]),
    )
    made = trace((0, 100, 16, 0), sites=1)
    run = replay(made, FIFO, faults=faults)
    assert (seconds(run.end_us), run.failures.tolist()) == ([300], [1])
    assert (seconds(run.lost_us), seconds(run.waited_us)) == ([50], [150])
    assert run.stretches.ended.tolist() == [FAILED, FINISHED]
    assert_books_are_right(made, run)


def test_a_fleet_that_never_comes_back_leaves_work_undone_and_says_so() -> None:
    faults = Faults(np.array([50 * SECOND_US]), np.array([0], np.int32), np.array([False]))
    run = replay(trace((0, 100, 16, 0), sites=1), FIFO, faults=faults)
    assert (run.end_us.tolist(), run.failures.tolist()) == ([NONE], [1])


def test_work_runs_at_the_speed_of_the_chip_it_got() -> None:
    speeds = np.array([[1_000, 500]], np.int32)
    made = trace(
        (0, 100, 16, 0), (0, 100, 16, 0), chips=("new", "old"), kind=0, speeds=speeds, sites=1
    )
    run = replay(made, FIRST_FIT)
    assert sorted(zip(run.chip.tolist(), seconds(run.end_us), strict=True)) == [(0, 100), (1, 200)]


def test_a_replay_can_be_stopped_early() -> None:
    run = replay(trace((0, 100, 8, 0)), FIFO, stop_us=40 * SECOND_US)
    assert (run.end_us.tolist(), seconds(run.run_us), run.stopped_us) == ([NONE], [40], 40_000_000)


rows = st.lists(
    st.tuples(
        st.integers(0, 5_000),
        st.integers(1, 8_000),
        st.sampled_from([1, 1, 2, 4, 8, 12, 16]),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=30,
).map(sorted)


@given(rows, st.sampled_from(sorted(PRESETS)), st.booleans(), st.integers(0, 90))
@settings(max_examples=60, deadline=None)
def test_every_job_ends_and_every_second_is_accounted_for(rows, name, siloed, transfer) -> None:
    made = trace(*rows, transfer=transfer)
    run = replay(made, PRESETS[name], siloed=siloed, expected_us=made.jobs.service_us)
    assert (run.end_us != NONE).all()
    assert_books_are_right(made, run)
    again = replay(made, PRESETS[name], siloed=siloed, expected_us=made.jobs.service_us)
    assert (again.end_us == run.end_us).all()


@pytest.mark.parametrize("name", ["yunhe", "steady", "fair"])
def test_a_gang_gets_its_turn_in_a_stream_of_small_work_that_never_ends(name: str) -> None:
    stream = [(at, 3_000, 1, 0) for at in range(0, 400_000, 100)]
    made = trace(*stream[:200], (20_000, 100, 16, 0), *stream[200:], sites=1)
    policy: Policy = replace(PRESETS[name], patience_us=6 * HOUR_US, patience_devices=0)
    run = replay(made, policy)
    starved = replay(made, FIRST_FIT)
    gang = 200
    assert run.waited_us[gang] <= 7 * HOUR_US
    assert starved.waited_us[gang] > run.waited_us[gang] * 5
