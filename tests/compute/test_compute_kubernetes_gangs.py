"""Work larger than a node of a cluster: pods that know their place, and live and end together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_cluster import Cluster, fake, held, holds, index, meta, node, state
from hypothesis import given
from hypothesis import strategies as st
from test_compute_kubernetes import NPU, job, provider_at, until

from yunhe.compute.providers import kubernetes_gangs as gangs
from yunhe.compute.providers.kubernetes import KubernetesProvider
from yunhe.compute.providers.kubernetes_gangs import Split, split
from yunhe.compute.providers.kubernetes_jobs import name_of
from yunhe.compute.providers.remote import ENDED, Report
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.errors import NotAllowed
from yunhe.storage.blobs import LocalBlobs

TELL = (
    "echo $YUNHE_NODE/$YUNHE_NODES $YUNHE_REPLICA/$YUNHE_REPLICAS $YUNHE_MASTER"
    ' > "$YUNHE_OUTPUTS/told-$YUNHE_NODE-$YUNHE_REPLICA"'
)


BOTH = (
    'export each=\'echo "$YUNHE_NODE/$YUNHE_NODES" > "$YUNHE_OUTPUTS/told-$YUNHE_NODE"\'\n'
    'if [ "$YUNHE_STARTED" = "$YUNHE_NODES" ]; then eval "$each"; else\n'
    "srun --ntasks-per-node=1 sh -c 'YUNHE_NODE=$SLURM_NODEID; eval \"$each\"'\nfi"
)
"""A program for every site: started on the first node only, it starts itself on the others."""


def nodes(count: int = 3) -> list[dict]:
    return [node(f"n{number}", {NPU: "4"}) for number in range(1, count + 1)]


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def site(address: str, tmp_path: Path, **changes: object) -> KubernetesProvider:
    made = provider_at(address, tmp_path, **changes)
    shared = str(tmp_path / "shared")
    made._staging = Staging(tmp_path / "shared", shared, {}, commands=True)
    return made


def gang(script: str = TELL, **over: object) -> Job:
    command = {"entry_point": "", "command": ("sh", "-c", script), "devices": 12}
    return replace(job("gang"), **{**command, **over})  # type: ignore[arg-type]


def report(provider: KubernetesProvider, one: Job) -> Report:
    return provider.status([one.id]).reports[0]


def ended(provider: KubernetesProvider, one: Job) -> str:
    until(lambda: report(provider, one).phase in ENDED)
    return report(provider, one).phase


def said(provider: KubernetesProvider, one: Job, blobs: LocalBlobs) -> list[str]:
    made = provider.collect(one, blobs=blobs, succeeded=True)
    return sorted(blobs.read(digest).decode().strip() for digest in made.outputs.values())


@pytest.mark.parametrize(
    ("devices", "replicas", "largest", "cut"),
    [
        (8, 1, 8, Split(1, 8, 1)),
        (8, 4, 8, Split(1, 8, 4)),
        (16, 1, 8, Split(2, 8, 1)),
        (12, 1, 8, Split(2, 6, 1)),
        (13, 1, 8, None),
        (12, 3, 8, Split(3, 4, 1)),
        (12, 6, 8, Split(2, 6, 3)),
        (32, 2, 8, None),
        (3, 1, 0, Split(1, 3, 1)),
        (8_008, 1, 8, None),
    ],
)
def test_work_is_cut_into_the_fewest_pods_all_alike(devices, replicas, largest, cut):
    assert split(devices=devices, replicas=replicas, largest=largest) == cut


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 16))
def test_every_cut_gives_out_every_device_and_replica_once_and_fits(each, replicas, largest):
    cut = split(devices=each * replicas, replicas=replicas, largest=largest)
    if cut is None:
        return
    assert cut.pods * cut.devices == each * replicas
    assert cut.devices <= largest
    assert cut.pods == 1 or replicas == 1 or cut.pods * cut.replicas == replicas


def test_the_objects_of_a_gang_fit_the_published_schemas(tmp_path, blobs):
    cluster = Cluster(nodes=nodes(), admits=False)
    with fake(cluster) as address:
        provider = site(address, tmp_path)
        provider.submit(gang(), blobs=blobs)
        provider.submit(gang(), blobs=blobs)
        ((name, made),) = cluster.jobs.items()
        ((service, found),) = cluster.services.items()
        held(found)
        (workload,) = cluster.workloads.values()
    assert (name, made["spec"]["template"]["spec"]["subdomain"]) == (service, service)
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 3, 3)
    assert spec["backoffLimit"] == 0
    assert spec["suspend"] is True
    assert workload["spec"]["podSets"][0]["count"] == 3
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"]["limits"][NPU] == "4"


def test_every_pod_knows_its_place_and_the_gang_is_one_stretch_of_all_its_devices(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang()
        provider.submit(one, blobs=blobs)
        assert ended(provider, one) == "succeeded"
        (name,) = cluster.jobs
        assert said(provider, one, blobs) == [f"{n}/3 0/1 {name}-0.{name}" for n in range(3)]
        (event,) = provider.meter([one.id])
        assert (event.devices, event.run) == (12, 0)
        assert provider.meter([one.id]) == (event,)
        provider.forget(one.id)
        until(lambda: not provider.status([one.id]).reports)
        assert (cluster.jobs, cluster.pods, cluster.services) == ({}, {}, {})


def test_a_program_that_is_started_everywhere_does_not_start_itself_again(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang(BOTH)
        provider.submit(one, blobs=blobs)
        assert ended(provider, one) == "succeeded"
        assert said(provider, one, blobs) == ["0/3", "1/3", "2/3"]


def test_pods_whose_job_was_deleted_without_them_are_ended_and_let_go(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang("exec sleep 60")
        provider.submit(one, blobs=blobs)
        until(lambda: report(provider, one).phase == "running")
        with cluster.lock:
            cluster.jobs.clear()
        assert provider.status([one.id]).reports == ()
        provider.cancel(one.id)
        provider.forget(one.id)
        with cluster.lock:
            assert all("deletionTimestamp" in meta(pod) for pod in cluster.pods.values())
        until(lambda: provider.status([]) is not None and not cluster.pods)
        assert cluster.services == {}


@pytest.mark.parametrize("made", [True, False], ids=["only-the-service", "nothing"])
def test_a_service_made_for_a_job_that_was_never_made_goes_with_it(tmp_path, blobs, made):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang()
        jobs = "/apis/batch/v1/namespaces/yunhe/jobs"
        cluster.forbidden = frozenset({jobs})
        if made:  # killed, or refused, between the two
            with pytest.raises(NotAllowed):
                provider.submit(one, blobs=blobs)
            assert len(cluster.services) == 1
        cluster.forbidden = frozenset()
        if not made:  # nor may it delete any
            gone = f"/api/v1/namespaces/yunhe/services/{name_of(one.id)}"
            cluster.forbidden = frozenset({gone})
        provider.cancel(one.id)
        provider.forget(one.id)
        assert cluster.services == {}


def test_replicas_are_numbered_through_over_all_pods(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang(devices=8, replicas=4)
        provider.submit(one, blobs=blobs)
        assert ended(provider, one) == "succeeded"
        places = [line.split()[:2] for line in said(provider, one, blobs)]
    assert places == [["0/2", "0/4"], ["0/2", "1/4"], ["1/2", "2/4"], ["1/2", "3/4"]]


def test_one_pod_that_fails_ends_the_others_and_says_how(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    script = 'if [ "$YUNHE_NODE" = 1 ]; then echo broken >&2; exit 3; fi; exec sleep 60'
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang(script)
        provider.submit(one, blobs=blobs)
        assert ended(provider, one) == "failed"
        made = provider.collect(one, blobs=blobs, succeeded=False)
        assert made.why is not None
        assert dict(made.why.params) == {"status": 3}
        assert provider.logs(one.id, "stderr", offset=-100) == b"broken\n"
        assert provider.logs(one.id, "stderr", offset=0) == b""
        (event,) = provider.meter([one.id])
        assert event.devices == 12
        assert not any("running" in state(pod) for pod in cluster.pods.values())


def test_a_gang_that_loses_a_pod_or_its_place_is_lost_as_a_whole(tmp_path, blobs):
    for evicted in (False, True):
        cluster = Cluster(nodes=nodes())
        with fake(cluster) as address:
            provider, one = site(address, tmp_path / str(evicted)), gang("exec sleep 60")
            provider.submit(one, blobs=blobs)
            until(lambda p=provider, o=one: report(p, o).phase == "running")
            with cluster.lock:
                if evicted:
                    cluster.evict(next(iter(cluster.jobs)))
                else:
                    cluster.remove_pod(next(p for p in cluster.pods.values() if index(p) == 1))
            assert ended(provider, one) == "lost"
            provider.cancel(one.id)
            provider.forget(one.id)
            until(lambda c=cluster, p=provider: p.status([]) is not None and not c.jobs)


def test_a_cancelled_gang_is_stopped_and_paid_as_one(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang("exec sleep 60")
        provider.submit(one, blobs=blobs)
        until(lambda: report(provider, one).phase == "running")
        assert provider.meter([one.id]) == ()
        provider.cancel(one.id)
        assert ended(provider, one) == "stopped"
        until(lambda: len(provider.meter([one.id])) == 1)
        assert provider.meter([one.id])[0].devices == 12


def test_a_gang_that_never_began_costs_nothing(tmp_path, blobs):
    cluster = Cluster(nodes=nodes(), admits=False)
    with fake(cluster) as address:
        provider, one = site(address, tmp_path), gang()
        provider.submit(one, blobs=blobs)
        waiting = report(provider, one)
        assert (waiting.phase, waiting.ran) == ("queued", False)
        assert waiting.why is not None
        provider.cancel(one.id)
        until(lambda: not cluster.jobs)
        assert (report(provider, one).phase, report(provider, one).ran) == ("stopped", False)
        assert provider.meter([one.id]) == ()


def test_what_does_not_come_out_is_refused_before_anything_is_made(tmp_path, blobs):
    cluster = Cluster(nodes=nodes())
    with fake(cluster) as address:
        provider = site(address, tmp_path)
        for over, code in (
            ({"devices": 13}, "compute.remote_uneven"),
            ({"devices": 16, "replicas": 2}, "compute.replicas_not_run"),
        ):
            with pytest.raises(NotAllowed) as refused:
                provider.submit(gang(**over), blobs=blobs)
            assert refused.value.code == code
    assert (cluster.jobs, cluster.services) == ({}, {})


def test_pods_that_end_are_no_end_of_the_gang_until_the_cluster_says_so():
    running = {"status": {"containerStatuses": [{"name": "main", "state": {"running": {}}}]}}
    body = {"spec": {"parallelism": 2}, "status": {"conditions": []}}
    assert gangs.gang_phase(body, [running, running], ended=False) == "running"
    failing = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    body["status"] = {"conditions": [failing]}  # type: ignore[dict-item]
    assert gangs.gang_phase(body, [running, running], ended=True) == "running"
    assert gangs.gang_stretch(body, [running]) is None
    assert gangs.size(json.loads('{"spec": {"parallelism": true}}')) == 1
    assert not holds({"status": {}}, "Failed")
