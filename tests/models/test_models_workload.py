"""The training program as compute runs it: in a process of its own, isolated, under limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from released_model import Artefacts

from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.seam import Job, Outcome
from yunhe.kernel.canonical import sha256
from yunhe.models import service as models
from yunhe.storage.service import Storage

TRAIN = "train-classifier"
MIB = 1 << 20


class Steps:
    def __init__(self) -> None:
        self.seen: list[tuple[int, int | None]] = []

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        self.seen.append((done, total))


def run(
    storage: Storage,
    folder: Path,
    train: bytes,
    *,
    isolation: Literal["auto", "digest-approved"],
    steps: Steps,
) -> Outcome:
    program = models.training_entry_point()
    provider = LocalProvider(
        folder / "work", {TRAIN: EntryPoint(program.module)}, isolation=isolation
    )
    job = Job(
        id="job1",
        entry_point=TRAIN,
        arguments={},
        inputs={"train": storage.blobs.put(train).digest},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=2_048 * MIB,
        approved=frozenset({program.digest}),
    )
    return provider.run(job, blobs=storage.blobs, progress=steps, stopped=lambda: False)


@pytest.mark.parametrize("isolation", ["auto", "digest-approved"])
def test_a_workload_leaves_the_very_bytes_the_program_leaves_elsewhere(
    isolation, storage: Storage, artefacts: Artefacts, tmp_path: Path
):
    steps = Steps()
    done = run(storage, tmp_path, artefacts.train, isolation=isolation, steps=steps)
    assert (done.verdict, done.why) == ("succeeded", None), done.stderr_tail
    assert dict(done.outputs) == {
        "model.safetensors": sha256(artefacts.model),
        "manifest.json": sha256(artefacts.manifest),
        "card.json": sha256(artefacts.card),
    }
    assert done.code_digest == models.training_entry_point().digest
    assert steps.seen[-1] == (3, 3)


def test_a_workload_with_bad_rows_fails_and_says_why(
    storage: Storage, artefacts: Artefacts, tmp_path: Path
):
    done = run(storage, tmp_path, b"not parquet", isolation="auto", steps=Steps())
    assert done.verdict == "failed"
    assert dict(done.outputs) == {}
    said = json.loads(done.stderr_tail.decode().splitlines()[-1])
    assert (said["code"], said["findings"][0]["code"]) == (
        "models.train_invalid",
        "models.not_parquet",
    )
