"""Trains a toxicity classifier on an operator's labels and says how well it does.

A part of the rows, chosen by a seeded hash of what they say, is kept out of training: one tenth
turns scores into chances, two tenths measure. What is written down is of the very weights saved.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yunhe.corpus import weights
from yunhe.corpus.kernels import linear
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.toxicity.model import CHANCES, KIND, VERSION, Classifier
from yunhe.corpus.toxicity.rows import Labelled, checked
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.progress import Progress, Silent

ROUNDS, ROWS_BITS = 4, 20
"""Passes over the rows; weights as a power of two."""
RATE, SHRINK = 0.2, 3e-4
"""Of descent: the first step, the L2 penalty."""
WISHES_PERCENT = (80, 90, 95, 98)
"""Precisions for which the card names a threshold."""
DRAWS = 2000
"""Of the bootstrap."""
_SCALE = 8000
_CALIBRATE, _MEASURE = (0,), (1, 2)
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Split:
    """Rows by what they are for; positions in the labelled rows."""

    learn: NDArray[np.int64]
    """Trained on."""
    calibrate: NDArray[np.int64]
    """Turn scores into chances."""
    measure: NDArray[np.int64]
    """Measure; never seen before."""


def split(rows: Labelled, seed: int) -> Split:
    """Tenths by a hash of each text, so that a text that comes twice is on one side only."""
    tenth = np.array([_tenth(text, seed) for text in rows.texts], np.int64)
    calibrate, measure = np.isin(tenth, _CALIBRATE), np.isin(tenth, _MEASURE)
    sides = (~calibrate & ~measure, calibrate, measure)
    return Split(*(np.flatnonzero(side) for side in sides))


def _tenth(text: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}\n{''.join(text.split())}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 10


def train(rows: Labelled, *, seed: int = 1, progress: Progress | None = None) -> bytes:
    """Weights as the bytes of a file: the same rows and seed give the same bytes.

    Errors: `Invalid` ``corpus.training_faulty`` when either label is too rare.
    Cost: about a second of one core for each 3 MB of text and round.
    """
    checked(rows, where="label")
    parts, labels = split(rows, seed), np.array(rows.toxic, np.uint8)
    folded, intercept = _learn(_texts(rows, parts.learn), labels[parts.learn], seed, progress)
    scale = _SCALE / max(1e-9, float(np.abs(folded).max()))
    learnt = np.rint(folded * scale).astype(np.int16)
    scores = np.empty(len(parts.calibrate), np.int64)
    known = _texts(rows, parts.calibrate)
    linear.totals(known.data, known.offsets, learnt, scores)
    chances = _chances(scores / scale + intercept, labels[parts.calibrate])
    bounds = np.rint((chances - intercept) * scale)
    tensors: dict[str, NDArray[np.generic]] = {
        "weights": learnt,
        "bounds": np.clip(bounds, -(2.0**40), 2.0**40).astype(np.int64),
    }
    measured = evaluate(Classifier.of(tensors), rows, parts.measure, seed=seed)
    card: JsonObject = {
        "version": VERSION,
        "rows": len(rows.texts),
        "toxic": sum(rows.toxic),
        "trained_on": len(parts.learn),
        "calibrated_on": len(parts.calibrate),
        "seed": seed,
        "rounds": ROUNDS,
        "held_out": measured,
    }
    return weights.packed(KIND, tensors, card)


def _texts(rows: Labelled, chosen: NDArray[np.int64]) -> Utf8:
    return utf8(pa.array([rows.texts[row] for row in chosen.tolist()], pa.large_string()))


def _learn(
    texts: Utf8, labels: NDArray[np.uint8], seed: int, progress: Progress | None
) -> tuple[NDArray[np.float64], float]:
    """The weight of every run of characters, and what is added to each sum."""
    shown, size = progress or Silent(), 1 << ROWS_BITS
    there, others = np.zeros(size, np.int32), np.zeros(size, np.int32)
    linear.count_rows(texts.data, texts.offsets, labels, there, others)
    ratio = np.log((there + 1) / (there + 1).sum()) - np.log((others + 1) / (others + 1).sum())
    ratio[(there + others) == 0] = 0.0
    learnt, squares = np.zeros(size + 1), np.zeros(size + 1)
    random = np.random.Generator(np.random.PCG64(seed))
    for turn in range(ROUNDS):
        shown.step("corpus.training", done=turn, total=ROUNDS)
        order = random.permutation(len(labels))
        linear.descend(
            texts.data, texts.offsets, labels, order, ratio, learnt, squares, RATE, SHRINK
        )
    shown.step("corpus.training", done=ROUNDS, total=ROUNDS)
    return learnt[:-1] * ratio, float(learnt[-1])


def _chances(margins: NDArray[np.float64], labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64[CHANCES]: the margins at which the chance of being toxic reaches 1 … 999 ‰.

    Source: Platt, Probabilistic outputs for support vector machines, 1999; by Newton's method.
    """
    yes, count = float(labels.sum()), float(len(labels))
    wanted = np.where(labels == 1, (yes + 1) / (yes + 2), 1 / (count - yes + 2))
    slope, shift = 1.0, 0.0
    for _ in range(_STEPS):
        given = 1 / (1 + np.exp(-np.clip(slope * margins + shift, -30, 30)))
        pull, spread = given - wanted, given * (1 - given)
        a, b = float(spread @ (margins * margins)) + 1e-6, float(spread @ margins)
        c = float(spread.sum()) + 1e-6
        first, second = float(pull @ margins), float(pull.sum())
        determinant = a * c - b * b
        slope -= (c * first - b * second) / determinant
        shift -= (a * second - b * first) / determinant
    share = np.arange(1, CHANCES + 1) / (CHANCES + 1)
    # Labels that mean nothing give no slope; then no score is ever called likely.
    return np.asarray((np.log(share / (1 - share)) - shift) / max(slope, 1e-9))


def evaluate(
    model: Classifier, rows: Labelled, chosen: NDArray[np.int64], *, seed: int
) -> JsonObject:
    """How well a classifier does on some rows, in whole numbers.

    F1 and its 95 % interval (bootstrap over rows) at a chance of one half, in ten-thousandths; and
    for each wished precision the lowest threshold that reaches it and what share is then found.
    """
    scores = model.per_thousand(_texts(rows, chosen))
    toxic = np.array(rows.toxic, np.bool_)[chosen]
    said = scores >= 500
    cells = np.array(
        [(said & toxic).sum(), (said & ~toxic).sum(), (~said & toxic).sum(), (~said & ~toxic).sum()]
    )
    low, high = _interval(cells, seed)
    names = ("true_toxic", "false_toxic", "false_other", "true_other")
    wishes: list[Json] = []
    for wish in WISHES_PERCENT:
        reached = _threshold(scores, toxic, wish)
        if reached is not None:
            wishes.append({"precision_percent": wish, **reached})
    return {
        "rows": len(chosen),
        **{name: int(cell) for name, cell in zip(names, cells, strict=True)},
        "f1_per_10000": _f1(cells),
        "f1_low_per_10000": low,
        "f1_high_per_10000": high,
        "thresholds": wishes,
    }


def _f1(cells: NDArray[np.int64]) -> int:
    right, wrong, missed = (int(cell) for cell in cells[:3])
    return 20000 * right // max(1, 2 * right + wrong + missed)


def _interval(cells: NDArray[np.int64], seed: int) -> tuple[int, int]:
    random = np.random.Generator(np.random.PCG64(seed))
    count = int(cells.sum())
    if not count:
        return 0, 10000
    drawn = sorted(_f1(draw) for draw in random.multinomial(count, cells / count, DRAWS))
    return drawn[DRAWS * 25 // 1000], drawn[DRAWS * 975 // 1000]


def _threshold(
    scores: NDArray[np.int32], toxic: NDArray[np.bool_], wish: int
) -> dict[str, int] | None:
    for threshold in range(1, CHANCES + 1):
        said = scores >= threshold
        right = int((said & toxic).sum())
        if right and right * 100 >= wish * int(said.sum()):
            found = 1000 * right // max(1, int(toxic.sum()))
            return {"score_per_thousand_max": threshold - 1, "recall_per_thousand": found}
    return None
