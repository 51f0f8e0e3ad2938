"""A file with faults of every kind: those found here and those of the server in one answer."""

from __future__ import annotations

import pytest
from remote_desk import Person, people, server, supplied

from yunhe.cli import submitting

JOB = """\
kind: magic
command: [python, train.py]
folder: nowhere
chips: {cpu: 1000, cpu2: 0}
devices: 5000
replicas: 0
workload_class: not a word
priority: high
sites: [esat-1, east-1]
data_site: esat-1
egress_bytes: -1
outputs: [a, ../b]
environment: {LD_PRELOAD: x}
secrets: {TOKEN: ABSENT}
inputs: {x: none.txt}
deadline: 2001-01-01T00:00:00Z
checkpoint_seconds: 5
wall_seconds_max: 60
cpu_seconds_max: soon
nonsense: 1
"""
LINES = {1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20}


@pytest.fixture
def pair(tmp_path, capsys, monkeypatch):
    with server(tmp_path / "home") as running:
        operator, tenant = people(tmp_path, capsys, monkeypatch, running)
        supplied(running, operator, tenant)
        yield operator, tenant


def lines(said, path) -> set[int]:
    found = said.json["findings"]
    assert len({(each["where"], each["code"]) for each in found}) == len(found)
    assert all(each["where"].startswith(f"{path}:") for each in found)
    return {int(each["where"].removeprefix(f"{path}:").split(":")[0]) for each in found}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "sent"])
def test_eighteen_faults_are_told_in_one_round_with_their_lines(pair, tmp_path, lang, dry):
    _, tenant = pair
    path = tmp_path / "job.yaml"
    path.write_text(JOB, "utf-8")
    said = tenant("--json", "submit", str(path), *(["--dry-run"] if dry else []), lang=lang)
    assert said.code == 65
    assert said.json["code"] == "compute.spec_invalid"
    assert lines(said, path) == LINES
    told = "".join(each["message"] for each in said.json["findings"])
    assert any(ord(letter) > 0x4E00 for letter in told) == (lang == "zh")
    shown = tenant("submit", str(path), lang=lang)
    assert (shown.out + shown.err).count("job.yaml:") >= len(LINES)
    assert tenant.json("workloads")["items"] == []


def test_without_a_server_what_can_be_found_here_is_told(tmp_path, capsys, monkeypatch):
    alone = Person(tmp_path / "stranger", capsys, monkeypatch)
    path = tmp_path / "job.yaml"
    path.write_text(JOB, "utf-8")
    said = alone("--json", "submit", str(path))
    assert said.json["code"] == "cli.spec_invalid"
    assert lines(said, path) >= {1, 3, 4, 6, 11, 15, 19, 20}


def test_what_is_wrongly_said_in_short_is_held_against_nothing_else(pair, tmp_path):
    """Chips, replicas and command are not known then, so nothing is told of them but that."""
    _, tenant = pair
    path = tmp_path / "job.yaml"
    path.write_text(
        'command: "a \'b"\nchips: {a: 5}\nelastic: {min: 1}\nwall_seconds_max: 60\n'
        "cpu_seconds_max: 60\nmemory_bytes_max: .nan\ndata_site: nowhere\n"
    )
    said = tenant("--json", "submit", str(path))
    assert lines(said, path) == {1, 2, 3, 6, 7}


def test_a_service_is_told_of_all_that_is_wrong_with_its_replica(pair, tmp_path):
    _, tenant = pair
    path = tmp_path / "job.yaml"
    path.write_text(JOB, "utf-8")
    said = tenant("--json", "service", "create", "hot", str(path), "--floor", "1", "--ceiling", "1")
    assert lines(said, path) == LINES


@pytest.mark.parametrize("given", [("--watch", "--timeout", "1"), ("--timeout", "1")])
def test_a_script_that_waits_has_a_way_out_and_is_told_that_the_work_goes_on(desk, tmp_path, given):
    path = tmp_path / "job.yaml"
    path.write_text("entry_point: training\nwall_seconds_max: 60\ncpu_seconds_max: 60\n")
    waits = {"state": "waiting", "usage": None, "outputs": {}}
    desk.office.says("POST /v1/workloads", waits)
    desk.office.says("GET /v1/workloads/{workload}", waits)
    said = desk("submit", path, *given)
    assert said.code == submitting.GOES_ON
    assert "yunhe why workload_" in said.err
    desk.office.says("GET /v1/workloads/{workload}", {"state": "failed"})
    assert desk("submit", path, *given).code == 1
    desk.office.says("GET /v1/workloads/{workload}", {"state": "settled"})
    assert desk("submit", path, *given).code == 0
    assert desk("submit", path, "--timeout", "0").code == 2
    shown = desk("submit", "--help").out
    assert "124" in shown
    assert shown.count("--timeout") >= 3
