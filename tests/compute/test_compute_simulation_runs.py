"""Runs and figures at their edges: stale events, empty nodes, one instant, exact windows."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_simulation_figures import S, run_of, trace_of
from test_compute_simulation_replaying import jobs_drawn
from test_compute_simulation_replaying import trace_of as drawn_trace

from yunhe.compute.scheduling.policies import Policy, preset
from yunhe.compute.simulation import comparing
from yunhe.compute.simulation.comparing import Asked
from yunhe.compute.simulation.domain import (
    FINISHED,
    NONE,
    PREEMPTED,
    RUNNING,
    Faults,
    Trace,
)
from yunhe.compute.simulation.example import example
from yunhe.compute.simulation.fairness import alone_us, fairness
from yunhe.compute.simulation.faults import Weather
from yunhe.compute.simulation.figures import CLASSES, JOBS_MIN, POINTS, measure, spread
from yunhe.compute.simulation.loop import replay
from yunhe.compute.simulation.report.page import render
from yunhe.compute.simulation.traces.building import (
    Loaded,
    Wanted,
    fitting,
    reach_of,
    without_impossible,
)
from yunhe.compute.simulation.traces.fleets import Rack, supply
from yunhe.kernel.errors import Invalid

HOUR = 3_600 * S
FIRST_FIT = preset("first_fit")


def quiet(*_: object) -> None:
    """No progress."""


def with_fleet(trace: Trace, *racks: Rack) -> Trace:
    offered = supply(racks, name="x")
    sites, chips = len(offered.fleet.sites), len(offered.fleet.chips)
    return replace(
        trace,
        fleet=offered.fleet,
        speeds=np.zeros((0, chips), np.int32),
        eligible=np.ones((sites, sites), np.bool_),
        transfer_us=np.zeros((sites, sites), np.int64),
        prices=offered.prices,
        currency=offered.currency,
    )


def breaks(*rows: tuple[int, int, bool]) -> Faults:
    """Seconds, node, whether it returns."""
    at, node, up = zip(*rows, strict=True)
    return Faults(np.array(at, np.int64) * S, np.array(node, np.int32), np.array(up, np.bool_))


# --- When a run ends ---------------------------------------------------------------------------


def test_a_run_ends_with_its_last_job_and_not_with_the_next_bad_day() -> None:
    trace = trace_of([(0, 100, 8, 0), (0, 100, 8, 0)])
    run = replay(trace, FIRST_FIT, faults=breaks((10_000, 0, False), (20_000, 0, True)))
    assert run.stopped_us == 200 * S
    assert measure(trace, run).utilisation == pytest.approx(1.0)


def test_a_run_does_not_go_on_because_of_ends_that_never_came() -> None:
    """Work that moved to a quicker chip: its end on the slow one is still in the diary."""
    slow_first = with_fleet(
        trace_of([(0, 1_000, 1, 0)]), Rack("a", "slow", 1, 8), Rack("b", "fast", 1, 8)
    )
    trace = replace(
        slow_first,
        speeds=np.array([[100, 1_000]], np.int32),
        kinds=("k",),
        jobs=replace(slow_first.jobs, kind=np.zeros(1, np.int32), home=np.full(1, NONE, np.int32)),
    )
    run = replay(
        trace,
        FIRST_FIT,
        faults=breaks((0, 1, False), (0, 1, True), (1, 0, False), (2, 1, True)),
    )
    assert run.end_us[0] >= 0
    assert run.stopped_us == run.end_us.max()


@settings(deadline=None, max_examples=40)
@given(rows=jobs_drawn, policy=st.sampled_from(["las", "nimble", "yunhe", "first_fit"]))
def test_every_run_stops_when_the_last_thing_happened(rows, policy) -> None:
    trace = drawn_trace(rows)
    run = replay(trace, preset(policy))
    assert run.stopped_us == max(int(run.end_us.max()), int(trace.jobs.arrive_us[-1]))


@pytest.mark.parametrize("stop", [0, 1, 50, 100, 101, 10_000])
def test_a_run_stopped_early_counts_every_second_up_to_then(stop) -> None:
    trace = trace_of([(0, 100, 8, 0), (50, 100, 8, 0), (120, 10, 1, 0)])
    run = replay(trace, FIRST_FIT, stop_us=stop * S)
    end = min(stop, 210) * S
    assert run.stopped_us == end
    held = int((run.stretches.end_us - run.stretches.start_us).sum())
    assert held == int(run.run_us.sum()) == min(end, 200 * S) + max(min(end, 210 * S) - 200 * S, 0)
    assert (run.stretches.end_us <= end).all()
    still = run.stretches.ended == RUNNING
    assert int(still.sum()) == (1 if 0 < stop < 210 else 0)
    assert (run.waited_us >= 0).all()


# --- Nodes -------------------------------------------------------------------------------------


def test_a_node_without_devices_may_break_like_any_other() -> None:
    trace = with_fleet(
        trace_of([(0, 100, 8, 0), (0, 100, 8, 0)]),
        Rack("a", "g", 1, 8),
        Rack("a", "", 2, 0, cpu_milli=64_000),
        Rack("a", "g", 1, 8),
    )
    run = replay(
        trace,
        FIRST_FIT,
        faults=breaks((10, 1, False), (20, 2, False), (30, 1, True), (40, 2, True)),
    )
    assert run.failures.tolist() == [0, 0]
    assert run.end_us.tolist() == [100 * S, 100 * S]
    asked = Asked(policies=("first_fit",), weather=Weather(node_mtbf_hours=1), whole=True)
    sheet = comparing.compare(asked, Loaded(trace, (), 0, 2), progress=quiet)
    assert sheet.nodes == 4


def test_a_node_broken_twice_is_broken_once_and_a_sound_one_returns_to_nothing() -> None:
    trace = trace_of([(0, 100, 8, 0)])
    run = replay(
        trace,
        FIRST_FIT,
        faults=breaks((5, 0, True), (10, 0, False), (20, 0, False), (30, 0, True), (40, 0, True)),
    )
    assert run.failures.tolist() == [1]
    assert run.end_us.tolist() == [130 * S]
    assert run.lost_us.tolist() == [10 * S]
    assert run.waited_us.tolist() == [20 * S]


@pytest.mark.parametrize(("at", "failures"), [(99, 1), (100, 1), (101, 0)])
def test_a_node_that_breaks_in_the_very_moment_of_an_end_comes_first(at, failures) -> None:
    trace = trace_of([(0, 100, 8, 0)])
    run = replay(trace, FIRST_FIT, faults=breaks((at, 0, False), (at + 1, 0, True)))
    assert run.failures.tolist() == [failures]
    assert run.end_us.tolist() == [(at + 101) * S if failures else 100 * S]


def test_a_node_that_never_returns_leaves_its_job_waiting_for_ever() -> None:
    trace = trace_of([(0, 100, 8, 0), (50, 100, 8, 0)])
    run = replay(trace, FIRST_FIT, faults=breaks((10, 0, False)))
    assert run.end_us.tolist() == [NONE, NONE]
    found = measure(trace, run)
    assert (found.unfinished, found.never_started) == (2, 1)
    assert found.classes[0].wait_seconds.mean >= 0


def test_a_gang_loses_all_its_nodes_when_one_breaks() -> None:
    trace = with_fleet(trace_of([(0, 100, 16, 0), (0, 30, 8, 0)]), Rack("a", "g", 2, 8))
    run = replay(trace, FIRST_FIT, faults=breaks((10, 1, False), (50, 1, True)))
    assert run.failures.tolist() == [1, 0]
    assert run.first_start_us.tolist() == [0, 10 * S]
    assert run.end_us.tolist() == [150 * S, 40 * S]


# --- Time lost and time on slower chips --------------------------------------------------------


@pytest.mark.parametrize(
    ("speed", "service", "expected"),
    [(1_000, 100, 100 * S), (500, 100, 200 * S), (3_000, 100, 33_333_334), (999, 1, 1_001_002)],
)
def test_a_slower_chip_takes_longer_rounded_up_to_the_microsecond(speed, service, expected) -> None:
    plain = trace_of([(0, service, 1, 0)])
    trace = replace(
        plain,
        speeds=np.array([[speed]], np.int32),
        kinds=("k",),
        jobs=replace(plain.jobs, kind=np.zeros(1, np.int32)),
    )
    assert replay(trace, FIRST_FIT).end_us.tolist() == [expected]


def test_work_that_was_pushed_out_goes_on_where_it_was() -> None:
    policy = Policy("p", order="attained", overtaking="always", preempts=True,
                    levels_us=(80 * S,), restart_us=0)  # fmt: skip
    trace = trace_of([(0, 100, 8, 0), (50, 20, 8, 0)])
    run = replay(trace, policy)
    assert run.preemptions.sum() >= 1
    assert run.lost_us.tolist() == [0, 0]
    assert run.run_us.tolist() == [100 * S, 20 * S]
    pushed = run.stretches.ended == PREEMPTED
    assert int(pushed.sum()) == int(run.preemptions.sum())


def test_time_in_which_data_moved_is_no_work_done() -> None:
    policy = Policy("p", order="attained", overtaking="always", preempts=True,
                    levels_us=(80 * S,), restart_us=0)  # fmt: skip
    plain = with_fleet(
        trace_of([(0, 100, 8, 0), (50, 20, 8, 0)]), Rack("a", "g", 1, 8), Rack("b", "g", 1, 1)
    )
    jobs = replace(plain.jobs, home=np.array([1, 0], np.int32))
    trace = replace(plain, jobs=jobs, transfer_us=np.array([[0, 0], [7 * S, 0]]))
    run = replay(trace, policy)
    assert run.preemptions.tolist() == [1, 0]
    assert run.end_us.tolist() == [134 * S, 70 * S]  # 43 s of work, 20 s out, 7 s, 57 s


def test_data_is_moved_before_work_begins_and_devices_are_held_meanwhile() -> None:
    trace = with_fleet(
        trace_of([(0, 100, 8, 0), (0, 100, 8, 0)]), Rack("a", "g", 1, 8), Rack("b", "g", 1, 8)
    )
    trace = replace(trace, transfer_us=np.array([[0, 7 * S], [9 * S, 0]]))
    run = replay(trace, FIRST_FIT)
    assert sorted(run.end_us.tolist()) == [100 * S, 107 * S]
    assert sorted(run.run_us.tolist()) == [100 * S, 107 * S]
    assert run.waited_us.tolist() == [0, 0]


def test_the_same_jobs_under_other_names_run_alike() -> None:
    trace = drawn_trace([(n, 50 + n, 1 + n % 4, n % 3, n % 2, 1, True, False) for n in range(25)])
    named = replace(trace, jobs=replace(trace.jobs, id=tuple(f"运-{n}" for n in range(25, 0, -1))))
    for policy in ("yunhe", "las", "fifo"):
        one, two = replay(trace, preset(policy)), replay(named, preset(policy))
        assert one.end_us.tolist() == two.end_us.tolist()


@settings(deadline=None, max_examples=30)
@given(rows=jobs_drawn, shift=st.integers(1, 10**9))
def test_when_a_trace_begins_changes_nothing_but_the_clock(rows, shift) -> None:
    """Without halving of what was used, which does go by the clock."""
    trace = drawn_trace(rows)
    later = replace(trace, jobs=replace(trace.jobs, arrive_us=trace.jobs.arrive_us + shift * S))
    one, two = replay(trace, FIRST_FIT), replay(later, FIRST_FIT)
    assert (two.end_us - shift * S).tolist() == one.end_us.tolist()
    assert two.waited_us.tolist() == one.waited_us.tolist()


# --- What does not fit -------------------------------------------------------------------------


def test_days_and_load_are_between_the_first_arrival_and_the_last_that_are_left() -> None:
    """A job that fits nowhere comes a day before the others, and is left out."""
    day = 86_400
    trace = trace_of([(0, 100, 99, 0), (day, 86_400, 4, 0), (2 * day, 86_400, 4, 0)])
    trace = without_impossible(trace)
    asked = Asked(policies=("fifo",), whole=True)
    sheet = comparing.compare(asked, Loaded(trace, (), 0, 3), progress=quiet)
    assert sheet.days == pytest.approx(1)
    assert sheet.load == pytest.approx(1)
    assert sheet.jobs == 2
    assert [dict(n.params) for n in sheet.notes if n.key == "too_big"] == [{"jobs": 1, "all": 3}]


@pytest.mark.parametrize(
    ("devices", "sizes", "fits"),
    [
        (8, (8,), True),
        (9, (8, 8), True),
        (16, (8, 8), True),
        (17, (8, 8), False),
        (9, (8,), False),
        (8, (4, 4), True),
    ],
)
def test_a_job_fits_one_node_or_several_of_one_site_and_chip(devices, sizes, fits) -> None:
    racks = [Rack("a", "g", 1, size) for size in sizes]
    trace = with_fleet(trace_of([(0, 1, devices, 0)]), *racks, Rack("b", "g", 1, 1))
    assert fitting(trace).tolist() == [fits]
    if not fits:
        with pytest.raises(Invalid) as caught:
            without_impossible(trace)
        assert caught.value.code == "simulate.trace_too_big_for_fleet"
        return
    assert replay(trace, FIRST_FIT).end_us[0] >= 0


@pytest.mark.parametrize(("others", "expected"), [(0, [1, 0, 0]), (1, [1, 1, 0]), (2, [1, 1, 1])])
def test_a_reach_of_nothing_is_home_alone(others, expected) -> None:
    eligible, _, notes = reach_of(3, Wanted(reach=others))
    assert eligible[0].astype(int).tolist() == expected
    assert len(notes) == (others < 2)


def test_one_site_alone_has_no_reach_and_no_transfer_to_note() -> None:
    eligible, transfer, notes = reach_of(1, Wanted(reach=0, transfer_seconds=9))
    assert (eligible.tolist(), transfer.tolist(), notes) == ([[True]], [[0]], [])


# --- Figures -----------------------------------------------------------------------------------


def serial(count: int):
    """So many jobs of a second, one a second."""
    trace = trace_of([(at, 1, 1, 0) for at in range(count)])
    return trace, run_of(trace, [(j, j, j + 1, FINISHED) for j in range(count)], stopped=count)


@pytest.mark.parametrize("count", [1, 2, JOBS_MIN, 55, 56, 57, 200, 1_001])
def test_the_window_is_five_to_ninety_five_percent_once_enough_is_left(count) -> None:
    trace, run = serial(count)
    span = (count - 1) * S
    low, high = span * 50 // 1_000, span * 950 // 1_000
    inside = [at for at in range(count) if low <= at * S <= high]
    found = measure(trace, run)
    if len(inside) >= JOBS_MIN and count > 1:
        assert (found.whole, found.window_us) == (False, (low, high))
        assert found.classes[0].jobs == len(inside)
    else:
        assert (found.whole, found.classes[0].jobs) == (True, count)


def test_all_jobs_at_one_instant_are_measured_over_the_whole_run() -> None:
    trace = trace_of([(0, 100, 8, 0)] * 60)
    run = run_of(trace, [(j, 100 * j, 100 * j + 100, FINISHED) for j in range(60)], stopped=6_000)
    found = measure(trace, run)
    assert (found.whole, found.utilisation, found.wanted_but_idle) == (True, pytest.approx(1), 0)
    assert found.classes[0].wait_seconds.mean == pytest.approx(2_950)


@pytest.mark.parametrize(
    ("devices", "milli", "name"),
    [(0, 0, "0"), (0, 1, "<1"), (0, 999, "<1"), (1, 0, "1"), (2, 0, "2-4"), (4, 0, "2-4"),
     (5, 0, "5-8"), (8, 0, "5-8"), (9, 0, "9-31"), (31, 0, "9-31"), (32, 0, "32+"),
     (10**7, 0, "32+")],
)  # fmt: skip
def test_every_size_has_one_class(devices, milli, name) -> None:
    plain = trace_of([(0, 10, 1, 0)])
    jobs = replace(
        plain.jobs, devices=np.array([devices], np.int32), milli=np.array([milli], np.int16)
    )
    trace = replace(plain, jobs=jobs)
    found = measure(trace, run_of(trace, [(0, 0, 10, FINISHED)], stopped=10))
    assert [one.name for one in found.classes] == ["all", name]
    assert name in [one for one, _, _ in CLASSES]


@pytest.mark.parametrize(
    ("wait", "service", "starved"),
    [(3_600, 1, 0), (3_601, 1, 1), (3_601, 361, 0), (36_000, 3_600, 0), (36_001, 3_600, 1)],
)
def test_starved_is_more_than_ten_run_times_and_more_than_an_hour(wait, service, starved) -> None:
    trace = trace_of([(0, service, 1, 0)])
    run = run_of(trace, [(0, wait, wait + service, FINISHED)], stopped=wait + service)
    assert measure(trace, run).classes[0].starved == starved


@pytest.mark.parametrize(
    ("service", "wait", "slowdown"), [(1, 0, 1), (1, 9, 1), (1, 19, 2), (10, 10, 2), (100, 50, 1.5)]
)
def test_a_slowdown_is_bounded_by_ten_seconds_and_never_below_one(service, wait, slowdown) -> None:
    trace = trace_of([(0, service, 1, 0)])
    run = run_of(trace, [(0, wait, wait + service, FINISHED)], stopped=wait + service)
    assert measure(trace, run).classes[0].slowdown.mean == pytest.approx(slowdown)


def test_costs_are_rounded_once_and_not_for_every_job() -> None:
    """A thousand jobs of a second at 1 fen an hour cost nothing each, and together not nothing."""
    count = 7_200
    trace = trace_of([(at, 1, 1, 0) for at in range(count)], price=1)
    run = run_of(trace, [(j, j, j + 1, FINISHED) for j in range(count)], stopped=count)
    found = measure(trace, run)
    assert (found.cost_minor, found.spent[0].device_hours) == (2, pytest.approx(2))
    assert measure(replace(trace, prices=None), run).cost_minor is None


def test_the_series_cover_the_run_without_a_gap() -> None:
    trace, run = serial(100)
    found = measure(trace, run)
    hours = np.array(found.series_hours)
    assert len(hours) == POINTS
    assert (np.diff(hours) > 0).all()
    assert np.allclose(np.diff(hours), 100 / 3_600 / POINTS, rtol=1e-3)
    assert np.mean(found.series_busy) == pytest.approx(1 / 8)
    tiny = measure(*serial(1))
    assert all(0 <= one <= 1 for one in tiny.series_busy)


def test_a_tenant_that_sends_nothing_leaves_its_share_to_the_others() -> None:
    trace = trace_of([(0, 100, 8, 0), (0, 100, 8, 2)], tenants=3)
    trace = replace(trace, weights=np.array([1, 10**9, 1]))
    fair = fairness(trace, np.array([200, 200]) * S, np.ones(2, np.bool_))
    assert {one.name: one.rho for one in fair.tenants} == {"t0": 1.0, "t2": 1.0}


@pytest.mark.parametrize(("seconds", "above"), [(100, 0), (110, 0), (111, 1), (149, 1)])
def test_a_tenth_worse_than_alone_is_forgiven_and_no_more(seconds, above) -> None:
    trace = trace_of([(0, 100, 8, 0)])
    assert fairness(trace, np.array([seconds]) * S, np.ones(1, np.bool_)).above == above


def test_work_on_processors_only_has_no_share_of_devices() -> None:
    plain = trace_of([(0, 100, 1, 0), (0, 100, 4, 1)], tenants=2)
    trace = replace(plain, jobs=replace(plain.jobs, devices=np.array([0, 4], np.int32)))
    fair = fairness(trace, np.array([10**6, 100]) * S, np.ones(2, np.bool_))
    assert [one.name for one in fair.tenants] == ["t1"]
    nothing = fairness(trace, np.array([1, 1]), np.zeros(2, np.bool_))
    assert (nothing.tenants, nothing.jain, nothing.rho_max) == ((), 1.0, 0.0)


def test_alone_the_next_begins_when_the_one_before_has_ended() -> None:
    arrive = np.array([0, 0, 0, 500]) * S
    service = np.array([100, 100, 100, 7]) * S
    found = alone_us(arrive, service, np.full(4, 4_000), 4_000)
    assert (found // S).tolist() == [100, 200, 300, 7]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=50))
def test_a_spread_lies_within_its_values(values) -> None:
    found = spread(np.array(values))
    assert min(values) <= found.p50 <= found.p90 <= found.p99 <= found.most == max(values)
    assert found.mean == pytest.approx(sum(values) / len(values))


def test_a_page_of_jobs_that_never_waited_is_drawn_all_the_same() -> None:
    """Nothing to divide by: no wait, no cost, one job, one instant."""
    trace = trace_of([(0, 10, 1, 0)])
    asked = Asked(policies=("fifo", "first_fit"), whole=True)
    sheet = comparing.compare(asked, Loaded(trace, (), 0, 1), progress=quiet)
    for language in ("en", "zh"):
        page = render(sheet, language=language)
        assert not re.search(r"\b(nan|inf)\b", page, re.IGNORECASE)


def test_what_a_file_calls_its_tenants_can_always_be_written_down(tmp_path) -> None:
    """Half a pair of surrogates is a name in JSON, and none in UTF-8."""
    trace = replace(example(Wanted(first=80)), tenants=("\ud800", "<b>", "运\0河", "a" * 5_000, ""))
    asked = Asked(policies=("fifo",), whole=True)
    sheet = comparing.compare(asked, Loaded(trace, (), 0, 80), progress=quiet)
    page = comparing.write(sheet, tmp_path, "zh")
    assert "<b>" not in page.read_text("utf-8")
    assert (tmp_path / "figures.json").read_text("utf-8")
