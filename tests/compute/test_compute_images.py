"""Container images: exactly named, only where they are allowed, and said in the record."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fake_cluster import TOKEN, Cluster, fake, node
from hypothesis import given
from hypothesis import strategies as st
from test_compute_commands_staged import job_of, run

from yunhe.compute import service as compute
from yunhe.compute.abilities import Abilities
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.images import (
    allowed,
    entry_fault,
    image_fault,
    nowhere,
    read_image,
    wrapped,
    wrapper_fault,
)
from yunhe.compute.providers.kubernetes import KubernetesOptions, KubernetesProvider
from yunhe.compute.providers.kubernetes_access import Access
from yunhe.compute.providers.kubernetes_jobs import Card
from yunhe.compute.providers.sites import read_sites
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote import store
from yunhe.compute.remote.driver import Driver
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US, SystemClock
from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.service import Storage

DIGEST = "sha256:" + "1" * 64
IMAGE = f"registry.example.org/team/train@{DIGEST}"
SITE = """
[centre]
kind = "slurm"
address = "http://127.0.0.1:1"
user = "u"
partition = "p"
key_file = "k"
folder = "f"
chips = {cpu = ""}
"""


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (IMAGE, ""),
        (f"localhost:5000/a@{DIGEST}", ""),
        (f"10.0.0.1:80/a__b/c-d@{DIGEST}", ""),
        ("registry.example.org/train:1", "compute.image_undigested"),
        (f"registry.example.org/train:1@{DIGEST}", "compute.image_undigested"),
        (f"train@{DIGEST}", "compute.image_undigested"),
        (f"registry.example.org/../train@{DIGEST}", "compute.image_undigested"),
        ("--privileged", "compute.image_invalid"),
        (f"-r.example/a@{DIGEST}", "compute.image_invalid"),
        (IMAGE + "\n", "compute.image_invalid"),
        (f"registry.example.org/a b@{DIGEST}", "compute.image_invalid"),
        (f"registry.example.org:\uff15/a@{DIGEST}", "compute.image_invalid"),
        (f"registry.example.org/a;b@{DIGEST}", "compute.image_invalid"),
        (f"registry.example.org/{{folder}}@{DIGEST}", "compute.image_invalid"),
        (f"registry.example.org/{'a' * 200}@{DIGEST}", "compute.image_invalid"),
    ],
)
def test_only_a_name_that_says_exactly_which_image_is_taken(said, code):
    assert image_fault(said) == code
    assert (read_image(said) is None) == bool(code)


@given(st.text(st.sampled_from("ra0.:/@-_ \n{}$;'\"sh256")))
def test_whatever_is_taken_is_one_plain_word(said):
    if image_fault(f"{said}@{DIGEST}") == "":
        assert f"{said}@{DIGEST}".isprintable()
        assert not set(said) & set(" \n{}$;'\"@")
        assert not said.startswith("-")


def test_a_registry_or_a_part_of_one_is_allowed_and_its_neighbours_are_not():
    assert allowed(IMAGE, ["registry.example.org"])
    assert allowed(IMAGE, ["other.example", "registry.example.org/team"])
    assert allowed(IMAGE, ["registry.example.org/team/train"])
    assert not allowed(IMAGE, ["registry.example.org/tea"])
    assert not allowed(IMAGE, ["registry.example.or", "example.org", "registry.example.org:443"])
    assert not allowed("registry.example.org/team/train:1", ["registry.example.org"])
    assert [entry_fault(each) for each in ("r.example", "r.example/a", "harbor", "r.e/", "a b.c")]
    assert entry_fault("https://r.example")
    assert not entry_fault("r.example:5000/a")


def test_why_no_site_runs_it_names_the_registry_and_the_sites_that_run_others():
    sites = {"local": "here", "centre": "west"}
    assert nowhere(IMAGE, sites, {"centre": ("registry.example.org",)}) is None
    assert nowhere("", sites, {}) is None
    none = nowhere(IMAGE, sites, {"elsewhere": ("registry.example.org",)})
    assert none is not None
    assert none.code == "compute.image_nowhere"
    other = nowhere(IMAGE, sites, {"centre": ("other.example",)})
    assert other is not None
    assert dict(other.params) == {"registry": "registry.example.org", "sites": "west"}


def test_an_operators_runtime_gets_the_image_as_one_word_wherever_it_is_named():
    line = "apptainer exec --bind '{folder}' docker://{image}"
    assert wrapped(line, IMAGE, folder="/a b") == [
        *("apptainer", "exec", "--bind", "/a b"),
        f"docker://{IMAGE}",
    ]
    pyxis = "srun --container-image={registry}#{repository}@{digest}"
    assert wrapped(pyxis, IMAGE, folder="/f")[1].endswith(f"org#team/train@{DIGEST}")
    assert [wrapper_fault(each) for each in (line, pyxis)] == [False, False]
    for wrong in ("apptainer exec", "{image}", "'", "run {registry}"):
        assert wrapper_fault(wrong)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def site(tmp_path: Path) -> Staging:
    (tmp_path / "site").mkdir()
    return Staging(
        tmp_path / "site",
        str(tmp_path / "site"),
        {},
        python=sys.executable,
        commands=True,
        images=("registry.example.org",),
    )


def test_a_named_runtime_runs_the_command_in_the_image_and_the_record_says_which(site, blobs):
    runtime = site.here.parent / "runtime"
    runtime.write_text('#!/bin/sh\nmkdir -p out; echo "$1" "$2" > out/told; shift 2; exec "$@"\n')
    runtime.chmod(0o755)
    wrapping = replace(site, container=f"{runtime} run {{image}}")
    job = job_of(blobs, image=IMAGE)
    assert run(wrapping, job, blobs) == 0
    made = wrapping.result(job, blobs=blobs, succeeded=True)
    assert sorted(blobs.read(each) for each in made.outputs.values()) == [
        b"17",
        f"run {IMAGE}\n".encode(),
    ]
    assert made.evidence == {"image": IMAGE}


def test_a_job_that_runs_wholly_in_its_image_keeps_the_images_own_path(site, blobs, monkeypatch):
    job = job_of(blobs, image=IMAGE, command=("sh", "-c", "mkdir out; echo $PATH > out/path"))
    monkeypatch.setenv("PATH", "/of/the/image:/usr/bin:/bin:" + str(Path(sys.executable).parent))
    assert run(site, job, blobs) == 0
    (path,) = site.result(job, blobs=blobs, succeeded=True).outputs.values()
    assert b"/of/the/image:" in blobs.read(path)


def test_another_registry_is_refused_though_it_got_so_far(site, blobs):
    strange = job_of(blobs, image=IMAGE.replace("example.org", "example.com"))
    with pytest.raises(NotAllowed) as refused:
        site.prepare(strange, blobs=blobs, site="centre")
    assert refused.value.code == "compute.image_not_allowed"


@pytest.mark.parametrize(
    ("lines", "where", "code"),
    [
        ('images = "r.example"', "centre.images", "compute.site_list"),
        ("images = [1]", "centre.images", "compute.site_text"),
        ('images = ["https://r.example"]', "centre.images", "compute.site_registry"),
        ('images = ["r.example"]', "centre.images", "compute.site_images_commands"),
        ('images = ["r.example"]', "centre.container", "compute.site_needs"),
        ('container = "apptainer"', "centre.container", "compute.site_container"),
    ],
)
def test_site_settings_that_cannot_be_are_all_told(tmp_path, lines, where, code):
    file = tmp_path / "sites.toml"
    file.write_text(SITE + lines)
    with pytest.raises(Invalid) as refused:
        read_sites(file)
    assert (where, code) in {(each.where, each.code) for each in refused.value.findings}


def test_a_site_is_read_with_its_registries(tmp_path):
    file = tmp_path / "sites.toml"
    line = 'container = "apptainer exec docker://{image}"\ncommands = "allow"\n'
    file.write_text(SITE + line + 'images = ["registry.example.org/team"]')
    (read,) = read_sites(file)
    assert read.images == ("registry.example.org/team",)


@pytest.fixture
def town(bare_city):
    """A city on the real clock whose one pool is at a cluster."""
    clock = SystemClock()
    storage = Storage(bare_city.storage.database, bare_city.storage.blobs, clock)
    city = replace(bare_city, storage=storage, clock=clock)
    city.cash()
    pool = {"chip": "cpu", "devices": 4, "price_minor_per_device_hour": 3_600, "currency": "CNY"}
    compute.register_pool(
        storage, key="lab", provider=city.provider, site="东区", adapter="lab", **pool
    )
    compute.award(
        storage,
        key="a",
        organisation=city.university,
        chip="cpu",
        device_ms=10**8,
        expires_at_us=clock.now_us() + DAY_US,
        awarded_by=city.operator,
    )
    return city


def cluster_site(address: str, shared: Path, *registries: str) -> KubernetesProvider:
    options = KubernetesOptions(
        access=Access(address, token=TOKEN),
        namespace="yunhe",
        image="registry.example.org/python@sha256:" + "0" * 64,
        volume="shared",
        chips={"cpu": Card("")},
        pull_secret="fetch",
    )
    staging = Staging(shared, str(shared), {}, commands=True, images=registries)
    outbound = Outbound(Guard([urlsplit(address).netloc]))
    return KubernetesProvider("lab", options, staging=staging, outbound=outbound)


def test_an_image_is_placed_where_it_is_allowed_runs_as_the_container_and_is_in_the_record(
    town, tmp_path
):
    cluster = Cluster(nodes=[node("n1", {})])
    asked = {"entry_point": "", "command": ("sh", "-c", "true"), "image": IMAGE, "arguments": {}}
    with fake(cluster) as address:
        shared = tmp_path / "shared"
        Driver(town.storage, cluster_site(address, shared, "other.example")).once()
        with pytest.raises(Invalid) as refused:
            town.submit("early", **asked)
        assert [f.code for f in refused.value.findings] == ["compute.image_registry"]
        site = cluster_site(address, shared, "registry.example.org/team")
        driver = Driver(town.storage, site)
        driver.once()
        made = town.submit("image", **asked)
        bodies = []
        for _ in range(2_000):
            driver.once()
            with cluster.lock:
                bodies += [json.loads(json.dumps(each)) for each in cluster.jobs.values()]
            if town.see(made).state in ("settled", "failed"):
                break
        settled = town.see(made)
    assert settled.state == "settled", settled.why
    (container,) = bodies[0]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert bodies[0]["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "fetch"}]
    assert settled.reference is not None
    with town.storage.database.read() as tx:
        assert custody.record(tx, settled.reference).body["image"] == IMAGE


def test_sites_that_run_none_are_not_listed(town):
    with town.storage.database.begin() as tx:
        store.set_site(tx, "one", images=None)
        store.set_site(tx, "two", images='["r.example"]')
        assert compute.remote.abilities(tx).images == {"two": ("r.example",)}


def test_work_goes_nowhere_where_nobody_takes_what_it_brings(town, tmp_path):
    shared = tmp_path / "shared"
    strict = cluster_site("http://127.0.0.1:1", shared)
    strict._staging = replace(strict._staging, commands=False)
    with pytest.raises(Unavailable):
        Driver(town.storage, strict).once()
    with pytest.raises(Invalid) as refused:
        town.submit("own", entry_point="", command=("a",), arguments={})
    (finding,) = refused.value.findings
    assert (finding.where, finding.code) == ("command", "compute.brought_nowhere")
    assert dict(finding.params) == {"what": "command", "sites": "东区"}
    assert town.submit("approved").state == "placed"


@given(
    st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from(["command", "folder"]))),
    st.sets(st.sampled_from(["command", "folder"])),
)
def test_there_is_a_reason_exactly_where_no_site_takes_it(refuses, brings):
    able = Abilities(refuses=refuses)
    asked = WorkloadSpec(
        key="k",
        organisation="o",
        entry_point="",
        arguments={},
        inputs={},
        chip="c",
        devices=1,
        wall_seconds_max=1,
        cpu_seconds_max=1,
        command=("x",) if "command" in brings else (),
        folder="sha256:" if "folder" in brings else "",
    )
    pools = [Pool(name, "o", name, name, "c", 1, 1, "CNY") for name in "abc"]
    why = able.nowhere(asked, pools)
    assert (why is None) == any(not brings & refuses.get(name, set()) for name in "abc")
    assert able.nowhere(asked, []) is None
