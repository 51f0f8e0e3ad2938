"""A hostile workload: what it cannot reach in a sandbox, and that without one it never starts."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.local import APPROVED, BUBBLEWRAP, LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import Job
from yunhe.kernel.errors import NotAllowed
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs

SNOOP = EntryPoint("snoop", root=Path(__file__).parent / "programs")
needs_bubblewrap = pytest.mark.skipif(
    bubblewrap() is None, reason="bubblewrap is not installed or may not make namespaces here"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The platform's home with what must stay secret, readable to the user who runs the test."""
    home = tmp_path / "home"
    (home / "keys").mkdir(parents=True)
    (home / "yunhe.db").write_bytes(b"SQLite format 3\0")
    (home / "keys" / "signing.pem").write_text("PRIVATE")
    return home


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on loopback that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def snoop_job(home: Path, port: int, blobs: LocalBlobs, *, approved: bool = False) -> Job:
    digest = find_program("snoop", SNOOP).digest
    return Job(
        id="workload_snoop",
        entry_point="snoop",
        arguments={
            "database": str(home / "yunhe.db"),
            "key": str(home / "keys" / "signing.pem"),
            "blobs": str(home / "blobs"),
            "parent": os.getpid(),
            "port": port,
            "everywhere": not approved,
        },
        inputs={"data": blobs.put("数据".encode()).digest},
        devices=1,
        wall_seconds_max=30,
        cpu_seconds_max=30,
        memory_bytes_max=1 << 30,
        approved=frozenset({digest}) if approved else frozenset(),
    )


def report_of(home: Path, port: int, provider: LocalProvider, *, approved: bool = False):
    blobs = LocalBlobs(home / "blobs")
    outcome = provider.run(
        snoop_job(home, port, blobs, approved=approved),
        blobs=blobs,
        progress=Silent(),
        stopped=lambda: False,
    )
    assert outcome.why is None, outcome.stderr_tail.decode()
    assert outcome.isolation == provider.isolation
    return json.loads(blobs.read(outcome.outputs["report.json"]))


@needs_bubblewrap
def test_an_unapproved_program_in_a_sandbox_reaches_nothing_of_the_platform(
    home: Path, listener: int
) -> None:
    provider = LocalProvider(home / "work", {"snoop": SNOOP}, protected=[home])
    assert provider.isolation == BUBBLEWRAP
    report = report_of(home, listener, provider)
    reached = {name: said for name, said in report["got"].items() if "refused" not in said}
    assert reached == {}
    assert len(report["got"]) == 19
    assert report["input"] == "数据"
    assert report["stdin"] == ""
    assert report["user"] == 65534
    assert report["processes"] == [1, 2]
    assert report["descriptors"] == [0, 1, 2, 3]  # the last one is the look at them itself
    assert not (home / "snoop").exists()


def test_the_same_attempts_succeed_without_a_sandbox_which_is_why_approval_is_needed(
    home: Path, listener: int
) -> None:
    provider = LocalProvider(home / "work", {"snoop": SNOOP}, isolation="digest-approved")
    got = report_of(home, listener, provider, approved=True)["got"]
    for name in ("database", "signing key", "home folder", "write home", "network"):
        assert got[name].startswith("reached"), name
    (Path(__file__).parent / "programs" / "snooped.py").unlink()


def test_an_unapproved_program_without_a_sandbox_is_refused_before_it_starts(
    home: Path, listener: int
) -> None:
    provider = LocalProvider(home / "work", {"snoop": SNOOP}, isolation="digest-approved")
    assert provider.isolation == APPROVED
    with pytest.raises(NotAllowed) as caught:
        report_of(home, listener, provider)
    error = caught.value
    assert error.code == "compute.entry_point_not_approved"
    digest = find_program("snoop", SNOOP).digest
    assert digest in error.message("en")
    assert digest in error.message("zh")
    assert "approve" in error.message("en")
    assert not (home / "work").exists()


def test_a_digest_approved_where_the_provider_was_set_up_counts_too(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "calm.py").write_text("pass")
    seen = find_program("calm", EntryPoint("calm", root=tmp_path)).digest
    approved = EntryPoint("calm", digest=seen, root=tmp_path)
    provider = LocalProvider(home / "work", {"calm": approved}, isolation="digest-approved")
    blobs = LocalBlobs(home / "blobs")
    job = Job("w", "calm", {}, {}, 1, 30, 30, 1 << 30)
    outcome = provider.run(job, blobs=blobs, progress=Silent(), stopped=lambda: False)
    assert outcome.verdict == "succeeded"
    assert outcome.code_digest == seen
    (tmp_path / "calm.py").write_text("print('another program')")
    with pytest.raises(NotAllowed):
        provider.run(job, blobs=blobs, progress=Silent(), stopped=lambda: False)


@needs_bubblewrap
def test_a_home_inside_a_folder_that_programs_need_is_covered_up(
    tmp_path: Path, listener: int
) -> None:
    # The worst case: the home lies in the very folder that the program is imported from.
    code = tmp_path / "code"
    code.mkdir()
    (code / "snoop.py").write_bytes((SNOOP.root / "snoop.py").read_bytes())
    home = code / "home"
    (home / "keys").mkdir(parents=True)
    (home / "yunhe.db").write_bytes(b"SQLite format 3\0")
    (home / "keys" / "signing.pem").write_text("PRIVATE")
    provider = LocalProvider(home / "work", {"snoop": EntryPoint("snoop", root=code)})
    got = report_of(home, listener, provider)["got"]
    for name in ("database", "signing key", "blobs", "write home", "write code"):
        assert got[name].startswith("refused"), name
    # What is seen in its place is an empty folder.
    assert got["home folder"] == "reached: []"


@needs_bubblewrap
def test_the_interpreters_own_folders_are_the_only_ones_of_this_machine_that_are_seen(
    tmp_path: Path,
) -> None:
    (tmp_path / "tour.py").write_text(
        "import json, os, sys\n"
        "job = json.load(open(sys.argv[1]))\n"
        "seen = {top: os.listdir(top) for top in ('/', '/job', '/tmp', '/dev/shm')}\n"
        "home = sys.base_prefix\n"
        "json.dump(seen, open(job['outputs'] + '/seen.json', 'w'))\n"
    )
    provider = LocalProvider(
        tmp_path / "home" / "work", {"tour": EntryPoint("tour", root=tmp_path)}
    )
    blobs = LocalBlobs(tmp_path / "home" / "blobs")
    job = Job("w", "tour", {}, {}, 1, 30, 30, 1 << 30)
    outcome = provider.run(job, blobs=blobs, progress=Silent(), stopped=lambda: False)
    assert outcome.why is None, outcome.stderr_tail.decode()
    seen = json.loads(blobs.read(outcome.outputs["seen.json"]))
    needed = {"bin", "lib", "lib32", "lib64", "usr", "etc", "proc", "dev", "tmp", "job"}
    for path in (sys.prefix, sys.base_prefix, str(tmp_path), __file__):
        needed.add(Path(path).resolve().parts[1])
    assert set(seen["/"]) <= needed
    assert sorted(seen["/job"]) == ["inputs", "job.json", "outputs", "work"]
    assert seen["/tmp"] == [] or str(tmp_path).startswith("/tmp/")
    assert seen["/dev/shm"] == []
