"""Trains a tagger on an operator's rows: seconds to a minute on one core, the same bytes each time.

Nothing is shipped that was trained: the labelled sets of the field state no licence, so every
operator trains on rows that they may use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus import weights
from yunhe.corpus.kernels import tagging, teaching
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal.tagger.rows import KINDS, Row, faulty
from yunhe.corpus.personal.tagger.varying import varied
from yunhe.corpus.personal.tagger.words import words
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Finding
from yunhe.kernel.progress import Progress, Silent

KIND = "names"
"""Of the weights file."""
VERSION = 1
"""Raised whenever features change, because old weights then mean nothing."""
ROUNDS, COPIES, MARGIN, ROWS_BITS = 5, 2, 30, 18
"""Passes over the rows; times each row comes again with other names; points by which the right
label must win; rows of weights as a power of two."""
NAMES_MIN = 20
"""Persons without which nothing can be learnt."""
_SCALE = 8000


def train(rows: Sequence[Row], *, seed: int = 1, progress: Progress | None = None) -> bytes:
    """Weights as the bytes of a file: the same rows and seed give the same bytes.

    Errors: `Invalid` ``corpus.training_faulty`` when there are too few persons to learn from, or
    nothing but persons. Cost: about one second of one core for each million characters and round.
    """
    names = sum(1 for row in rows for span in row.spans if span[2] == 0)
    faults = []
    if names < NAMES_MIN:
        few = (("there", names), ("wanted", NAMES_MIN))
        faults.append(Finding("spans", "corpus.training_names_few", few))
    named = sum(end - start for row in rows for start, end, _ in row.spans)
    if named and named == sum(len(row.text) for row in rows):
        faults.append(Finding("text", "corpus.training_names_only"))
    if faults:
        raise faulty("spans", faults)
    shown = progress or Silent()
    more = [row for copy in range(COPIES) for row in varied(rows, seed=seed * 1000 + copy)]
    set_ = _prepared([*rows, *more])
    learnt, moves = _learn(set_, seed, shown)
    card: JsonObject = {
        "version": VERSION,
        "rows": len(rows),
        "names": names,
        "characters": sum(len(row.text) for row in rows),
        "seed": seed,
        "rounds": ROUNDS,
        "copies": COPIES,
        "kinds": list(KINDS),
        "words": words().digest,
    }
    return weights.packed(KIND, {"weights": learnt, "moves": moves}, card)


class _Set:
    """Rows as a kernel learns from them."""

    def __init__(self, texts: Utf8, tokens: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """``tokens``: int64[k] first byte of each; ``ends``: int64[p + 1] tokens before a piece."""
        self.texts, self.tokens, self.begins = texts, tokens, ends
        firsts = tokens[ends[:-1]]
        lasts = np.append(firsts[1:], texts.offsets[-1])
        self.bounds = np.stack([firsts, lasts], axis=1).reshape(-1)
        self.gold = np.zeros(len(tokens), np.uint8)


def _prepared(rows: Sequence[Row]) -> _Set:
    texts = utf8(pa.array([row.text for row in rows], pa.large_string()))
    size = int(texts.offsets[-1] - texts.offsets[0])
    tokens, ends = np.empty(size, np.int64), np.empty(size + 2, np.int64)
    count = teaching.pieces(texts.data, texts.offsets, tokens, ends)
    made = _Set(texts, tokens[:count], ends[: ends[-1] + 1].copy())
    starts, stops, kinds = [], [], []
    for row, base in zip(rows, texts.offsets.tolist(), strict=False):
        for start, end, kind in row.spans:
            first = base + len(row.text[:start].encode())
            starts.append(first)
            stops.append(first + len(row.text[start:end].encode()))
            kinds.append(kind)
    firsts = np.searchsorted(made.tokens, np.array(starts, np.int64), "right") - 1
    lasts = np.searchsorted(made.tokens, np.array(stops, np.int64), "left")
    pieces = np.searchsorted(made.begins, firsts, "right")
    whole = pieces == np.searchsorted(made.begins, lasts - 1, "right")
    for first, last, kind, inside in zip(firsts, lasts, kinds, whole, strict=True):
        if not inside or made.gold[first:last].any():
            continue
        begin = 1 + 4 * kind
        made.gold[first:last] = begin + 1
        made.gold[first], made.gold[last - 1] = begin, begin + 2
        if last - first == 1:
            made.gold[first] = begin + 3
    return made


def _learn(set_: _Set, seed: int, shown: Progress) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    known = words()
    size, moves_size = tagging.WIDTH << ROWS_BITS, tagging.LABELS * tagging.WIDTH
    learnt, sums = np.zeros(size, np.int32), np.zeros(size, np.int64)
    moves, move_sums = np.zeros(moves_size, np.int32), np.zeros(moves_size, np.int64)
    random = np.random.Generator(np.random.PCG64(seed))
    pieces, step = len(set_.begins) - 1, 0
    for turn in range(ROUNDS):
        shown.step("corpus.training", done=turn, total=ROUNDS)
        order = random.permutation(pieces)
        teaching.learn(
            set_.texts.data, set_.begins, set_.bounds, order, set_.gold, known.odds, known.marks,
            learnt, sums, moves, move_sums, step, MARGIN,
        )  # fmt: skip
        step += pieces
    shown.step("corpus.training", done=ROUNDS, total=ROUNDS)
    # Averages over all steps, then whole numbers small enough that a sum of rows stays in 32 bits.
    average = learnt - sums / (step + 1)
    move_average = moves - move_sums / (step + 1)
    scale = _SCALE / max(1.0, float(np.abs(average).max()), float(np.abs(move_average).max()))
    return (
        np.rint(average * scale).astype(np.int16),
        np.rint(move_average * scale).astype(np.int32),
    )
