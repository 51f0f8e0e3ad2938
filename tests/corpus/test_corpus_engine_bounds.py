"""What a run takes: memory that does not grow with the input, no more work for more threads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from corpus_engine_desk import digests, job, write_rows
from corpus_engine_quick import quick

from yunhe.corpus.domain import Profile, StepPlan, Threshold
from yunhe.corpus.engine import run, trace
from yunhe.kernel.progress import Silent

PROGRAM = Path(__file__).with_name("corpus_engine_measured.py")
MIB = 1 << 20


def write_documents(path: Path, count: int, *, size: int) -> Path:
    """``count`` documents of about ``size`` bytes; none says what another says."""
    filler = "小区门口的路灯坏了三天没有人来修。" * (size // 51)
    with path.open("w", encoding="utf-8") as file:
        for at in range(count):
            file.write(
                f'{{"id": "d{at}", "label": "l", "text": "{at} {filler}{"x" * (at % 50)}"}}\n'
            )
    return path


def measured(source: Path, out: Path, threads: int = 1) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, PROGRAM, source, out, str(threads)],
        check=True,
        capture_output=True,
        timeout=300,
    ).stdout
    found: dict[str, float] = json.loads(told)
    return found


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    small = write_documents(tmp_path / "small.jsonl", 4_000, size=1_000)
    large = write_documents(tmp_path / "large.jsonl", 32_000, size=1_000)
    warm = measured(small, tmp_path / "warm")  # what had to be compiled is compiled
    one = measured(small, tmp_path / "one")
    eight = measured(large, tmp_path / "eight")
    assert warm["kib"] > 0
    assert large.stat().st_size > 30 * MIB
    assert (eight["kib"] - one["kib"]) * 1024 < 24 * MIB


def test_two_threads_do_no_more_work_than_one(tmp_path: Path) -> None:
    source = write_documents(tmp_path / "in.jsonl", 15_000, size=1_000)
    spent: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(3):  # in turns: what others do on the machine meanwhile befalls both alike
        for threads, seconds in spent.items():
            out = tmp_path / f"{threads}-{turn}"
            seconds.append(measured(source, out, threads)["seconds"])
    # The promise is 10 %, which `benchmarks/corpus` measures; a busy machine needs more room here.
    assert min(spent[2]) < min(spent[1]) * 1.5
    assert digests(tmp_path / "1-0") == digests(tmp_path / "2-0")


def test_one_of_a_million_documents_is_traced_in_less_than_a_second(tmp_path: Path) -> None:
    made = job(tmp_path, write_documents(tmp_path / "in.jsonl", 1_000, size=100), profile=quick())
    run(made, progress=Silent())
    many = 1_000_000
    index = made.out / "index"
    hashes, numbers = np.load(index / "hashes.npy"), np.load(index / "documents.npy")
    others = np.random.default_rng(7).integers(0, 2**64, many, np.uint64)
    order = np.argsort(np.concatenate([hashes, others]), kind="stable")
    np.save(index / "hashes.npy", np.concatenate([hashes, others])[order])
    np.save(index / "documents.npy", np.concatenate([numbers, np.full(many, 10**6)])[order])
    trace(made.out, "d1")  # compiled and imported now
    began = process_time()
    found = trace(made.out, "d777")
    assert process_time() - began < 1
    assert (found["row"], found["source"]) == (778, "in.jsonl")


@pytest.mark.slow
def test_ray_ends_with_the_same_bytes_as_threads(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    rows: list[dict[str, object]] = [
        {"id": f"r{at}", "text": f"第{at % 900}号路口的路灯坏了，请尽快派人处理。", "label": None}
        for at in range(1_000)
    ]
    source = write_rows(tmp_path / "in.jsonl", rows)
    threshold = Threshold(100, "test", verified=False)
    profile = Profile("ray", 1, threshold, (StepPlan("duplicates"),))
    plain = job(tmp_path / "plain", source, profile=profile, threads=2)
    spread = job(tmp_path / "spread", source, profile=profile, ray="local")
    run(plain, progress=Silent())
    done = run(spread, progress=Silent())
    assert done.manifest["documents_out"] == 900
    assert digests(spread.out) == digests(plain.out)
    shutil.rmtree(spread.out)
