"""Folders that an entry point may read besides its code and inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.local import BUBBLEWRAP, LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import Job
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs

PROGRAMS = Path(__file__).parent / "programs"
needs_bubblewrap = pytest.mark.skipif(bubblewrap() is None, reason="no bubblewrap here")


def found(folder: Path, reads: dict[str, Path], *, isolated: bool, protected: bool = False) -> dict:
    entry = EntryPoint("reader", root=PROGRAMS, reads=reads)
    provider = LocalProvider(
        folder / "home" / "work",
        {"reader": entry},
        protected=list(reads.values()) if protected else [],
        isolation="auto" if isolated else "digest-approved",
    )
    assert not isolated or provider.isolation == BUBBLEWRAP
    blobs = LocalBlobs(folder / "home" / "blobs")
    job = Job(
        id="job1",
        entry_point="reader",
        arguments={},
        inputs={},
        devices=1,
        wall_seconds_max=30,
        cpu_seconds_max=30,
        memory_bytes_max=1 << 30,
        approved=frozenset({find_program("reader", entry).digest}),
    )
    outcome = provider.run(job, blobs=blobs, progress=Silent(), stopped=lambda: False)
    assert outcome.why is None, outcome.stderr_tail.decode()
    return json.loads(blobs.read(outcome.outputs["found.json"]))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    return folder


@needs_bubblewrap
def test_in_a_sandbox_such_a_folder_is_seen_and_can_not_be_written(tmp_path: Path, cache: Path):
    said = found(tmp_path, {"CACHE_FOLDER": cache}, isolated=True)
    assert said == {"where": str(cache), "there": ["kept"], "written": False}
    assert not (cache / "new").exists()


@needs_bubblewrap
def test_what_is_protected_stays_hidden_even_if_an_entry_point_names_it(
    tmp_path: Path, cache: Path
):
    said = found(tmp_path, {"CACHE_FOLDER": cache}, isolated=True, protected=True)
    assert said["there"] == []


def test_without_a_sandbox_the_program_is_told_where_the_folder_is(tmp_path: Path, cache: Path):
    said = found(tmp_path, {"CACHE_FOLDER": cache}, isolated=False)
    assert (said["where"], said["there"]) == (str(cache), ["kept"])


@pytest.mark.parametrize(
    "isolated", [pytest.param(True, marks=needs_bubblewrap), False], ids=["sandbox", "approved"]
)
def test_a_folder_that_is_not_there_is_not_spoken_of(tmp_path: Path, isolated):
    said = found(tmp_path, {"CACHE_FOLDER": tmp_path / "none"}, isolated=isolated)
    assert said["where"] is None
