"""Work at a site makes room: it saves itself, is paid, and goes on from there; on a real Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import slurm_cluster
from fake_cluster import TOKEN, Cluster, fake, index, node
from paper_site import PaperSite
from slurm_cluster import eventually
from test_compute_yielding import asked, stretches, urgent

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.kubernetes import KubernetesOptions, KubernetesProvider
from yunhe.compute.providers.kubernetes_access import Access
from yunhe.compute.providers.kubernetes_jobs import Card
from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote import store as remote
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.clock import DAY_US, SECOND_US, SystemClock
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

LONG_ENOUGH = 11 * 60
"""Nobody is pushed out before ten minutes."""
SAVER = (
    'n=$(cat "$YUNHE_CHECKPOINT/step" 2>/dev/null || echo 0)\n'
    'if [ "$n" = 0 ]; then\n'
    "trap 'echo 7 > \"$YUNHE_CHECKPOINT/step\"; exit 0' TERM\n"
    "echo begun; while :; do sleep 0.1; done\nfi\n"
    'echo "$n" > "$YUNHE_OUTPUTS/step"\n'
)
DEAF = "trap '' TERM; echo begun; while :; do sleep 0.1; done"


class Shifted:
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self._real, self.ahead_us = SystemClock(), 0

    def now_us(self) -> int:
        return self._real.now_us() + self.ahead_us


@pytest.fixture
def town(bare_city):
    city = bare_city.at_centre(Shifted())
    city.approve_trial()
    compute.award(
        city.storage,
        key="award",
        organisation=city.university,
        chip="cpu",
        device_ms=10**8,
        expires_at_us=city.clock.now_us() + DAY_US,
        awarded_by=city.operator,
    )
    return city


def staging(shared: Path) -> Staging:
    return Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}, commands=True)


@contextmanager
def slurm_site(_: Path) -> Iterator[SimpleNamespace]:
    if slurm_cluster.absent():
        pytest.skip(slurm_cluster.absent())
    with slurm_cluster.cluster() as cluster:
        options = SlurmOptions(
            address=cluster.address,
            user="root",
            partition="work",
            chips={"cpu": ""},
            key_file=cluster.jwt_key,
        )
        outbound = Outbound(Guard([f"127.0.0.1:{cluster.ports['rest']}"]))
        made = SlurmProvider("centre", options, staging=staging(cluster.shared), outbound=outbound)
        yield SimpleNamespace(provider=made, shared=cluster.shared)


def kubernetes(address: str, shared: Path) -> KubernetesProvider:
    options = KubernetesOptions(
        access=Access(address, token=TOKEN),
        namespace="yunhe",
        image="i",
        volume="shared",
        chips={"cpu": Card("")},
        cpu_milli_per_device=1_000,
    )
    outbound = Outbound(Guard([urlsplit(address).netloc]))
    return KubernetesProvider("centre", options, staging=staging(shared), outbound=outbound)


@contextmanager
def cluster_site(tmp_path: Path) -> Iterator[SimpleNamespace]:
    cluster = Cluster(nodes=[node("n1", {})])
    with fake(cluster) as address:
        shared = tmp_path / "shared"
        made = kubernetes(address, shared)
        yield SimpleNamespace(provider=made, shared=shared, cluster=cluster)


@pytest.fixture(params=[slurm_site, cluster_site], ids=["slurm", "kubernetes"])
def site(request, tmp_path) -> Iterator[SimpleNamespace]:
    with request.param(tmp_path) as made:
        yield made


def long(town, script: str = SAVER, *, key: str = "long", **over):
    said = {"entry_point": "", "command": ("sh", "-c", script), "arguments": {}}
    return town.submit(key, **{**said, "devices": 2, "wall": 7_200, "preemptible": True, **over})


def drive(town, driver: Driver, workload, *states: str):
    def there() -> bool:
        driver.once()
        return town.see(workload).state in states

    eventually(there, f"{workload.id} to be {states}")
    return town.see(workload)


def begun(driver: Driver, site, workload, *, attempt: int = 1) -> None:
    said = site.shared / f"{workload.id}-{attempt}" / "stdout"
    eventually(lambda: driver.once() and said.exists() and said.read_bytes() != b"", "it to begin")


def needed(town, workload):
    """Time passes, and somebody else needs the devices."""
    town.clock.ahead_us += LONG_ENOUGH * SECOND_US
    other = urgent(town)
    assert asked(town, workload)
    return other


def test_it_saves_itself_is_paid_and_goes_on_from_there(town, site) -> None:
    driver = Driver(town.storage, site.provider)
    first = long(town)
    begun(driver, site, first)
    other = needed(town, first)
    drive(town, driver, other, "settled")
    [stretch] = stretches(town, first)
    assert (stretch.state, stretch.why.code) == ("cancelled", "compute.pushed_out")
    ended = drive(town, driver, first, "settled", "failed")
    assert (ended.state, ended.attempts) == ("settled", 2)
    assert town.storage.blobs.read(ended.outputs["step"]) == b"7\n"
    town.assert_books_are_right_for_shares()


def test_one_that_is_deaf_is_ended_after_its_grace_and_the_other_runs(town, tmp_path, monkeypatch):
    monkeypatch.setattr("yunhe.compute.remote.stopping.GRACE_SECONDS", 1)
    with cluster_site(tmp_path) as site:
        driver = Driver(town.storage, site.provider)
        first = long(town, DEAF)
        begun(driver, site, first)
        drive(town, driver, needed(town, first), "settled")
        [stretch] = stretches(town, first)
        assert stretch.state == "cancelled"
        compute.cancel(town.storage, first.id)
        assert drive(town, driver, first, "cancelled").usage is None
        town.assert_books_are_right_for_shares()


def test_one_that_waits_at_the_site_never_begins_and_costs_nothing(town, tmp_path):
    with cluster_site(tmp_path) as site:
        site.provider._options = replace(site.provider._options, queue="city")
        site.cluster.admits = False
        driver = Driver(town.storage, site.provider)
        first = long(town)
        eventually(lambda: driver.once() and bool(site.cluster.jobs), "it to be there")
        other = needed(town, first)
        eventually(lambda: driver.once() and town.see(first).state == "waiting", "it to be back")
        assert stretches(town, first) == []
        site.cluster.admits = True
        drive(town, driver, other, "settled")
        town.assert_books_are_right_for_shares()


def test_a_gang_saves_on_every_node_before_it_makes_room(town, tmp_path):
    cluster = Cluster(nodes=[node("n1", {}), node("n2", {})])
    for each in cluster.nodes:
        each["status"]["allocatable"]["cpu"] = "1"
    script = (
        'if [ -f "$YUNHE_CHECKPOINT/1" ]; then ls "$YUNHE_CHECKPOINT" > "$YUNHE_OUTPUTS/all"; '
        "exit 0; fi\ntrap 'touch \"$YUNHE_CHECKPOINT/$YUNHE_NODE\"; exit 0' TERM\n"
        "echo begun; while :; do sleep 0.1; done\n"
    )
    with fake(cluster) as address:
        shared = tmp_path / "shared"
        driver = Driver(town.storage, kubernetes(address, shared))
        first = long(town, script)
        begun(driver, SimpleNamespace(shared=shared), first)
        second = shared / f"{first.id}-1" / "stdout-1"
        eventually(lambda: second.exists() and second.read_bytes() != b"", "both to begin")
        assert {index(pod) for pod in cluster.pods.values()} == {0, 1}
        drive(town, driver, needed(town, first), "settled")
        ended = drive(town, driver, first, "settled", "failed")
    assert ended.state == "settled", ended.why
    assert town.storage.blobs.read(ended.outputs["all"]) == b"0\n1\n"


def test_two_make_room_for_the_replicas_of_a_gang(town, site) -> None:
    driver = Driver(town.storage, site.provider)
    both = [long(town, key=key, devices=1) for key in ("one", "two")]
    for each in both:
        begun(driver, site, each)
    town.clock.ahead_us += LONG_ENOUGH * SECOND_US
    gang = urgent(town, "gang", devices=1, replicas=2)
    assert all(asked(town, each) for each in both)
    ended = drive(town, driver, gang, "settled", "failed")
    assert (ended.state, ended.replicas) == ("settled", 2), ended.why
    for each in both:
        assert [one.state for one in stretches(town, each)] == ["cancelled"]
    town.assert_books_are_right_for_shares()


def test_a_site_that_cannot_is_not_counted_on(town) -> None:
    class Cannot(PaperSite):
        """Runs, and cannot have anything save itself."""

    site = Cannot(SystemClock(), adapter="centre")
    Driver(town.storage, site).once()
    with town.storage.database.read() as tx:
        assert remote.pushing(tx) == frozenset()
    first = town.submit("long", devices=2, wall=7_200, preemptible=True)
    town.clock.ahead_us += LONG_ENOUGH * SECOND_US
    assert urgent(town).state == "waiting"
    assert not asked(town, first)
