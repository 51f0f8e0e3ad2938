"""Drops documents that insult rather than say something: points for insults and their aim."""

from __future__ import annotations

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.phrases import PER, enough, word_list

_WORDS = word_list("abuse")


def _work(documents: Documents, values: Values) -> Outcome:
    abuse, found = enough(documents, _WORDS, values)
    return Outcome(reasons=abuse, scores=found)


STEP = Step(
    version=2,
    thresholds=("points_min",),
    options=PER,
    reasons=("abuse",),
    work=_work,
    data={"words": _WORDS.digest},
)
"""Abuse."""
