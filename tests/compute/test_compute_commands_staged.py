"""At a distant site a command runs in the folder that was laid out there, if the site allows it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from yunhe.client.folders.manifest import File, Part, written
from yunhe.compute.folders.keeping import output_name
from yunhe.compute.live.service import SESSION, SESSION_PROGRAM
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.staged_live import StagedLive
from yunhe.compute.providers.staging import OUTPUTS_BYTES_MAX, Staging
from yunhe.kernel.canonical import sha256
from yunhe.kernel.errors import NotAllowed
from yunhe.storage.blobs import LocalBlobs

SCRIPT = (
    b"import os, pathlib\n"
    b"pathlib.Path('out').mkdir(exist_ok=True)\n"
    b"number = os.environ['YUNHE_REPLICA']\n"
    b"pathlib.Path('out', number).write_text(os.environ['YUNHE_REPLICAS'] + os.environ['SEED'])\n"
    b"raise SystemExit(int(os.environ.get('FAILS', '-1') == number))\n"
)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def site(tmp_path: Path) -> Staging:
    (tmp_path / "site").mkdir()
    return Staging(
        tmp_path / "site", str(tmp_path / "site"), {}, python=sys.executable, commands=True
    )


def job_of(blobs: LocalBlobs, **over) -> Job:
    blob = blobs.put(SCRIPT).digest
    part = Part(blob=blob, offset=0, size_bytes=len(SCRIPT))
    file = File(path="a.py", digest=sha256(SCRIPT), size_bytes=len(SCRIPT), parts=[part])
    given = {
        "id": "job",
        "entry_point": "",
        "arguments": {},
        "inputs": {},
        "devices": 1,
        "wall_seconds_max": 60,
        "cpu_seconds_max": 60,
        "memory_bytes_max": 1 << 30,
        "command": (sys.executable, "a.py"),
        "folder": blobs.put(written([file])).digest,
        "environment": {"SEED": "7"},
        "keeps": ("out/*",),
        **over,
    }
    return Job(**given)


def run(site: Staging, job: Job, blobs: LocalBlobs) -> int:
    line = site.prepare(job, blobs=blobs, site="centre")
    return subprocess.run(["sh", "-c", line], check=False).returncode


def test_a_command_runs_in_the_folder_laid_out_there_and_its_files_come_back(site, blobs):
    job = job_of(blobs)
    assert run(site, job, blobs) == 0
    made = site.result(job, blobs=blobs, succeeded=True)
    assert made.why is None
    assert {name: blobs.read(digest) for name, digest in made.outputs.items()} == {
        output_name("out/0"): b"17"
    }


def test_replicas_run_side_by_side_there(site, blobs):
    job = job_of(blobs, replicas=3, devices=3)
    assert run(site, job, blobs) == 0
    made = site.result(job, blobs=blobs, succeeded=True)
    assert sorted(made.outputs) == [output_name(f"out/{number}") for number in range(3)]
    assert {blobs.read(digest) for digest in made.outputs.values()} == {b"37"}


def test_a_replica_that_fails_there_fails_the_job(site, blobs):
    job = job_of(blobs, replicas=2, devices=2, environment={"SEED": "7", "FAILS": "1"})
    assert run(site, job, blobs) == 1


def test_a_folder_half_laid_out_by_a_platform_that_was_killed_is_laid_out_anew(site, blobs):
    job = job_of(blobs)
    left = site.here / "job" / "work" / "out"
    left.mkdir(parents=True)
    (left / "stale").write_text("of before")
    assert run(site, job, blobs) == 0
    made = site.result(job, blobs=blobs, succeeded=True)
    assert list(made.outputs) == [output_name("out/0")]


def test_laying_it_out_twice_changes_nothing(site, blobs):
    job = job_of(blobs)
    first = site.prepare(job, blobs=blobs, site="centre")
    (site.here / "job" / "work" / "a.py").write_text("changed by somebody")
    assert site.prepare(job, blobs=blobs, site="centre") == first
    assert (site.here / "job" / "work" / "a.py").read_text() == "changed by somebody"


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"image": "registry.example/b@sha256:" + "1" * 64}, "compute.image_not_run"),
        ({}, "compute.command_not_allowed"),
    ],
)
def test_a_site_that_does_not_allow_it_runs_nothing_of_ones_own(site, blobs, over, code):
    strict = replace(site, commands=False)
    with pytest.raises(NotAllowed) as refused:
        strict.prepare(job_of(blobs, **over), blobs=blobs, site="centre")
    assert refused.value.code == code
    assert not list(site.here.iterdir())


def test_a_session_needs_no_approval_where_any_command_may_run(site, blobs):
    programs = {SESSION: SESSION_PROGRAM}
    session = job_of(blobs, entry_point=SESSION, command=(), folder="")
    strict = replace(site, entry_points=programs, commands=False)
    with pytest.raises(NotAllowed) as refused:
        strict.prepare(session, blobs=blobs, site="centre")
    assert refused.value.code == "compute.entry_point_not_approved"
    assert "station.py" in replace(strict, commands=True).prepare(
        session, blobs=blobs, site="centre"
    )


def test_what_is_run_inside_a_command_starts_in_its_folder(site, blobs):
    waits = "while [ ! -e out/seen ]; do sleep 0.05; done"
    job = job_of(blobs, command=("sh", "-c", waits), wall_seconds_max=20)
    line = site.prepare(job, blobs=blobs, site="centre")
    looks = ["sh", "-c", "mkdir out; test -e a.py && touch out/seen"]
    StagedLive(site).ask("job", [{"exec": "a", "do": "start", "command": looks}])
    assert subprocess.run(["sh", "-c", line], check=False).returncode == 0


RESERVES = (
    "import mmap, resource; room = mmap.mmap(-1, 64 << 30, prot=0, flags=0x4022); "
    "room.close(); print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
)
"""Reserves address space that it never uses, as drivers of accelerators do."""


@pytest.mark.parametrize(
    ("over", "fits"),
    [({"chip": "ascend910b"}, True), ({"chip": "cpu"}, False), ({}, False)],
    ids=["cards", "processors", "unsaid"],
)
def test_only_processors_limit_the_address_space_that_a_program_may_reserve(
    site, blobs, over, fits
):
    job = job_of(blobs, command=(sys.executable, "-c", RESERVES), keeps=(), **over)
    assert (run(site, job, blobs) == 0) is fits
    assert site.log("job", "stdout", offset=0) == (b"%d\n" % OUTPUTS_BYTES_MAX if fits else b"")
    assert (b"allocate memory" in site.log("job", "stderr", offset=0)) is not fits


def test_folders_and_runtimes_with_spaces_quotes_and_braces_stay_single_words(tmp_path, blobs):
    odd, runtime = tmp_path / "a b';$(touch hit){image}", tmp_path / "run 'time"
    odd.mkdir()
    runtime.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> "$YUNHE_OUTPUTS/told"\n')
    runtime.chmod(0o755)
    site = Staging(
        odd,
        str(odd),
        {},
        python=sys.executable,
        commands=True,
        images=("registry.example",),
        container=f"{shlex.quote(str(runtime))} exec --bind={{folder}} 'x y' {{image}}",
    )
    image = "registry.example/b@sha256:" + "1" * 64
    job = job_of(blobs, command=("sh", "-c", "$(touch hit) {folder} {digest}"), image=image)
    assert run(site, job, blobs) == 0
    told = (odd / "job" / "outputs" / "told").read_text().splitlines()
    assert told[:4] == ["exec", f"--bind={odd}/job", "x y", image]
    assert told[4:] == ["sh", "-c", "$(touch hit) {folder} {digest}"]
    assert not list(tmp_path.rglob("hit"))
