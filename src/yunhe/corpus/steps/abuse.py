"""Drops documents that insult rather than say something: points for insults and their aim."""

from __future__ import annotations

import numpy as np

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.phrases import points, word_list

_WORDS = word_list("abuse")


def _work(documents: Documents, values: Values) -> Outcome:
    abuse = points(documents.texts, _WORDS) >= values["points_min"]
    return Outcome(reasons=abuse.astype(np.uint8))


STEP = Step(
    version=1,
    thresholds=("points_min",),
    reasons=("abuse",),
    work=_work,
    data={"words": _WORDS.digest},
)
"""Abuse."""
