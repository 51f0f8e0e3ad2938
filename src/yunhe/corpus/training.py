"""The door for training on an operator's own labels: what `yunhe corpus-train` asks of this floor.

Neither this module nor what it needs touches a database, a home folder or the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yunhe.corpus import weights
from yunhe.corpus.personal.tagger import rows as labelled
from yunhe.corpus.personal.tagger import training as tagger
from yunhe.corpus.toxicity import training as classifier
from yunhe.corpus.toxicity.model import KIND
from yunhe.corpus.toxicity.rows import read_labelled
from yunhe.kernel.canonical import JsonObject


def train_names(files: Sequence[Path], *, seed: int) -> tuple[bytes, int, int]:
    """Weights of a tagger, how many rows it was trained on, how many persons they name."""
    rows = labelled.read_rows(files)
    names = sum(1 for row in rows for span in row.spans if span[2] == 0)
    return tagger.train(rows, seed=seed), len(rows), names


def train_toxicity(
    file: Path, *, text: str, label: str, toxic: str, seed: int
) -> tuple[bytes, JsonObject]:
    """Weights of a classifier and their card, with what was measured on rows kept out."""
    rows = read_labelled(file, text=text, label=label, toxic=toxic)
    made = classifier.train(rows, seed=seed)
    return made, weights.opened(made, KIND, where=file.name).card
