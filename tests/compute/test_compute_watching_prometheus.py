"""Exporters not run on real devices: a real Prometheus scrapes one of ours, and work that idles on
a Kubernetes site (a fake) is metered as idle and released, by policy, for nobody else."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from fake_cluster import TOKEN, Cluster, fake, node
from slurm_cluster import eventually
from watched_site import OPERATOR, Shifted, exporting, known_since

from prometheus_server import prometheus
from yunhe.compute import service as compute
from yunhe.compute.live.relay import Relay
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.kubernetes_jobs import name_of
from yunhe.compute.providers.sites import build, read_sites
from yunhe.compute.remote.driver import Driver
from yunhe.compute.service import statements
from yunhe.compute.statements.domain import Period
from yunhe.compute.utilisation.watching import Watcher
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

GPU = "nvidia.com/gpu"
SITE = """
[centre]
kind = "kubernetes"
address = "{cluster}"
token_file = "token"
namespace = "yunhe"
image = "registry.example/python:3.12"
volume = "shared"
folder = "shared"
[centre.chips]
h20 = "nvidia.com/gpu"
[centre.watch]
address = "{server}"
"""
pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]


def stocked(bare_city):
    """A city with three devices at the site, on a clock that the test moves on."""
    city = bare_city.at_centre(Shifted(ahead_seconds=-2_700))
    city.approve_trial()
    compute.register_pool(
        city.storage,
        key="gpus",
        provider=city.provider,
        site="超算中心",
        chip="h20",
        devices=3,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="centre",
    )
    compute.award(
        city.storage,
        key="h20",
        organisation=city.university,
        chip="h20",
        device_ms=10**8,
        expires_at_us=city.clock.now_us() + DAY_US,
        awarded_by=city.operator,
    )
    return city


@pytest.fixture
def stage(bare_city, tmp_path):
    city, cluster = stocked(bare_city), Cluster(nodes=[node("n1", {GPU: "3"})])
    with (
        exporting() as (exporter, target),
        prometheus(tmp_path, target, labels=OPERATOR) as server,
        fake(cluster) as address,
    ):
        (tmp_path / "shared").mkdir()
        (tmp_path / "token").write_text(TOKEN)
        file = tmp_path / "sites.toml"
        file.write_text(SITE.format(cluster=address, server=server))
        guard = Guard([urlsplit(one).netloc for one in (address, server)])
        programs = {TRIAL: TRIAL_ENTRY_POINT}
        [remote] = build(read_sites(file), programs, outbound=lambda: Outbound(guard))
        yield SimpleNamespace(
            city=city,
            cluster=cluster,
            exporter=exporter,
            server=server,
            driver=Driver(city.storage, remote),
            watcher=Watcher(city.storage, remote),
            relay=Relay(city.storage, remote),
        )


def begun(stage, key: str, **over):
    """A running job of the name, which asks to be stopped after two idle minutes; and its pod."""
    city = stage.city
    arguments = {"action": "endure", "seconds": 300}
    made = city.submit(key, chip="h20", arguments=arguments, wall=3_600, idle_minutes=2, **over)
    eventually(lambda: stage.driver.once() and city.see(made).state == "running", "it to run")
    job = name_of(f"{made.id}-1")
    eventually(lambda: stage.driver.once() and pod_of(stage, job), "its pod")
    return made, pod_of(stage, job)


def pod_of(stage, job: str) -> str:
    return next((name for name in stage.cluster.pods if name.startswith(job)), "")


def looked(stage) -> None:
    """Half a minute later: the exporter says how it is now, and everybody looks."""
    clock = stage.city.clock
    clock.ahead_us += 30 * SECOND_US
    stage.exporter.at_us = clock.now_us()
    eventually(lambda: known_since(stage.server, stage.exporter.at_us), "a scrape")
    stage.driver.once()
    stage.watcher.once()
    stage.relay.turn()


def test_who_idles_is_released_and_metered_so_and_neither_the_busy_nor_the_unseen_is(stage):
    city = stage.city
    (idle, pod), (busy, other) = begun(stage, "idle"), begun(stage, "busy")
    unseen, _ = begun(stage, "unseen")
    stage.exporter.percent = {pod: "0", other: "97"}
    for _ in range(12):
        looked(stage)

    def over() -> bool:
        stage.driver.once()
        return city.see(idle).state not in ("placed", "running")

    eventually(over, "the idle one's end")
    assert [city.see(one).state for one in (busy, unseen)] == ["running", "running"]
    used = city.see(idle).usage
    assert used is not None
    assert (used.utilisation_per_thousand, used.unwatched) == (0, False)
    assert used.utilisation_samples >= 4
    for one in (busy, unseen):
        compute.cancel(city.storage, one.id)

    def ended() -> bool:
        stage.driver.once()
        return not {"running"} & {city.see(one).state for one in (busy, unseen)}

    eventually(ended, "the others' end")
    assert city.see(busy).usage.utilisation_per_thousand == 970
    last = city.see(unseen).usage
    assert (last.utilisation_per_thousand, last.unwatched) == (None, True)
    with city.storage.database.read() as tx:
        [line] = statements.usage(tx, period=Period("always", 0, 2**62), by="chip")
    assert line.reported_ms + line.unwatched_ms == line.device_ms
    assert line.idle_ms == used.device_ms
