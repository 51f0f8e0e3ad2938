"""The Kubernetes adapter against a fake, held to the published schemas on both sides."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fake_cluster import TOKEN, Cluster, condition, fake, held, held_by_kueue, meta, node, now

from yunhe.compute.providers import kubernetes_jobs as jobs
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.kubernetes import KubernetesOptions, KubernetesProvider
from yunhe.compute.providers.kubernetes_access import Access, from_kubeconfig
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.sites import build, read_sites
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs

GPU, NPU = "nvidia.com/gpu", "huawei.com/Ascend910"


def provider_at(address: str, tmp_path: Path, **changes: object) -> KubernetesProvider:
    shared = tmp_path / "shared"
    options = KubernetesOptions(
        access=Access(address, token=TOKEN),
        namespace="yunhe",
        image="registry.example/python:3.12",
        volume="shared",
        chips={
            "ascend910b": jobs.Card.read(NPU),
            "h20": jobs.Card.read(f"{GPU}@nvidia.com/gpu.product=NVIDIA-H20"),
            "cpu": jobs.Card.read(""),
        },
        queue="city",
    )
    return KubernetesProvider(
        "lab",
        replace(options, **changes),  # type: ignore[arg-type]
        staging=Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}),
        outbound=Outbound(Guard([urlsplit(address).netloc])),
    )


def job(name: str, action: str = "copy", **arguments: object) -> Job:
    program = find_program(TRIAL, TRIAL_ENTRY_POINT)
    return Job(
        id=f"workload_{name}-1",
        entry_point=TRIAL,
        arguments={"action": action, **arguments},  # type: ignore[dict-item]
        inputs={},
        devices=2,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=512 << 20,
        chip="ascend910b",
        approved=frozenset({program.digest}),
    )


def until(holds: Callable[[], bool]) -> None:
    """Looks again until it holds; each look lets the fake's controllers act."""
    last = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < last, "waited in vain"
        time.sleep(0.01)


@pytest.mark.slow
def test_it_conforms_to_the_seam_on_a_fake(tmp_path):
    cluster = Cluster(nodes=[node("n1", {NPU: "8"})], page=3)
    with fake(cluster) as address:
        provider = provider_at(address, tmp_path)
        blobs = LocalBlobs(tmp_path / "blobs")
        assert check_provider(provider, blobs=blobs, chip="ascend910b") == []
        assert (cluster.jobs, cluster.pods, list((tmp_path / "shared").glob("*/order.json"))) == (
            {},
            {},
            [],
        )


def test_what_the_fake_says_of_a_queue_is_as_kueue_publishes_it(tmp_path):
    cluster = Cluster(admits=False)
    with fake(cluster) as address:
        provider = provider_at(address, tmp_path)
        provider.submit(job("a"), blobs=LocalBlobs(tmp_path / "blobs"))
    [waits] = cluster.workloads.values()
    held_by_kueue(waits)


def test_what_waits_says_what_the_queue_says_and_begins_when_it_is_let(tmp_path):
    cluster = Cluster(admits=False)
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        one = job("a")
        handle = provider.submit(one, blobs=blobs)
        assert provider.submit(one, blobs=blobs) == handle
        assert len(cluster.jobs) == 1
        report = provider.status([one.id, "unknown-1"]).reports[0]
        assert (report.phase, report.ran) == ("queued", False)
        assert report.why is not None
        assert "insufficient quota in city" in str(dict(report.why.params)["reason"])
        cluster.admits = True
        until(lambda: provider.status([one.id]).reports[0].phase not in ("queued", "running"))
        (event,) = provider.meter([one.id])
        assert (event.devices, event.job, event.run) == (2, one.id, 0)


def test_a_cancelled_run_is_metered_though_somebody_deleted_it(tmp_path):
    cluster = Cluster()
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        one = job("a", "endure", seconds=50)
        provider.submit(one, blobs=blobs)
        until(lambda: bool(provider.logs(one.id, "stdout", offset=0)))
        provider.cancel(one.id)
        until(lambda: provider.status([one.id]).reports[0].phase == "stopped")
        assert len(provider.meter([one.id])) == 1
        provider.cancel(one.id)
        provider.forget(one.id)
        until(lambda: not provider.status([one.id]).reports)
        assert cluster.pods == {}
        provider.forget(one.id)


def test_a_run_that_the_cluster_pushed_out_is_lost_or_begins_anew_as_another_run(tmp_path):
    cluster = Cluster()
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        one = job("a", "endure", seconds=50)
        provider.submit(one, blobs=blobs)
        until(lambda: bool(provider.logs(one.id, "stdout", offset=0)))
        with cluster.lock:
            (pod,) = cluster.pods.values()
            cluster.remove_pod(pod)
        until(lambda: provider.status([one.id]).reports[0].run == 1)
        until(lambda: len(provider.meter([one.id])) == 1)
        assert provider.meter([one.id])[0].run == 0
        with cluster.lock:
            (said,) = cluster.jobs.values()
            said["status"]["conditions"] = [condition("Failed", "True", "BackoffLimitExceeded")]
            last = max(cluster.pods.values(), key=lambda pod: meta(pod)["name"])
            last["status"]["conditions"] = [condition("DisruptionTarget", "True", "Eviction")]
        report = provider.status([one.id]).reports[0]
        assert (report.phase, report.why.code if report.why else "") == (
            "lost",
            "compute.remote_lost",
        )


def test_capacity_counts_what_is_ready_labelled_and_free(tmp_path):
    h20 = {"nvidia.com/gpu.product": "NVIDIA-H20"}
    cluster = Cluster(
        nodes=[
            node("n1", {NPU: "8"}),
            node("n2", {GPU: "8"}, labels=h20),
            node("n3", {GPU: "4"}, labels={"nvidia.com/gpu.product": "NVIDIA-L40"}),
            node("n4", {GPU: "8"}, labels=h20, spec={"unschedulable": True}),
            node("n5", {GPU: "8"}, labels=h20, ready="False"),
        ]
    )
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        provider.submit(job("a", "endure", seconds=50), blobs=blobs)
        cards = [
            (one.name, one.chip, one.devices, one.free, one.state)
            for one in provider.capacity().nodes
            if one.chip != "cpu"
        ]
        cluster.forbidden.add("/api/v1/pods")
        again = provider.capacity()
    assert cards == [
        ("n1", "ascend910b", 8, 6, "up"),
        ("n2", "h20", 8, 8, "up"),
        ("n4", "h20", 8, 0, "drained"),
        ("n5", "h20", 8, 0, "down"),
    ]
    assert again.devices("ascend910b") == 8
    assert again.nodes[0].memory_mib == 263842304 >> 10
    assert next(n for n in again.nodes if n.chip == "cpu").devices == 63


def test_faults_of_the_server_are_unavailable_and_refusals_final(tmp_path):
    cluster = Cluster()
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        cluster.fails = 1
        with pytest.raises(Unavailable):
            provider.submit(job("a"), blobs=blobs)
        cluster.forbidden.add("/apis/batch/v1/namespaces/yunhe/jobs")
        with pytest.raises(NotAllowed) as caught:
            provider.submit(job("a"), blobs=blobs)
        assert caught.value.code == "compute.remote_refused"
        with pytest.raises(NotAllowed, match="chip"):
            provider.submit(replace(job("a"), chip="biren106b"), blobs=blobs)
        wrong = provider_at(address, tmp_path, access=Access(address, token="wrong"))
        with pytest.raises(Unavailable):
            wrong.status(["a-1"])
    with pytest.raises(Unavailable):
        provider.capacity()


@pytest.mark.parametrize("queue", ["", "city"])
@pytest.mark.parametrize("chip", ["", NPU, f"{GPU}@nvidia.com/gpu.product=NVIDIA-H20"])
def test_every_job_fits_the_published_schema(queue, chip):
    wanted = jobs.Wanted(
        name=jobs.name_of("workload_x-1"),
        job="workload_x-1",
        site=jobs.label_of("s" * 64),
        queue=queue,
        image="i",
        command="true",
        card=jobs.Card.read(chip),
        devices=3,
        cpu_milli=4_000,
        memory_bytes=1 << 30,
        seconds_max=10,
        volume="v",
        below="a/b",
        folder="/yunhe/b",
        user=1_000,
    )
    made = jobs.manifest(wanted)
    held(json.loads(json.dumps(made)))
    pod = made["spec"]["template"]["spec"]  # type: ignore[index,call-overload]
    amounts = pod["containers"][0]["resources"]["limits"]
    assert amounts.get(wanted.card.resource) == ("3" if wanted.card.resource else None)
    assert made["spec"]["suspend"] is bool(queue)  # type: ignore[index,call-overload]
    assert len(jobs.label_of("s" * 64)) <= 63


def pod(**status: object) -> dict:
    return {"metadata": {}, "status": status}


def ran(code: int, reason: str = "Error") -> dict:
    state = {
        "terminated": {"exitCode": code, "reason": reason, "startedAt": now(), "finishedAt": now()}
    }
    return {"containerStatuses": [{"name": "main", "state": state}]}


FAILED = {"status": {"conditions": [condition("Failed", "True", "BackoffLimitExceeded")]}}
LATE = {"status": {"conditions": [condition("Failed", "True", "DeadlineExceeded")]}}


@pytest.mark.parametrize(
    ("said", "pods", "ended", "phase"),
    [
        ({}, [], False, "queued"),
        (
            {},
            [pod(containerStatuses=[{"name": "main", "state": {"waiting": {}}}])],
            False,
            "queued",
        ),
        (
            {},
            [pod(containerStatuses=[{"name": "main", "state": {"running": {}}}])],
            False,
            "running",
        ),
        ({"status": {"conditions": [condition("Complete", "True", "x")]}}, [], True, "succeeded"),
        (FAILED, [pod(**ran(3))], True, "failed"),
        (FAILED, [pod(**ran(137, "OOMKilled"))], False, "failed"),
        (FAILED, [pod(**ran(76))], False, "lost"),
        (FAILED, [pod(**ran(143), reason="Evicted")], False, "lost"),
        (FAILED, [], False, "lost"),
        (LATE, [pod(**ran(143))], False, "deadline"),
        (LATE, [], False, "lost"),
        ({"metadata": {"deletionTimestamp": "x"}}, [], False, "leaving"),
        ({"status": {"conditions": "nonsense"}, "metadata": []}, [{"status": 3}], False, "queued"),
    ],
    ids=[
        "new",
        "waiting",
        "running",
        "complete",
        "failed",
        "out-of-memory",
        "asks-to-be-lost",
        "evicted",
        "failed-without-pods",
        "late",
        "late-without-pods",
        "being-deleted",
        "nonsense",
    ],
)
def test_phases_are_what_the_cluster_means(said, pods, ended, phase):
    assert jobs.phase_of(said, pods, ended=ended) == phase


@pytest.mark.parametrize(
    ("said", "thousandths"),
    [
        *[("8", 8_000), (8, 8_000), ("1500m", 1_500), ("1.5", 1_500), ("64Gi", 64_000 << 30)],
        *[("-1", 0), ("", 0), (None, 0), ("1e3", 0), ("NaN", 0), (True, 0), ("9" * 30, 0)],
    ],
)
def test_quantities_are_read_exactly_or_not_at_all(said, thousandths):
    assert jobs.thousandths(said) == thousandths


def kubeconfig(**user: object) -> dict:
    return {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user}],
    }


def written(tmp_path: Path, said: object) -> Path:
    file = tmp_path / "config"
    file.write_text(json.dumps(said), "utf-8")
    return file


def test_a_kubeconfig_tells_server_namespace_and_token(tmp_path):
    (tmp_path / "token").write_text("renewed\n")
    found = from_kubeconfig(written(tmp_path, kubeconfig(tokenFile="token")))
    assert (found.server, found.namespace) == ("https://127.0.0.1:6443", "n")
    assert found.headers() == {"authorization": "Bearer renewed"}
    (tmp_path / "token").write_text("later")
    assert found.headers() == {"authorization": "Bearer later"}
    fixed = from_kubeconfig(written(tmp_path, kubeconfig(token="secret-of-u")))
    assert "secret-of-u" not in repr(fixed)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({"exec": {"command": "aws"}}, ["compute.kubeconfig_program"]),
        ({"username": "a", "password": "b"}, ["compute.kubeconfig_password"] * 2),
    ],
    ids=["program", "password"],
)
def test_what_is_not_followed_in_a_kubeconfig_is_named(tmp_path, change, codes):
    with pytest.raises(Invalid) as caught:
        from_kubeconfig(written(tmp_path, kubeconfig(**change)))
    assert [finding.code for finding in caught.value.findings] == codes


def test_broken_kubeconfigs_are_refused_with_a_reason(tmp_path):
    for said in ("[]", "{", "a: " + "[" * 5_000, '{"contexts": 3}'):
        file = tmp_path / "config"
        file.write_text(said)
        with pytest.raises(Invalid) as caught:
            from_kubeconfig(file)
        assert caught.value.code == "compute.kubeconfig_invalid"
    with pytest.raises(Invalid, match="context"):
        from_kubeconfig(written(tmp_path, kubeconfig()), context="other")
    bad = kubeconfig(**{"client-certificate-data": base64.b64encode(b"no PEM").decode()})
    with pytest.raises(Invalid) as caught:
        from_kubeconfig(written(tmp_path, bad))
    assert caught.value.code == "compute.kubeconfig_certificate"
    with pytest.raises(Unavailable):
        from_kubeconfig(tmp_path / "absent")


def test_what_kueue_needs_is_made_of_what_the_cluster_has(tmp_path):
    h20 = {"nvidia.com/gpu.product": "NVIDIA-H20"}
    cluster = Cluster(nodes=[node("n1", {NPU: "8"}), node("n2", {GPU: "4"}, labels=h20)])
    with fake(cluster) as address:
        made = provider_at(address, tmp_path).manifests()
    for one in made:
        held_by_kueue(json.loads(json.dumps(one)))
    flavors = [one for one in made if one["kind"] == "ResourceFlavor"]
    names = [meta(one)["name"] for one in flavors]  # type: ignore[arg-type]
    assert names == ["plain", "ascend910b", "h20"]
    (queue,) = (one for one in made if one["kind"] == "ClusterQueue")
    quotas = {
        (flavor["name"], resource["name"]): resource["nominalQuota"]
        for group in queue["spec"]["resourceGroups"]  # type: ignore[index,call-overload]
        for flavor in group["flavors"]
        for resource in flavor["resources"]
    }
    assert quotas == {
        ("plain", "cpu"): "127000m",
        ("plain", "memory"): f"{2 * (263842304 >> 10)}Mi",
        ("ascend910b", NPU): "8",
        ("h20", GPU): "4",
    }


def test_a_site_of_the_file_becomes_a_cluster(tmp_path):
    cluster = Cluster(nodes=[node("n1", {NPU: "8"})])
    with fake(cluster) as address:
        config = kubeconfig(token=TOKEN)
        config["clusters"][0]["cluster"]["server"] = address
        written(tmp_path, config)
        lines = ['kind = "kubernetes"', 'kubeconfig = "config"', 'image = "i"', 'volume = "v"']
        lines += ['folder = "shared"', 'run_as = "1000"', "[lab.chips]", f'ascend910b = "{NPU}"']
        (tmp_path / "sites.toml").write_text("[lab]\n" + "\n".join(lines))
        way_out = Outbound(Guard([urlsplit(address).netloc]))
        (site,) = build(read_sites(tmp_path / "sites.toml"), {}, outbound=lambda: way_out)
        assert (site.adapter, site.capacity().devices("ascend910b")) == ("lab", 8)
    (tmp_path / "sites.toml").write_text("[lab]\n" + "\n".join(['address = "http://a"', *lines]))
    with pytest.raises(Invalid) as caught:
        read_sites(tmp_path / "sites.toml")
    assert [one.code for one in caught.value.findings] == ["compute.site_cluster"]
