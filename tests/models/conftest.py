"""A small classifier, trained once by the real program, and a platform on which it is released."""

from __future__ import annotations

import json

import pytest
from released_model import Artefacts, Bench
from training_rows import write_train

from yunhe.models.training import classifier as program


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Artefacts:
    """What the training program leaves for 300 rows."""
    folder = tmp_path_factory.mktemp("trained")
    train = write_train(folder / "train.parquet", 300)
    job = {"arguments": {}, "inputs": {"train": str(train)}, "outputs": str(folder)}
    (folder / "job.json").write_text(json.dumps(job))
    assert program.main([str(folder / "job.json")]) == 0
    return Artefacts(
        model=(folder / program.MODEL).read_bytes(),
        manifest=(folder / program.MANIFEST).read_bytes(),
        card=(folder / program.CARD).read_bytes(),
        train=train.read_bytes(),
    )


@pytest.fixture
def bench(storage, artefacts, tmp_path) -> Bench:
    """An empty platform with a log, an organisation that may ask, and the artefacts stored."""
    return Bench.open(storage, artefacts, tmp_path)
