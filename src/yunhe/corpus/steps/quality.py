"""Drops documents of too few letters or too many signs."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.kernels.classes import (
    BLANK,
    DIGIT,
    INVISIBLE,
    LOST,
    MISREAD,
    NEWLINE,
    NUMBER,
    PRIVATE,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    VERSION,
    WORDS,
)  # fmt: skip
from yunhe.corpus.kernels.measures import per_thousand, total

_SPECIAL = (
    NEWLINE, BLANK, SPACE, INVISIBLE, DIGIT, NUMBER, PUNCTUATION, SYMBOL, PRIVATE, LOST, MISREAD,
)  # fmt: skip
_FEW_LETTERS, _MANY_SIGNS = 1, 2


def _work(documents: Documents, values: Values) -> Outcome:
    measures = documents.measures
    characters = measures.sum(axis=1, dtype=np.int64)
    words = per_thousand(total(measures, WORDS), characters)
    special = per_thousand(total(measures, _SPECIAL), characters)
    reasons = np.zeros(len(documents), np.uint8)
    reasons[special > values["signs_per_thousand_max"]] = _MANY_SIGNS
    reasons[words < values["letters_per_thousand_min"]] = _FEW_LETTERS
    return Outcome(reasons=reasons, scores=np.where(reasons == _MANY_SIGNS, special, words))


STEP = Step(
    version=1,
    thresholds=("letters_per_thousand_min", "signs_per_thousand_max"),
    reasons=("few_letters", "many_signs"),
    work=_work,
    data={"unicode": VERSION},
)
"""Shares of characters: letters are letters, digits and hanzi; signs are all but letters and hanzi,
so digits and white space are among them, as Data-Juicer's special_characters_filter counts them."""
