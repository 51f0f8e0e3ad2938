"""Finds names with a tagger that an operator trained, and those names wherever else they stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus import weights
from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.kernels import tagging
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal.found import REASONS, Found, merged
from yunhe.corpus.personal.tagger.training import KIND, VERSION
from yunhe.corpus.personal.tagger.words import words
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Invalid

NameFinder = Callable[[Utf8], Found]
"""Names in texts: pure, from any thread."""
_ROOM_BYTES = 64
_SCORE_MIN, _SCORE_MAX, _MARGIN_FULL = 70, 97, 8000
AGAIN_BYTES_MIN = 9
"""Of a name that is looked for again in its document: three hanzi; shorter ones are words too."""


class Tagger:
    """Weights and what they need, ready for any thread."""

    def __init__(self, read: weights.Weights) -> None:
        """Errors: `Invalid` ``corpus.weights_damaged`` or ``corpus.weights_version``."""
        size = tagging.LABELS * tagging.WIDTH
        if read.card.get("version") != VERSION or read.card.get("words") != words().digest:
            raise Invalid("corpus.weights_version", where=KIND)
        self._weights = read.tensor("weights", np.int16)
        self._moves = read.tensor("moves", np.int32, size)
        rows, rest = divmod(self._weights.size, tagging.WIDTH)
        if rest or not rows or rows & (rows - 1) or np.abs(self._moves).max() > 1 << 20:
            raise Invalid("corpus.weights_damaged", where=KIND)

    def entities(self, texts: Utf8) -> NDArray[np.int64]:
        """int64[k, 4]: start byte, end byte, position in `rows.KINDS`, margin over no name."""
        known = words()
        room = int(texts.offsets[-1] - texts.offsets[0]) // _ROOM_BYTES + 16
        while True:
            found = np.empty(4 * room, np.int64)
            count = tagging.tag(
                texts.data, texts.offsets, known.odds, known.marks,
                self._weights, self._moves, found,
            )  # fmt: skip
            if count <= room:
                return found[: 4 * count].reshape(-1, 4)
            room = count

    def __call__(self, texts: Utf8) -> Found:
        """Persons, with those found once looked for again in the same document."""
        persons = self.entities(texts)
        persons = persons[persons[:, 2] == 0]
        starts, ends = again(texts, persons[:, 0], persons[:, 1])
        scores = np.full(len(starts), _SCORE_MIN, np.uint8)
        scores[: len(persons)] = sure(persons[:, 3])
        kind, reason = PERSONAL_TYPES.index("NAME"), REASONS.index("model")
        kinds = np.full(len(starts), kind, np.uint8)
        reasons = np.full(len(starts), reason, np.uint8)
        return merged([Found(starts, ends, kinds, scores, reasons)])


def sure(margins: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Percent for a margin: from just a name (70) to beyond doubt (97)."""
    part = np.clip(margins, 0, _MARGIN_FULL) * (_SCORE_MAX - _SCORE_MIN) // _MARGIN_FULL
    return (_SCORE_MIN + part).astype(np.uint8)


def again(
    texts: Utf8, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The names given, then every other place of their documents that says the same.

    Shapes: ``starts``, ``ends``: int64[k], ordered. Cost: one search of a document for each name
    in it, at most `AGAIN_MAX` names.
    """
    more_starts: list[int] = []
    more_ends: list[int] = []
    documents = np.searchsorted(texts.offsets, starts, side="right") - 1
    for document in np.unique(documents).tolist():
        mine = np.flatnonzero(documents == document)
        low, high = int(texts.offsets[document]), int(texts.offsets[document + 1])
        text = texts.data[low:high].tobytes()
        taken = [(int(starts[n]) - low, int(ends[n]) - low) for n in mine]
        names = sorted({text[a:b] for a, b in taken if b - a >= AGAIN_BYTES_MIN}, key=_longest)
        for name in names[:AGAIN_MAX]:
            at = text.find(name)
            while at >= 0:
                end = at + len(name)
                if not any(a <= at and end <= b for a, b in taken):
                    taken.append((at, end))
                    more_starts.append(low + at)
                    more_ends.append(low + end)
                at = text.find(name, end)
    return (
        np.concatenate([starts, np.array(more_starts, np.int64)]),
        np.concatenate([ends, np.array(more_ends, np.int64)]),
    )


AGAIN_MAX = 1000
"""Names of one document that are looked for again."""


def _longest(name: bytes) -> tuple[int, bytes]:
    return -len(name), name


def load(path: Path) -> tuple[Tagger, JsonObject]:
    """The tagger of a weights file, and what names it in a pipeline's digest.

    Errors: as `yunhe.corpus.weights.read`, and ``corpus.weights_version``.
    """
    read = weights.read(path, KIND)
    return Tagger(read), {"names": read.digest}
