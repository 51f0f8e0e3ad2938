"""Drops advertising: points for its phrases, fewer for the words of somebody who complains."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.phrases import points, word_list

_WORDS = word_list("spam")


def _work(documents: Documents, values: Values) -> Outcome:
    spam = points(documents.texts, _WORDS) >= values["points_min"]
    return Outcome(reasons=spam.astype(np.uint8))


STEP = Step(
    version=1,
    thresholds=("points_min",),
    reasons=("spam",),
    work=_work,
    data={"words": _WORDS.digest},
)
"""Advertising."""
