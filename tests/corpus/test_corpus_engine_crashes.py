"""Killed anywhere, out of disk anywhere: the next run goes on and ends with the same bytes."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from corpus_engine_desk import digests, job, many, write_rows

from yunhe.corpus.engine import Job, run
from yunhe.corpus.readers.blocks import blocks
from yunhe.corpus.running import folder, parts, unit
from yunhe.corpus.running.shop import Shop
from yunhe.corpus.running.unit import Worked
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.progress import Silent

PROGRAM = Path(__file__).with_name("corpus_engine_killed.py")
QUIET = Silent()
ROWS = many(240)


@pytest.fixture(autouse=True)
def _small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yunhe.corpus.running.intake.UNIT_BYTES", 1)
    small = {"block_bytes": 2_000, "line_bytes_max": 1 << 20}
    monkeypatch.setattr(blocks, "__kwdefaults__", small)


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Blocks worked on since the test began."""
    seen: list[str] = []
    whole = unit.work

    def counted(*given: object) -> Worked:
        seen.append("block")
        return whole(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("yunhe.corpus.running.shop.work", counted)
    return seen


def finished_units(made: Job) -> int:
    shop = Shop(made.out.with_name("OUT.work") / "units", None)  # type: ignore[arg-type]
    there = shop.folder.iterdir() if shop.folder.is_dir() else ()
    return sum(shop.has(path.name) for path in there if not path.name.startswith("."))


def syncs(made: Job, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often an undisturbed run puts something on the disk."""
    seen: list[Path] = []
    sync = folder.sync
    with monkeypatch.context() as patched:
        for module in (folder, parts):
            patched.setattr(module, "sync", lambda path: (seen.append(path), sync(path)))
        run(made, progress=QUIET)
    return len(seen)


def test_killed_at_any_point_the_next_run_repeats_no_finished_unit_and_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked: list[str]
) -> None:
    source = write_rows(tmp_path / "in.jsonl", ROWS)
    calm = job(tmp_path / "calm", source)
    total = syncs(calm, monkeypatch)
    units, wanted = len(worked), digests(calm.out)
    points = [total * share // 100 for share in (0, 5, 20, 35, 50, 65, 80, 95)]
    points += [total - 3, total - 2, total - 1]
    subprocess.run(
        [sys.executable, PROGRAM, source, tmp_path, *map(str, points)], check=True, timeout=400
    )
    seen = set()
    for point in points:
        made = job(tmp_path / str(point), source)
        before = finished_units(made)
        there = made.out.exists()
        seen.add((before == units, there))
        del worked[:]
        run(made, progress=QUIET)
        assert len(worked) == units - before
        assert digests(made.out) == wanted
        assert sorted(path.name for path in made.out.parent.iterdir()) == ["OUT"]
    assert units > 5
    assert (False, False) in seen
    assert (True, False) in seen


def test_a_run_that_died_after_its_output_appeared_is_found_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worked: list[str]
) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))

    remove = shutil.rmtree

    def die(path: Path, *, ignore_errors: bool = False) -> None:
        if path.name == "OUT.work":
            raise KeyboardInterrupt
        remove(path, ignore_errors=ignore_errors)

    with monkeypatch.context() as patched:
        patched.setattr("yunhe.corpus.engine.shutil.rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            run(made, progress=QUIET)
    before = digests(made.out)
    assert made.out.with_name("OUT.work").is_dir()
    del worked[:]
    assert run(made, progress=QUIET).repeated
    assert worked == []
    assert digests(made.out) == before
    assert not made.out.with_name("OUT.work").exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Every file of this process ends there, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "threads"), [(0, 1), (100, 1), (1_000, 2), (2_500, 1), (4_500, 2)]
)
def test_a_disk_that_refuses_is_an_error_shows_nothing_and_the_next_run_finishes(
    tmp_path: Path, size: int, threads: int
) -> None:
    source = write_rows(tmp_path / "in.jsonl", ROWS)
    calm, made = job(tmp_path / "calm", source), job(tmp_path / "made", source, threads=threads)
    run(calm, progress=QUIET)
    with files_of_at_most(size), pytest.raises(Unavailable) as caught:
        run(made, progress=QUIET)
    assert caught.value.code in ("storage.disk_full", "storage.disk_failed")
    assert not made.out.exists()
    run(made, progress=QUIET)
    assert digests(made.out) == digests(calm.out)


def test_a_disk_that_is_full_says_so(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        made = job(small, write_rows(tmp_path / "in.jsonl", ROWS))
        with pytest.raises(Unavailable) as caught:
            run(made, progress=QUIET)
        assert caught.value.code == "storage.disk_full"
        assert not made.out.exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        run(made, progress=QUIET)
        calm = job(tmp_path / "calm", tmp_path / "in.jsonl")
        run(calm, progress=QUIET)
        assert digests(made.out) == digests(calm.out)
    finally:
        subprocess.run(
            ["umount", "--lazy", str(small)], check=True
        )  # mapped files may still be open
