"""Ends that only a real controller gives: a launch that fails, and its own time limit."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import slurm_cluster
from slurm_cluster import Cluster, eventually

from yunhe.compute import service as compute
from yunhe.compute.providers import slurm as adapter
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.remote import ENDED
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.clock import DAY_US, SystemClock
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.service import Storage

pytestmark = pytest.mark.skipif(bool(slurm_cluster.absent()), reason=slurm_cluster.absent() or "-")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with slurm_cluster.cluster() as running:
        yield running


@pytest.fixture
def provider(slurm: Cluster) -> SlurmProvider:
    options = SlurmOptions(
        address=slurm.address,
        user="root",
        partition="work",
        chips={"cpu": ""},
        key_file=slurm.jwt_key,
        completions=slurm.completions,
    )
    staging = Staging(slurm.shared, str(slurm.shared), {TRIAL: TRIAL_ENTRY_POINT})
    outbound = Outbound(Guard([f"127.0.0.1:{slurm.ports['rest']}"]))
    return SlurmProvider("centre", options, staging=staging, outbound=outbound)


def job(name: str, **over) -> Job:
    plain = Job(
        id=name,
        entry_point=TRIAL,
        arguments={"action": "endure"},
        inputs={},
        devices=1,
        wall_seconds_max=600,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 29,
        chip="cpu",
        approved=frozenset({find_program(TRIAL, TRIAL_ENTRY_POINT).digest}),
    )
    return replace(plain, **over)


def test_a_launch_that_fails_on_the_node_is_the_sites_loss_and_tried_elsewhere(
    slurm, provider, bare_city
) -> None:
    """A node whose prolog fails: Slurm drains it, and holds the job for its administrators."""
    clock = SystemClock()
    storage = Storage(bare_city.storage.database, bare_city.storage.blobs, clock)
    city = replace(bare_city, storage=storage, clock=clock)
    city.approve_trial()
    city.cash()
    compute.register_pool(
        storage, key="cpu", provider=city.provider, site="超算中心", chip="cpu", devices=8,
        price_minor_per_device_hour=3_600, currency="CNY", adapter="centre",
    )  # fmt: skip
    compute.award(
        storage, key="cpu", organisation=city.university, chip="cpu", device_ms=10**8,
        expires_at_us=clock.now_us() + DAY_US, awarded_by=city.operator,
    )  # fmt: skip
    driver = Driver(storage, provider)
    slurm.launches_fail.touch()
    try:
        wanted = city.submit("launch", arguments={"action": "copy", "word": "at last"})

        def second_attempt() -> bool:
            driver.once()
            return city.see(wanted).attempts >= 2

        eventually(second_attempt, "a second attempt")
        first = [line for line in slurm.queue() if line[1] == f"{wanted.id}-1"]
        assert city.see(wanted).usage is None
        assert all(state in ("PENDING", "CANCELLED") for _, _, state, _ in first), first
        assert "DRAIN" in slurm.scontrol("show", "node")
    finally:
        slurm.launches_fail.unlink()
        for node in slurm.nodes:
            slurm.scontrol("update", f"NodeName={node}", "State=RESUME")

    def settled() -> bool:
        driver.once()
        return city.see(wanted).state in ("settled", "failed")

    eventually(settled, "the end")
    ended = city.see(wanted)
    assert ended.state == "settled", ended.why
    city.assert_books_are_right()


@pytest.mark.slow
def test_slurms_own_time_limit_is_a_failure_that_is_paid(
    slurm, provider, tmp_path, monkeypatch
) -> None:
    """The station keeps limits to the second, so Slurm's own only comes where that has failed."""
    monkeypatch.setattr(adapter, "SPARE_MINUTES", -9)
    blobs = LocalBlobs(tmp_path / "blobs")
    endless = job("endless-1")
    provider.submit(endless, blobs=blobs)
    until = time.monotonic() + 200  # a minute, and Slurm looks twice a minute at most

    def ended() -> bool:
        (report,) = provider.status([endless.id]).reports
        return report.phase in ENDED

    while not ended():
        assert time.monotonic() < until, slurm.queue()
        time.sleep(0.5)
    (report,) = provider.status([endless.id]).reports
    (state,) = [one.states for one in provider._listed() if one.name == endless.id]
    assert "TIMEOUT" in state
    assert (report.phase, report.ran) == ("failed", True)
    (event,) = provider.meter([endless.id])
    assert event.device_ms >= 60_000
    said = provider._staging.ended(endless.id)
    assert json.dumps(said)
    result = provider.collect(endless, blobs=blobs, succeeded=False)
    assert result.outputs == {}
