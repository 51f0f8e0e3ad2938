"""What sites are told of processors and memory, and what becomes of one that is renamed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_cluster import Cluster, fake, node
from paper_site import PaperSite
from test_compute_kubernetes import NPU, job, provider_at

from yunhe.app import open_platform
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.ray_jobs import RayProvider
from yunhe.compute.providers.rest import Answer
from yunhe.compute.providers.sites import read_sites
from yunhe.compute.providers.slurm import SlurmProvider
from yunhe.compute.remote.driver import Driver
from yunhe.compute.remote.service import introduce
from yunhe.compute.service import register_pool
from yunhe.kernel.errors import Invalid, NotAllowed
from yunhe.kernel.progress import Silent
from yunhe.operations.checks import choices
from yunhe.settings import from_environment
from yunhe.storage.blobs import LocalBlobs

SITES = """
[{name}]
kind = "slurm"
address = "http://127.0.0.1:1"
user = "u"
partition = "p"
key_file = "k"
folder = "f"
chips = {{cpu = "", ascend910b = "gpu:ascend910b"}}
"""
RAY = """
[ray]
kind = "ray"
address = "http://127.0.0.1:1"
folder = "f"
chips = {ascend910b = "NPU"}
"""
NEEDS = {"cpu_milli": 2_500, "replica_memory_bytes": 6 << 30}


def written(tmp_path, text: str):
    file = tmp_path / "sites.toml"
    file.write_text(text)
    return file


def settings(tmp_path, text: str):
    return from_environment({}, home=tmp_path / "home", sites_file=written(tmp_path, text))


def test_a_cluster_is_asked_for_the_processors_and_memory_that_replicas_said(tmp_path):
    cluster = Cluster(nodes=[node("n1", {NPU: "4"})], admits=False)
    with fake(cluster) as address:
        provider, blobs = provider_at(address, tmp_path), LocalBlobs(tmp_path / "blobs")
        asked = replace(job("a"), **NEEDS, devices=8, replicas=4)
        provider.submit(asked, blobs=blobs)
        ((_, made),) = cluster.jobs.items()
    (container,) = made["spec"]["template"]["spec"]["containers"]
    limits = container["resources"]["limits"]
    assert made["spec"]["parallelism"] == 2
    assert (limits["cpu"], limits["memory"]) == ("5000m", f"{12 * 1024 + 128}Mi")


def test_slurm_is_asked_for_them_too_and_plain_processors_stay_the_devices(tmp_path, monkeypatch):
    with open_platform(settings(tmp_path, SITES.format(name="centre"))) as platform:
        (site,) = platform.sites()
        assert isinstance(site, SlurmProvider)
        monkeypatch.setattr(SlurmProvider, "capacity", lambda _: Cards)
        wanted = site._wanted(replace(job("a"), **NEEDS, replicas=2))
        assert (wanted.cpus, wanted.memory_mib) == (5, 12 * 1024 + 128)
        plain = site._wanted(replace(job("a"), **NEEDS, chip="cpu"))
        assert (plain.cpus, plain.gres) == (2, "")
        unsaid = site._wanted(job("a"))
        assert (unsaid.cpus, unsaid.memory_mib) == (2, 512 + 128)


class Cards:
    """What has no nodes, so that nothing is too large."""

    nodes = ()


def test_ray_is_asked_for_them_too(tmp_path, monkeypatch):
    asked: list[dict] = []

    def answer(method: str, path: str, body=None) -> Answer:
        asked.append(body)
        return Answer(200, {}, None, [])

    with open_platform(settings(tmp_path, RAY)) as platform:
        (site,) = platform.sites()
        assert isinstance(site, RayProvider)
        monkeypatch.setattr(site._rest, "ask", answer)
        monkeypatch.setattr(type(site._staging), "prepare", lambda *_, **__: "true")
        site.submit(replace(job("a"), **NEEDS), blobs=LocalBlobs(tmp_path / "blobs"))
    body = asked[-1]
    assert body["entrypoint_num_cpus"] == 3
    assert body["entrypoint_memory"] == 6 << 30
    assert body["entrypoint_resources"] == {"NPU": 2}


def test_a_renamed_site_goes_on_under_its_old_name_too(tmp_path):
    file = written(tmp_path, SITES.format(name="new") + 'was = ["old", "older"]')
    sites = read_sites(file)
    assert [site.name for site in sites] == ["new", "old", "older"]
    assert {site.words["address"] for site in sites} == {"http://127.0.0.1:1"}
    with open_platform(settings(tmp_path, file.read_text())) as platform:
        assert [site.adapter for site in platform.sites()] == ["new", "old", "older"]


@pytest.mark.parametrize("was", ["new", "local", "two", "a b", ""])
def test_a_former_name_that_means_something_else_is_refused(tmp_path, was):
    text = SITES.format(name="new") + f'was = ["{was}"]\n' + SITES.format(name="two")
    with pytest.raises(Invalid) as refused:
        read_sites(written(tmp_path, text))
    assert [found.code for found in refused.value.findings] == ["compute.site_was"]


def found(city, tmp_path, text: str) -> dict[str, str]:
    """What the doctor says of the sites of these settings and the city's records."""
    with open_platform(settings(tmp_path, text)) as platform:
        looked_at = SimpleNamespace(storage=city.storage, sites=platform.sites)
        said = choices.sites(SimpleNamespace(tables=lambda: looked_at))  # type: ignore[arg-type]
        return {each.code: each.state for each in said}


def test_a_site_that_is_gone_with_its_pools_and_jobs_is_found_by_the_doctor(bare_city, tmp_path):
    city, there = bare_city, SITES.format(name="old")
    renamed = SITES.format(name="new")
    gone, fine = "operations.doctor.site_gone", "operations.doctor.sites_fine"
    city.approve_trial()
    city.cash()
    city.award()
    assert found(city, tmp_path, renamed) == {fine: "ok"}
    register_pool(
        city.storage,
        key="pool",
        provider=city.provider,
        site="超算中心",
        adapter="old",
        chip="cpu",
        devices=2,
        price_minor_per_device_hour=3_600,
        currency="CNY",
    )
    assert found(city, tmp_path, renamed) == {gone: "warning"}
    wanted = city.submit("far")
    Driver(city.storage, PaperSite(city.clock, adapter="old")).once()
    assert city.see(wanted).state == "running"
    assert found(city, tmp_path, renamed) == {gone: "failed"}
    assert found(city, tmp_path, there) == {fine: "ok"}
    assert found(city, tmp_path, renamed + 'was = ["old"]\n') == {fine: "ok"}


def test_an_operator_may_keep_own_commands_off_this_machine(tmp_path):
    strict = from_environment({"YUNHE_LOCAL_COMMANDS": "approved"}, home=tmp_path / "home")
    with open_platform(strict) as platform:
        provider = platform.equipment().provider
        asked = replace(job("a"), entry_point="", command=("true",))
        with pytest.raises(NotAllowed) as refused:
            provider.run(
                asked, blobs=platform.storage.blobs, progress=Silent(), stopped=lambda: False
            )
    assert refused.value.code == "compute.command_not_allowed"
    with pytest.raises(Invalid):
        from_environment({"YUNHE_LOCAL_COMMANDS": "some"}, home=tmp_path / "home")


def test_that_own_commands_are_kept_off_is_told_when_one_is_asked_for_and_while_one_waits(
    bare_city,
):
    city = bare_city
    city.pool()
    city.award()
    own = {"entry_point": "", "arguments": {}, "command": ("true",)}
    waits = city.submit("before", **own)
    for commands, codes in ((True, []), (False, ["compute.brought_nowhere"]), (True, [])):
        introduce(city.storage, LocalProvider(city.storage.blobs.root, {}, commands=commands))
        if not codes:
            assert city.submit(f"allowed-{commands}", **own).state in ("waiting", "placed")
            continue
        with pytest.raises(Invalid) as refused:
            city.submit("own", **own)
        assert [(one.where, one.code) for one in refused.value.findings] == [("command", *codes)]
        assert city.submit("approved").state in ("waiting", "placed")
    assert city.see(waits).state in ("waiting", "placed")


@pytest.mark.parametrize("first", ["-c", "--privileged", ""])
def test_an_option_is_no_program(bare_city, first):
    bare_city.pool()
    with pytest.raises(Invalid) as refused:
        bare_city.submit("own", entry_point="", arguments={}, command=(first, "sh"))
    assert [one.code for one in refused.value.findings] == ["compute.command_invalid"]


def test_two_sites_cannot_both_have_had_a_name(tmp_path):
    text = SITES.format(name="new") + 'was = ["old", "old"]\n'
    text += SITES.format(name="two") + 'was = ["older", "old"]\n'
    with pytest.raises(Invalid) as refused:
        read_sites(written(tmp_path, text))
    found = [(one.where, one.code) for one in refused.value.findings]
    assert found == [("new.was", "compute.site_was"), ("two.was", "compute.site_was")]
