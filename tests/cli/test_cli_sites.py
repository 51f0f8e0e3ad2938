"""`yunhe sites`: what distant schedulers answer, and what a cluster is to apply."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from yunhe.app import open_platform
from yunhe.cli.main import LazyGroup
from yunhe.compute.providers.kubernetes import KubernetesProvider
from yunhe.compute.providers.remote import Capacity, Node
from yunhe.settings import from_environment

FILE = """
[lab]
kind = "kubernetes"
address = "http://127.0.0.1:9"
image = "i"
volume = "v"
folder = "shared"
queue = "city"
[lab.chips]
ascend910b = "huawei.com/Ascend910"

[far]
kind = "ray"
address = "http://127.0.0.1:9"
folder = "shared"
[far.chips]
cpu = "CPU"
"""
NODES = (
    Node("n1", "ascend910b", 8, 3, "up", cpu_milli=64_000, memory_mib=1_024),
    Node("n2", "ascend910b", 8, 0, "down"),
)


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "sites.toml").write_text(FILE)
    monkeypatch.setenv("YUNHE_SITES_FILE", str(tmp_path / "sites.toml"))
    with open_platform(from_environment(home=str(tmp_path / "home"))):
        pass
    monkeypatch.setattr(KubernetesProvider, "capacity", lambda _: Capacity(NODES))

    def asked(*words: str):
        given = ["--home", str(tmp_path / "home"), *words]
        return CliRunner().invoke(LazyGroup("en"), given)

    return asked


def test_each_site_shows_its_devices_or_what_is_wrong(ask):
    done = ask("--json", "sites")
    lab, far = json.loads(done.stdout)["sites"]
    assert lab["chips"] == [
        {"chip": "ascend910b", "nodes": 2, "devices": 8, "free": 3, "out_of_order": 8}
    ]
    assert (far["ok"], far["code"], done.exit_code) == (False, "compute.remote_unreachable", 1)
    shown = ask("sites", "lab")
    assert shown.exit_code == 0
    assert "ascend910b" in shown.stdout


def test_the_manifests_of_a_cluster_are_yaml(ask):
    done = ask("sites", "lab", "--kueue")
    kinds = [one["kind"] for one in yaml.safe_load_all(done.stdout)]
    assert kinds == ["ResourceFlavor", "ResourceFlavor", "ClusterQueue", "LocalQueue"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sites", "none"], "cli.site_unknown"),
        (["sites", "far", "--kueue"], "cli.site_not_kubernetes"),
    ],
)
def test_what_is_not_there_is_told(ask, words, code):
    failed = ask(*words)
    assert getattr(failed.exception, "code", "") == code


def test_without_sites_it_says_where_they_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("YUNHE_SITES_FILE", raising=False)
    with open_platform(from_environment(home=str(tmp_path / "home"))):
        pass
    done = CliRunner().invoke(LazyGroup("en"), ["--home", str(tmp_path / "home"), "sites"])
    assert (done.exit_code, "YUNHE_SITES_FILE" in done.stdout) == (0, True)
