"""Failures and guesses are drawn from a seed, come in pairs, and never change by themselves."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.simulation.example import example, example_fleet
from yunhe.compute.simulation.faults import (
    HOUR_US,
    Weather,
    exponential,
    faults,
    uniform,
    with_estimates,
)

MONTH_US = 30 * 24 * HOUR_US


@settings(deadline=None)
@given(
    st.integers(0, 1000), st.integers(1, 200), st.integers(0, 50), st.sampled_from([0, 100, 400])
)
def test_every_node_breaks_and_returns_in_turn(seed, mtbf, mttr, site_mtbf):
    fleet = example_fleet().fleet
    weather = Weather(seed, mtbf, mttr, site_mtbf, 10)
    found = faults(fleet, weather, until_us=MONTH_US)
    assert (np.diff(found.at_us) >= 0).all()
    for node in range(len(fleet)):
        ups = found.up[found.node == node].tolist()
        assert ups == [place % 2 == 1 for place in range(len(ups))]
        assert len(ups) % 2 == 0  # whatever breaks comes back
    assert (found.at_us[~found.up] < MONTH_US).all()


def test_the_mean_time_between_failures_is_kept():
    fleet = example_fleet().fleet
    found = faults(fleet, Weather(7, 100, 10), until_us=20 * MONTH_US)
    down = int((~found.up).sum())
    assert down == pytest.approx(len(fleet) * 20 * 720 / 110, rel=0.1)


def test_an_outage_takes_the_whole_site_at_once():
    fleet = example_fleet().fleet
    found = faults(fleet, Weather(7, site_mtbf_hours=300), until_us=MONTH_US)
    first = int(found.at_us[0])
    nodes = found.node[found.at_us == first]
    assert set(nodes.tolist()) == set(np.flatnonzero(fleet.site == fleet.site[nodes[0]]).tolist())


def test_no_weather_no_faults():
    assert len(faults(example_fleet().fleet, Weather(), until_us=MONTH_US).at_us) == 0


def test_the_same_seed_gives_the_same_numbers_for_ever():
    drawn = uniform(42, "x", 5)
    assert drawn.tolist() == uniform(42, "x", 9)[:5].tolist()
    assert drawn.tolist() != uniform(43, "x", 5).tolist()
    expected = int.from_bytes(hashlib.sha256(b"yunhe:42:x:0").digest()[:8], "big")
    assert drawn[0] == pytest.approx(expected / 2**64)
    assert ((drawn > 0) & (drawn < 1)).all()
    assert exponential(1, "y", 10_000, mean_us=1_000_000).mean() == pytest.approx(1e6, rel=0.05)


@settings(deadline=None)
@given(st.integers(1, 100))
def test_guesses_are_never_below_the_truth_and_never_too_far_above(worst):
    trace = with_estimates(example(jobs=200), seed=1, worst=worst)
    factor = trace.jobs.wall_us / trace.jobs.service_us
    assert (factor >= 1).all()
    assert (factor <= worst + 1e-6).all()
    assert trace.notes[-1].key == "estimates"


def test_the_example_is_the_same_each_time_and_says_that_it_is_made_up():
    one, two = example(), example()
    assert one.jobs.arrive_us.tolist() == two.jobs.arrive_us.tolist()
    assert one.jobs.devices.tolist() == two.jobs.devices.tolist()
    assert one.notes[0].key == "synthetic"
    assert (np.diff(one.jobs.arrive_us) >= 0).all()
    assert (one.jobs.wall_us >= one.jobs.service_us).all()
    asked = (one.jobs.service_us * one.jobs.devices).sum() / one.jobs.arrive_us[-1]
    assert asked == pytest.approx(0.75 * 160, rel=0.02)


def test_another_seed_is_another_example():
    assert example(seed=1).jobs.devices.tolist() != example(seed=2).jobs.devices.tolist()
