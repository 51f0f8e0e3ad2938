"""A trained toxicity classifier: chances in per thousand, in whole numbers on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels import linear
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.weights import Tensors, Weights
from yunhe.corpus.weights import read as read_weights
from yunhe.kernel.errors import Invalid

KIND = "toxicity"
"""Of the weights file."""
VERSION = 1
"""Raised whenever runs are hashed differently, because old weights then mean nothing."""
CHANCES = 999
"""Bounds of scores: at the first a text is toxic with a chance of 1 ‰, at the last of 999 ‰."""


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights, ready for any thread."""

    weights: NDArray[np.int16]
    """int16[a power of two], by hash of a run of characters."""
    bounds: NDArray[np.int64]
    """int64[CHANCES], rising: the scores at which the chance reaches 1 … 999 ‰."""

    @classmethod
    def of(cls, tensors: Tensors, where: str = KIND) -> Classifier:
        """Errors: `Invalid` ``corpus.weights_damaged``."""
        read = Weights(tensors, {}, "")
        made = cls(read.tensor("weights", np.int16), read.tensor("bounds", np.int64, CHANCES))
        size = made.weights.size
        if not size or size & (size - 1) or (np.diff(made.bounds) < 0).any():
            raise Invalid("corpus.weights_damaged", where=where)
        return made

    def per_thousand(self, texts: Utf8) -> NDArray[np.int32]:
        """int32[n]: the chance that each text is toxic, 0 … 999 ‰; of an empty one 0."""
        scores = np.empty(len(texts.offsets) - 1, np.int64)
        linear.totals(texts.data, texts.offsets, self.weights, scores)
        chances = np.searchsorted(self.bounds, scores, side="right").astype(np.int32)
        chances[np.diff(texts.offsets) == 0] = 0
        return chances


def load(path: Path) -> tuple[Classifier, Weights]:
    """The classifier of a file, and the file's card and digest.

    Errors: as `yunhe.corpus.weights.read`, and ``corpus.weights_version``.
    """
    read = read_weights(path, KIND)
    if read.card.get("version") != VERSION:
        raise Invalid("corpus.weights_version", where=path.name)
    return Classifier.of(read.tensors, path.name), read
