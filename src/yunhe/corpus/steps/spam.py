"""Drops advertising: points for its phrases, fewer for the words of somebody who complains."""

from __future__ import annotations

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.phrases import PER, enough, word_list

_WORDS = word_list("spam")


def _work(documents: Documents, values: Values) -> Outcome:
    spam, found = enough(documents, _WORDS, values)
    return Outcome(reasons=spam, scores=found)


STEP = Step(
    version=2,
    thresholds=("points_min",),
    options=PER,
    reasons=("spam",),
    work=_work,
    data={"words": _WORDS.digest},
)
"""Advertising."""
