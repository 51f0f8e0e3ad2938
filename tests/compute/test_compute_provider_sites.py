"""What an operator writes about distant schedulers, and the folder that both sides see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from paper_site import PaperSite

from yunhe.app import open_platform
from yunhe.compute.providers import completions, conformance_remote, slurm_rest, station
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT, check_provider
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.sites import read_sites
from yunhe.compute.providers.slurm_rest import Wanted, job_of, submission, version
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound, Unavailable
from yunhe.operations.sites import REST_SECONDS_MAX, SiteLoop
from yunhe.settings import from_environment
from yunhe.storage.blobs import LocalBlobs

GOOD = """
[ascend-centre]
kind = "slurm"
address = "http://slurm.example.org:6820"
user = "yunhe"
key_file = "jwt.key"
partition = "ascend"
folder = "/shared/yunhe"
completions = "/shared/jobcomp.txt"
timezone = "Asia/Shanghai"
[ascend-centre.chips]
ascend910b = "gpu:ascend910b"

[ray-lab]
kind = "ray"
address = "http://ray.example.org:8265"
folder = "shared"
[ray-lab.chips]
a100 = "GPU"
"""


def test_a_sites_file_becomes_one_adapter_for_each_table(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(GOOD)
    slurm, ray = read_sites(file)
    assert slurm.path("key_file") == tmp_path / "jwt.key"
    assert ray.words["folder"] == str(tmp_path / "shared")
    settings = from_environment({}, home=tmp_path / "home", sites_file=file)
    with open_platform(settings) as platform:
        remotes = platform.sites()
        assert [remote.adapter for remote in remotes] == ["ascend-centre", "ray-lab"]
        assert {remote.isolation for remote in remotes} == {"digest-approved"}
    with open_platform(from_environment({}, home=tmp_path / "home")) as platform:
        assert platform.sites() == ()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("[local]\nkind='slurm'", {"compute.site_name"}),
        ("x = 1", {"compute.site_name"}),
        ("[a]\nkind='k8s'", {"compute.site_kind"}),
        ("[a]\nkind='ray'", {"compute.site_needs"}),
        ("[a", {"compute.sites_toml"}),
        (
            GOOD.replace('user = "yunhe"', "user = 1\ncolour = 'red'"),
            {"compute.site_text", "compute.site_key"},
        ),
        (GOOD.replace('key_file = "jwt.key"', ""), {"compute.site_token"}),
        (GOOD.replace("Asia/Shanghai", "Nowhere/Else"), {"compute.site_timezone"}),
    ],
)
def test_every_fault_of_a_sites_file_is_named_at_once(tmp_path: Path, text, codes) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(text)
    with pytest.raises(Invalid) as caught:
        read_sites(file)
    assert {finding.code for finding in caught.value.findings} == codes
    with pytest.raises(Unavailable):
        read_sites(tmp_path / "absent.toml")


def test_a_site_that_cannot_be_reached_is_left_alone_ever_longer(tmp_path: Path, storage) -> None:
    class Platform:
        vault = None

    Platform.storage = storage
    site = PaperSite(ManualClock())

    def down(_: str) -> None:
        raise Unavailable("compute.remote_unreachable", site="paper", reason="down")

    loop = SiteLoop(Platform, site, threading.Event())
    assert loop.once() == 1.0
    storage.clock.advance(seconds=100)
    site.before = down
    rests = [loop.once() for _ in range(8)]
    assert rests == [1, 2, 4, 8, 16, 32, REST_SECONDS_MAX, REST_SECONDS_MAX]
    site.before = lambda _: None
    assert loop.once() == 1.0


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    shared = tmp_path / "shared"
    return Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}, python=sys.executable)


def job(action: str = "copy", **arguments: str) -> Job:
    return Job(
        id="workload_1-1",
        entry_point=TRIAL,
        arguments={"action": action, "word": "x", **arguments},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        approved=frozenset({find_program(TRIAL, TRIAL_ENTRY_POINT).digest}),
    )


def run(staging: Staging, wanted: Job, blobs: LocalBlobs, *, claim: str = "7") -> int:
    command = staging.prepare(wanted, blobs=blobs, site="s")
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": claim, "SECRET": "not for the program"}
    return subprocess.run(["/bin/sh", "-c", command], env=environment, check=False).returncode


def test_the_station_runs_a_job_once_and_says_how_it_ended(staging, blobs) -> None:
    wanted = replace(job(), inputs={"data": blobs.put(b"bytes").digest})
    assert run(staging, wanted, blobs) == 0
    assert run(staging, wanted, blobs, claim="8") == station.EXIT_NOT_MINE
    result = staging.result(wanted, blobs=blobs, succeeded=True)
    assert blobs.read(result.outputs["data.copy"]) == b"bytes"
    assert result.metered.wall_ms >= 1
    assert staging.claimed(wanted.id) == "7"
    assert run(staging, wanted, blobs) == 0  # as after the scheduler started it over
    staging.remove(wanted.id)
    staging.remove(wanted.id)
    assert list(staging.here.iterdir()) == []


def test_a_program_at_a_site_sees_only_what_it_is_given(staging, blobs) -> None:
    wanted = job("environment")
    assert run(staging, wanted, blobs) == 0
    outputs = staging.result(wanted, blobs=blobs, succeeded=True).outputs
    seen = json.loads(blobs.read(outputs["environment"]))
    assert "SECRET" not in seen
    assert seen["SLURM_JOB_ID"] == "7"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (job("fail"), "compute.failed_exit"),
        (replace(job("endure"), wall_seconds_max=1), "compute.failed_wall"),
        (replace(job("burn"), cpu_seconds_max=1), "compute.failed_cpu"),
    ],
)
def test_the_station_tells_why_a_program_failed(staging, blobs, wanted, code) -> None:
    assert run(staging, wanted, blobs) != 0
    result = staging.result(wanted, blobs=blobs, succeeded=False)
    assert result.why.code == code
    assert result.outputs == {}


def test_a_cancelled_job_never_begins_and_stays_cancelled(staging, blobs) -> None:
    staging.cancelled("workload_1-1")
    assert run(staging, job(), blobs) == station.EXIT_NOT_MINE
    staging.remove("workload_1-1")
    assert staging.is_cancelled("workload_1-1")
    left = [path.name for path in (staging.here / "workload_1-1").iterdir()]
    assert left == ["cancelled"]


def test_a_program_file_that_was_changed_is_not_run(staging, blobs) -> None:
    staging.prepare(job(), blobs=blobs, site="s")
    (staging.here / "workload_1-1" / "program.py").write_text("print('mine')")
    assert run(staging, job(), blobs) == station.EXIT_BROKEN


@pytest.mark.parametrize("what", ["outputs", "stdout", "ended.json", "pipe", "false", "many"])
def test_nothing_is_followed_out_of_a_jobs_folder(staging, blobs, tmp_path: Path, what) -> None:
    assert run(staging, job(), blobs) == 0
    folder, outside = staging.here / "workload_1-1", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    if what == "outputs":
        (folder / "outputs" / "word").unlink()
        (folder / "outputs").rmdir()
        (folder / "outputs").symlink_to(outside)
    elif what == "pipe":
        os.mkfifo(folder / "outputs" / "pipe")
    elif what == "false":
        (folder / "ended.json").write_text('{"status": "x", "wall_ms": -5, "cpu_user_ms": 1e99}')
    elif what == "many":
        for number in range(200):
            (folder / "outputs" / f"f{number}").touch()
    else:
        (folder / what).unlink()
        (folder / what).symlink_to(outside / "secret")
    result = staging.result(job(), blobs=blobs, succeeded=True)
    assert staging.log("workload_1-1", "stdout", offset=0) == b""
    assert (result.why is None) == (what in ("stdout", "ended.json", "false"))
    assert set(result.outputs) <= {"word"}
    assert result.metered.wall_ms >= 1


def test_what_a_site_may_not_have_is_refused_before_anything_is_written(staging, blobs) -> None:
    for wanted, kind in (
        (replace(job(), secrets={"T": b"v"}), NotAllowed),
        (replace(job(), approved=frozenset()), NotAllowed),
        (replace(job(), entry_point="other"), NotFound),
    ):
        with pytest.raises(kind):
            staging.prepare(wanted, blobs=blobs, site="s")
    assert not staging.here.exists()
    with pytest.raises(ValueError, match="folder"):
        staging.prepare(replace(job(), id="../x"), blobs=blobs, site="s")


def test_logs_are_read_from_any_place(staging, blobs) -> None:
    assert run(staging, job("chatter"), blobs) == 0
    whole = staging.log("workload_1-1", "stdout", offset=0)
    assert len(whole) == 1 << 20
    assert staging.log("workload_1-1", "stdout", offset=1 << 40) == b""
    assert staging.log("workload_1-1", "stderr", offset=-5) == b"ords\n"
    assert staging.log("workload_9-1", "stderr", offset=0) == b""


LINE = (
    "JobId={id} UserId=root(0) Name={name} JobState={state} StartTime=2026-11-22T10:00:00 "
    "EndTime=2026-11-22T10:00:{end} NodeList={nodes} ExitCode={code}:0 \n"
)


def test_the_completion_file_gives_the_last_run_of_each_job(tmp_path: Path) -> None:
    file = tmp_path / "jobcomp.txt"
    assert completions.read(file, names={"a"}, timezone="UTC") == {}
    lines = [
        LINE.format(id=1, name="a", state="NODE_FAIL", end="05", nodes="n1", code=0),
        LINE.format(id=1, name="a", state="COMPLETED", end="30", nodes="n2", code=0),
        LINE.format(id=2, name="a", state="FAILED", end="00", nodes="(null)", code=0),
        LINE.format(id=3, name="other", state="FAILED", end="01", nodes="n1", code=3),
        "JobId=x Name=b ExitCode=0:0\n",
        LINE.format(id=4, name="c", state="FAILED", end="09", nodes="n1", code=3),
        LINE.format(id=5, name="d", state="COMPLETED", end="09", nodes="n1", code=0)[:-20],
    ]
    file.write_text("".join(lines))
    found = completions.read(file, names={"a", "b", "c", "d"}, timezone="Asia/Shanghai")
    assert set(found) == {"a", "c"}
    assert (found["a"].states, found["a"].restarts, found["a"].nodes) == (("COMPLETED",), 1, "n2")
    assert found["a"].end - found["a"].start == 30
    assert (found["c"].number, found["c"].status) == (4, 3)
    utc = completions.read(file, names={"a"}, timezone="UTC")["a"]
    assert utc.start - found["a"].start == 8 * 3_600


def test_the_version_that_was_run_wins_and_an_unknown_one_is_none() -> None:
    paths = [f"/slurm/v0.0.{number}/jobs" for number in (36, 38, 40)]
    assert version(paths) == "v0.0.38"
    assert version(["/slurm/v0.0.40/jobs/", "/slurm/v0.0.41/jobs/"]) == "v0.0.41"
    assert version(["/slurm/v0.0.99/jobs", "/else"]) == ""


def test_later_versions_are_asked_and_read_in_their_own_form() -> None:
    wanted = Wanted("a", "work", "gpu:a100:2", 2, 2, 512, 5, "/f", "acct")
    later = submission(wanted, "#!/bin/sh\n", speak="v0.0.40")["job"]
    assert later["tres_per_node"] == "gres/gpu:a100:2"
    assert later["time_limit"] == {"set": True, "number": 5}
    said = {
        "job_id": 7,
        "name": "a",
        "job_state": ["RUNNING", "COMPLETING"],
        "start_time": {"set": True, "number": 100},
        "end_time": {"set": False, "number": 9},
        "exit_code": {"return_code": {"set": True, "number": 3}},
        "nodes": "n[1-2]",
    }
    job = job_of(said)
    assert (job.number, job.states, job.start, job.end, job.status) == (
        7,
        ("RUNNING", "COMPLETING"),
        100,
        0,
        3,
    )
    assert job_of({"exit_code": 768}).status == 3
    assert slurm_rest.number("5") == 0


def test_the_conformance_suite_finds_what_a_careless_scheduler_breaks(blobs, monkeypatch) -> None:
    monkeypatch.setattr(conformance_remote, "WAIT_SECONDS", 0.2)
    site = PaperSite(ManualClock())
    found = {finding.where for finding in check_provider(site, blobs=blobs, chip="cpu")}
    assert {"good_job", "failing_job", "wall_time", "logs_by_offset", "secrets"} <= found
    assert {"missing_input", "unknown_job", "cancel_while_running"} <= found
    assert "capacity" not in found
