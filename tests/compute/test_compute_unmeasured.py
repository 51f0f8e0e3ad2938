"""What nobody measured is unknown and never idle, whatever site it was at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_compute_watching_sites import ALWAYS, Stage

from yunhe.compute import service as compute
from yunhe.compute.providers.seam import Metered
from yunhe.compute.service import statements


@pytest.fixture
def stage(bare_city) -> Stage:
    made = Stage(bare_city)
    made.watch.chips = ()  # nobody is to look
    return made


def line(stage):
    with stage.storage.database.read() as tx:
        [found] = statements.usage(tx, period=ALWAYS)
    return found


def metered(stage, cpu_ms: int) -> None:
    """Let the site say that of the processor time of whatever ends there."""
    collect = stage.site.collect

    def told(job, *, blobs, succeeded):
        found = collect(job, blobs=blobs, succeeded=succeeded)
        return replace(found, metered=Metered(1_000, cpu_ms, 0, 0))

    stage.site.collect = told


def test_where_nobody_was_to_look_the_time_of_processors_is_their_use(stage):
    made, job = stage.running()
    stage.pass_by(3)
    stage.site.end(job)
    usage = stage.ended(made).usage
    assert (usage.unwatched, stage.watch.asked) == (False, [])
    assert (usage.utilisation_per_thousand, usage.utilisation_samples, usage.cpu_ms) == (1, 1, 10)
    found = line(stage)
    assert found.idle_ms == found.device_ms * 999 // 1_000
    assert (found.unwatched_ms, found.reported_ms) == (0, found.device_ms)


@pytest.mark.parametrize(("cpu_ms", "over"), [(0, {}), (5, {"replicas": 2})], ids=["none", "gang"])
def test_processor_time_that_nobody_counted_in_full_is_no_sign(stage, cpu_ms, over):
    metered(stage, cpu_ms)
    made, job = stage.running(**over)
    stage.site.end(job)
    assert stage.ended(made).usage.utilisation_per_thousand is None
    found = line(stage)
    assert (found.idle_ms, found.unwatched_ms) == (0, found.device_ms)


def test_accelerators_that_nobody_looked_at_are_unknown_and_never_idle(stage):
    """However little processor time their processes had."""
    city = stage.city
    compute.register_pool(
        city.storage,
        key="accelerators",
        provider=city.provider,
        site="远方",
        chip="h20",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="paper",
    )
    compute.award(
        city.storage,
        key="h20",
        organisation=city.university,
        chip="h20",
        device_ms=1_000_000_000,
        expires_at_us=city.clock.now_us() + 10**12,
        awarded_by=city.operator,
    )
    made, job = stage.running(chip="h20", devices=2)
    stage.pass_by(3)
    stage.site.end(job)
    usage = stage.ended(made).usage
    assert (usage.utilisation_per_thousand, usage.unwatched, usage.cpu_ms) == (None, False, 10)
    found = line(stage)
    assert (found.idle_ms, found.reported_ms) == (0, 0)
    assert found.unwatched_ms == found.device_ms > 0
