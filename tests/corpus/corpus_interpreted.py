"""What the kernels of names and toxicity make of seeded texts; run with and without a compiler.

With NUMBA_DISABLE_JIT=1 every kernel is the plain Python it was written as, which is the reference.
"""

from __future__ import annotations

import json
import random
import sys
import warnings

import numpy as np
import pyarrow as pa

from yunhe.corpus.kernels import linear, tagging, teaching
from yunhe.corpus.kernels.utf8 import Utf8, utf8
from yunhe.corpus.personal import names
from yunhe.corpus.personal.tagger.words import words

LETTERS = (
    "我叫姓名是：王张李欧阳司马伟建国丽先生女士说，。 比尔·克林顿138Ａb收老师é𝄞的\n市民中国公司"
)
ROWS = 64


def texts(seed: int) -> Utf8:
    drawn = random.Random(seed)
    made = ["".join(drawn.choices(LETTERS, k=drawn.randrange(60))) for _ in range(12)]
    made.append("".join(drawn.choices(LETTERS, k=400)))
    return utf8(pa.array(made, pa.large_string()).slice(1))


def looked(seed: int) -> dict[str, object]:
    """Names, tagged entities with random weights, scores and weights after one epoch."""
    seen, known = texts(seed), words()
    drawn = np.random.Generator(np.random.PCG64(seed))
    weights = drawn.integers(-50, 50, ROWS * tagging.WIDTH).astype(np.int16)
    moves = drawn.integers(-9, 9, tagging.LABELS * tagging.WIDTH).astype(np.int32)
    found = np.zeros(4 * 2000, np.int64)
    count = tagging.tag(seen.data, seen.offsets, known.odds, known.marks, weights, moves, found)
    places = names.find(seen)
    scores = np.zeros(len(seen.offsets) - 1, np.int64)
    linear.totals(seen.data, seen.offsets, weights, scores)
    labels = (np.arange(len(scores)) % 2).astype(np.uint8)
    there, others = np.zeros(ROWS, np.int32), np.zeros(ROWS, np.int32)
    linear.count_rows(seen.data, seen.offsets, labels, there, others)
    return {
        "entities": found[: 4 * count].tolist(),
        "names": [places.starts.tolist(), places.ends.tolist(), places.scores.tolist()],
        "scores": scores.tolist(),
        "counts": [there.tolist(), others.tolist()],
        "taught": taught(seen, drawn),
    }


def taught(seen: Utf8, drawn: np.random.Generator) -> list[list[int]]:
    """Weights after one epoch of each kind of learning."""
    known = words()
    size = int(seen.offsets[-1] - seen.offsets[0])
    tokens, ends = np.zeros(size, np.int64), np.zeros(size + 2, np.int64)
    count = teaching.pieces(seen.data, seen.offsets, tokens, ends)
    begins = ends[: ends[-1] + 1].copy()
    firsts = tokens[:count][begins[:-1]]
    bounds = np.stack([firsts, np.append(firsts[1:], seen.offsets[-1])], axis=1).reshape(-1)
    gold = (drawn.integers(0, 2, count) * 4).astype(np.uint8)
    learnt, sums = np.zeros(ROWS * 16, np.int32), np.zeros(ROWS * 16, np.int64)
    moves, move_sums = np.zeros(13 * 16, np.int32), np.zeros(13 * 16, np.int64)
    order = drawn.permutation(len(begins) - 1)
    teaching.learn(
        seen.data, begins, bounds, order, gold, known.odds, known.marks,
        learnt, sums, moves, move_sums, 0, 3,
    )  # fmt: skip
    labels = (np.arange(len(seen.offsets) - 1) % 2).astype(np.uint8)
    scales, line, squares = np.ones(ROWS), np.zeros(ROWS + 1), np.zeros(ROWS + 1)
    turns = drawn.permutation(len(labels))
    linear.descend(seen.data, seen.offsets, labels, turns, scales, line, squares, 0.1, 1e-3)
    rounded = np.rint(line * 1e6).astype(np.int64)
    return [learnt.tolist(), sums.tolist(), moves.tolist(), rounded.tolist()]


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # whole numbers of 64 bits run over on purpose
    sys.stdout.write(json.dumps([looked(int(seed)) for seed in sys.argv[1:]]))
