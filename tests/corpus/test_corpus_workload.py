"""The cleansing program by itself: what it takes for a job, and kernels it may only read."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from yunhe.corpus import service, workload
from yunhe.corpus.results import Laid
from yunhe.kernel.errors import Invalid
from yunhe.native import keeping
from yunhe.storage.kept_errors import restored

GOOD = {
    "arguments": {"file": "in.jsonl", "text": "text"},
    "inputs": {"input": "/i", "profile.yaml": "/p"},
    "outputs": "/o",
}


def job(folder: Path, stated: object) -> Path:
    path = folder / "job.json"
    path.write_text(json.dumps(stated), "utf-8")
    return path


def wrong(folder: Path, stated: object) -> list[str]:
    with pytest.raises(Invalid) as caught:
        workload.read_job(job(folder, stated))
    assert caught.value.code == "corpus.job_invalid"
    assert caught.value.message("zh") != caught.value.message("en")
    return [finding.where for finding in caught.value.findings]


def test_a_job_is_read_with_what_may_be_left_out(tmp_path: Path) -> None:
    read = workload.read_job(job(tmp_path, GOOD))
    assert (read.columns.text, read.columns.label, read.columns.id) == ("text", None, None)
    assert (read.file, read.threads, read.outputs) == ("in.jsonl", 1, Path("/o"))


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"text": 1}, ["arguments.text"]),
        ({"label": [], "id": 2}, ["arguments.label", "arguments.id"]),
        ({"threads": 0}, ["arguments.threads"]),
        ({"threads": True}, ["arguments.threads"]),
        ({"threads": 257}, ["arguments.threads"]),
        ({"file": "../../etc/passwd"}, ["arguments.file"]),
        ({"file": "/etc/passwd"}, ["arguments.file"]),
        ({"seed": 1}, ["arguments.seed"]),
    ],
)
def test_every_argument_that_is_wrong_is_named(tmp_path: Path, arguments, where) -> None:
    assert wrong(tmp_path, {**GOOD, "arguments": {**GOOD["arguments"], **arguments}}) == where


def test_inputs_that_are_missing_are_named(tmp_path: Path) -> None:
    assert wrong(tmp_path, {**GOOD, "inputs": {}}) == ["inputs.input", "inputs.profile.yaml"]


@pytest.mark.parametrize("stated", [[], {}, {"arguments": 3}, "x", {**GOOD, "inputs": ["a"]}])
def test_what_is_no_job_is_refused(tmp_path: Path, stated: object) -> None:
    assert wrong(tmp_path, stated)


def test_a_file_of_a_profile_that_is_no_input_is_named() -> None:
    profile = service.load_profile()
    plan = replace(profile.steps[0], options={"library": "input:words.csv", "gaps": "none"})
    asked = replace(profile, steps=(plan,))
    with pytest.raises(Invalid) as caught:
        workload.resolved(asked, {})
    assert [finding.where for finding in caught.value.findings] == ["inputs.words.csv"]
    found = workload.resolved(asked, {"words.csv": Path("/job/inputs/words.csv")})
    assert found.steps[0].options == {"library": "/job/inputs/words.csv", "gaps": "none"}


def test_the_program_says_what_was_wrong_in_a_form_that_can_be_told_again(
    tmp_path: Path, capsys
) -> None:
    status = workload.main([str(job(tmp_path, {**GOOD, "inputs": {}}))])
    said = capsys.readouterr().err.splitlines()
    assert status == workload.INPUT_FAULT
    assert restored(json.loads(said[-1])).code == "corpus.job_invalid"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format":"yunhe-laid-down/9"}'])
def test_what_somebody_else_wrote_is_not_taken_for_results(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Laid.of_json(data)


def test_where_kernels_may_only_be_read_a_private_view_of_them_is_used(
    tmp_path: Path, monkeypatch
) -> None:
    kept, own = tmp_path / "kept", tmp_path / "own"
    (kept / "part").mkdir(parents=True)
    own.mkdir()
    (kept / "part" / "one.nbi").write_bytes(b"index")
    assert keeping.writable(kept) == kept
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(own))
    view = keeping.writable(kept)
    assert view is not None
    assert view.parent == own
    assert (view / "part" / "one.nbi").read_bytes() == b"index"
    changed = view / "part" / "new"
    changed.write_bytes(b"another index")
    changed.replace(view / "part" / "one.nbi")  # as numba writes
    assert (kept / "part" / "one.nbi").read_bytes() == b"index"
    assert sorted(path.name for path in kept.rglob("*")) == ["one.nbi", "part"]


def test_where_there_is_no_room_at_all_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert keeping.writable(tmp_path / "file" / "kernels") is None


def test_the_folder_of_kernels_may_be_chosen(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(keeping.VARIABLE, str(tmp_path))
    assert keeping.parent() == tmp_path
    monkeypatch.delenv(keeping.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert keeping.parent() == Path("/cache/yunhe")
