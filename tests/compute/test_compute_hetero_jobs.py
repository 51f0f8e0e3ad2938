"""Jobs as Gavel's simulator makes them, and what their owners say: as the sources describe it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_simulation_figures import trace_of

from yunhe.compute.simulation.domain import Trace
from yunhe.compute.simulation.hetero_jobs import (
    BAD,
    BAD_TIMES,
    HOUR_US,
    MINUTE_US,
    SCALES,
    TIMES_OVER,
    at_least_us,
    declared,
    gavel_jobs,
)

TYPES = ("A3C", "CycleGAN", "LM (batch size 5)", "ResNet-18 (batch size 16)")


def known() -> Trace:
    """A trace that knows four types, each on up to eight devices."""
    kinds = tuple(f"{name} x{size}" for name in TYPES for size in (1, 2, 4, 8))
    speeds = np.full((len(kinds), 1), 1_000, np.int32)
    return replace(trace_of([(0, 100, 1, 0)]), kinds=kinds, speeds=speeds)


def made(count: int = 20_000, **over: object) -> Trace:
    said: dict[str, object] = {"count": count, "per_hour": 5.0, "seed": 1, "gangs": True, **over}
    return gavel_jobs(known(), **said)  # type: ignore[arg-type]


def test_sizes_come_as_often_as_published() -> None:
    devices = made().jobs.devices
    for size, part in SCALES:
        assert (devices == size).mean() == pytest.approx(part, abs=0.015)


def test_without_gangs_every_job_asks_for_one_device_and_every_type_comes() -> None:
    found = made(gangs=False)
    assert (found.jobs.devices == 1).all()
    names = [found.kinds[row] for row in np.unique(found.jobs.kind).tolist()]
    assert names == [f"{name} x1" for name in TYPES]


def test_only_types_that_can_be_spread_are_gangs() -> None:
    found = made()
    for row, devices in zip(found.jobs.kind.tolist(), found.jobs.devices.tolist(), strict=True):
        name, size = found.kinds[row].rsplit(" x", 1)
        assert int(size) == devices
        assert devices == 1 or name.startswith(("LM", "ResNet"))


def test_a_fifth_of_the_jobs_is_long_and_none_is_outside_the_published_bounds() -> None:
    minutes = made().jobs.service_us / MINUTE_US
    assert minutes.min() >= 10**1.5 - 1
    assert minutes.max() <= 10**4
    assert (minutes >= 1_000).mean() == pytest.approx(0.2, abs=0.015)
    short = np.log10(minutes[minutes < 1_000])
    assert short.mean() == pytest.approx(2.25, abs=0.02)


def test_jobs_arrive_at_random_at_the_rate_asked_for() -> None:
    gaps = np.diff(made().jobs.arrive_us) / HOUR_US
    assert gaps.mean() == pytest.approx(1 / 5, rel=0.05)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)


def test_the_same_seed_gives_the_same_jobs_and_another_gives_others() -> None:
    first, again, other = made(50), made(50), made(50, seed=2)
    assert first.jobs.service_us.tolist() == again.jobs.service_us.tolist()
    assert first.jobs.kind.tolist() == again.jobs.kind.tolist()
    assert first.jobs.service_us.tolist() != other.jobs.service_us.tolist()
    assert len(set(first.jobs.id)) == 50
    assert first.jobs.preemptible.all()
    assert (first.jobs.wall_us == 0).all()


def test_a_type_without_speeds_at_some_size_is_not_guessed() -> None:
    few = replace(known(), kinds=("ResNet x1",), speeds=np.full((1, 1), 1_000, np.int32))
    assert len(gavel_jobs(few, count=9, per_hour=1.0, seed=1, gangs=False).jobs) == 9
    with pytest.raises(KeyError):
        gavel_jobs(few, count=99, per_hour=1.0, seed=1, gangs=True)


def test_most_say_too_much_and_a_tenth_far_too_little() -> None:
    service = np.full(20_000, HOUR_US, np.int64)
    times = declared(service, seed=3) / HOUR_US
    low = times < 1
    assert low.mean() == pytest.approx(BAD, abs=0.01)
    assert times[low].tolist() == pytest.approx([BAD_TIMES] * int(low.sum()))
    assert times[~low].min() >= 1
    assert times.max() <= TIMES_OVER
    assert np.median(times[~low]) == pytest.approx(2, rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 10**12), max_size=20), st.integers(0, 99))
def test_what_is_declared_is_positive_and_the_same_for_the_same_seed(service, seed) -> None:
    column = np.array(service, np.int64)
    found = declared(column, seed=seed)
    assert (found >= 1).all()
    assert (found <= column * TIMES_OVER + 1).all()
    assert found.tolist() == declared(column, seed=seed).tolist()


def test_no_job_is_faster_than_on_its_fastest_chip_that_has_devices_for_it() -> None:
    trace = trace_of([(0, 100, 1, 0), (0, 100, 4, 0)])
    speeds = np.array([[1_000, 2_000, 0]], np.int32)
    jobs = replace(trace.jobs, kind=np.zeros(2, np.int32))
    trace = replace(trace, jobs=jobs, speeds=speeds, kinds=("any",))
    found = at_least_us(trace, np.array([8, 2, 8], np.int64))
    assert found.tolist() == [50_000_000, 100_000_000]
