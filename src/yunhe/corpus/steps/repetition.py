"""Drops documents that say the same run of characters over and over."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.classes import classes
from yunhe.corpus.kernels.repeats import repeats, runs_in
from yunhe.corpus.kernels.utf8 import Utf8

_SIZE = 10
_EVERY = 16
_TOP, _REPEATED = 1, 2


def _shares(runs: NDArray[np.uint64]) -> tuple[int, int]:
    """Per thousand: the most frequent runs, and all that come more than once.

    Source: Data-Juicer 1.6, character_repetition_filter (of the runs that come more than once at
    most as many as the root of the number of different runs) and word_repetition_filter.
    """
    often = np.sort(np.unique(runs, return_counts=True)[1])[::-1]
    repeated = int((often > 1).sum())
    top = min(isqrt(len(often)), repeated)
    return (
        int(often[:top].sum() * 1000 // len(runs)),
        int(often[:repeated].sum() * 1000 // len(runs)),
    )


def _exact(texts: Utf8, document: int, asked: int) -> tuple[int, int]:
    """The shares of one text; zeros where all its runs together show that they stay below."""
    offsets = texts.offsets[document : document + 2]
    units, again, covered, most = (np.zeros(1, np.int64) for _ in range(4))
    repeats(texts.data, offsets, classes(), 1, _SIZE, 0, 0, 1, units, again, covered, most)
    count = int(units[0]) - _SIZE + 1
    if 1000 * int(again[0]) <= asked * count:
        return 0, 0
    start, end = offsets.tolist()
    runs = np.empty(end - start, np.uint64)
    return _shares(runs[: runs_in(texts.data, start, end, classes(), 1, _SIZE, runs)])


def _work(documents: Documents, values: Values) -> Outcome:
    texts, count = documents.utf8, len(documents)
    least = max(_SIZE, values["judged_characters_min"])
    units, again, looked, most = (np.zeros(count, np.int64) for _ in range(4))
    repeats(
        texts.data, texts.offsets, classes(), 1, _SIZE, 0, least, _EVERY,
        units, again, looked, most,
    )  # fmt: skip
    runs = np.maximum(units - _SIZE + 1, 1)
    top_max, repeated_max = values["top_per_thousand_max"], values["repeated_per_thousand_max"]
    asked = min(top_max, repeated_max)
    # What comes more than once bounds both shares; half as much again, where only some runs were
    # looked at. Where these were too few, what was not looked at may be one run over and over.
    bound = np.where(looked == runs, 1000, 1500) * again // runs
    unsure = (units > 0) & ((bound > asked) | (looked * 2000 < runs * (2000 - asked)))
    reasons, scores = np.zeros(count, np.uint8), np.zeros(count, np.int32)
    for document in np.flatnonzero(unsure).tolist():
        top_share, repeated_share = _exact(texts, document, asked)
        if top_share > top_max:
            reasons[document], scores[document] = _TOP, top_share
        elif repeated_share > repeated_max:
            reasons[document], scores[document] = _REPEATED, repeated_share
    return Outcome(reasons=reasons, scores=scores)


STEP = Step(
    version=1,
    thresholds=("judged_characters_min", "top_per_thousand_max", "repeated_per_thousand_max"),
    reasons=("few_runs", "repeated_runs"),
    work=_work,
)
"""Repetition by runs of ten characters, of any kind, as Data-Juicer measures it."""
