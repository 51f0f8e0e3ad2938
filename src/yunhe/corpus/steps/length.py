"""Drops documents without text, and those too short or too long for what the profile is for."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.classes import BLANK, NEWLINE, VERSION, WORDS
from yunhe.corpus.kernels.measures import total

_EMPTY, _NO_WORDS, _TOO_SHORT, _TOO_LONG = 1, 2, 3, 4


def _work(documents: Documents, values: Values) -> Outcome:
    measures = documents.measures
    characters = measures.sum(axis=1, dtype=np.int64)
    words = total(measures, WORDS)
    solid = characters - total(measures, (NEWLINE, BLANK))
    counted = characters if values.options["count"] == "characters" else words
    reasons = np.zeros(len(documents), np.uint8)
    reasons[counted > values["letters_max"]] = _TOO_LONG
    reasons[counted < values["letters_min"]] = _TOO_SHORT
    reasons[words == 0] = _NO_WORDS
    reasons[documents.absent | (solid == 0)] = _EMPTY
    return Outcome(reasons=reasons, scores=np.minimum(counted, 2**31 - 1).astype(np.int32))


STEP = Step(
    version=2,
    thresholds=("letters_min", "letters_max"),
    options={"count": ("letters", "characters")},
    reasons=("empty", "no_words", "too_short", "too_long"),
    work=_work,
    data={"unicode": VERSION},
)
"""Length in letters, digits and hanzi, or, asked for, in characters of any kind."""
