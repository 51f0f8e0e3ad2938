"""The Ray adapter against a real head node, with a job server of its own that ends with the tests.

It runs where the environment has ``ray[default]``, or where YUNHE_TEST_RAY_PYTHON names a Python
that has. Its accelerators are a resource that the head says it has; the scheduling is Ray's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import ray_head

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.ray_jobs import RayProvider
from yunhe.compute.providers.remote import ENDED, Report
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.errors import Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ray_head.python(), reason=ray_head.missing()),
]
CARDS = 8


@pytest.fixture(scope="module")
def head() -> Iterator[ray_head.Head]:
    with ray_head.head(cpus=4, resources=f'{{"ascend910b": {CARDS}}}') as found:
        yield found
    assert ray_head.alive(found.mark) == []


@pytest.fixture
def provider(head: ray_head.Head, tmp_path: Path) -> RayProvider:
    return at(head, tmp_path, token=head.token)


def at(head: ray_head.Head, tmp_path: Path, *, token: Path) -> RayProvider:
    shared = tmp_path / "shared"
    return RayProvider(
        "lab",
        address=head.address,
        chips={"ascend910b": "ascend910b", "cpu": "CPU"},
        staging=Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}, python=sys.executable),
        outbound=Outbound(Guard([urlsplit(head.address).netloc])),
        token_file=token,
    )


def job(name: str, action: str, **arguments: object) -> Job:
    return Job(
        id=f"{name}-1",
        entry_point=TRIAL,
        arguments={"action": action, **arguments},
        inputs={},
        devices=2,
        wall_seconds_max=120,
        cpu_seconds_max=60,
        memory_bytes_max=512 << 20,
        chip="ascend910b",
        approved=frozenset({find_program(TRIAL, TRIAL_ENTRY_POINT).digest}),
    )


def until(provider: RayProvider, name: str, *phases: str) -> Report:
    for _ in range(600):
        [found] = provider.status([name]).reports
        if found.phase in phases:
            return found
        time.sleep(0.2)
    raise AssertionError(found)


def test_it_keeps_every_promise_of_the_seam_on_a_real_head(
    provider: RayProvider, tmp_path: Path
) -> None:
    assert check_provider(provider, blobs=LocalBlobs(tmp_path / "blobs"), chip="ascend910b") == []


def test_a_job_is_run_metered_and_leaves_its_log_and_outputs(
    provider: RayProvider, tmp_path: Path
) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    data = blobs.put(b"canal" * 1_000).digest
    asked = replace(job("good", "copy", word="运河"), inputs={"data": data})
    assert provider.submit(asked, blobs=blobs) == asked.id
    assert provider.submit(asked, blobs=blobs) == asked.id  # the same job again is the same job
    assert until(provider, asked.id, *ENDED).phase == "succeeded"
    [event] = provider.meter([asked.id])
    assert (event.job, event.devices) == (asked.id, 2)
    assert event.end_us > event.start_us
    left = provider.collect(asked, blobs=blobs, succeeded=True)
    assert blobs.read(left.outputs["word"]).decode() == "运河"
    assert b"copied" in provider.logs(asked.id, "stdout", offset=0)
    provider.forget(asked.id)
    assert provider.status([asked.id]).reports == ()


def test_a_running_job_is_cancelled_and_its_devices_come_back(
    provider: RayProvider, tmp_path: Path
) -> None:
    blobs = LocalBlobs(tmp_path / "blobs")
    asked = job("endless", "endure")
    provider.submit(asked, blobs=blobs)
    until(provider, asked.id, "running")
    provider.cancel(asked.id)
    assert until(provider, asked.id, *ENDED).phase == "stopped"
    provider.cancel(asked.id)
    nodes = {node.chip: node.devices for node in provider.capacity().nodes}
    assert nodes == {"ascend910b": CARDS, "cpu": 4}


def test_more_than_it_has_waits_and_says_so_until_it_is_cancelled(
    provider: RayProvider, tmp_path: Path
) -> None:
    asked = replace(job("huge", "endure"), devices=CARDS + 1)
    provider.submit(asked, blobs=LocalBlobs(tmp_path / "blobs"))
    [found] = provider.status([asked.id]).reports
    assert (found.phase, found.ran) == ("queued", False)
    provider.cancel(asked.id)
    assert until(provider, asked.id, *ENDED).ran is False
    assert provider.meter([asked.id]) == ()


def test_another_token_is_refused_by_the_real_server(head: ray_head.Head, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64)
    with pytest.raises(Unavailable) as caught:
        at(head, tmp_path, token=wrong).status(["a-1"])
    assert caught.value.code == "compute.remote_unreachable"
