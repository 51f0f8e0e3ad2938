"""What a job left in its checkpoint folder is kept whole or not at all, and laid out again."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.client.folders.manifest import FORM
from yunhe.compute.disclosure import HOPELESS
from yunhe.compute.folders import keeping
from yunhe.compute.folders.checkpoints import FOLDER, lay, take
from yunhe.compute.folders.keeping import output_name
from yunhe.compute.referring import folder_found
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.storage.blobs import LocalBlobs

MAX = 1 << 20


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work" / FOLDER).mkdir(parents=True)
    return tmp_path / "work"


def contents(work: Path) -> dict[str, bytes]:
    root = work / FOLDER
    return {str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*") if path.is_file()}  # fmt: skip


NAMES = st.text("ab数.%20 -_", min_size=1, max_size=6).filter(
    lambda name: name.strip(". ") == name and ".." not in name
)
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=60), max_size=6
).filter(
    lambda tree: (
        not any(one != other and one.startswith(f"{other}/") for one in tree for other in tree)
    )
)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_what_was_saved_is_there_again_for_the_next_run(tmp_path_factory, tree) -> None:
    root = tmp_path_factory.mktemp("journey")
    blobs, first, second = LocalBlobs(root / "blobs"), root / "first", root / "second"
    for name, data in tree.items():
        path = first / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (first / FOLDER).mkdir(parents=True, exist_ok=True)
    saved = take(first, blobs=blobs, bytes_max=MAX)
    assert set(saved) == {output_name(name) for name in tree}
    second.mkdir()
    lay(saved, second, blobs=blobs)
    assert contents(second) == tree
    assert take(second, blobs=blobs, bytes_max=MAX) == saved


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def into(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "blobs", target_is_directory=True)


def loop(path: Path) -> None:
    path.symlink_to(path)


def odd(path: Path) -> None:
    path.with_name(os.fsdecode(b"\xff\xfe")).write_bytes(b"x")


def broken(path: Path) -> None:
    path.with_name("two\nlines").write_bytes(b"x")


@pytest.mark.parametrize("harm", [link, into, loop, os.mkfifo, odd, broken])
def test_one_odd_thing_in_it_and_nothing_of_it_is_taken(blobs, work, harm) -> None:
    (work / FOLDER / "good").write_bytes(b"step 7")
    assert set(take(work, blobs=blobs, bytes_max=MAX)) == {"good"}
    harm(work / FOLDER / "odd")
    assert take(work, blobs=blobs, bytes_max=MAX) == {}


def test_a_folder_that_became_a_link_a_file_or_nothing_is_not_read(blobs, work, tmp_path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (work / FOLDER).rename(elsewhere)
    (elsewhere / "secret").write_bytes(b"of another job")
    assert take(work, blobs=blobs, bytes_max=MAX) == {}
    (work / FOLDER).symlink_to(elsewhere, target_is_directory=True)
    assert take(work, blobs=blobs, bytes_max=MAX) == {}
    (work / FOLDER).unlink()
    (work / FOLDER).write_bytes(b"no folder")
    assert take(work, blobs=blobs, bytes_max=MAX) == {}
    assert list(blobs.digests()) == []


def test_so_many_bytes_and_files_are_taken_and_not_one_more(blobs, work, monkeypatch) -> None:
    (work / FOLDER / "a").write_bytes(b"1234")
    (work / FOLDER / "b").write_bytes(b"5678")
    assert len(take(work, blobs=blobs, bytes_max=8)) == 2
    assert take(work, blobs=blobs, bytes_max=7) == {}
    monkeypatch.setattr(keeping, "KEPT_FILES_MAX", 2)
    assert len(take(work, blobs=blobs, bytes_max=8)) == 2
    (work / FOLDER / "c").touch()
    assert take(work, blobs=blobs, bytes_max=8) == {}


def test_a_hole_of_a_terabyte_is_refused_by_its_size(blobs, work) -> None:
    with (work / FOLDER / "hole").open("wb") as file:
        file.truncate(1 << 40)
    assert take(work, blobs=blobs, bytes_max=MAX) == {}
    assert list(blobs.digests()) == []


def test_a_file_where_the_folder_is_to_be_is_refused_as_what_its_owner_sent(
    blobs, tmp_path
) -> None:
    (tmp_path / FOLDER).write_bytes(b"sent")
    for saved in ({}, {"good": blobs.put(b"step 7").digest}):
        with pytest.raises(Invalid) as refused:
            lay(saved, tmp_path, blobs=blobs)
        assert refused.value.code in HOPELESS  # no further try would cure it
        assert [found.code for found in refused.value.findings] == ["compute.checkpoint_file"]


@pytest.mark.parametrize("preemptible", [True, False])
def test_such_a_file_is_told_when_work_that_may_be_pushed_out_is_asked_for(
    city, tmp_path, preemptible
) -> None:
    (tmp_path / FOLDER).write_bytes(b"sent")
    shelf = city.storage.blobs
    digest = shelf.put(b"sent").digest
    part = {"blob": digest, "offset": 0, "size_bytes": 4}
    file = {"path": FOLDER, "digest": digest, "size_bytes": 4, "parts": [part]}
    folder = shelf.put(canonical_bytes({"form": FORM, "files": [file]})).digest
    spec = city.spec("job", folder=folder, preemptible=preemptible)
    found = [(each.where, each.code) for each in folder_found(city.storage, spec)[0]]
    assert found == ([("folder", "compute.checkpoint_file")] if preemptible else [])


def test_what_was_saved_takes_the_place_of_all_that_the_owner_sent(blobs, work) -> None:
    digest = blobs.put(b"saved").digest
    for name in ("was-a-file", "removed", "was-a-folder/inside"):
        path = work / FOLDER / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"sent")
    sent = contents(work)
    lay({}, work, blobs=blobs)
    assert contents(work) == sent  # nothing was saved yet
    saved = {"was-a-file/now": digest, "was-a-folder": digest}
    lay({output_name(name): each for name, each in saved.items()}, work, blobs=blobs)
    assert contents(work) == dict.fromkeys(saved, b"saved")


def test_the_job_may_change_what_is_laid_and_changes_no_blob_by_it(blobs, work) -> None:
    digest = blobs.put(b"saved").digest
    lay({"state": digest}, work, blobs=blobs)
    path = work / FOLDER / "state"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open("r+b") as file:
        file.write(b"SPOIL")
    assert blobs.read(digest) == b"saved"


def test_an_empty_folder_is_made_though_nothing_was_saved(blobs, tmp_path) -> None:
    lay({}, tmp_path, blobs=blobs)
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    assert take(tmp_path, blobs=blobs, bytes_max=0) == {}


def test_what_was_saved_and_is_gone_says_so_and_leaves_no_half_file(blobs, work) -> None:
    digest = blobs.put(b"saved").digest
    blobs.delete(digest)
    with pytest.raises(NotFound):
        lay({"state": digest}, work, blobs=blobs)
    assert contents(work) == {}
