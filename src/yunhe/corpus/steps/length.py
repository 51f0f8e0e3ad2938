"""Drops documents without text, and those too short or too long for what the profile is for."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.shingles import letters

_EMPTY, _NO_WORDS, _TOO_SHORT, _TOO_LONG = 1, 2, 3, 4


def _work(documents: Documents, values: Values) -> Outcome:
    codes, starts = documents.joined.plane, documents.joined.starts[:-1]
    solid = np.add.reduceat(codes > ord(" "), starts, dtype=np.int64)
    words = np.add.reduceat(letters()[codes] != 0, starts, dtype=np.int64)
    reasons = np.zeros(len(documents), np.uint8)
    reasons[words > values["letters_max"]] = _TOO_LONG
    reasons[words < values["letters_min"]] = _TOO_SHORT
    reasons[words == 0] = _NO_WORDS
    reasons[documents.absent | (solid == 0)] = _EMPTY
    return Outcome(reasons=reasons)


STEP = Step(
    version=1,
    thresholds=("letters_min", "letters_max"),
    reasons=("empty", "no_words", "too_short", "too_long"),
    work=_work,
)
"""Length in letters, digits and hanzi; punctuation and spaces do not count."""
