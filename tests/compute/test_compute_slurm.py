"""Workloads on a real Slurm with typed cards: run, paid by its records, and over its bad days."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import Cluster, eventually
from test_compute_kubernetes_gangs import BOTH

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote import store
from yunhe.compute.remote.driver import Driver
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US, SECOND_US, SystemClock
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.service import Storage

pytestmark = pytest.mark.skipif(bool(slurm_cluster.absent()), reason=slurm_cluster.absent() or "-")
CHIPS = {"ascend910b": "gpu:ascend910b", "a100": "gpu:a100", "cpu": ""}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with slurm_cluster.cluster() as running:
        yield running


def provider_of(cluster: Cluster, **over) -> SlurmProvider:
    options = SlurmOptions(
        address=cluster.address,
        user="root",
        partition="work",
        chips=CHIPS,
        key_file=cluster.jwt_key,
        completions=cluster.completions,
    )
    staging = Staging(cluster.shared, str(cluster.shared), {TRIAL: TRIAL_ENTRY_POINT})
    outbound = Outbound(Guard([f"127.0.0.1:{cluster.ports['rest']}"]))
    return SlurmProvider("centre", replace(options, **over), staging=staging, outbound=outbound)


@pytest.fixture
def provider(slurm: Cluster) -> Iterator[SlurmProvider]:
    yield provider_of(slurm)
    for number, *_ in slurm.queue():
        slurm._tool("scancel", "--signal=KILL", number)
        slurm._tool("scancel", number)


@pytest.fixture
def town(bare_city):
    """A city on the real clock whose pools are at the Slurm site."""
    clock = SystemClock()
    storage = Storage(bare_city.storage.database, bare_city.storage.blobs, clock)
    city = replace(bare_city, storage=storage, clock=clock)
    city.approve_trial()
    city.cash()
    for chip in CHIPS:
        compute.register_pool(
            storage,
            key=chip,
            provider=city.provider,
            site="超算中心",
            chip=chip,
            devices=16,
            price_minor_per_device_hour=3_600,
            currency="CNY",
            adapter="centre",
        )
        compute.award(
            storage,
            key=chip,
            organisation=city.university,
            chip=chip,
            device_ms=10**8,
            expires_at_us=clock.now_us() + DAY_US,
            awarded_by=city.operator,
        )
    return city


@pytest.fixture
def driver(town, provider) -> Driver:
    return Driver(town.storage, provider)


def drive(town, driver: Driver, workload: Workload, *states: str) -> Workload:
    """Pass after pass until the workload is in one of the states."""

    def there() -> bool:
        driver.once()
        return town.see(workload).state in states

    eventually(there, f"{workload.id} to be {states}")
    return town.see(workload)


def running(slurm: Cluster, workload: Workload) -> bool:
    return any(
        name.startswith(workload.id) and state == "RUNNING" for _, name, state, _ in slurm.queue()
    )


def records(slurm: Cluster, workload: Workload) -> list[dict[str, str]]:
    """The lines of the completion file about a workload."""
    lines = slurm.completions.read_text().splitlines() if slurm.completions.exists() else []
    parsed = [dict(part.partition("=")[::2] for part in line.split()) for line in lines]
    return [one for one in parsed if one.get("Name", "").startswith(workload.id)]


def took_ms(record: dict[str, str]) -> int:
    begun, ended = (datetime.fromisoformat(record[name]) for name in ("StartTime", "EndTime"))
    return int((ended - begun).total_seconds()) * 1_000


def test_slurm_conforms_to_the_seam(slurm, provider, bare_city) -> None:
    assert check_provider(provider, blobs=bare_city.storage.blobs, chip="ascend910b") == []
    for gap in provider.gaps():
        assert gap.message("en") != gap.message("zh")


def test_a_workload_gets_its_typed_cards_and_is_paid_by_the_completion_record(
    slurm, town, driver
) -> None:
    wanted = town.submit(chip="ascend910b", devices=2, arguments={"action": "environment"})
    settled = drive(town, driver, wanted, "settled", "failed")
    assert settled.state == "settled", settled.why
    seen = json.loads(town.storage.blobs.read(settled.outputs["environment"]))
    assert len(seen["CUDA_VISIBLE_DEVICES"].split(",")) == 2
    assert seen["SLURM_JOB_NODELIST"].startswith("asc")
    assert "SLURM_JWT" not in seen
    eventually(lambda: bool(records(slurm, wanted)), "the completion record")
    (record,) = records(slurm, wanted)
    assert settled.usage.device_ms == took_ms(record) * 2
    assert settled.usage.isolation == "digest-approved"
    assert not (slurm.shared / f"{wanted.id}-1").exists()


def test_what_does_not_fit_waits_there_says_why_and_can_be_cancelled_unpaid(
    slurm, town, driver
) -> None:
    two = [
        town.submit(f"big-{n}", chip="a100", devices=8, arguments={"action": "endure"})
        for n in range(2)
    ]
    for one in two:
        drive(town, driver, one, "running")
    eventually(lambda: driver.once() and all(running(slurm, one) for one in two), "both to run")
    slurm.scontrol("update", "NodeName=gpu2", "State=DRAIN", "Reason=test")
    try:
        nodes = {node.name: node for node in driver._remote.capacity().nodes if node.chip == "a100"}
        assert (nodes["gpu1"].free, nodes["gpu1"].state) == (0, "up")
        assert (nodes["gpu2"].free, nodes["gpu2"].state) == (0, "drained")
    finally:
        slurm.scontrol("update", "NodeName=gpu2", "State=RESUME")
    for one in two:
        compute.cancel(town.storage, one.id)
        ended = drive(town, driver, one, "cancelled")
        assert ended.usage.device_ms % 8_000 == 0


def test_a_job_behind_others_shows_slurms_reason(slurm, town, driver) -> None:
    slurm.scontrol("update", "NodeName=asc[1-2]", "State=DRAIN", "Reason=test")
    try:
        wanted = town.submit("behind", chip="ascend910b", devices=1)

        def told() -> bool:
            driver.once()
            why = town.see(wanted).why
            return why is not None and why.code == "compute.remote_reason"

        eventually(told, "a reason")
        assert dict(town.see(wanted).why.params)["site"] == "centre"
        compute.cancel(town.storage, wanted.id)
        ended = drive(town, driver, wanted, "cancelled")
        assert ended.usage is None
    finally:
        slurm.scontrol("update", "NodeName=asc[1-2]", "State=RESUME")


def test_a_program_that_fails_is_paid_and_says_how(slurm, town, driver) -> None:
    wanted = town.submit("failing", arguments={"action": "fail"})
    ended = drive(town, driver, wanted, "settled", "failed")
    assert (ended.state, ended.why.code) == ("failed", "compute.failed_exit")
    assert ended.outputs == {}


def test_sixteen_cards_are_two_whole_nodes_and_nine_are_none(slurm, town, driver) -> None:
    wide = town.submit("wide", chip="a100", devices=16, arguments={"action": "environment"})
    settled = drive(town, driver, wide, "settled", "failed")
    assert settled.state == "settled", settled.why
    seen = json.loads(town.storage.blobs.read(settled.outputs["environment"]))
    assert seen["SLURM_JOB_NUM_NODES"] == "2"
    assert settled.usage.device_ms % 16_000 == 0
    odd = town.submit("odd", chip="a100", devices=9)
    refused = drive(town, driver, odd, "failed")
    assert (refused.why.code, refused.usage) == ("compute.remote_uneven", None)


def test_a_program_that_slurm_starts_on_one_node_starts_itself_on_the_others(
    slurm, town, provider
) -> None:
    provider._staging = replace(provider._staging, commands=True)
    own = {"entry_point": "", "arguments": {}, "command": ("sh", "-c", BOTH)}
    wide = town.submit("everywhere", chip="a100", devices=16, **own)
    settled = drive(town, Driver(town.storage, provider), wide, "settled", "failed")
    assert settled.state == "settled", settled.why
    found = [town.storage.blobs.read(settled.outputs[f"told-{node}"]) for node in (0, 1)]
    assert found == [b"0/2\n", b"1/2\n"]


def test_what_slurm_refuses_is_told_in_its_words_and_unpaid(slurm, town) -> None:
    driver = Driver(town.storage, provider_of(slurm, partition="nowhere"))
    refused = drive(town, driver, town.submit("nowhere"), "failed")
    assert refused.why.code == "compute.remote_refused"
    assert "partition" in dict(refused.why.params)["reason"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_controller_that_is_restarted_loses_no_job(slurm, town, driver, end, monkeypatch) -> None:
    monkeypatch.setattr("yunhe.compute.remote.driver.MISSING_SECONDS", 2)
    wanted = town.submit(f"endures-{end}", arguments={"action": "endure"})
    drive(town, driver, wanted, "running")
    eventually(lambda: driver.once() and running(slurm, wanted), "it to run")
    slurm.kill("ctld", end)
    with monkeypatch.context() as hasty, pytest.raises(Unavailable) as caught:
        hasty.setattr("yunhe.compute.providers.rest.SECONDS_MAX", 1.0)
        driver.once()
    assert caught.value.code == "compute.remote_unreachable"
    assert town.see(wanted).state == "running"
    slurm.start_controller()
    compute.cancel(town.storage, wanted.id)
    ended = drive_through(town, driver, wanted, "cancelled")
    if end == signal.SIGTERM:  # killed, it forgets what it had not saved, here that it ran at all
        assert ended.usage.device_ms >= 1_000
    known = [one for one in slurm.queue() if one[1].startswith(wanted.id)]
    assert len(known) <= (1 if end == signal.SIGTERM else 2)
    assert not any(state == "RUNNING" for _, _, state, _ in known)
    slurm.begin_anew()


def drive_through(town, driver: Driver, workload: Workload, *states: str) -> Workload:
    """As `drive`, over a site that comes and goes."""

    def there() -> bool:
        try:
            driver.once()
        except YunheError:
            return False
        return town.see(workload).state in states

    eventually(there, f"{workload.id} to be {states}")
    return town.see(workload)


def test_a_node_lost_under_a_job_starts_it_over_and_only_the_last_run_counts(
    slurm, town, driver, provider
) -> None:
    wanted = town.submit("struck", arguments={"action": "endure"}, wall=600)
    drive(town, driver, wanted, "running")
    eventually(lambda: driver.once() and running(slurm, wanted), "it to run")
    job = f"{wanted.id}-1"
    (node,) = {one.nodes for one in provider._listed() if one.name == job}
    assert node in slurm.nodes
    struck_us = town.clock.now_us() // SECOND_US * SECOND_US  # Slurm knows whole seconds
    slurm.kill(node)
    slurm.scontrol("update", f"NodeName={node}", "State=DOWN", "Reason=lightning")
    try:

        def requeued() -> bool:
            (report,) = provider.status([job]).reports
            return report.run == 1

        eventually(requeued, "a second run")
        driver.once()
        down = {one.name: one.state for one in provider.capacity().nodes}
        assert down[node] == "down"
        compute.cancel(town.storage, wanted.id)
        ended = drive(town, driver, wanted, "cancelled")
        if ended.usage is not None:  # the second run had begun
            (metered,) = provider.meter([job])
            assert metered.start_us >= struck_us
            assert ended.usage.device_ms == (metered.end_us - metered.start_us) // 1_000
    finally:
        slurm.start_node(node)
        slurm.scontrol("update", f"NodeName={node}", "State=RESUME")


def test_of_one_job_handed_over_twice_only_one_runs(slurm, town, driver, provider) -> None:
    wanted = town.submit("twice", arguments={"action": "copy", "word": "once"})
    listed, provider._listed = provider._listed, list
    drive(town, driver, wanted, "running")
    with town.storage.database.begin() as tx:
        store.change_job(tx, f"{wanted.id}-1", phase="new")
    driver.once()  # hands it over again, as it finds nothing there
    provider._listed = listed
    settled = drive(town, driver, wanted, "settled", "failed")
    assert settled.state == "settled"
    numbers = [one for one in slurm.queue() if one[1] == f"{wanted.id}-1"]
    assert len(numbers) == 2
    assert sorted(one[2] for one in numbers)[0] == "COMPLETED"


def test_jobs_that_slurm_has_forgotten_are_settled_by_the_completion_file(
    slurm, town, driver, provider
) -> None:
    wanted = town.submit("forgotten", arguments={"action": "copy", "word": "kept"})
    driver.once()
    eventually(lambda: bool(records(slurm, wanted)), "the completion record")
    slurm.kill("ctld", signal.SIGTERM)
    slurm.start_controller("-c")
    assert all(not name.startswith(wanted.id) for _, name, *_ in slurm.queue())
    settled = drive_through(town, driver, wanted, "settled", "failed")
    assert settled.state == "settled", settled.why
    assert town.storage.blobs.read(settled.outputs["word"]) == b"kept"
    slurm.begin_anew()


def test_a_token_that_has_run_out_is_read_or_made_anew(slurm, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("SLURM_JWT=old.old.old\n")
    provider = provider_of(slurm, key_file=None, token_file=file)
    with pytest.raises(Unavailable):
        provider.capacity()
    token = slurm.scontrol("token", "lifespan=60", "username=root")
    assert token.startswith("SLURM_JWT=")
    file.write_text(token)
    slurm.at_rest()
    assert provider.capacity().devices("a100") == 16


def test_a_token_made_here_is_renewed_before_it_ends(slurm) -> None:
    class Moving(SystemClock):
        ahead_us = 0

        def now_us(self) -> int:
            return super().now_us() + self.ahead_us

    clock = Moving()
    provider = provider_of(slurm)
    provider._tokens._clock = clock
    first = provider._tokens.headers()["x-slurm-user-token"]
    assert provider._tokens.headers()["x-slurm-user-token"] == first
    clock.ahead_us = 500 * SECOND_US
    assert provider._tokens.headers()["x-slurm-user-token"] != first


@pytest.mark.parametrize("version", ["v0.0.36", "v0.0.37"])
def test_older_versions_of_the_interface_are_spoken_too(slurm, town, version) -> None:
    slurm.kill("rest")
    slurm.start_rest(version)
    try:
        driver = Driver(town.storage, provider_of(slurm))
        wanted = town.submit(version, chip="a100", devices=1)
        settled = drive(town, driver, wanted, "settled", "failed")
        assert settled.state == "settled", settled.why
        assert driver._remote._speak == version
    finally:
        slurm.kill("rest")
        slurm.start_rest()


def test_a_command_runs_in_its_image_by_the_runtime_that_the_operator_named(
    slurm, town, provider, tmp_path
) -> None:
    runtime = slurm.folder / "runtime"
    runtime.write_text('#!/bin/sh\necho "$@" > "$YUNHE_OUTPUTS/told"; shift 2; exec "$@"\n')
    runtime.chmod(0o755)
    provider._staging = replace(
        provider._staging,
        commands=True,
        images=("registry.example.org",),
        container=f"{runtime} exec {{image}}",
    )
    driver = Driver(town.storage, provider)
    driver.once()
    image = "registry.example.org/team/train@sha256:" + "1" * 64
    own = {"entry_point": "", "arguments": {}, "command": ("sh", "-c", "exit 0")}
    wanted = town.submit("image", chip="ascend910b", **own, image=image)
    settled = drive(town, driver, wanted, "settled", "failed")
    assert settled.state == "settled", settled.why
    told = town.storage.blobs.read(settled.outputs["told"]).decode()
    assert told.startswith(f"exec {image} sh -c")
    with town.storage.database.read() as tx:
        assert custody.record(tx, settled.reference).body["image"] == image
