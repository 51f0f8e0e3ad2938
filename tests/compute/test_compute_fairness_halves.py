"""The helpers of the fairness benchmark: what load is, and what taking nodes away leaves."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_simulation_figures import trace_of

from yunhe.compute.simulation.domain import Trace
from yunhe.compute.simulation.traces.fleets import Rack, supply

BENCH = runpy.run_path(
    str(Path(__file__).parents[2] / "benchmarks" / "compute" / "fairness.py"), run_name="bench"
)


def on_nodes(rows, *sites: tuple[int, int]) -> Trace:
    """Rows are (arrival s, service s, devices, tenant); sites are (nodes, devices of each)."""
    racks = [Rack(f"s{at}", "g", nodes, size) for at, (nodes, size) in enumerate(sites)]
    return replace(trace_of(rows), fleet=supply(racks, name="x").fleet)


def test_load_is_device_time_asked_for_over_what_there_is_until_the_last_arrival() -> None:
    rows = [(0, 50, 4, 0), (100, 100, 6, 0)]
    assert BENCH["load_of"](on_nodes(rows, (1, 8))) == pytest.approx((200 + 600) / 100 / 8)
    assert BENCH["load_of"](on_nodes(rows, (1, 8), (3, 8))) == pytest.approx(800 / 100 / 32)


def test_a_half_of_the_nodes_doubles_the_load_and_drops_what_no_site_has_room_for() -> None:
    trace = on_nodes([(0, 50, 4, 0), (50, 9, 16, 0), (60, 9, 17, 0), (100, 10, 8, 0)], (4, 8))
    half = BENCH["thinned"](trace, percent=50.0)
    assert half.fleet.devices.tolist() == [8, 8]
    assert half.jobs.id == ("0", "1", "3")
    assert half.jobs.devices.tolist() == [4, 16, 8]
    whole = replace(trace, jobs=half.jobs)
    assert BENCH["load_of"](half) == pytest.approx(2 * BENCH["load_of"](whole))


def test_all_of_the_nodes_leave_the_trace_as_it_is() -> None:
    trace = on_nodes([(0, 50, 4, 0), (50, 9, 16, 0)], (4, 8), (1, 4))
    same = BENCH["thinned"](trace, percent=100.0)
    assert same.jobs.id == trace.jobs.id
    assert same.fleet.devices.tolist() == trace.fleet.devices.tolist()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 8)), min_size=1, max_size=5),
    st.lists(st.integers(1, 240), min_size=1, max_size=12),
    st.integers(1, 100),
)
def test_every_site_keeps_its_part_and_what_stays_fits(sites, sizes, percent) -> None:
    trace = on_nodes([(at, 10, size, 0) for at, size in enumerate(sizes)], *sites)
    small = BENCH["thinned"](trace, percent=float(percent))
    stay = np.bincount(small.fleet.site, minlength=len(sites))
    for (nodes, _), left in zip(sites, stay.tolist(), strict=True):
        assert left == max(round(nodes * percent / 100), 1)
    room = max(left * size for (_, size), left in zip(sites, stay.tolist(), strict=True))
    assert small.jobs.devices.tolist() == [size for size in sizes if size <= room]
    assert len(small.jobs.id) == len(small.jobs.service_us) == len(small.jobs.tenant)


def test_both_halves_together_are_the_whole_and_everything_may_be_pushed_out() -> None:
    trace = on_nodes([(at, 10, 1, 0) for at in (0, 10, 49, 50, 51, 100)], (4, 8))
    parts = {name: BENCH["part_of"](trace, name).jobs for name in ("whole", "first", "second")}
    assert parts["whole"].id == trace.jobs.id == parts["first"].id + parts["second"].id
    assert parts["first"].id == ("0", "1", "2")
    assert parts["second"].arrive_us.tolist() == [0, 1_000_000, 50_000_000]
    for jobs in parts.values():
        assert jobs.preemptible.all()
        assert jobs.arrive_us[0] == 0


@pytest.mark.parametrize(
    ("over", "met"),
    [
        ({}, [True, True, True]),
        ({"rho": 1.11}, [False, True, True]),
        ({"use": 0.96 * 0.8}, [True, False, True]),
        ({"starved": 1}, [True, True, False]),
    ],
)
def test_a_verdict_names_each_part_of_the_goal(capsys, over, met) -> None:
    best = BENCH["Line"]("fifo", 9.0, 99, 0.1, 0.8, 50, 99.0)
    row = BENCH["Line"]("even", 1.1, 0, 0.9, 0.97 * 0.8, 0, 5.0)
    assert BENCH["verdict"](replace(row, **over), best) is all(met)
    said = capsys.readouterr().out
    assert [word.endswith("met") for word in said.strip().rstrip(")").split(";")] == met
    assert ("MISSED  (" in said) is not all(met)
