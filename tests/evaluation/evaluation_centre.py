"""A labelled dataset under a grant, and predictors of known quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.evaluation import service as evaluation
from yunhe.evaluation import splitting
from yunhe.evaluation.domain import Baseline, Evaluation, Gate, Labels, Split
from yunhe.kernel.canonical import sha256
from yunhe.storage.service import Storage

CLASSES = ("供电", "城管", "水务")
WORDS = {"供电": ["停电", "电表"], "城管": ["占道", "路灯"], "水务": ["停水", "水管"]}


def rows(documents: int, *, seed: int = 1) -> splitting.Documents:
    """Texts whose first character is the index of the true class; half of them name it in words."""
    draw = np.random.default_rng(seed)
    truth = draw.choice(len(CLASSES), size=documents, p=[0.5, 0.3, 0.2])
    named = draw.random(documents) < 0.5
    texts = [
        f"{t}{WORDS[CLASSES[t]][number % 2] if has else '无'}第{number}条"
        for number, (t, has) in enumerate(zip(truth, named, strict=True))
    ]
    # Every tenth document is a near-duplicate of the one before it.
    groups = [f"g{number - (number % 10 == 9)}" for number in range(documents)]
    return splitting.Documents(
        [f"synthetic-{number}" for number in range(documents)],
        texts,
        [CLASSES[t] for t in truth],
        groups,
    )


def parquet(documents: splitting.Documents) -> bytes:
    """A dataset as another writer would have written it."""
    columns = dict(
        zip(
            splitting.COLUMNS,
            (documents.ids, documents.texts, documents.labels, documents.groups),
            strict=True,
        )
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


class Reader:
    """Reads the class off the text and is wrong about every ``wrong_every``-th."""

    def __init__(self, wrong_every: int = 0) -> None:
        self.calls = 0
        self.wrong_every = wrong_every

    def predict(self, texts: Sequence[str]) -> Labels:
        self.calls += 1
        found = [int(text[0]) for text in texts]
        if self.wrong_every:
            for at in range(0, len(found), self.wrong_every):
                found[at] = (found[at] + 1) % len(CLASSES)
        return Labels([CLASSES[index] for index in found])


@dataclass
class Centre:
    """A test centre with a split at hand."""

    storage: Storage
    grant: str
    model: str
    documents: splitting.Documents

    def divide(self, **changed: object) -> Split:
        data = parquet(self.documents)
        given = {
            "key": "split-1",
            "dataset_digest": sha256(data),
            "data": data,
            "grant_reference": self.grant,
            "held_out_percent": 25,
            "seed": 7,
        } | changed
        return evaluation.split(self.storage, **given)

    def test(self, split: Split, **changed: object) -> Evaluation:
        given = {
            "key": "run-1",
            "predictor": Reader(wrong_every=20),
            "model_version": "model_1",
            "model_reference": self.model,
            "model_digest": sha256(b"weights"),
            "split": split,
            "baseline": Baseline("keywords", WORDS),
            "gate": Gate("macro_f1", "0.85", "0.1"),
            "seed": 11,
        } | changed
        return evaluation.evaluate(self.storage, **given)

    def record(self, reference: str) -> Record:
        with self.storage.database.read() as tx:
            return custody.record(tx, reference)
